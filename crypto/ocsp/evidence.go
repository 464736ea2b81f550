package ocsp

import (
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/pki"
)

const certificateHold = 6 // CRLReason, RFC 5280, 5.3.1

// Revocation answers a question about a path's certificate; see the package comment
// for what has to hold.
func (r *Response) Revocation(q pki.Question) pki.Answer {
	answer := pki.Answer{Detail: "no OCSP answer about it"}
	for i := range r.singles {
		s := &r.singles[i]
		if !s.id.names(q.Certificate, q.Issuer) {
			continue
		}
		a := r.answer(s, q)
		if i == 0 || answer.Status == pki.Unknown {
			answer = a
			continue
		}
		answer = pki.Best(answer, a)
	}
	return answer
}

func (r *Response) answer(s *single, q pki.Question) pki.Answer {
	no := func(why string) pki.Answer { return pki.Answer{Detail: "OCSP answer: " + why} }
	limit := q.Until().Add(q.Freshness.AheadOf())
	switch {
	case r.unusable != "":
		return no(r.unusable)
	case s.unusable != "":
		return no(s.unusable)
	case r.Produced.After(limit) || s.thisUpdate.After(limit):
		return no("it is from the future")
	case s.thisUpdate.After(r.Produced.Add(q.Freshness.AheadOf())):
		return no("thisUpdate is after producedAt")
	}
	if err := r.authorized(q); err != nil {
		return no(err.Error())
	}
	ref := pki.EvidenceRef{Kind: "ocsp", SHA256: r.sum, ThisUpdate: s.thisUpdate, NextUpdate: s.nextUpdate}
	used := []pki.EvidenceRef{ref}
	later := s.thisUpdate.After(q.At)
	state := s.status
	if state == revoked && later && s.revokedAt.After(q.At) {
		state = good // it was then
	}
	held := state == revoked && s.reason == certificateHold
	if held && r.extendedRevok && s.revokedAt.Equal(time.Unix(0, 0)) {
		held = false // never issued: RFC 6960, 2.2
	}
	switch {
	case state == unknown:
		return no("the responder does not know the certificate")
	case state == revoked && !held:
		return pki.Answer{Status: pki.Revoked, RevokedAt: s.revokedAt, Reason: s.reason, Used: used}
	}
	if why := s.stale(q); why != "" {
		return no(why)
	}
	if later && s.thisUpdate.After(q.Certificate.NotAfter) && (s.cutoff.IsZero() || s.cutoff.After(q.Certificate.NotAfter)) {
		return no("it is of a time when the certificate had expired")
	}
	if held {
		return pki.Answer{Status: pki.OnHold, RevokedAt: s.revokedAt, Reason: s.reason, Used: used}
	}
	return pki.Answer{Status: pki.Good, Used: used}
}

// stale says why the answer is too old for the time asked about.
func (s *single) stale(q pki.Question) string {
	age := q.At.Sub(s.thisUpdate)
	switch {
	case !s.nextUpdate.IsZero() && s.nextUpdate.Before(q.At):
		return "it has expired"
	case s.nextUpdate.IsZero() && age > q.Freshness.AnswerAge(), q.Freshness.Age > 0 && age > q.Freshness.Age:
		return "it is too old"
	}
	return ""
}

// authorized says why the signer may not answer for the issuer; nil if it may and the
// signature is good.
func (r *Response) authorized(q pki.Question) error {
	why := errors.New("its signer is not the responder it names, or not at hand")
	if r.isBy(q.Issuer) {
		if why = r.signedBy(q.Issuer); why == nil {
			return nil
		}
	}
	candidates := slices.Clone(r.Certificates)
	if q.Issued != nil {
		candidates = append(candidates, q.Issued()...)
	}
	tried := make(map[[32]byte]bool)
	for _, c := range candidates {
		if tried[c.SHA256()] || !r.isBy(c) || c.Equal(q.Issuer) {
			continue
		}
		if tried[c.SHA256()] = true; len(tried) > 8 {
			break
		}
		if err := r.delegate(q, c); err != nil {
			why = err
			continue
		}
		return nil
	}
	return why
}

func (r *Response) delegate(q pki.Question, c *pki.Certificate) error {
	switch {
	case !slices.Contains(c.ExtendedKeyUsage, Signing):
		return errors.New("its signer is not for OCSP answers (extKeyUsage)")
	case c.HasKeyUsage && c.KeyUsage&(pki.DigitalSignature|pki.NonRepudiation) == 0:
		return errors.New("its signer is not for signing (keyUsage)")
	case q.Delegate == nil:
		return errors.New("its signer is not the issuer")
	}
	if err := r.signedBy(c); err != nil {
		return err
	}
	// The signer must hold at the time asked about; of an answer made after that time,
	// when it was made.
	at := q.At
	if r.Produced.After(at) && !r.Produced.After(q.Until()) {
		at = r.Produced
	}
	if err := q.Delegate(c, at); err != nil {
		return errors.New("its signer: " + err.Error())
	}
	return nil
}

// isBy tells whether the response names c as its signer.
func (r *Response) isBy(c *pki.Certificate) bool {
	if r.named {
		return r.byName.Same(c.Subject)
	}
	for _, sum := range []func([]byte) []byte{identifierHash(algorithm.SHA1), identifierHash(algorithm.GOST34311)} {
		if namesKey(r.byKey, c, sum) {
			return true
		}
	}
	return false
}

func (r *Response) signedBy(c *pki.Certificate) error {
	if c.PublicKey == nil {
		return algorithm.ErrUnknown
	}
	key := sha256.Sum256(c.RawSPKI)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err, ok := r.verified[key]; ok {
		return err
	}
	err := algorithm.Verify(r.algorithm, c.PublicKey, r.tbs, r.signature)
	if len(r.verified) < 16 {
		r.verified[key] = err
	}
	return err
}

// Piece gives the response if the reference is to it.
func (r *Response) Piece(ref pki.EvidenceRef) []byte {
	if ref.Kind == "ocsp" && ref.SHA256 == r.sum {
		return r.Raw
	}
	return nil
}

// Responses is evidence from a set of responses. The zero value is empty and ready;
// it may be used by several goroutines.
type Responses struct {
	mu       sync.RWMutex
	bySerial map[string][]*Response
	bySum    map[[32]byte]*Response
}

// NewResponses makes a set.
func NewResponses(list ...*Response) *Responses {
	s := &Responses{}
	s.Add(list...)
	return s
}

// Add puts responses into the set.
func (s *Responses) Add(list ...*Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySum == nil {
		s.bySerial, s.bySum = make(map[string][]*Response), make(map[[32]byte]*Response)
	}
	for _, r := range list {
		if r == nil || s.bySum[r.sum] != nil {
			continue
		}
		s.bySum[r.sum] = r
		for i := range r.singles {
			k := string(r.singles[i].id.Serial)
			if of := s.bySerial[k]; len(of) == 0 || of[len(of)-1] != r {
				s.bySerial[k] = append(of, r)
			}
		}
	}
}

// Remove takes responses out of the set.
func (s *Responses) Remove(list ...*Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range list {
		if r == nil || s.bySum[r.sum] != r {
			continue
		}
		delete(s.bySum, r.sum)
		for i := range r.singles {
			k := string(r.singles[i].id.Serial)
			left := slices.DeleteFunc(slices.Clone(s.bySerial[k]), func(o *Response) bool { return o == r })
			if s.bySerial[k] = left; len(left) == 0 {
				delete(s.bySerial, k)
			}
		}
	}
}

// Len is how many responses are in the set.
func (s *Responses) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.bySum)
}

// Revocation answers from the response that says most, see pki.Best.
func (s *Responses) Revocation(q pki.Question) pki.Answer {
	s.mu.RLock()
	of := s.bySerial[string(q.Certificate.RawSerial)]
	s.mu.RUnlock()
	best := pki.Answer{Detail: "no OCSP answer about it"}
	for i, r := range of {
		a := r.Revocation(q)
		if i == 0 {
			best = a
			continue
		}
		best = pki.Best(best, a)
	}
	return best
}

// Piece gives the BasicOCSPResponse that a reference names, or nil.
func (s *Responses) Piece(ref pki.EvidenceRef) []byte {
	s.mu.RLock()
	r := s.bySum[ref.SHA256]
	s.mu.RUnlock()
	if r == nil {
		return nil
	}
	return r.Piece(ref)
}
