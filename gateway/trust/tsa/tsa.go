// Package tsa asks time-stamping authorities over HTTP (RFC 3161, 3.4). It bounds
// time and size, follows no redirect, and holds every answer to the request, the
// clock and, where a trust store is given, to the authority's certificate: what it
// returns is worth putting into a signature.
package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// Media types of RFC 3161, 3.4.
const (
	queryType = "application/timestamp-query"
	replyType = "application/timestamp-reply"
)

// Defaults of Options.
const (
	DefaultTimeout = 10 * time.Second
	DefaultSkew    = 5 * time.Minute
)

// Errors that callers tell apart; see also tsp.ErrMismatch and *tsp.StatusError.
var (
	// ErrUnreachable: no answer, or one that is no time-stamp response. Later may help.
	ErrUnreachable = errors.New("the time-stamping authority gives no answer")
	// ErrClock: the authority's clock and ours are too far apart; one is wrong.
	ErrClock = errors.New("the time-stamping authority's clock differs from this machine's")
	// ErrToken: the token does not hold.
	ErrToken = errors.New("the time-stamp does not hold")
)

// Options of a Client.
type Options struct {
	// URL of the authority, http or https.
	URL string
	// Policy asks for a policy; empty leaves it to the authority.
	Policy der.OID
	// Timeout of one request with its answer; 0 is DefaultTimeout.
	Timeout time.Duration
	// Skew is how far the authority's clock may be from ours, either way; 0 is DefaultSkew.
	Skew time.Duration
	// Proxy is as in http.Transport; nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Trust, if given, must hold the authority's anchor, and its certificate where the
	// token comes without; Evidence is asked about revocation besides. Nil leaves the
	// token's signature to whoever validates the signature later.
	Trust    *pki.Store
	Evidence []pki.Evidence
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Client asks one authority. It may be used by several goroutines.
type Client struct {
	o    Options
	http http.Client
}

// New makes a client; it asks nothing yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("time-stamping authority %q: not an http or https address", o.URL)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Skew == 0 {
		o.Skew = DefaultSkew
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{o: o, http: http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy: o.Proxy, MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// TimeStamp gets a token over a digest value. Errors wrap ErrUnreachable, ErrClock,
// ErrToken, tsp.ErrMismatch or *tsp.StatusError where these apply.
func (c *Client) TimeStamp(ctx context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	t, err := c.timeStamp(ctx, d, sum)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.o.URL, err)
	}
	return t, nil
}

func (c *Client) timeStamp(ctx context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	q, err := tsp.NewRequest(rand.Reader, d, sum)
	if err != nil {
		return nil, err
	}
	q.Policy = c.o.Policy
	raw, err := c.post(ctx, q.Encode())
	if err != nil {
		return nil, err
	}
	t, err := q.Answer(raw)
	if err != nil {
		return nil, err
	}
	now := c.o.Now()
	if apart := t.Info.Time.Sub(now).Abs(); apart > c.o.Skew {
		return nil, fmt.Errorf("by %v: %w", apart.Round(time.Second), ErrClock)
	}
	if c.o.Trust == nil {
		return t, nil
	}
	r := t.Verify(tsp.Options{
		Trust: c.o.Trust,
		Path:  pki.PathOptions{At: now, Evidence: c.o.Evidence},
		Sum:   func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) { return sum, nil },
	})
	if r.Outcome != tsp.Valid {
		return nil, fmt.Errorf("%w: %s", ErrToken, r.Detail)
	}
	return t, nil
}

func (c *Client) post(ctx context.Context, query []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.URL, bytes.NewReader(query))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", queryType)
	request.Header.Set("Accept", replyType)
	response, err := c.http.Do(request)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) { // it repeats the address
			err = e.Err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP status %d", ErrUnreachable, response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != replyType {
		return nil, fmt.Errorf("%w: content type is not %s", ErrUnreachable, replyType)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, tsp.MaxToken+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(raw) > tsp.MaxToken {
		return nil, fmt.Errorf("%w: more than %d octets", ErrUnreachable, tsp.MaxToken)
	}
	return raw, nil
}
