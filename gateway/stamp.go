package gateway

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// errStamp: the time-stamping authority gives nothing that could be used now.
var errStamp = errors.New("no time-stamp")

// errStatus: nothing fresh says yet that an authority's certificate is not revoked.
var errStatus = errors.New("no revocation evidence")

// stampPause bounds the pause after the authority has failed.
const stampPause = 10 * time.Minute

// StampTrouble says that time-stamps do not come.
type StampTrouble struct {
	Since time.Time // of the first failure
	Next  time.Time // when it is tried again
	Err   error
	tries int
}

// StampTrouble tells why evidence waits for the time-stamping authority; nil: it
// does not.
func (g *Gateway) StampTrouble() *StampTrouble { return g.stampTrouble.Load() }

// stamped notes what came of asking the authority. Only the keeper calls it.
func (g *Gateway) stamped(err error) {
	if err == nil {
		g.stampTrouble.Store(nil)
		return
	}
	now := g.Now()
	next := StampTrouble{Since: now}
	if was := g.stampTrouble.Load(); was != nil {
		next = *was
	}
	next.tries++
	next.Err, next.Next = err, now.Add(min(stampPause, time.Second<<min(next.tries, 10)))
	g.stampTrouble.Store(&next)
}

// stamping asks for the time-stamps of one piece of work and gathers what validates
// them later. A stamp that nobody will believe is no stamp: the authority's path
// must hold now.
type stamping struct {
	g        *Gateway
	trust    *pki.Store
	tolerate cades.Tolerances
	m        *gathering         // may be nil
	material []*pki.Certificate // to find the authority among
	failed   error
}

// TimeStamp is that of cades.Stamper. Its errors are errStamp.
func (s *stamping) TimeStamp(ctx context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	t, err := s.ask(ctx, d, sum)
	if err != nil {
		s.failed = fmt.Errorf("%w: %w", errStamp, err)
		return nil, s.failed
	}
	return t, nil
}

func (s *stamping) ask(ctx context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	t, err := s.g.Stamper.TimeStamp(ctx, d, sum)
	if err != nil {
		return nil, err
	}
	if err := s.believe(t, sum); err != nil {
		return nil, err
	}
	return t, nil
}

// believe verifies that the authority's path holds now, and gathers what says so.
func (s *stamping) believe(t *tsp.Token, sum []byte) error {
	o := tsp.Options{
		Trust: s.trust, AttrsAsStored: s.tolerate[cades.AttrsAsStored],
		Path: pki.PathOptions{At: s.g.Now(), LegacySBox: s.tolerate[cades.LegacySBox], Freshness: s.g.Freshness, Material: s.material},
		Sum:  func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) { return sum, nil },
	}
	r := t.Verify(o)
	if r.Path.Outcome == pki.NoRevocationEvidence {
		if s.tolerate[cades.NoRevocation] {
			o.Path.WithoutRevocation = true
			r = t.Verify(o)
		} else if seeker, ok := s.g.Trust.(Seeker); ok {
			seeker.Seek("time-stamping authority", r.Path.Missing, func() {})
		}
	}
	if r.Outcome != tsp.Valid {
		err := fmt.Errorf("the authority is not believed: %s", r.Detail)
		if r.Path.Outcome == pki.NoRevocationEvidence {
			err = fmt.Errorf("%w: %w", errStatus, err)
		}
		return err
	}
	if s.m != nil {
		s.m.chain(r.Path.Chain)
		s.m.evidence(r.Path.Evidence)
	}
	return nil
}

// raising is how signatures are raised with the time-stamps of s.
func (s *stamping) raising() cades.Raising {
	return cades.Raising{Stamper: s, Digest: s.g.StampDigest, Tolerate: s.tolerate}
}
