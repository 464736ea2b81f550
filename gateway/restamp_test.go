package gateway_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// stampsOnStage is a time-stamping authority by the clock of the stage.
type stampsOnStage struct {
	p     *pkitest.PKI
	by    pkitest.Signatory
	clock *gatewaytest.Clock
	down  bool
	asked int
}

func (a *stampsOnStage) TimeStamp(_ context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	a.asked++
	if a.down {
		return nil, errors.New("nobody answers")
	}
	return tsp.Parse(a.p.Stamp(a.by, nil, func(s *pkitest.Stamp) {
		s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(d.OID.Encode()), der.OctetString(sum))
		s.Info[pkitest.StampTime] = pkitest.GeneralizedTime(a.clock.Now())
		s.Certificates = [][]byte{a.by.Certificate.Raw}
	}))
}

type stampedSite struct {
	*gatewaytest.Rig
	tsa *stampsOnStage
	j   *journal.Journal
}

const day = 24 * time.Hour

func newStampedSite(t *testing.T) *stampedSite {
	t.Helper()
	s := &stampedSite{tsa: &stampsOnStage{p: pkitest.NewAt(t, gatewaytest.Begin)}}
	var state string
	s.Rig = gatewaytest.New(t, gatewaytest.Setup{
		Store: func(o *sqlite.Options) { state = o.Dir },
		Options: func(o *gateway.Options) {
			o.Stamper = s.tsa
			o.JournalKey = func() (string, error) { return journal.PublicKey(journal.Folder(state)) }
		},
	})
	s.tsa.clock, s.tsa.p.CA = s.Clock, s.CA
	s.tsa.by = s.authority(200 * day)
	var err error
	s.j, err = journal.Open(journal.Options{
		Dir: journal.Folder(state), Copy: t.TempDir(), Store: s.Store, Publisher: s.Gateway, Now: s.Clock.Now, Rand: rand.Reader, Log: zap.NewNop(),
	})
	s.ok(err)
	t.Cleanup(func() { s.j.Close() })
	return s
}

func (s *stampedSite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stampedSite) authority(lasts time.Duration) pkitest.Signatory {
	now := s.Clock.Now()
	return s.tsa.p.Authority(func(t *issue.Template) { t.NotBefore, t.NotAfter = now.Add(-day), now.Add(lasts) })
}

// accept sends a document and has its evidence kept.
func (s *stampedSite) accept(name string, first int) spool.ID {
	s.Helper()
	s.Send(name, s.Signed(s.DBF(first, 1)))
	s.Advance(time.Minute)
	_, err := s.j.Checkpoint(s.Ctx())
	s.ok(err)
	s.ok(s.j.Publish(s.Ctx()))
	s.ok(s.Gateway.KeepEvidence(s.Ctx()))
	var items []spool.Item
	s.ok(s.Store.View(s.Ctx(), func(r spool.Reader) (err error) {
		items, err = r.Items(spool.Query{Queue: gateway.Submissions, Newest: true, Limit: 1})
		return err
	}))
	return items[0].ID
}

// later lets days pass, after which a fresh list is there.
func (s *stampedSite) later(d time.Duration) {
	s.Advance(d)
	s.Trust.Store(s.People.Store(s.List(s.Clock.Now())))
}

// raised are the raised parts of a submission, and how often the journal tells of a
// new one.
func (s *stampedSite) raised(id spool.ID) (parts []spool.Part, told int) {
	s.Helper()
	s.ok(s.Store.View(s.Ctx(), func(r spool.Reader) error {
		all, err := r.Parts(id)
		if err != nil {
			return err
		}
		for _, p := range all {
			if strings.HasPrefix(p.Name, ".raised") {
				parts = append(parts, p)
			}
		}
		events, err := r.History(id)
		for _, e := range events {
			if e.Kind == "evidence renewed" {
				told++
			}
		}
		return err
	}))
	return parts, told
}

// verify exports a package and verifies it.
func (s *stampedSite) verify(id spool.ID) (*evidence.Result, []byte) {
	s.Helper()
	pkg, err := s.Gateway.Evidence(s.Ctx(), id)
	s.ok(err)
	return evidence.Verify(pkg, evidence.Options{Anchors: []*pki.Certificate{s.CA.Certificate, s.SealCA.Certificate}, At: s.Clock.Now().Add(time.Minute)}), pkg
}

func (s *stampedSite) want(id spool.ID, parts, told int) {
	s.Helper()
	if p, n := s.raised(id); len(p) != parts || n != told {
		s.Fatalf("%d raised parts, told %d times; want %d and %d", len(p), n, parts, told)
	}
}

// What is due is stamped once, and the package verifies after the certificate of the
// first authority, and then of the second, has ended, and though a signatory was
// revoked since.
func TestRestamp(t *testing.T) {
	t.Parallel()
	s := newStampedSite(t)
	const lead = 30 * day
	id := s.accept("P.DBF.p7s", 1)
	s.want(id, 1, 0)
	s.ok(s.Gateway.Restamp(s.Ctx(), lead))
	s.want(id, 1, 0)
	before, _ := s.raised(id)

	s.later(180 * day)
	s.tsa.by = s.authority(130 * day)
	s.ok(s.Gateway.Restamp(s.Ctx(), lead))
	s.want(id, 2, 1)
	asked := s.tsa.asked
	s.ok(s.Gateway.Restamp(s.Ctx(), lead))
	if s.want(id, 2, 1); s.tsa.asked != asked {
		t.Error("what is not due is stamped again")
	}
	if after, _ := s.raised(id); after[0].Name != before[0].Name || after[0].Content.SHA256 != before[0].Content.SHA256 {
		t.Error("the old version was changed")
	}

	s.later(40 * day) // the first authority has ended
	r, _ := s.verify(id)
	if r.Indication != cades.TotalPassed {
		t.Errorf("after the first authority ended: %s %s %s", r.Indication, r.SubIndication, r.Detail)
	}
	s.later(70 * day) // the list of the first renewal has ended too
	crl, err := issue.CRL(rand.Reader, s.CA, issue.List{
		Number: big.NewInt(s.Clock.Now().Unix()), ThisUpdate: s.Clock.Now().Add(-time.Hour), NextUpdate: s.Clock.Now().AddDate(0, 0, 90),
		Revoked: []issue.Revocation{{Serial: s.Head.Certificate.Serial, At: s.Clock.Now().Add(-2 * time.Hour), Reason: 1}},
	})
	s.ok(err)
	s.Trust.Store(s.People.Store(crl))
	s.tsa.by = s.authority(900 * day)
	s.ok(s.Gateway.Restamp(s.Ctx(), lead))
	s.want(id, 3, 2)
	s.Advance(30 * day) // the second too
	r, pkg := s.verify(id)
	if r.Indication != cades.TotalPassed {
		t.Errorf("after the second authority ended: %s %s %s", r.Indication, r.SubIndication, r.Detail)
	}
	z, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
	s.ok(err)
	f, err := z.Open("raised/P.DBF.p7s")
	s.ok(err)
	raised, err := io.ReadAll(f)
	s.ok(err)
	if parts, _ := s.raised(id); fmt.Sprintf("%x", sha256.Sum256(raised)) != parts[2].Content.SHA256 {
		t.Error("the package has not the newest")
	}
	v := cades.Validate(cades.Input{Container: raised}, cades.Options{
		At: s.Clock.Now(), Trust: pki.NewStore([]*pki.Certificate{s.CA.Certificate}, nil, nil), Past: cades.Examiner,
	})
	for _, sig := range v.Signatures {
		if len(sig.TimeStamps) != 3 || !sig.ProvedTime.Before(gatewaytest.Begin.Add(time.Hour)) {
			t.Errorf("%d time-stamps, proved for %v", len(sig.TimeStamps), sig.ProvedTime)
		}
		for _, x := range sig.TimeStamps {
			if !x.Valid {
				t.Errorf("%s of %v: %s %s", x.Kind, x.Time, x.SubIndication, x.Detail)
			}
		}
	}
}

// While the authority is down, or has only a certificate that ends as soon, or
// nothing fresh is known of it, nothing is stored nor told; then it is done.
func TestRestampWaits(t *testing.T) {
	t.Parallel()
	s := newStampedSite(t)
	const lead = 30 * day
	id := s.accept("P.DBF.p7s", 1)
	s.Advance(180 * day)
	old := s.tsa.by
	s.tsa.by = s.authority(100 * day)
	if err := s.Gateway.Restamp(s.Ctx(), lead); err == nil {
		t.Error("no word of missing revocation evidence")
	}
	s.want(id, 1, 0)
	s.later(time.Hour)
	s.tsa.down = true
	if err := s.Gateway.Restamp(s.Ctx(), lead); err == nil {
		t.Error("no word of an authority that is down")
	}
	s.want(id, 1, 0)
	s.tsa.down = false
	fresh := s.tsa.by
	s.tsa.by = old
	if err := s.Gateway.Restamp(s.Ctx(), lead); err == nil || !strings.Contains(err.Error(), "no later") {
		t.Errorf("a stamp that ends as soon: %v", err)
	}
	s.want(id, 1, 0)
	s.tsa.by = fresh
	s.ok(s.Gateway.Restamp(s.Ctx(), lead))
	s.want(id, 2, 1)
}

// What was raised before ends were noted is found.
func TestRestampOld(t *testing.T) {
	t.Parallel()
	s := newStampedSite(t)
	id := s.accept("P.DBF.p7s", 1)
	s.ok(s.Store.Update(s.Ctx(), func(tx spool.Tx) error {
		months, err := tx.Values("stamp-ends")
		if err != nil {
			return err
		}
		if len(months) != 1 {
			t.Errorf("noted: %v", months)
		}
		for m := range months {
			if err := tx.SetValue("stamp-ends/"+m, id.String(), nil); err != nil {
				return err
			}
			if err := tx.SetValue("stamp-ends", m, nil); err != nil {
				return err
			}
		}
		return nil
	}))
	s.later(180 * day)
	s.tsa.by = s.authority(100 * day)
	s.ok(s.Gateway.Restamp(s.Ctx(), 30*day))
	s.want(id, 2, 1)
}
