package pki_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestLimbo runs the x509-limbo subset: path rules without names of servers.
func TestLimbo(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "x509-limbo")
	var set struct {
		Testcases []struct {
			ID            string
			Trusted       []string `json:"trusted_certs"`
			Untrusted     []string `json:"untrusted_intermediates"`
			Peer          string   `json:"peer_certificate"`
			At            string   `json:"validation_time"`
			CRLs          []string `json:"crls"`
			MaxChainDepth *int     `json:"max_chain_depth"`
			Tier          string   `json:"gateway_tier"`
		}
	}
	if err := json.Unmarshal(shareddata.Read(t, dir, "limbo-gateway.json"), &set); err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, c := range set.Testcases {
		at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
		if c.At != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, c.At); err != nil {
				t.Fatal(err)
			}
		}
		parse := func(list []string) (out []*pki.Certificate) {
			for _, s := range list {
				// What cannot be read is not there.
				if all, err := pki.ParseCertificates([]byte(s)); err == nil {
					out = append(out, all...)
				}
			}
			return out
		}
		var crls []*pki.CRL
		for _, s := range c.CRLs {
			l, err := pki.ParseCRLs([]byte(s))
			if err != nil {
				t.Logf("%s: %v", c.ID, err)
				continue
			}
			crls = append(crls, l...)
		}
		o := pki.PathOptions{At: at, WithoutRevocation: len(c.CRLs) == 0}
		if c.MaxChainDepth != nil {
			if o.MaxIntermediates = *c.MaxChainDepth; o.MaxIntermediates == 0 {
				o.MaxIntermediates = -1
			}
		}
		got := pki.Path{Detail: "certificate cannot be read"}
		start := time.Now()
		if peer := parse([]string{c.Peer}); len(peer) == 1 {
			got = pki.NewStore(parse(c.Trusted), parse(c.Untrusted), crls).Validate(peer[0], o)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", c.ID, took)
		}
		valid := got.Outcome == pki.ValidPath
		count[c.Tier]++
		switch c.Tier {
		case "accept":
			if !valid {
				t.Errorf("%s: refused: %d %s", c.ID, got.Outcome, got.Detail)
			}
		case "reject":
			if valid {
				t.Errorf("%s: accepted", c.ID)
			}
		default:
			t.Logf("optional: %s: %d %s", c.ID, got.Outcome, got.Detail)
		}
	}
	t.Logf("%v", count)
}
