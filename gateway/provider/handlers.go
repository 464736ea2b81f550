package provider

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/socket"
)

// route is one operation; a test holds the list to the OpenAPI file.
type route struct {
	method, path string
	serve        func(*Server, http.ResponseWriter, *http.Request) (any, error)
}

var routes = []route{
	{"GET", "/v1/health", (*Server).health},
	{"GET", "/v1/keys", (*Server).list},
	{"POST", "/v1/keys/{key}/sign", (*Server).sign},
	{"POST", "/v1/verify", (*Server).verify},
}

// Handler serves the protocol without looking at who asks: that is the socket's part.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, s.wrap(r.serve))
		mux.Handle(r.path, s.wrap(func(_ *Server, w http.ResponseWriter, _ *http.Request) (any, error) {
			w.Header().Set("Allow", r.method)
			return nil, &noMethod
		}))
	}
	mux.Handle("/", s.wrap(func(*Server, http.ResponseWriter, *http.Request) (any, error) { return nil, &notFound }))
	return mux
}

func (s *Server) wrap(serve func(*Server, http.ResponseWriter, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		answer, err := serve(s, w, r)
		if err == nil {
			var b []byte
			if b, err = json.Marshal(answer); err == nil {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(append(b, '\n')) // the peer is gone, or reads it
				return
			}
		}
		p, known := problemOf(err)
		if !known && r.Context().Err() == nil {
			s.Log.Error("request", zap.String("method", r.Method), zap.String("pattern", r.Pattern), zap.Error(err))
		}
		writeProblem(w, p)
	})
}

// decode reads a request of at most limit bytes.
func decode(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	err := socket.Decode(w, r, limit, v)
	var size *http.MaxBytesError
	if err == nil || errors.Is(err, socket.ErrContentType) || errors.As(err, &size) {
		return err
	}
	return malformed.because(err.Error())
}

func (s *Server) health(_ http.ResponseWriter, r *http.Request) (any, error) {
	h := Health{Protocol: Protocol, Operations: []string{"keys"}, OK: true}
	if len(s.Keys) > 0 {
		h.Operations = append(h.Operations, "sign")
	}
	if s.Verifier != nil {
		h.Operations = append(h.Operations, "verify")
	}
	if s.Probe != nil {
		_, err := within(r.Context(), s, s.Limits.Sign, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.Probe(ctx) })
		if err != nil {
			h.OK, h.Detail = false, err.Error()
		}
	}
	return h, nil
}

func (s *Server) list(http.ResponseWriter, *http.Request) (any, error) {
	out := KeyList{Keys: []KeyView{}}
	for _, k := range s.Keys {
		v := KeyView{ID: k.ID, Algorithm: s.keys[k.ID].algorithm, Digest: s.keys[k.ID].digest.Name, Certificate: k.Certificate.Raw, Chain: [][]byte{}}
		for _, c := range k.Chain {
			v.Chain = append(v.Chain, c.Raw)
		}
		out.Keys = append(out.Keys, v)
	}
	return out, nil
}

func (s *Server) sign(w http.ResponseWriter, r *http.Request) (any, error) {
	if len(s.Keys) == 0 {
		return nil, &notOffered
	}
	k := s.keys[r.PathValue("key")]
	if k == nil {
		return nil, &notFound
	}
	var q SignRequest
	if err := decode(w, r, maxSign, &q); err != nil {
		return nil, err
	}
	attrs, err := k.attributes(&q)
	if err != nil {
		return nil, err
	}
	value, err := within(r.Context(), s, s.Limits.Sign, func(context.Context) ([]byte, error) { return k.value(attrs) })
	var p *Problem
	switch {
	case errors.As(err, &p):
		return nil, err
	case err != nil:
		s.Log.Error("not signed", zap.String("key", k.ID), zap.Error(err))
		return nil, unavailable.because("the key cannot be used now")
	}
	s.Log.Debug("signed", zap.String("key", k.ID))
	return SignResponse{Signature: value, Attributes: attrs}, nil
}

// attributes gives what is to be signed, and refuses everything that is not a set
// of attributes with this key's certificate (THREATS A02).
func (k *signingKey) attributes(q *SignRequest) ([]byte, error) {
	switch {
	case (q.Attributes != nil) == (q.Document != nil):
		return nil, malformed.because("want either attributes or document")
	case q.Digest != k.digest.Name:
		return nil, unsignable.because("digest: this key signs with " + k.digest.Name)
	case q.Document == nil:
		if _, err := cades.ParseSignedAttributes(q.Attributes, k.digest, k.Certificate); err != nil {
			return nil, unsignable.because(err.Error())
		}
		return q.Attributes, nil
	}
	if len(q.Document.MessageDigest) != k.digest.Size {
		return nil, unsignable.because("messageDigest: not one of " + k.digest.Name)
	}
	if y := q.Document.SigningTime.UTC().Year(); y < 1950 || y > 9999 {
		return nil, invalid.because("signingTime: out of range")
	}
	a := cades.SignedAttributes{MessageDigest: q.Document.MessageDigest, SigningTime: q.Document.SigningTime}
	return a.Encode(k.digest, k.Certificate), nil
}

// value signs attributes that have been looked through, and verifies what came of
// it: a fault in the arithmetic of an RSA key can give the key away, and a token may
// have been exchanged.
func (k *signingKey) value(attrs []byte) (value []byte, err error) {
	h := k.digest.New(k.Certificate.PublicKey)
	h.Write(attrs)
	sum := h.Sum(nil)
	if a, ok := k.Key.Key.(cades.AttributeSigner); ok {
		value, err = a.SignAttributes(rand.Reader, attrs, k.digest)
	} else {
		value, err = k.Key.Key.Sign(rand.Reader, sum, k.digest.Hash)
	}
	if err != nil {
		return nil, err
	}
	if err := algorithm.VerifySum(k.by, k.Certificate.PublicKey, k.digest, sum, value); err != nil {
		return nil, fmt.Errorf("the signature is not by its certificate: %w", err)
	}
	return value, nil
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.Verifier == nil {
		return nil, &notOffered
	}
	var q VerifyRequest
	if err := decode(w, r, s.Limits.Verify, &q); err != nil {
		return nil, err
	}
	in, o, err := q.input()
	if err != nil {
		return nil, err
	}
	report, err := within(r.Context(), s, s.Limits.Judge, func(ctx context.Context) (*cades.Report, error) { return s.Verifier.Verify(ctx, in, o) })
	if err != nil {
		return nil, err
	}
	if report == nil {
		return nil, errors.New("verifier gave no report")
	}
	return newVerifyResponse(&q, report), nil
}

// input is what the request asks.
func (q *VerifyRequest) input() (in cades.Input, o cades.Options, err error) {
	switch {
	case len(q.Container) == 0:
		return in, o, invalid.because("container: is absent or empty")
	case len(q.Name) > maxName:
		return in, o, invalid.because(fmt.Sprintf("name: longer than %d bytes", maxName))
	case q.At.IsZero():
		return in, o, invalid.because("at: is absent")
	case q.Document != nil && q.Digests != nil:
		return in, o, malformed.because("want document or digests, not both")
	}
	in.Container, o.At = q.Container, q.At
	if q.Document != nil {
		in.Detached = io.NewSectionReader(bytes.NewReader(q.Document), 0, int64(len(q.Document)))
	}
	if q.Digests != nil {
		in.Sums = map[der.OID][]byte{}
		for name, sum := range q.Digests {
			d := algorithm.DigestByName(name)
			if d == nil || d.Keyed || len(sum) != d.Size {
				return in, o, invalid.because("digests: unknown name or wrong length")
			}
			in.Sums[d.OID] = sum
		}
	}
	if o.Tolerate, err = cades.ParseTolerances(q.Tolerate); err != nil {
		return in, o, invalid.because("tolerate: " + err.Error())
	}
	if q.Trust != nil {
		if o.Trust, err = q.Trust.store(); err != nil {
			return in, o, invalid.because("trust." + err.Error())
		}
	}
	return in, o, nil
}

// store reads trust material. What the sender could read the receiver must.
func (t *TrustMaterial) store() (*pki.Store, error) {
	for _, list := range [][][]byte{t.Anchors, t.Certificates, t.CRLs} {
		if len(list) > maxMaterial {
			return nil, fmt.Errorf("more than %d pieces", maxMaterial)
		}
	}
	certificates := func(name string, raw [][]byte) (out []*pki.Certificate, err error) {
		for i, b := range raw {
			c, err := pki.ParseCertificate(b)
			if err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", name, i, err)
			}
			out = append(out, c)
		}
		return out, nil
	}
	anchors, err := certificates("anchors", t.Anchors)
	if err != nil {
		return nil, err
	}
	more, err := certificates("certificates", t.Certificates)
	if err != nil {
		return nil, err
	}
	var crls []*pki.CRL
	for i, b := range t.CRLs {
		l, err := pki.ParseCRL(b)
		if err != nil {
			return nil, fmt.Errorf("crls[%d]: %w", i, err)
		}
		crls = append(crls, l)
	}
	return pki.NewStore(anchors, more, crls), nil
}

// newTrustMaterial writes a store down, with the anchors of a time.
func newTrustMaterial(s *pki.Store, at time.Time) *TrustMaterial {
	raw := func(list []*pki.Certificate) [][]byte {
		out := make([][]byte, len(list))
		for i, c := range list {
			out[i] = c.Raw
		}
		return out
	}
	t := &TrustMaterial{Anchors: raw(s.AnchorsAt(at)), Certificates: raw(s.Certificates())}
	for _, l := range s.CRLs() {
		t.CRLs = append(t.CRLs, l.Raw)
	}
	return t
}
