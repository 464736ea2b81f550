package tsp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

func sha256Request(t *testing.T) (*Request, *algorithm.Digest) {
	t.Helper()
	d := algorithm.DigestByOID(algorithm.SHA256)
	q, err := NewRequest(rand.Reader, d, hashed(d, nil, message))
	if err != nil {
		t.Fatal(err)
	}
	return q, d
}

func TestRequest(t *testing.T) {
	t.Parallel()
	q, d := sha256Request(t)
	q.Policy = "1.2.804.2.1.1.1.2.3.1"
	back, err := ParseRequest(q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if back.ImprintAlgorithm.OID != d.OID || !bytes.Equal(back.Imprint, q.Imprint) || back.Policy != q.Policy ||
		back.Nonce.Cmp(q.Nonce) != 0 || !back.Certificates || !bytes.Equal(back.Encode(), q.Encode()) {
		t.Errorf("%+v", back)
	}
	if other, _ := sha256Request(t); other.Nonce.Cmp(q.Nonce) == 0 {
		t.Error("the same nonce twice")
	}
	if _, err := NewRequest(rand.Reader, d, []byte("short")); err == nil {
		t.Error("digest of another length: no error")
	}
	if _, err := NewRequest(strings.NewReader("few"), d, q.Imprint); err == nil {
		t.Error("no randomness: no error")
	}
	bare := &Request{ImprintAlgorithm: q.ImprintAlgorithm, Imprint: q.Imprint}
	if back, err := ParseRequest(bare.Encode()); err != nil || back.Nonce != nil || back.Policy != "" || back.Certificates {
		t.Errorf("%+v %v", back, err)
	}
	whole := q.Encode()
	for i := range whole {
		if _, err := ParseRequest(whole[:i]); err == nil {
			t.Errorf("cut to %d octets: no error", i)
		}
	}
	critical := der.Explicit(0, der.Sequence(der.OID("1.2.3.4").Encode(), der.Bool(true), der.OctetString([]byte{5, 0})))
	id := der.Sequence(algorithm.SHA256.Encode())
	for name, raw := range map[string][]byte{
		"more after it":      append(bytes.Clone(whole), 0),
		"version 2":          der.Sequence(der.Int(2), der.Sequence(id, der.OctetString(q.Imprint))),
		"critical extension": der.Sequence(der.Int(1), der.Sequence(id, der.OctetString(q.Imprint)), critical),
		"no imprint":         der.Sequence(der.Int(1), der.Sequence(id, der.OctetString(nil))),
		"too long":           make([]byte, MaxRequest+1),
	} {
		if _, err := ParseRequest(raw); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAnswer: a token is an answer only to its own request.
func TestAnswer(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	tsa := p.Authority()
	q, _ := sha256Request(t)
	status := func(n int64, more ...[]byte) []byte { return der.Sequence(append([][]byte{der.Int(n)}, more...)...) }
	response := func(nonce *big.Int, change ...func(*pkitest.Stamp)) []byte {
		return der.Sequence(status(0), p.Stamp(tsa, message, append(change, func(s *pkitest.Stamp) {
			if nonce != nil {
				s.Info = append(s.Info, der.Integer(nonce))
			}
		})...))
	}
	got, err := q.Answer(response(q.Nonce))
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Verify(Options{Trust: p.Store().With(nil, nil), Sum: Sum(message)}); r.Outcome != NoCertificate {
		t.Errorf("without its certificate: %d", r.Outcome)
	}
	asks := *q
	asks.Policy = "1.2.3.4"
	silent := *q
	silent.Nonce = nil
	for name, c := range map[string]struct {
		q   *Request
		raw []byte
	}{
		"another nonce":  {q, response(new(big.Int).Add(q.Nonce, big.NewInt(1)))},
		"no nonce":       {q, response(nil)},
		"unasked nonce":  {&silent, response(q.Nonce)},
		"another policy": {&asks, response(q.Nonce)},
		"other bytes": {q, response(q.Nonce, func(s *pkitest.Stamp) {
			s.Info[pkitest.StampImprint] = pkitest.Imprint([]byte("other"))
		})},
	} {
		if _, err := c.q.Answer(c.raw); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := silent.Answer(response(nil)); err != nil {
		t.Error(err)
	}

	var refused *StatusError
	raw := der.Sequence(status(2, der.Sequence(der.UTF8String("алгоритм"), der.UTF8String(strings.Repeat("x", 500))),
		der.Value(der.TagBitString, []byte{6, 0x80, 0, 0, 0x40})))
	if _, err := q.Answer(raw); !errors.As(err, &refused) || !errors.Is(err, ErrNotGranted) {
		t.Fatal(err)
	}
	if refused.Status != 2 || strings.Join(refused.Failures, " ") != "badAlg systemFailure" || len([]rune(refused.Text)) != 8+2+200 || !strings.Contains(refused.Error(), "badAlg") {
		t.Errorf("%+v", refused)
	}
	if _, err := q.Answer(der.Sequence(status(0))); !errors.Is(err, ErrNotGranted) {
		t.Errorf("granted without a token: %v", err)
	}
}

// TestRequestKEP: the request that Bouncy Castle wrote, by GOST 34.311.
func TestRequestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "tsp")
	raw := shareddata.Read(t, dir, "request.tsq")
	q, err := ParseRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	d := algorithm.DigestByOID(q.ImprintAlgorithm.OID)
	if d == nil || !bytes.Equal(hashed(d, nil, shareddata.Read(t, dir, "document.txt")), q.Imprint) || !q.Certificates || q.Nonce == nil {
		t.Errorf("%+v", q)
	}
	if !bytes.Equal(q.Encode(), raw) {
		t.Error("encoded otherwise")
	}
}

// FuzzParseRequest: what is read is written again, and nothing breaks.
func FuzzParseRequest(f *testing.F) {
	d := algorithm.DigestByOID(algorithm.SHA256)
	q, err := NewRequest(strings.NewReader("12345678"), d, hashed(d, nil, message))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q.Encode())
	q.Policy, q.Nonce = "1.2.3", nil
	f.Add(q.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseRequest(b)
		if err != nil {
			return
		}
		again, err := ParseRequest(q.Encode())
		if err != nil || again.Policy != q.Policy || !bytes.Equal(again.Imprint, q.Imprint) || (again.Nonce == nil) != (q.Nonce == nil) {
			t.Fatalf("%v %+v, was %+v", err, again, q)
		}
	})
}
