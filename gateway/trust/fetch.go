package trust

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// FetchOptions are how evidence is fetched. Zero fields take the values told.
type FetchOptions struct {
	// Cache is the folder where what was fetched outlives a restart.
	Cache string
	// Proxy is the HTTP proxy, as http://10.0.0.1:3128; empty: none.
	Proxy string
	// Hosts are the names that may be asked; empty: whichever a trusted authority's
	// certificate names.
	Hosts []string
	// Refresh is how often a CRL is asked for anew; 1m.
	Refresh time.Duration
	// Timeout of one request; 10s.
	Timeout time.Duration
	// Size is the largest answer that is read, in bytes; 64 MiB.
	Size int64
	// Parallel is how many requests run at once; 4.
	Parallel int
	// Retry is the pause after the first failure, which doubles up to thirty times
	// itself; 10s.
	Retry time.Duration
	// Freshness is that of the examination.
	Freshness pki.Freshness
}

func (o FetchOptions) withDefaults() FetchOptions {
	if o.Refresh <= 0 {
		o.Refresh = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Size <= 0 {
		o.Size = maxFile
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Retry <= 0 {
		o.Retry = 10 * time.Second
	}
	return o
}

// wire asks authorities over HTTP, within bounds.
type wire struct {
	o      FetchOptions
	client *http.Client
	slots  chan struct{}
}

func newWire(o FetchOptions) (*wire, error) {
	t := &http.Transport{
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		ResponseHeaderTimeout: o.Timeout, TLSHandshakeTimeout: o.Timeout, DisableCompression: true,
	}
	if o.Proxy != "" {
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("proxy %q is not an address as http://host:port", o.Proxy)
		}
		t.Proxy = http.ProxyURL(u)
	}
	w := &wire{o: o, slots: make(chan struct{}, o.Parallel)}
	w.client = &http.Client{Transport: t, Timeout: o.Timeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirections")
		}
		return w.allowed(r.URL)
	}}
	return w, nil
}

func (w *wire) allowed(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil:
		return errors.New("not an http address")
	case len(w.o.Hosts) > 0 && !slices.ContainsFunc(w.o.Hosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }):
		return fmt.Errorf("host %q is not among trust.hosts", u.Hostname())
	}
	return nil
}

// usable leaves out what may not be asked.
func (w *wire) usable(addresses []string) (out []string) {
	for _, a := range addresses {
		if u, err := url.Parse(a); err == nil && len(a) <= 2048 && w.allowed(u) == nil {
			out = append(out, a)
		}
	}
	return out
}

// do sends a request and reads the answer, when a slot is free.
func (w *wire) do(ctx context.Context, r *http.Request, limit int64) (*http.Response, []byte, error) {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	defer func() { <-w.slots }()
	if err := w.allowed(r.URL); err != nil {
		return nil, nil, err
	}
	r.Header.Set("User-Agent", "brama")
	resp, err := w.client.Do(r.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	return resp, body, err
}

// ask asks an OCSP responder. The answer is read, and repeats the nonce or has none;
// that it proves something is the caller's to see.
func (w *wire) ask(ctx context.Context, address string, m pki.Missing, now time.Time) (*ocsp.Response, error) {
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails (crypto/rand)
	q, err := ocsp.Request{Certificate: m.Certificate, Issuer: m.Issuer, Nonce: nonce}.Encode()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(q))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	resp, body, err := w.do(ctx, r, ocsp.MaxSize)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the OCSP responder answers: HTTP %d", resp.StatusCode)
	}
	a, err := ocsp.Parse(body)
	if err != nil {
		return nil, err
	}
	if a.Nonce == nil { // made beforehand, RFC 5019
		return a, nil
	}
	if !bytes.Equal(a.Nonce, nonce) {
		return nil, errors.New("the OCSP answer is to another request (nonce)")
	}
	if off := a.Produced.Sub(now); off.Abs() > w.o.Freshness.AheadOf() {
		return nil, fmt.Errorf("the OCSP responder's clock and ours differ by %s", off.Round(time.Second))
	}
	return a, nil
}

// list is a CRL that was fetched, and what to ask for a newer one with.
type list struct {
	Address, ETag, Modified string
	Fetched                 time.Time
	crl, before             *pki.CRL
	size                    int
}

// get fetches a CRL; before may be nil. The same list comes back where it has not changed.
func (w *wire) get(ctx context.Context, address string, before *list, now time.Time) (*list, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if before != nil && before.crl != nil {
		if before.ETag != "" {
			r.Header.Set("If-None-Match", before.ETag)
		}
		if before.Modified != "" {
			r.Header.Set("If-Modified-Since", before.Modified)
		}
	}
	resp, body, err := w.do(ctx, r, w.o.Size)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotModified && before != nil && before.crl != nil {
		next := *before
		next.Fetched = now
		return &next, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	next := &list{Address: address, ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified"), Fetched: now, size: len(body)}
	lists, err := pki.ParseCRLs(body)
	if err != nil {
		return nil, err
	}
	next.crl = lists[0]
	if before != nil && before.crl != nil && before.crl.SHA256() == next.crl.SHA256() {
		next.crl = before.crl // its signature is checked already
	}
	return next, nil
}
