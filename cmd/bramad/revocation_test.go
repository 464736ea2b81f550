package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
)

// demoHead is the personal code of the demo client's head.
const demoHead = "1234567899"

// authority is one that the site believes, whose certificates name addresses.
func (s *site) authority(f ocsptest.Family, online string) *ocsptest.Authority {
	s.t.Helper()
	a := ocsptest.NewAuthority(s.t, f, "Online CA", time.Now())
	s.write(s.path("trust", "anchors", "online.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})))
	s.configure("limits: {free_disk: 1MiB}\n")
	b, err := os.ReadFile(s.path("brama.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	was := fmt.Sprintf("trust: {dir: %s}", s.path("trust"))
	if !strings.Contains(string(b), was) {
		s.t.Fatal("the configuration has another trust section")
	}
	s.write(s.path("brama.yaml"), strings.Replace(string(b), was, strings.TrimSuffix(was, "}")+", "+online+"}", 1))
	return a
}

// onlineHead is the demo client's head with a certificate of that authority.
func onlineHead(a *ocsptest.Authority, answers, list string) cades.Signer {
	p := a.Issue("Head", func(t *issue.Template) {
		t.Subject.EDRPOU, t.Subject.Person = sample.DemoPayer().EDRPOU, demoHead
	}, ocsptest.At(answers, list, ""))
	return cades.Signer{Key: p.Key, Certificate: p.Certificate}
}

// TestHeldGoesOn: with the responder down a document is held; when it comes back the
// document goes on by itself; a batch of the same signer costs no further answer.
func TestHeldGoesOn(t *testing.T) {
	t.Parallel()
	for _, family := range []ocsptest.Family{ocsptest.ECDSA, ocsptest.DSTU} {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			a := s.authority(family, "retry: 200ms, timeout: 2s")
			r := ocsptest.NewResponder(t, a.Issue("Responder", ocsptest.ForAnswers))
			head := onlineHead(a, r.URL, "")
			p := s.start(nil)
			s.register()
			c := s.client(p)

			r.Set(func(b *ocsptest.Behaviour) { b.Code = 503 })
			if err := put(c, "/inbox/one.pdf.p7s", sign(t, sample.PDF("one"), false, head)); err != nil {
				t.Fatal(err)
			}
			await(t, soon, "the notice that it is held", func() bool {
				_, err := c.Stat("/receipts/one.pdf.p7s.held.txt")
				return err == nil
			})
			if _, err := c.Stat("/receipts/one.pdf.p7s.receipt1.json"); err == nil {
				t.Fatal("it is not held")
			}
			r.Set(func(b *ocsptest.Behaviour) { b.Code = 0 })
			if got := s.receipt(c, "one.pdf.p7s"); got.Outcome != gateway.Accepted {
				t.Fatalf("outcome %s: %v", got.Outcome, got.Findings)
			}

			asked := r.Asked()
			for i := range 5 {
				if err := put(c, fmt.Sprintf("/inbox/batch%d.pdf.p7s", i), sign(t, sample.PDF(fmt.Sprint("batch", i)), false, head)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 5 {
				if got := s.receipt(c, fmt.Sprintf("batch%d.pdf.p7s", i)); got.Outcome != gateway.Accepted {
					t.Errorf("outcome %s: %v", got.Outcome, got.Findings)
				}
			}
			if n := r.Asked() - asked; n != 0 {
				t.Errorf("%d more answers for a batch", n)
			}

			// A responder that lies lets nothing through.
			other := onlineHead(a, r.URL, "")
			r.Set(func(b *ocsptest.Behaviour) { b.Change = func(x *ocsptest.Answer) { x.Nonce = []byte("another") } })
			if err := put(c, "/inbox/lie.pdf.p7s", sign(t, sample.PDF("lie"), false, other)); err != nil {
				t.Fatal(err)
			}
			await(t, soon, "the notice that it is held", func() bool {
				_, err := c.Stat("/receipts/lie.pdf.p7s.held.txt")
				return err == nil
			})
			if code := p.stop(t); code != exitOK {
				t.Errorf("exit code %d\n%s", code, p.said())
			}
		})
	}
}

// TestRevokedAMinuteAgo: once the list is out, who is on it is refused.
func TestRevokedAMinuteAgo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.authority(ocsptest.ECDSA, "refresh: 1s")
	var list atomic.Pointer[pki.CRL]
	list.Store(a.CRL(time.Now().Add(-time.Hour)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(list.Load().Raw) }))
	t.Cleanup(web.Close)
	head := onlineHead(a, "", web.URL)
	p := s.start(nil)
	s.register()
	c := s.client(p)
	if err := put(c, "/inbox/before.pdf.p7s", sign(t, sample.PDF("before"), false, head)); err != nil {
		t.Fatal(err)
	}
	if got := s.receipt(c, "before.pdf.p7s"); got.Outcome != gateway.Accepted {
		t.Fatalf("outcome %s: %v", got.Outcome, got.Findings)
	}
	list.Store(a.CRL(time.Now().Add(-time.Second), issue.Revocation{Serial: head.Certificate.Serial, At: time.Now().Add(-time.Minute), Reason: 1}))
	n := 0
	await(t, 2*soon, "a refusal", func() bool {
		n++
		name := fmt.Sprintf("after%d.pdf.p7s", n)
		if err := put(c, "/inbox/"+name, sign(t, sample.PDF(name), false, head)); err != nil {
			t.Fatal(err)
		}
		got := s.receipt(c, name)
		if got.Outcome == gateway.Accepted {
			time.Sleep(300 * time.Millisecond)
			return false
		}
		if len(got.Signatures) != 1 || got.Signatures[0].SubIndication != string(cades.RevokedNoPOE) {
			t.Fatalf("outcome %s: %+v", got.Outcome, got.Signatures)
		}
		return true
	})
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

// TestOpenSSLResponder: OpenSSL answers the daemon, behind a web server of the test's
// since it does not listen on loopback alone. Who is good in its register is let through,
// and who is revoked in it after that is refused.
func TestOpenSSLResponder(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		missing(t, "openssl is not here")
	}
	s := newSite(t)
	a := s.authority(ocsptest.RSA, "retry: 200ms, timeout: 10s")
	by := a.Issue("Responder", ocsptest.ForAnswers)
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(by.Key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	s.write(file("ca.pem"), block("CERTIFICATE", a.Certificate.Raw))
	s.write(file("by.pem"), block("CERTIFICATE", by.Certificate.Raw))
	s.write(file("by.key"), block("PRIVATE KEY", key))
	var mu sync.Mutex // over the files
	asked := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		q, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err == nil {
			err = os.WriteFile(file("q.der"), q, 0o600)
		}
		var out []byte
		if err == nil {
			out, err = exec.Command(openssl, "ocsp", "-index", file("index.txt"), "-CA", file("ca.pem"),
				"-rsigner", file("by.pem"), "-rkey", file("by.key"), "-reqin", file("q.der"), "-respout", file("a.der")).CombinedOutput()
		}
		var answer []byte
		if err == nil {
			answer, err = os.ReadFile(file("a.der"))
		}
		if err != nil {
			t.Errorf("openssl ocsp: %v\n%s", err, out)
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(answer)
	}))
	t.Cleanup(web.Close)
	good, gone := onlineHead(a, web.URL, ""), onlineHead(a, web.URL, "")
	register := func(revoked bool) {
		mu.Lock()
		defer mu.Unlock()
		state := "V\t491231235959Z\t"
		if revoked {
			state = "R\t491231235959Z\t" + time.Now().Add(-time.Minute).UTC().Format("060102150405Z") + ",keyCompromise"
		}
		s.write(file("index.txt"), fmt.Sprintf("V\t491231235959Z\t\t%X\tunknown\t/CN=Good\n%s\t%X\tunknown\t/CN=Gone\n",
			good.Certificate.RawSerial, state, gone.Certificate.RawSerial))
	}
	register(false)
	p := s.start(nil)
	s.register()
	c := s.client(p)
	send := func(name string, by cades.Signer) gateway.Receipt {
		t.Helper()
		if err := put(c, "/inbox/"+name, sign(t, sample.PDF(name), false, by)); err != nil {
			t.Fatal(err)
		}
		return s.receipt(c, name)
	}
	if got := send("good.pdf.p7s", good); got.Outcome != gateway.Accepted {
		t.Errorf("good: outcome %s: %v", got.Outcome, got.Findings)
	}
	register(true)
	got := send("gone.pdf.p7s", gone)
	if got.Outcome == gateway.Accepted || len(got.Signatures) != 1 || got.Signatures[0].SubIndication != string(cades.RevokedNoPOE) {
		t.Errorf("revoked: outcome %s: %+v", got.Outcome, got.Signatures)
	}
	mu.Lock()
	if asked != 2 {
		t.Errorf("%d requests for two signers", asked)
	}
	mu.Unlock()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

// missing skips a test that needs a program, which CI always has.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
