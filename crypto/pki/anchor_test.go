package pki_test

import (
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

func TestAnchorsForATime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := pkitest.NewAt(t, at)
	who := p.Person("Somebody", "12345678", "1234567890")
	from, until := at.Add(-time.Hour), at.Add(time.Hour)
	material := pki.NewStore(nil, []*pki.Certificate{p.CA.Certificate}, nil)
	outcome := func(s *pki.Store, at time.Time) pki.Outcome {
		return s.Validate(who.Certificate, pki.PathOptions{At: at, WithoutRevocation: true}).Outcome
	}
	limited := material.WithAnchors([]pki.Anchor{
		{Certificate: p.CA.Certificate, From: from, Until: until},
		{Certificate: p.CA.Certificate, From: until.Add(time.Hour)},
	})
	for _, c := range []struct {
		name string
		s    *pki.Store
		at   time.Time
		want pki.Outcome
	}{
		{"nobody is believed", material, at, pki.NoChain},
		{"before it was granted", limited, from.Add(-time.Second), pki.NoChain},
		{"from the moment on", limited, from, pki.ValidPath},
		{"in its time", limited, at, pki.ValidPath},
		{"when it was withdrawn", limited, until, pki.NoChain},
		{"granted anew", limited, until.Add(time.Hour), pki.ValidPath},
		{"with more material", limited.With([]*pki.Certificate{p.Root.Certificate}, nil), until, pki.NoChain},
		{"with another list", limited.WithAnchors([]pki.Anchor{{Certificate: p.Root.Certificate}}), at, pki.ValidPath},
		{"believed by a file too", pki.NewStore([]*pki.Certificate{p.CA.Certificate}, nil, nil).WithAnchors([]pki.Anchor{{Certificate: p.CA.Certificate, Until: from}}), at, pki.ValidPath},
		{"its issuer is believed", limited.WithAnchors([]pki.Anchor{{Certificate: p.Root.Certificate}}), until, pki.ValidPath},
	} {
		if got := outcome(c.s, c.at); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if n := len(limited.AnchorsAt(until)); n != 0 {
		t.Errorf("%d anchors when it was withdrawn", n)
	}
}
