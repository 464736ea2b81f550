package cades

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
)

// measuredSigners is how many people sign in TestBesideOpenSSL, each one document.
const measuredSigners = 32

// measured is a hierarchy of one family of keys and documents signed under it.
type measured struct {
	family     ocsptest.Family
	containers [][]byte
	lists      pki.CRLs // the root's, the CA's
	root, ca   *pki.Certificate
	answers    *ocsp.Responses // about the signers
	at         time.Time
}

func newMeasured(t *testing.T, f ocsptest.Family) *measured {
	t.Helper()
	now := time.Now()
	root := ocsptest.NewAuthority(t, f, "Root", now)
	ca := root.Under("CA")
	responder := ca.Issue("Responder", ocsptest.ForAnswers)
	m := &measured{
		family: f, root: root.Certificate, ca: ca.Certificate, at: now, answers: ocsp.NewResponses(),
		lists: pki.CRLs{root.CRL(now.Add(-time.Hour)), ca.CRL(now.Add(-time.Hour))},
	}
	for i := range measuredSigners {
		by := ca.Issue(fmt.Sprintf("Signer %d", i))
		content := bytes.Repeat(fmt.Appendf(nil, "%015d\n", i), 2048/16)
		m.containers = append(m.containers, mustSign(t, content, SignOptions{At: now},
			Signer{Key: by.Key, Certificate: by.Certificate, Chain: []*pki.Certificate{ca.Certificate}}))
		raw, err := ocsptest.Answer{ID: ocsptest.ID(by.Certificate, ca.Certificate), This: now, Next: now.Add(time.Hour), By: responder}.Whole()
		if err != nil {
			t.Fatal(err)
		}
		r, err := ocsp.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		m.answers.Add(r)
	}
	return m
}

// store trusts the root and has lists, and has seen nothing yet.
func (m *measured) store(lists ...*pki.CRL) *pki.Store {
	return pki.NewStore([]*pki.Certificate{m.root}, []*pki.Certificate{m.ca}, lists)
}

// TestBesideOpenSSL measures full validation, chain and fresh revocation at hand for every
// certificate of it, ours and OpenSSL's (CMS_verify with chain and CRLs) over the same
// files in the same run: documents in a second of processor time on one core, medians of
// rounds that take turns. It runs with BRAMA_BENCH=1: see make bench-validate.
func TestBesideOpenSSL(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("BRAMA_BENCH is not set")
	}
	dir := t.TempDir()
	harness := filepath.Join(dir, "verify")
	if out, err := exec.Command("cc", "-O2", "-o", harness, "testdata/verify.c", "-lcrypto").CombinedOutput(); err != nil {
		shareddata.Missing(t, "no C compiler or no libcrypto (Debian: gcc, libssl-dev): "+string(out))
	}
	if out, err := exec.Command("openssl", "version").Output(); err == nil {
		t.Log(strings.TrimSpace(string(out)))
	}
	runtime.GOMAXPROCS(1)

	peer := func(m *measured) func() float64 {
		sub := filepath.Join(dir, strings.Fields(string(m.family))[0])
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		args := []string{
			"0.5", writeFile(t, sub, "root.crt", m.root.Raw),
			writeFile(t, sub, "root.crl", m.lists[0].Raw), writeFile(t, sub, "ca.crl", m.lists[1].Raw),
		}
		for i, c := range m.containers {
			args = append(args, writeFile(t, sub, strconv.Itoa(i)+".p7s", c))
		}
		return func() float64 {
			cmd := exec.Command(harness, args...)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			rate, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			if err != nil {
				t.Fatal(err)
			}
			return rate
		}
	}
	ours := func(m *measured, kind string, trust func() *pki.Store, evidence ...pki.Evidence) func() float64 {
		all := func() {
			for _, c := range m.containers {
				r := Validate(Input{Container: c}, Options{At: m.at, Trust: trust(), Evidence: evidence})
				if r.Indication != TotalPassed {
					t.Fatal(verdict(r), r.Detail)
				}
				if used := r.Signatures[0].Evidence; used[len(used)-1].Kind != kind {
					t.Fatalf("the signer's status comes from %s", used[len(used)-1].Kind)
				}
			}
		}
		all()
		return func() float64 {
			start, n := processorTime(), 0
			for processorTime()-start < 500*time.Millisecond {
				all()
				n += len(m.containers)
			}
			return float64(n) / (processorTime() - start).Seconds()
		}
	}
	keep := func(s *pki.Store) func() *pki.Store { return func() *pki.Store { return s } }

	type row struct {
		what  string
		once  func() float64
		peer  *row
		least float64
		runs  []float64
	}
	var rows []*row
	add := func(r row) *row {
		rows = append(rows, &r)
		return &r
	}
	var ecdsa *row
	for _, f := range []ocsptest.Family{ocsptest.ECDSA, ocsptest.RSA, ocsptest.DSTU} {
		m := newMeasured(t, f)
		least, name, theirs := 3.0, string(f), ecdsa
		if f == ocsptest.DSTU {
			least, name = 1, name+" (theirs: ECDSA)"
		} else {
			theirs = add(row{what: string(f) + ", OpenSSL CMS_verify", once: peer(m)})
		}
		if f == ocsptest.ECDSA {
			ecdsa = theirs
		}
		add(row{what: name + ", CRLs of the chain", peer: theirs, least: least, once: ours(m, "crl", keep(m.store(m.lists...)))})
		add(row{what: name + ", OCSP answer about the signer", peer: theirs, least: least, once: ours(m, "ocsp", keep(m.store(m.lists[0])), m.answers)})
		add(row{what: name + ", CRLs, every certificate new", peer: theirs, once: ours(m, "crl", func() *pki.Store { return m.store(m.lists...) })})
	}
	for range 5 {
		for _, r := range rows {
			r.runs = append(r.runs, r.once())
		}
	}
	median := func(r *row) float64 {
		s := slices.Sorted(slices.Values(r.runs))
		return s[len(s)/2]
	}
	for _, r := range rows {
		if r.peer == nil {
			t.Logf("%-62s %8.0f/s", r.what, median(r))
			continue
		}
		ratio := median(r) / median(r.peer)
		t.Logf("%-62s %8.0f/s %6.1fx (at least %vx)", r.what, median(r), ratio, r.least)
		if ratio < r.least {
			t.Errorf("%s: too slow", r.what)
		}
	}
}
