package provider

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/socket"
)

// Errors that callers tell apart.
var (
	// ErrAway is wrapped when the provider does not answer, or cannot work now.
	// It may be asked again later.
	ErrAway = errors.New("the crypto provider cannot be asked now")
	// ErrUntrue is wrapped when its answer is not what it must be: a signature that
	// does not verify, another certificate, a report that contradicts itself.
	ErrUntrue = errors.New("the crypto provider's answer does not hold")
	// ErrRaw is what a key behind the socket answers to a digest without its document.
	ErrRaw = errors.New("a crypto provider signs attributes only, never a bare digest")
)

// Client asks a provider. It does not connect before it asks; a provider that was
// away is asked again by the next call.
type Client struct {
	path string
	http *http.Client
	// Sign and Judge bound how long one answer is waited for.
	Sign, Judge time.Duration
	// Again is how long a provider that was away is left alone: a queue of work does
	// not knock once for each piece.
	Again time.Duration

	signing, verifying breaker
}

// breaker remembers for a moment that the provider is away.
type breaker struct {
	mu  sync.Mutex
	err error
	at  time.Time
}

func (b *breaker) ready(again time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil && time.Since(b.at) < again {
		return b.err
	}
	return nil
}

func (b *breaker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.at = nil, time.Now()
	if errors.Is(err, ErrAway) {
		b.err = err
	}
}

// answers are bounded: what a provider says is not believed blindly either.
const (
	maxAnswer  = 4 << 20
	maxVerdict = 192 << 20
)

// NewClient asks the provider at the socket's path.
func NewClient(path string) *Client {
	return &Client{path: path, http: &http.Client{Transport: socket.Transport(path)}, Sign: 15 * time.Second, Judge: 90 * time.Second, Again: time.Second}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call asks in for out. The error wraps ErrAway, ErrUntrue or a *Problem.
func (c *Client) call(ctx context.Context, limit time.Duration, method, path string, in, out any, most int64) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://provider"+path, body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", c.path, ErrAway, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w: %w", c.path, ErrAway, err)
	case int64(len(b)) > most:
		return fmt.Errorf("%s: %w: it is longer than %d bytes", c.path, ErrUntrue, most)
	case resp.StatusCode == http.StatusOK:
		if err := socket.Strict(bytes.NewReader(b), out); err != nil {
			return fmt.Errorf("%s: %w: %w", c.path, ErrUntrue, err)
		}
		return nil
	}
	p := Problem{Status: resp.StatusCode, Title: resp.Status}
	if socket.IsType(resp.Header, "application/problem+json") {
		if err := json.Unmarshal(b, &p); err != nil || p.Title == "" {
			p = Problem{Status: resp.StatusCode, Title: resp.Status}
		}
	}
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
		return fmt.Errorf("%s: %w: %w", c.path, ErrAway, &p)
	}
	return fmt.Errorf("%s: refused: %w", c.path, &p)
}

// Health asks how the provider is. ErrAway also when it says that it is not well.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	if err := c.call(ctx, c.Sign, "GET", "/v1/health", nil, &h, maxAnswer); err != nil {
		return h, err
	}
	if h.Protocol != Protocol {
		return h, fmt.Errorf("%s: %w: protocol %q, want %q", c.path, ErrUntrue, h.Protocol, Protocol)
	}
	if !h.OK {
		return h, fmt.Errorf("%s: %w: %s", c.path, ErrAway, h.Detail)
	}
	return h, nil
}

// Keys lists the provider's keys.
func (c *Client) Keys(ctx context.Context) ([]KeyView, error) {
	var list KeyList
	err := c.call(ctx, c.Sign, "GET", "/v1/keys", nil, &list, maxAnswer)
	return list.Keys, err
}

// Signer gives the key of a name, proved: it has just signed attributes over random
// bytes, and the signature verified with its certificate. Where want is not nil the
// certificate must be that one.
func (c *Client) Signer(ctx context.Context, id string, want *pki.Certificate) (cades.Signer, error) {
	var s cades.Signer
	list, err := c.Keys(ctx)
	if err != nil {
		return s, err
	}
	for _, v := range list {
		if v.ID != id {
			continue
		}
		if s.Certificate, err = pki.ParseCertificate(v.Certificate); err != nil {
			return s, fmt.Errorf("%s: key %s: %w: certificate: %w", c.path, id, ErrUntrue, err)
		}
		for _, raw := range v.Chain {
			above, err := pki.ParseCertificate(raw)
			if err != nil {
				return s, fmt.Errorf("%s: key %s: %w: chain: %w", c.path, id, ErrUntrue, err)
			}
			s.Chain = append(s.Chain, above)
		}
	}
	if s.Certificate == nil {
		return s, fmt.Errorf("%s: the crypto provider has no key %q", c.path, id)
	}
	if want != nil && !bytes.Equal(want.Raw, s.Certificate.Raw) {
		return s, fmt.Errorf("%s: key %s: %w: its certificate is not the configured one", c.path, id, ErrUntrue)
	}
	d, by, err := algorithm.SigningIdentifier(s.Certificate.PublicKey)
	if err != nil {
		return s, fmt.Errorf("%s: key %s: %w", c.path, id, err)
	}
	k := &key{client: c, id: id, certificate: s.Certificate, digest: d, by: by}
	s.Key = k
	challenge := make([]byte, d.Size)
	_, _ = rand.Read(challenge) // it never fails
	proof := cades.SignedAttributes{MessageDigest: challenge, SigningTime: s.Certificate.NotBefore}
	if _, err := k.sign(ctx, proof.Encode(d, s.Certificate), d); err != nil {
		return s, err
	}
	return s, nil
}

// key signs over the socket.
type key struct {
	client      *Client
	id          string
	certificate *pki.Certificate
	digest      *algorithm.Digest
	by          algorithm.Identifier
}

var _ cades.AttributeSigner = (*key)(nil)

func (k *key) Public() crypto.PublicKey { return k.certificate.PublicKey }

func (k *key) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, ErrRaw }

// Ready says whether it is worth while to prepare something for this key.
func (k *key) Ready() error { return k.client.signing.ready(k.client.Again) }

func (k *key) SignAttributes(_ io.Reader, attrs []byte, d *algorithm.Digest) ([]byte, error) {
	if err := k.Ready(); err != nil {
		return nil, err
	}
	value, err := k.sign(context.Background(), attrs, d)
	k.client.signing.note(err)
	return value, err
}

func (k *key) sign(ctx context.Context, attrs []byte, d *algorithm.Digest) ([]byte, error) {
	if d != k.digest {
		return nil, fmt.Errorf("key %s: signs with %s", k.id, k.digest.Name)
	}
	var a SignResponse
	q := SignRequest{Digest: d.Name, Attributes: attrs}
	if err := k.client.call(ctx, k.client.Sign, "POST", "/v1/keys/"+url.PathEscape(k.id)+"/sign", q, &a, maxAnswer); err != nil {
		return nil, fmt.Errorf("key %s: %w", k.id, err)
	}
	h := d.New(k.certificate.PublicKey)
	h.Write(attrs)
	if err := algorithm.VerifySum(k.by, k.certificate.PublicKey, d, h.Sum(nil), a.Signature); err != nil || !bytes.Equal(a.Attributes, attrs) {
		return nil, fmt.Errorf("%s: key %s: %w: the signature is not by its certificate over these attributes", k.client.path, k.id, ErrUntrue)
	}
	return a.Signature, nil
}

// Verify asks for a verdict.
func (c *Client) Verify(ctx context.Context, q *VerifyRequest) (*VerifyResponse, error) {
	v := new(VerifyResponse)
	if err := c.call(ctx, c.Judge, "POST", "/v1/verify", q, v, maxVerdict); err != nil {
		return nil, err
	}
	return v, nil
}

// Validate asks for the verdict over a container as cades.Validate would give it. A
// document beside it goes there as its digests, or whole where a signature needs a
// digest that depends on the key. An error is no verdict: the provider is away, or
// its answer does not hold.
func (c *Client) Validate(ctx context.Context, in cades.Input, o cades.Options) (*cades.Report, error) {
	if err := c.verifying.ready(c.Again); err != nil {
		return nil, err
	}
	r, err := c.validate(ctx, in, o)
	c.verifying.note(err)
	return r, err
}

// digests are those that a document is sent by.
var digests = []string{"sha256", "sha384", "sha512"}

// whole says whether a container can be judged only with the document at hand.
func whole(container []byte) bool {
	data, err := cms.Unarmour(container)
	if err != nil {
		return true
	}
	sd, err := cms.Parse(data, cms.Options{BERSignerInfo: true})
	return err != nil || slices.ContainsFunc(sd.Signers, func(s cms.SignerInfo) bool {
		d := algorithm.DigestByOID(s.DigestAlgorithm.OID)
		return d == nil || d.Keyed || !slices.Contains(digests, d.Name)
	})
}

func (c *Client) validate(ctx context.Context, in cades.Input, o cades.Options) (*cades.Report, error) {
	q := &VerifyRequest{Container: in.Container, At: o.At.UTC(), Content: true}
	for t, allowed := range o.Tolerate {
		if allowed {
			q.Tolerate = append(q.Tolerate, string(t))
		}
	}
	if o.Trust != nil {
		q.Trust = newTrustMaterial(o.Trust, o.At)
	}
	switch {
	case in.Detached != nil && whole(in.Container):
		doc, err := io.ReadAll(io.NewSectionReader(in.Detached, 0, in.Detached.Size()))
		if err != nil {
			return nil, fmt.Errorf("document: %w", err)
		}
		q.Document = doc
	case in.Detached != nil:
		q.Digests = map[string][]byte{}
		for _, name := range digests {
			h := algorithm.DigestByName(name).New(nil)
			if _, err := io.Copy(h, io.NewSectionReader(in.Detached, 0, in.Detached.Size())); err != nil {
				return nil, fmt.Errorf("document: %w", err)
			}
			q.Digests[name] = h.Sum(nil)
		}
	}
	v, err := c.Verify(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := v.Cades()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %w", c.path, ErrUntrue, err)
	case !v.Report.At.Equal(o.At):
		return nil, fmt.Errorf("%s: %w: the verdict is of another time", c.path, ErrUntrue)
	case r.Indication == cades.TotalPassed && r.Attached != (in.Detached == nil):
		return nil, fmt.Errorf("%s: %w: content inside and beside the container are mixed up", c.path, ErrUntrue)
	case r.Indication == cades.TotalPassed && r.Attached && len(r.Content) == 0:
		return nil, fmt.Errorf("%s: %w: the content is missing", c.path, ErrUntrue)
	}
	return r, nil
}
