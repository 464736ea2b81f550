package tsa

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// TestTimeStamp asks an authority that is honest, and ones that are down, slow, lying,
// without the right to stamp, or of another clock.
func TestTimeStamp(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	good, nobody := p.Authority(), p.Person("Nobody", "00013480", "3333333333")
	revoked := p.Authority()
	p.Revoke(revoked.Certificate, p.At.Add(-time.Hour), 1)
	stranger := pkitest.New(t).Authority()
	expired := p.Authority(func(c *issue.Template) { c.NotAfter = p.At.Add(-time.Hour) })
	sum := sha256.Sum256([]byte("document"))
	store := p.Store()

	answer := func(by pkitest.Signatory, change func(*pkitest.Stamp, *tsp.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			q, err := tsp.ParseRequest(raw)
			if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
				t.Error(err, r.Header)
				return
			}
			token := p.Stamp(by, nil, func(s *pkitest.Stamp) {
				s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(q.ImprintAlgorithm.OID.Encode()), der.OctetString(q.Imprint))
				s.Info = append(s.Info, der.Integer(q.Nonce))
				s.Certificates = [][]byte{by.Certificate.Raw}
				if change != nil {
					change(s, q)
				}
			})
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = w.Write(der.Sequence(der.Sequence(der.Int(0)), token))
		}
	}
	at := func(when time.Time) func(*pkitest.Stamp, *tsp.Request) {
		return func(s *pkitest.Stamp, _ *tsp.Request) { s.Info[pkitest.StampTime] = pkitest.GeneralizedTime(when) }
	}
	raw := func(kind string, status int, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}
	}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(*Options)
		want    error
	}{
		{"honest", answer(good, nil), nil, nil},
		{"honest, trust not asked", answer(stranger, nil), func(o *Options) { o.Trust = nil }, nil},
		{"certificate from the store", answer(good, func(s *pkitest.Stamp, _ *tsp.Request) { s.Certificates = nil }), func(o *Options) {
			o.Trust = store.With([]*pki.Certificate{good.Certificate}, nil)
		}, nil},
		{"other bytes", answer(good, func(s *pkitest.Stamp, _ *tsp.Request) {
			s.Info[pkitest.StampImprint] = pkitest.Imprint([]byte("other"))
		}), nil, tsp.ErrMismatch},
		{"another nonce", answer(good, func(s *pkitest.Stamp, q *tsp.Request) {
			s.Info[len(s.Info)-1] = der.Integer(new(big.Int).Add(q.Nonce, big.NewInt(1)))
		}), nil, tsp.ErrMismatch},
		{"no nonce", answer(good, func(s *pkitest.Stamp, _ *tsp.Request) { s.Info = s.Info[:len(s.Info)-1] }), nil, tsp.ErrMismatch},
		{"another policy", answer(good, nil), func(o *Options) { o.Policy = "1.2.3" }, tsp.ErrMismatch},
		{"ten minutes ahead", answer(good, at(p.At.Add(10*time.Minute))), nil, ErrClock},
		{"ten minutes behind", answer(good, at(p.At.Add(-10*time.Minute))), nil, ErrClock},
		{"not for time-stamps", answer(nobody, nil), nil, ErrToken},
		{"signed by another key", answer(good, func(s *pkitest.Stamp, _ *tsp.Request) { s.By.Key = nobody.Key }), nil, ErrToken},
		{"revoked", answer(revoked, nil), nil, ErrToken},
		{"expired", answer(expired, nil), nil, ErrToken},
		{"not trusted", answer(stranger, nil), nil, ErrToken},
		{"refuses", raw("application/timestamp-reply", 200, der.Sequence(der.Sequence(der.Int(2)))), nil, tsp.ErrNotGranted},
		{"another content type", raw("text/html", 200, []byte("<html>")), nil, ErrUnreachable},
		{"status 500", raw("application/timestamp-reply", 500, nil), nil, ErrUnreachable},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, nil, ErrUnreachable},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			for some := make([]byte, 64<<10); ; {
				if _, err := w.Write(some); err != nil {
					return
				}
			}
		}, nil, ErrUnreachable},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		}, func(o *Options) { o.Timeout = 50 * time.Millisecond }, ErrUnreachable},
		{"drips", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = w.Write([]byte{0x30})
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		}, func(o *Options) { o.Timeout = 50 * time.Millisecond }, ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.handler)
			defer server.Close()
			o := Options{URL: server.URL, Trust: store, Now: func() time.Time { return p.At }}
			if c.change != nil {
				c.change(&o)
			}
			client, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			token, err := client.TimeStamp(context.Background(), algorithm.DigestByOID(algorithm.SHA256), sum[:])
			if !errors.Is(err, c.want) || (err == nil) != (token != nil) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), server.URL+": ") {
				t.Errorf("which authority? %v", err)
			}
		})
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	if _, err := client.TimeStamp(context.Background(), algorithm.DigestByOID(algorithm.SHA256), sum[:]); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	for _, bad := range []string{"", "ftp://127.0.0.1/", "127.0.0.1:80", "http://"} {
		if _, err := New(Options{URL: bad}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestProxy: the request goes to the proxy, with the authority's whole address.
func TestProxy(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := New(Options{URL: "http://127.0.0.1:1/tsa", Proxy: http.ProxyURL(address)})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	if _, err := client.TimeStamp(context.Background(), algorithm.DigestByOID(algorithm.SHA256), sum[:]); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	if got := <-asked; got != "http://127.0.0.1:1/tsa" {
		t.Errorf("proxy was asked for %s", got)
	}
}
