package gateway

import (
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/formats/profile"
)

// Who cannot be judged is held, however long, and never passed.
func TestValidatorAway(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := p.Person("Head", "00013480", "2222222222")
	doc := []byte("Платіжне доручення №1")
	container, err := cades.Sign(rand.Reader, doc, []cades.Signer{{Key: head.Key, Certificate: head.Certificate}}, cades.SignOptions{At: pkitest.At})
	if err != nil {
		t.Fatal(err)
	}
	apart, err := cades.Sign(rand.Reader, doc, []cades.Signer{{Key: head.Key, Certificate: head.Certificate}}, cades.SignOptions{At: pkitest.At, Detached: true})
	if err != nil {
		t.Fatal(err)
	}
	profiles := profile.Builtin()
	attached := Piece{Name: "a.p7s", Role: RoleContainer, Content: section(container)}
	detached := []Piece{{Name: "a", Role: RoleDocument, Content: section(doc)}, {Name: "a.p7s", Role: RoleSignature, Content: section(apart)}}
	away := func(cades.Input, cades.Options) (*cades.Report, error) { return nil, errors.New("away") }
	for name, validate := range map[string]Validator{
		"away":    away,
		"nothing": func(cades.Input, cades.Options) (*cades.Report, error) { return nil, nil },
		"both": func(in cades.Input, o cades.Options) (*cades.Report, error) {
			r := cades.Validate(in, o)
			return r, errors.New("away")
		},
	} {
		for _, pieces := range [][]Piece{{attached}, detached} {
			for _, overdue := range []bool{false, true} {
				v, _ := Examine(Case{Document: "a", Pieces: pieces, Received: pkitest.At, At: pkitest.At, Overdue: overdue, Trust: p.Store(), Profiles: profiles, Validate: validate})
				if v.Outcome != Held || v.away == nil || len(v.Signatures) != 1 || v.Signatures[0].Indication != "INDETERMINATE" || len(v.Findings) == 0 ||
					v.Findings[len(v.Findings)-1].Rule != "SIG-NOT-JUDGED" {
					t.Errorf("%s, overdue %v: %+v", name, overdue, v)
				}
			}
		}
	}

	// One that answers is asked what we would have asked ourselves, and believed.
	var asked []string
	said := func(in cades.Input, o cades.Options) (*cades.Report, error) {
		word := "attached"
		if in.Detached != nil {
			b, _ := io.ReadAll(in.Detached)
			word = string(b)
		}
		asked = append(asked, word)
		r := cades.Validate(in, o)
		r.Indication, r.Signatures[0].Indication, r.Signatures[0].SubIndication = cades.TotalFailed, cades.TotalFailed, cades.HashFailure
		return r, nil
	}
	for _, pieces := range [][]Piece{{attached}, detached} {
		v, _ := Examine(Case{Document: "a", Pieces: pieces, Received: pkitest.At, At: pkitest.At, Trust: p.Store(), Profiles: profiles, Validate: said})
		if v.Outcome == Accepted || v.away != nil || v.Signatures[0].Indication != "TOTAL-FAILED" || v.SHA256 == "" {
			t.Errorf("%+v", v)
		}
	}
	if got := strings.Join(asked, ", "); got != "attached, "+string(doc) {
		t.Error(got)
	}
}
