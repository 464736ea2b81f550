package trust_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/gateway/trust"
)

// lists serves CRLs, with the times that a file server tells.
type lists struct {
	*httptest.Server
	mu    sync.Mutex
	crl   *pki.CRL
	whole int // answers that were not 304
	down  bool
}

func newLists(t *testing.T) *lists {
	l := &lists{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.crl == nil || l.down {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		tag := fmt.Sprintf(`"%x"`, l.crl.SHA256())
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		l.whole++
		w.Write(l.crl.Raw)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *lists) put(crl *pki.CRL) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crl = crl
}

// fetching is an authority, a folder that believes it, and a fetcher that runs.
type fetching struct {
	*testing.T
	root *ocsptest.Authority
	*trust.Fetcher
	cache string
}

func newFetching(t *testing.T, root *ocsptest.Authority, change ...func(*trust.FetchOptions)) *fetching {
	t.Helper()
	f := &fetching{T: t, root: root, cache: t.TempDir()}
	d := open(t, t.TempDir())
	add(t, d, certPEM(root.Certificate), true, 1)
	o := trust.FetchOptions{Cache: f.cache, Retry: 50 * time.Millisecond, Timeout: 500 * time.Millisecond, Refresh: time.Hour}
	for _, c := range change {
		c(&o)
	}
	var err error
	if f.Fetcher, err = trust.NewFetcher(d, o, time.Now, zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Fetcher.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

func (f *fetching) validate(c *pki.Certificate) pki.Path {
	return f.Snapshot().Validate(c, pki.PathOptions{At: time.Now()})
}

// seek asks for what is missing of a certificate, and waits until that has ended.
func (f *fetching) seek(key string, c *pki.Certificate) pki.Path {
	f.Helper()
	p := f.validate(c)
	if len(p.Missing) == 0 {
		f.Fatalf("nothing is missing: %d %s", p.Outcome, p.Detail)
	}
	again := make(chan struct{}, 4)
	var sought bool
	for end := time.Now().Add(5 * time.Second); !sought; { // Run may not have begun yet
		if sought = f.Seek(key, p.Missing, func() { again <- struct{}{} }); !sought && time.Now().After(end) {
			f.Fatal("nothing is fetched")
		}
	}
	select {
	case <-again:
	case <-time.After(20 * time.Second):
		f.Fatal("nobody is told of the end")
	}
	return f.validate(c)
}

// TestFetchOCSP: every fault of a responder leaves the verdict where it was, and says
// so; an honest one settles it.
func TestFetchOCSP(t *testing.T) {
	t.Parallel()
	for _, family := range []ocsptest.Family{ocsptest.ECDSA, ocsptest.DSTU} {
		root := ocsptest.NewAuthority(t, family, "Root", time.Now())
		by := root.Issue("Responder", ocsptest.ForAnswers)
		stranger := ocsptest.NewAuthority(t, family, "Root", time.Now()).Issue("Responder", ocsptest.ForAnswers)
		for _, c := range []struct {
			name   string
			behave func(*ocsptest.Behaviour)
			want   pki.Outcome
			detail string
		}{
			{"honest", func(b *ocsptest.Behaviour) {}, pki.ValidPath, ""},
			{"without nonce", func(b *ocsptest.Behaviour) { b.Change = func(a *ocsptest.Answer) { a.Nonce = nil } }, pki.ValidPath, ""},
			{"revoked", func(b *ocsptest.Behaviour) {
				b.Change = func(a *ocsptest.Answer) { a.Status = ocsptest.Revoked(time.Now().Add(-time.Minute), 1) }
			}, pki.CertificateRevoked, ""},
			{"on hold", func(b *ocsptest.Behaviour) {
				b.Change = func(a *ocsptest.Answer) { a.Status = ocsptest.Revoked(time.Now().Add(-time.Minute), 6) }
			}, pki.CertificateHeld, ""},
			{"unknown", func(b *ocsptest.Behaviour) { b.Change = func(a *ocsptest.Answer) { a.Status = ocsptest.Unknown } }, pki.NoRevocationEvidence, "does not know"},
			{"tries later", func(b *ocsptest.Behaviour) { b.Status = 3 }, pki.NoRevocationEvidence, "tryLater"},
			{"down", func(b *ocsptest.Behaviour) { b.Code = 503 }, pki.NoRevocationEvidence, "HTTP 503"},
			{"slow", func(b *ocsptest.Behaviour) { b.Delay = 5 * time.Second }, pki.NoRevocationEvidence, "imeout"},
			{"another nonce", func(b *ocsptest.Behaviour) { b.Change = func(a *ocsptest.Answer) { a.Nonce = []byte("another nonce") } }, pki.NoRevocationEvidence, "nonce"},
			{"about another certificate", func(b *ocsptest.Behaviour) {
				b.Change = func(a *ocsptest.Answer) { a.ID = ocsptest.ID(by.Certificate, root.Certificate) }
			}, pki.NoRevocationEvidence, "no OCSP answer about it"},
			{"certificate of another authority", func(b *ocsptest.Behaviour) { b.By = stranger }, pki.NoRevocationEvidence, "not signed by the issuer"},
			{"signed by another key", func(b *ocsptest.Behaviour) { b.By.Key = stranger.Key }, pki.NoRevocationEvidence, "does not verify"},
			{"stale", func(b *ocsptest.Behaviour) {
				b.Change = func(a *ocsptest.Answer) { a.Nonce, a.This = nil, a.This.Add(-time.Hour) }
			}, pki.NoRevocationEvidence, "too old"},
			{"clock 10 minutes late", func(b *ocsptest.Behaviour) { b.Ahead = -10 * time.Minute }, pki.NoRevocationEvidence, "clock"},
			{"clock 10 minutes ahead", func(b *ocsptest.Behaviour) { b.Ahead = 10 * time.Minute }, pki.NoRevocationEvidence, "clock"},
			{"clock 10 minutes late, without nonce", func(b *ocsptest.Behaviour) {
				b.Ahead, b.Change = -10*time.Minute, func(a *ocsptest.Answer) { a.Nonce = nil }
			}, pki.NoRevocationEvidence, "too old"},
			{"clock 10 minutes ahead, without nonce", func(b *ocsptest.Behaviour) {
				b.Ahead, b.Change = 10*time.Minute, func(a *ocsptest.Answer) { a.Nonce = nil }
			}, pki.NoRevocationEvidence, "future"},
		} {
			t.Run(string(family)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r := ocsptest.NewResponder(t, by)
				r.Set(c.behave)
				person := root.Issue("Person", ocsptest.At(r.URL, "", ""))
				f := newFetching(t, root)
				p := f.seek("1", person.Certificate)
				if p.Outcome != c.want {
					t.Fatalf("%d %s, want %d", p.Outcome, p.Detail, c.want)
				}
				if c.detail == "" {
					return
				}
				for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
					var said []string
					for _, x := range f.Troubles(0) {
						if x.Err != nil {
							said = append(said, x.Err.Error())
						}
					}
					if strings.Contains(strings.Join(said, "\n"), c.detail) {
						break
					}
					if time.Now().After(end) {
						t.Fatalf("troubles %q, want %q", said, c.detail)
					}
				}
				// It comes back, and who waits is told without asking again.
				if c.want != pki.NoRevocationEvidence || family != ocsptest.ECDSA {
					return
				}
				again := make(chan struct{}, 4)
				f.Seek("1", f.validate(person.Certificate).Missing, func() { again <- struct{}{} })
				r.Set(func(b *ocsptest.Behaviour) { *b = ocsptest.Behaviour{By: by} })
				select {
				case <-again:
				case <-time.After(20 * time.Second):
					t.Fatal("nobody is told that it has come back")
				}
				if p := f.validate(person.Certificate); p.Outcome != pki.ValidPath {
					t.Errorf("after it has come back: %d %s", p.Outcome, p.Detail)
				}
			})
		}
	}
}

// TestFetchOnce: a batch of documents by one signer costs one answer, which outlives a
// restart.
func TestFetchOnce(t *testing.T) {
	t.Parallel()
	root := ocsptest.NewAuthority(t, ocsptest.ECDSA, "Root", time.Now())
	r := ocsptest.NewResponder(t, root.Issue("Responder", ocsptest.ForAnswers))
	r.Set(func(b *ocsptest.Behaviour) { b.Delay = 50 * time.Millisecond })
	person := root.Issue("Person", ocsptest.At(r.URL, "", ""))
	f := newFetching(t, root)
	f.seek("0", root.Issue("Another", ocsptest.At(r.URL, "", "")).Certificate) // now it runs
	missing := f.validate(person.Certificate).Missing
	var told sync.WaitGroup
	told.Add(500)
	for i := range 500 {
		if !f.Seek(fmt.Sprint(i), missing, told.Done) {
			t.Fatal("not sought")
		}
	}
	told.Wait()
	if p := f.validate(person.Certificate); p.Outcome != pki.ValidPath || r.Asked() != 2 {
		t.Errorf("%d %s after %d requests", p.Outcome, p.Detail, r.Asked())
	}
	d := open(t, t.TempDir())
	add(t, d, certPEM(root.Certificate), true, 1)
	again, err := trust.NewFetcher(d, trust.FetchOptions{Cache: f.cache}, time.Now, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	if p := again.Snapshot().Validate(person.Certificate, pki.PathOptions{At: time.Now()}); p.Outcome != pki.ValidPath {
		t.Errorf("after a restart: %d %s", p.Outcome, p.Detail)
	}
}

// TestFetchCRL: a list is fetched, asked for anew without coming again whole, and who
// is on the next one is revoked when it is out.
func TestFetchCRL(t *testing.T) {
	t.Parallel()
	root := ocsptest.NewAuthority(t, ocsptest.ECDSA, "Root", time.Now())
	web := newLists(t)
	person := root.Issue("Person", ocsptest.At("", web.URL, ""))
	web.put(root.CRL(time.Now().Add(-time.Hour)))
	f := newFetching(t, root, func(o *trust.FetchOptions) { o.Refresh = 20 * time.Millisecond })
	if p := f.seek("1", person.Certificate); p.Outcome != pki.ValidPath {
		t.Fatalf("%d %s", p.Outcome, p.Detail)
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	// An older list, and one by somebody else, take nothing away.
	web.put(root.CRL(time.Now().Add(-2 * time.Hour)))
	await("the older list is not told", func() bool {
		for _, x := range f.Troubles(0) {
			if x.Err != nil && strings.Contains(x.Err.Error(), "older") {
				return true
			}
		}
		return false
	})
	web.put(ocsptest.NewAuthority(t, ocsptest.ECDSA, "Root", time.Now()).CRL(time.Now().Add(-time.Minute)))
	time.Sleep(100 * time.Millisecond)
	if p := f.validate(person.Certificate); p.Outcome != pki.ValidPath {
		t.Errorf("a foreign list: %d %s", p.Outcome, p.Detail)
	}
	web.put(root.CRL(time.Now(), issue.Revocation{Serial: person.Certificate.Serial, At: time.Now().Add(-time.Minute), Reason: 1}))
	await("revocation does not arrive", func() bool { return f.validate(person.Certificate).Outcome == pki.CertificateRevoked })
	if warned := f.Troubles(48 * time.Hour); len(warned) == 0 {
		t.Error("nobody is warned of a list that runs out")
	}
	left, err := filepath.Glob(filepath.Join(f.cache, "*.crl"))
	if err != nil || len(left) != 1 {
		t.Errorf("cache %v %v", left, err)
	}
}

// TestFetchBounds: what may not be asked is not, and answers have an end.
func TestFetchBounds(t *testing.T) {
	t.Parallel()
	root := ocsptest.NewAuthority(t, ocsptest.ECDSA, "Root", time.Now())
	r := ocsptest.NewResponder(t, root.Issue("Responder", ocsptest.ForAnswers))
	f := newFetching(t, root, func(o *trust.FetchOptions) { o.Hosts = []string{"ca.example"} })
	for _, address := range []string{r.URL, "ldap://127.0.0.1/cn=x", "file:///etc/passwd", "http://user:word@127.0.0.1/", "::"} {
		person := root.Issue("Person", ocsptest.At(address, address, ""))
		for range 3 {
			if f.Seek("1", f.validate(person.Certificate).Missing, func() { t.Error("called") }) {
				t.Errorf("%s is asked", address)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if r.Asked() != 0 {
		t.Errorf("%d requests", r.Asked())
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)
	g := newFetching(t, root, func(o *trust.FetchOptions) { o.Size = 1 << 20 })
	person := root.Issue("Person", ocsptest.At("", endless.URL, ""))
	if p := g.seek("1", person.Certificate); p.Outcome != pki.NoRevocationEvidence {
		t.Errorf("%d", p.Outcome)
	}
}

// TestFetchProxy: with a proxy nothing else is spoken to.
func TestFetchProxy(t *testing.T) {
	t.Parallel()
	root := ocsptest.NewAuthority(t, ocsptest.ECDSA, "Root", time.Now())
	r := ocsptest.NewResponder(t, root.Issue("Responder", ocsptest.ForAnswers)) // a proxy that answers itself
	person := root.Issue("Person", ocsptest.At("http://ocsp.invalid/", "", ""))
	f := newFetching(t, root, func(o *trust.FetchOptions) { o.Proxy = r.URL })
	if p := f.seek("1", person.Certificate); p.Outcome != pki.ValidPath || r.Asked() != 1 {
		t.Errorf("%d %s, %d requests", p.Outcome, p.Detail, r.Asked())
	}
	if _, err := trust.NewFetcher(open(t, t.TempDir()), trust.FetchOptions{Proxy: "ftp://x"}, time.Now, zaptest.NewLogger(t)); err == nil {
		t.Error("a proxy of another sort")
	}
	// Nobody listens there.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	lost := root.Issue("Person", ocsptest.At(address, "", ""))
	g := newFetching(t, root)
	if p := g.seek("1", lost.Certificate); p.Outcome != pki.NoRevocationEvidence {
		t.Errorf("%d", p.Outcome)
	}
}

// TestBrokenCache: what lies in the cache and cannot be read does no harm.
func TestBrokenCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"a.list": "{", "b.list": `{"Address":"http://127.0.0.1/"}`, "c.ors": "x", "d.crl": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := trust.NewFetcher(open(t, t.TempDir()), trust.FetchOptions{Cache: dir}, time.Now, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Snapshot().CRLs()); n != 0 {
		t.Errorf("%d CRLs", n)
	}
}
