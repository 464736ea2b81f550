package cades

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// partyStamper is a time-stamping authority with a key of any family.
type partyStamper struct {
	by ocsptest.Party
	at time.Time
	// key signs in place of the authority's, over is stamped in place of what is asked.
	key  *ocsptest.Party
	over []byte
}

func (a partyStamper) TimeStamp(_ context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	raw, err := a.token(d, sum)
	if err != nil {
		return nil, err
	}
	return tsp.Parse(raw)
}

func (a partyStamper) token(imprint *algorithm.Digest, sum []byte) ([]byte, error) {
	if a.over != nil {
		sum = hashed(imprint, nil, a.over)
	}
	info := der.Sequence(
		der.Int(1), der.OID("1.2.804.2.1.1.1.2.3.1").Encode(), der.Sequence(der.Sequence(imprint.OID.Encode()), der.OctetString(sum)),
		der.Int(4711), pkitest.GeneralizedTime(a.at))
	c := a.by.Certificate
	d, id, err := algorithm.ForSigning(c.PublicKey)
	if err != nil {
		return nil, err
	}
	attrs := [][]byte{
		cms.NewAttribute(cms.AttrContentType, cms.TypeTSTInfo.Encode()),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(d, c.PublicKey, info))),
		cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(d, c)),
	}
	key := a.by.Key
	if a.key != nil {
		key = a.key.Key
	}
	value, err := key.Sign(rand.Reader, hashed(d, c.PublicKey, der.SetOf(attrs...)), d.Hash)
	if err != nil {
		return nil, err
	}
	digest := der.Sequence(d.OID.Encode())
	return cms.BuildToken(info, [][]byte{digest}, [][]byte{c.Raw}, [][]byte{cms.SignerParts{
		Issuer: c.RawIssuer, Serial: c.RawSerial, DigestAlgorithm: digest,
		SignedAttrs: attrs, SignatureAlgorithm: id, Signature: value,
	}.Encode()}), nil
}

// TestPastFamilies: for keys of each family, OCSP answers in a container, of a delegated
// responder that has expired since, decide about a signer who has expired; and a
// time-stamp that does not hold proves nothing.
func TestPastFamilies(t *testing.T) {
	t.Parallel()
	for _, family := range ocsptest.Families {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			pastOf(t, family)
		})
	}
}

func pastOf(t *testing.T, family ocsptest.Family) {
	ctx := context.Background()
	ca := ocsptest.NewAuthority(t, family, "CA", pkitest.At)
	forTime := func(c *issue.Template) { c.ExtendedKeyUsage = []der.OID{tsp.TimeStamping} }
	head, nobody := ca.Issue("Head", until(30)), ca.Issue("Nobody")
	tsa, gone, brief := ca.Issue("TSA", forTime), ca.Issue("Gone TSA", forTime, until(-1)), ca.Issue("Brief TSA", forTime, until(10))
	lost := ca.Issue("Lost TSA", forTime)
	responder := ca.Issue("Responder", ocsptest.ForAnswers, until(20))
	plain := mustSign(t, document, SignOptions{}, Signer{Key: head.Key, Certificate: head.Certificate})
	// At the end the CA's list is of the time-stamping authorities; the signer is not on
	// it any more.
	late := ca.CRL(day(60).Add(-time.Hour), issue.Revocation{Serial: lost.Certificate.Serial, At: day(-2), Reason: 1})
	answer := func(by ocsptest.Party, at time.Time, status []byte) [][]byte {
		raw, err := ocsptest.Answer{ID: ocsptest.ID(head.Certificate, ca.Certificate), Status: status, This: at, Next: at.AddDate(0, 0, 1), By: by}.Whole()
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{raw}
	}
	validate := func(b []byte) *Report {
		store := pki.NewStore([]*pki.Certificate{ca.Certificate}, nil, []*pki.CRL{late})
		return Validate(Input{Container: b}, Options{At: day(60), Trust: store})
	}
	check := func(name string, b []byte, want string) {
		t.Helper()
		r := validate(b)
		if verdict(r) != want {
			t.Errorf("%s: %s (%s), stamps %s; want %s", name, verdict(r), r.Detail, stampKinds(r), want)
			for _, s := range r.Signatures[0].TimeStamps {
				t.Log(s.Detail)
			}
		}
		if r.Indication == TotalPassed && (!r.Signatures[0].Past || r.Signatures[0].Evidence[0].Kind != "ocsp") {
			t.Errorf("%s: past %v, evidence %+v", name, r.Signatures[0].Past, r.Signatures[0].Evidence)
		}
	}
	const no = "INDETERMINATE OUT_OF_BOUNDS_NO_POE"
	good := answer(responder, day(1), nil)
	for form, name := range []string{"in SignedData", "in revocation-values"} {
		with := func(s Stamper, answers [][]byte) []byte {
			b := must(Raising{Stamper: s}.AddTimeStamp(ctx, plain))(t)
			return must(Raising{}.AddValues(b, Values{Certificates: []*pki.Certificate{ca.Certificate}, OCSP: answers}, Form(form)))(t)
		}
		stamp := partyStamper{by: tsa, at: day(0)}
		check(name+": good after the stamp", with(stamp, good), "TOTAL-PASSED")
		check(name+": by the CA itself", with(stamp, answer(ocsptest.Party{Key: ca.Key, Certificate: ca.Certificate}, day(1), nil)), "TOTAL-PASSED")
		check(name+": revoked after the stamp", with(stamp, answer(responder, day(6), ocsptest.Revoked(day(5), 1))), "TOTAL-PASSED")
		check(name+": revoked before the stamp", with(stamp, answer(responder, day(6), ocsptest.Revoked(day(-1), 1))), no)
		check(name+": unknown", with(stamp, answer(responder, day(1), ocsptest.Unknown)), no)
		check(name+": of before the stamp", with(stamp, answer(responder, day(-1), nil)), no)
		check(name+": of after the responder expired", with(stamp, answer(responder, day(21), nil)), no)
		check(name+": of after the signer expired", with(stamp, answer(ocsptest.Party{Key: ca.Key, Certificate: ca.Certificate}, day(31), nil)), no)
		check(name+": by one who is not for answers", with(stamp, answer(nobody, day(1), nil)), no)
		check(name+": by another's key", with(stamp, answer(ocsptest.Party{Key: nobody.Key, Certificate: responder.Certificate}, day(1), nil)), no)
	}

	sd, err := cms.Parse(plain, cms.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stamped := func(s partyStamper, oid der.OID) []byte {
		d := algorithm.DigestByOID(oid)
		token, err := s.token(d, hashed(d, nil, sd.Signers[0].Signature))
		if err != nil {
			t.Fatal(err)
		}
		b := must(sd.Amend(cms.Amendment{Unsigned: map[int][][]byte{0: {cms.NewAttribute(cms.AttrTimeStamp, token)}}}))(t)
		return must(Raising{}.AddValues(b, Values{OCSP: good}, Baseline))(t)
	}
	for _, c := range []struct {
		name  string
		s     partyStamper
		want  string
		proof string
	}{
		{"honest", partyStamper{by: tsa, at: day(0)}, "TOTAL-PASSED", "signature ok"},
		{"not for time", partyStamper{by: nobody, at: day(0)}, no, "signature CHAIN_CONSTRAINTS_FAILURE"},
		{"wrong imprint", partyStamper{by: tsa, at: day(0), over: document}, no, "signature HASH_FAILURE"},
		{"wrong key", partyStamper{by: tsa, at: day(0), key: &nobody}, no, "signature SIG_CRYPTO_FAILURE"},
		{"expired when it stamped", partyStamper{by: gone, at: day(0)}, no, "signature SIG_CONSTRAINTS_FAILURE"},
		{"expired since", partyStamper{by: brief, at: day(0)}, no, "signature OUT_OF_BOUNDS_NO_POE"},
		{"revoked", partyStamper{by: lost, at: day(0)}, no, "signature REVOKED_NO_POE"},
		{"clock ahead", partyStamper{by: tsa, at: day(60).Add(11 * time.Minute)}, no, "signature SIG_CONSTRAINTS_FAILURE"},
		{"after the signer expired", partyStamper{by: tsa, at: day(30).Add(10 * time.Minute)}, no, "signature ok"},
	} {
		for _, oid := range []der.OID{algorithm.SHA256, algorithm.GOST34311, algorithm.Kupyna256} {
			r := validate(stamped(c.s, oid))
			if verdict(r) != c.want || stampKinds(r) != c.proof {
				t.Error(fmt.Sprintf("%s, %s: %s (%s), %s; want %s, %s", c.name, oid, verdict(r), r.Detail, stampKinds(r), c.want, c.proof), r.Signatures[0].TimeStamps[0].Detail)
			}
		}
	}
}
