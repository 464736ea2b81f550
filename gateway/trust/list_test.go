package trust_test

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/trustlist/trustlisttest"
	"github.com/brama-gateway/brama/crypto/xmldsig"
	"github.com/brama-gateway/brama/gateway/trust"
)

func operator(t *testing.T) pkitest.Signatory {
	t.Helper()
	key := pkitest.Key(t)
	c, err := issue.SelfSigned(rand.Reader, key, issue.Signatory(issue.Subject{CommonName: "Operator"}, big.NewInt(5), pkitest.At.AddDate(-9, 0, 0), pkitest.At.AddDate(-8, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	return pkitest.Signatory{Key: key, Certificate: c}
}

// A list believes its authorities for the times in which they were granted: a
// signature proved before an authority was withdrawn holds, one of after does not.
func TestList(t *testing.T) {
	t.Parallel()
	now := pkitest.At
	p := pkitest.New(t)
	who := p.Person("Somebody", "00013480", "1234567890")
	by := operator(t)
	granted, withdrawn := now.AddDate(0, -6, 0), now.AddDate(0, -1, 0)
	list := trustlisttest.List{
		Sequence: 5, Issued: now.AddDate(0, -1, 0), NextUpdate: now.AddDate(0, 3, 0),
		Services: []trustlisttest.Service{{
			Provider: "Provider", Name: "CA", Type: trustlisttest.CAQC, Certificates: []*pki.Certificate{p.CA.Certificate, who.Certificate},
			Statuses: []trustlisttest.Status{{URI: trustlisttest.Granted, From: granted}},
		}},
	}
	dir := t.TempDir()
	d := open(t, dir)
	source := filepath.Join(t.TempDir(), "list.xml")
	take := func(l trustlisttest.List, by pkitest.Signatory) (trust.List, error) {
		return d.AddList(l.Signed(t, by.Key, by.Certificate), source, by.Certificate.SHA256(), now)
	}
	path := func(at time.Time) pki.Outcome {
		return d.Snapshot().Validate(who.Certificate, pki.PathOptions{At: at, WithoutRevocation: true}).Outcome
	}
	l, err := take(list, by)
	if err != nil || l.Granted != 1 || l.Sequence != 5 || l.Source != source {
		t.Fatalf("%+v, %v", l, err)
	}
	if again, err := take(list, by); err == nil && again.Added != l.Added { // ECDSA: other bytes, the same number
		t.Errorf("the same list again: %+v", again)
	}
	for _, c := range []struct {
		at   time.Time
		want pki.Outcome
	}{
		{granted.Add(-time.Second), pki.NoChain},
		{granted, pki.ValidPath},
		{now, pki.ValidPath},
		{list.NextUpdate.Add(71 * time.Hour), pki.ValidPath},
		{list.NextUpdate.Add(73 * time.Hour), pki.NoChain},
	} {
		if got := path(c.at); got != c.want {
			t.Errorf("at %v: %v, want %v", c.at, got, c.want)
		}
	}
	if d.Snapshot().IsAnchor(who.Certificate) {
		t.Error("a list makes an anchor of a person")
	}
	why := ""
	for _, i := range d.List() {
		if i.Kind == trust.Anchor {
			why = i.Why
			if i.List != l.Name || !i.Since.Equal(granted) || !i.Ends.Equal(list.NextUpdate.Add(72*time.Hour)) {
				t.Errorf("%+v", i)
			}
		}
	}
	if !strings.Contains(why, "CA of Provider granted since "+granted.Format(time.DateOnly)) {
		t.Errorf("why: %q", why)
	}

	// What is refused leaves the one in use as it is.
	older, expired, future, closed := list, list, list, list
	older.Sequence = 4
	expired.Sequence, expired.Issued, expired.NextUpdate = 9, now.AddDate(0, -3, 0), now.Add(-time.Second)
	future.Sequence, future.Issued = 9, now.Add(time.Hour)
	closed.Sequence, closed.NextUpdate = 9, time.Time{}
	same := list
	same.Services = nil
	for name, c := range map[string]struct {
		list trustlisttest.List
		want error
	}{"older": {older, trust.ErrListNotNewer}, "same number": {same, trust.ErrListNotNewer}, "expired": {expired, nil}, "from the future": {future, nil}, "closed": {closed, nil}} {
		if _, err := take(c.list, by); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.AddList(list.Signed(t, by.Key, by.Certificate), source, who.Certificate.SHA256(), now); !errors.Is(err, xmldsig.ErrSignature) {
		t.Errorf("another pin: %v", err)
	}

	// The next one withdraws the authority, and comes by an update.
	next := list
	next.Sequence = 6
	next.Services = []trustlisttest.Service{list.Services[0]}
	next.Services[0].Statuses = []trustlisttest.Status{{URI: trustlisttest.Withdrawn, From: withdrawn}, {URI: trustlisttest.Granted, From: granted}}
	content := next.Signed(t, by.Key, by.Certificate)
	newer, errs := d.UpdateLists(now, func(from string) ([]byte, error) {
		if from != source {
			t.Errorf("read from %q", from)
		}
		return content, nil
	})
	if len(newer) != 1 || newer[0].Sequence != 6 || errs != nil {
		t.Fatalf("%+v, %v", newer, errs)
	}
	if newer, errs = d.UpdateLists(now, func(string) ([]byte, error) { return content, nil }); newer != nil || errs != nil {
		t.Errorf("updated again: %v, %v", newer, errs)
	}
	if newer, errs = d.UpdateLists(now, func(string) ([]byte, error) { return list.Signed(t, by.Key, by.Certificate), nil }); newer != nil || len(errs) != 1 || !errors.Is(errs[0], trust.ErrListNotNewer) {
		t.Errorf("taken back: %v, %v", newer, errs)
	}
	if path(withdrawn.Add(-time.Second)) != pki.ValidPath || path(withdrawn) != pki.NoChain {
		t.Errorf("before it was withdrawn %v, after %v", path(withdrawn.Add(-time.Second)), path(withdrawn))
	}
	if n := len(d.Expiring(next.NextUpdate.Add(-15 * 24 * time.Hour))); n != 0 {
		t.Errorf("%d lists to renew, 15 days before", n)
	}
	if n := len(d.Expiring(next.NextUpdate.Add(-13 * 24 * time.Hour))); n != 1 {
		t.Errorf("%d lists to renew, 13 days before", n)
	}

	// It is there after a start, and gone when the file was changed.
	if d = open(t, dir); path(withdrawn.Add(-time.Second)) != pki.ValidPath {
		t.Error("not there after a start")
	}
	xml := filepath.Join(dir, "lists", newer6(d).SHA256+".xml")
	b, err := os.ReadFile(xml)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(xml, []byte(strings.Replace(string(b), "withdrawn", "granted", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if d = open(t, dir); path(withdrawn.Add(-time.Second)) != pki.NoChain || len(d.Problems()) != 1 {
		t.Errorf("a changed list is believed; problems: %v", d.Problems())
	}
	if err := os.WriteFile(xml, b, 0o644); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	if err := d.RemoveList(l.Name); err != nil || len(d.Lists()) != 0 || path(withdrawn.Add(-time.Second)) != pki.NoChain {
		t.Errorf("removed: %v, %d lists", err, len(d.Lists()))
	}
}

func newer6(d *trust.Dir) trust.List { return d.Lists()[0] }

func TestBundle(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	who := p.Person("Somebody", "00013480", "1234567890")
	var certs []byte
	for _, c := range []*pki.Certificate{p.Root.Certificate, p.CA.Certificate, who.Certificate} {
		certs = append(certs, c.Raw...)
	}
	signedData := der.Sequence(der.Int(1), der.SetOf(), der.Sequence(der.OID("1.2.840.113549.1.7.1").Encode()), der.Value(0xa0, certs), der.SetOf())
	p7b := der.Sequence(der.OID("1.2.840.113549.1.7.2").Encode(), der.Explicit(0, signedData))
	pin := sha256.Sum256(p7b)

	d := open(t, t.TempDir())
	if _, _, err := d.AddBundle(p7b, [32]byte{}, true); err == nil || len(d.List()) != 0 {
		t.Fatalf("another pin: %v, %d items", err, len(d.List()))
	}
	if items, _, err := d.AddBundle(p7b, pin, false); err != nil || len(items) != 3 || len(d.Snapshot().Anchors()) != 0 {
		t.Fatalf("%d items, %d anchors, %v", len(items), len(d.Snapshot().Anchors()), err)
	}
	d = open(t, t.TempDir())
	if items, _, err := d.AddBundle(p7b, pin, true); err != nil || len(items) != 3 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if s := d.Snapshot(); !s.IsAnchor(p.Root.Certificate) || s.IsAnchor(p.CA.Certificate) || s.IsAnchor(who.Certificate) {
		t.Error("the anchors of a bundle are its self-signed authorities, and no others")
	}

	cas := []byte(`[{"issuerCNs":["CA one","ЦСК"],"address":"x","ocspAccessPointAddress":"ca.example/services/ocsp/","ocspAccessPointPort":"80","tspAddress":"ca.example","tspAddressPort":"8080","directAccess":true}]`)
	_, addresses, err := d.AddBundle(cas, sha256.Sum256(cas), false)
	if err != nil || len(addresses) != 1 || addresses[0].OCSP != "http://ca.example/services/ocsp/" || addresses[0].TSP != "http://ca.example:8080/" {
		t.Fatalf("%+v, %v", addresses, err)
	}
	if got := d.Addresses(); len(got) != 1 || got[0].Issuers[1] != "ЦСК" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{
		`[{"issuerCNs":["x"],"tspAddress":"user@host"}]`, `[{"issuerCNs":["x"],"tspAddress":"host","tspAddressPort":"80/x"}]`,
		`[{"issuerCNs":["x"],"ocspAccessPointAddress":"ho\nst"}]`, `[{"issuerCNs":`,
	} {
		if _, _, err := d.AddBundle([]byte(bad), sha256.Sum256([]byte(bad)), false); err == nil {
			t.Errorf("%s: taken", bad)
		}
	}
}

// Real bundles of the makers of signing programs.
func TestRealBundles(t *testing.T) {
	t.Parallel()
	base := os.Getenv("BRAMA_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(base, "data", "kep", "real", "trust")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	d := open(t, t.TempDir())
	b := read("CACertificates-116.p7b")
	items, _, err := d.AddBundle(b, sha256.Sum256(b), true)
	if err != nil {
		t.Fatal(err)
	}
	anchors := d.Snapshot().Anchors()
	if len(items) < 100 || len(anchors) == 0 || len(anchors) > 20 {
		t.Errorf("%d items, %d anchors", len(items), len(anchors))
	}
	for _, a := range anchors {
		if !a.SelfIssued() {
			t.Errorf("%s is an anchor and not self-signed", a.Subject)
		}
	}
	b = read("CAs-20.json")
	if _, addresses, err := d.AddBundle(b, sha256.Sum256(b), false); err != nil || len(addresses) < 10 {
		t.Errorf("%d addresses, %v", len(addresses), err)
	}
}
