package cades

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/ess"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// aheadOfReception is how far signing-time may lie after the time of reception.
const aheadOfReception = 10 * time.Minute

// finding is one thing that is wrong with a signature.
type finding struct {
	indication Indication
	sub        SubIndication
	detail     string
}

// judgement gathers what is found of one signature.
type judgement struct {
	c     *shared
	si    *cms.SignerInfo
	out   Signature
	found []finding

	digest *algorithm.Digest
	attrs  attributes

	// material are the certificates of the container and of its signature's attributes;
	// lists and answers the CRLs and OCSP answers of the attributes.
	material []*pki.Certificate
	lists    []*pki.CRL
	answers  []*ocsp.Response
	pieces   []piece
	proofs   proofs
	named    [][]byte // what references name
	stamps   []*stamp

	tooManyContentStamps bool
}

func (j *judgement) fail(sub SubIndication, detail string) {
	j.found = append(j.found, finding{TotalFailed, sub, detail})
}

func (j *judgement) doubt(sub SubIndication, detail string) {
	j.found = append(j.found, finding{Indeterminate, sub, detail})
}

// tolerate notes the use of a tolerance and tells whether it is allowed.
func (j *judgement) tolerate(t Tolerance) bool {
	if !j.c.o.Tolerate[t] {
		return false
	}
	if !slices.Contains(j.out.Tolerances, t) {
		j.out.Tolerances = append(j.out.Tolerances, t)
	}
	return true
}

// signature judges one SignerInfo, in the order of EN 319 102-1, 5.3: format,
// signing certificate, cryptography, acceptance, certificate path. All are
// judged even when one fails; a failure for ever is told before a doubt, and
// TRY_LATER last.
func (c *shared) signature(si *cms.SignerInfo) Signature {
	j := &judgement{c: c, si: si}
	j.out.SignerID = signerID(si)
	j.out.DigestAlgorithm = string(si.DigestAlgorithm.OID)
	j.out.SignatureAlgorithm = string(si.SignatureAlgorithm.OID)
	if s, _ := algorithm.FindSignature(si.SignatureAlgorithm); s != nil {
		j.out.SignatureAlgorithm = s.Name
	}
	if j.format() {
		j.identify()
		j.content()
		j.cryptography()
		j.acceptance()
		j.takeValues()
		j.readReferences()
		j.timeStamps()
		j.path()
		j.contentStamps()
	}
	j.conclude()
	return j.out
}

func (j *judgement) conclude() {
	if len(j.found) == 0 {
		j.out.Indication = TotalPassed
		return
	}
	first := j.found[0]
	rank := func(f finding) int {
		switch {
		case f.indication == TotalFailed:
			return 2
		case f.sub == TryLater:
			return 0
		}
		return 1
	}
	for _, f := range j.found[1:] {
		if rank(f) > rank(first) {
			first = f
		}
	}
	j.out.Indication, j.out.SubIndication, j.out.Detail = first.indication, first.sub, first.detail
}

// attributes are the values of the signed attributes that are used.
type attributes struct {
	messageDigest []byte
	ess, ess2     []byte // encoded signing-certificate, -v2
	essTwice      bool
}

// format checks the structure of the SignerInfo (5.2.2). False means that
// nothing more can be judged.
func (j *judgement) format() bool {
	if !j.si.HasSignedAttrs {
		// The signature value could be over anything that looks like content:
		// draft-ietf-lamps-cms-euf-cma-signeddata.
		j.fail(SigConstraintsFailure, "no signed attributes")
		return false
	}
	if j.si.Reencoded {
		j.tolerate(BERSignerInfo)
	}
	if !j.readAttributes() {
		return false
	}
	if !j.si.Sorted && !j.c.o.Tolerate[AttrsAsStored] && !j.c.o.Tolerate[AttrsResorted] {
		j.fail(FormatFailure, "signed attributes are not in DER order")
		return false
	}
	d, err := algorithm.FindDigest(j.si.DigestAlgorithm)
	if d != nil {
		j.out.DigestAlgorithm = d.Name
	}
	if err != nil {
		j.doubt(CryptoConstraintsFailure, err.Error())
	} else {
		j.digest = d
	}
	listed := slices.ContainsFunc(j.c.sd.DigestAlgorithms, func(id algorithm.Identifier) bool {
		return id.OID == j.si.DigestAlgorithm.OID
	})
	if !listed && !j.tolerate(DigestAlgorithms) {
		j.fail(FormatFailure, "digest algorithm of the signer is not among those of the container")
		return false
	}
	return true
}

// readAttributes takes the signed attributes: content-type and message-digest
// once, signing-time at most once, each with one value; none of them unsigned
// (RFC 5652, 11).
func (j *judgement) readAttributes() bool {
	seen := make(map[der.OID]int)
	for _, a := range j.si.SignedAttrs {
		seen[a.Type]++
		var value []byte
		if len(a.Values) == 1 {
			value = a.Values[0]
		}
		switch a.Type {
		case cms.AttrContentType, cms.AttrDigest, cms.AttrSigningTime:
			if value == nil || seen[a.Type] > 1 {
				j.fail(FormatFailure, "content-type, message-digest or signing-time is doubled or not of one value")
				return false
			}
		case cms.AttrSigningCert, cms.AttrSigningCert2:
			if value == nil || seen[a.Type] > 1 {
				j.attrs.essTwice = true
			}
		default:
			if len(a.Values) == 0 {
				j.fail(FormatFailure, "signed attribute without a value")
				return false
			}
		}
		switch a.Type {
		case cms.AttrContentType:
			oid, err := der.NewReader(value, der.DER).OID()
			if err != nil || oid != j.c.sd.ContentType {
				j.fail(FormatFailure, "content-type attribute differs from the encapsulated content type")
				return false
			}
		case cms.AttrDigest:
			md, err := der.NewReader(value, der.DER).OctetString()
			if err != nil {
				j.fail(FormatFailure, "message-digest is not an OCTET STRING")
				return false
			}
			j.attrs.messageDigest = md
			j.out.MessageDigest = md
		case cms.AttrSigningTime:
			t, err := der.NewReader(value, der.DER).Time()
			if err != nil {
				j.fail(FormatFailure, "signing-time is malformed")
				return false
			}
			j.out.ClaimedTime = t
		case cms.AttrSigningCert:
			j.attrs.ess = value
		case cms.AttrSigningCert2:
			j.attrs.ess2 = value
		}
	}
	if seen[cms.AttrContentType] == 0 || seen[cms.AttrDigest] == 0 {
		j.fail(FormatFailure, "content-type or message-digest attribute is missing")
		return false
	}
	if seen[cms.AttrSigningCert]+seen[cms.AttrSigningCert2] > 1 {
		j.attrs.essTwice = true
	}
	for _, a := range j.si.UnsignedAttrs {
		switch a.Type {
		case cms.AttrContentType, cms.AttrDigest, cms.AttrSigningTime, cms.AttrSigningCert, cms.AttrSigningCert2:
			j.fail(FormatFailure, "an attribute that must be signed is unsigned")
			return false
		}
	}
	return true
}

func signerID(si *cms.SignerInfo) string {
	if si.KeyID != nil {
		return "key " + hex.EncodeToString(si.KeyID[:min(len(si.KeyID), 64)])
	}
	name := "?"
	if n, err := pki.ParseName(si.Issuer); err == nil {
		name = n.String()
	}
	return "serial " + hex.EncodeToString(si.Serial[:min(len(si.Serial), 64)]) + " of " + name
}

// identify finds the signing certificate (5.2.3): named by sid and, where the
// attribute is there, by its digest in signing-certificate.
func (j *judgement) identify() {
	if j.attrs.essTwice {
		j.doubt(SigConstraintsFailure, "signing-certificate is doubled or not of one value")
		return
	}
	candidates := j.candidates()
	if len(candidates) == 0 {
		j.doubt(NoSigningCertificateFound, "the signer's certificate is neither in the container nor configured")
		return
	}
	if j.attrs.ess == nil && j.attrs.ess2 == nil {
		if !j.tolerate(NoSigningCertificate) {
			j.doubt(SigConstraintsFailure, "no signing-certificate attribute")
		}
		j.out.Signer = candidates[0]
		return
	}
	ref, err := ess.Read(j.attrs.ess, j.attrs.ess2)
	if err != nil {
		switch {
		case errors.Is(err, algorithm.ErrWeak), errors.Is(err, algorithm.ErrUnknown):
			j.doubt(CryptoConstraintsFailure, "signing-certificate: "+err.Error())
		default:
			j.fail(FormatFailure, "signing-certificate: "+err.Error())
		}
		return
	}
	for _, c := range candidates {
		if ref.Names(c) {
			j.out.Signer = c
			return
		}
	}
	j.doubt(NoSigningCertificateFound, "signing-certificate names another certificate than the signer identifier")
}

// candidates are the certificates that sid names: those in the container, then
// those configured.
func (j *judgement) candidates() []*pki.Certificate {
	var out []*pki.Certificate
	if j.si.KeyID != nil {
		for _, c := range j.c.embedded {
			if bytes.Equal(c.SubjectKeyID, j.si.KeyID) {
				out = append(out, c)
			}
		}
		return append(out, j.c.o.Trust.FindKeyID(j.si.KeyID)...)
	}
	issuer, err := pki.ParseName(j.si.Issuer)
	if err != nil {
		return nil
	}
	for _, c := range j.c.embedded {
		if bytes.Equal(c.RawSerial, j.si.Serial) && c.Issuer.Same(issuer) {
			out = append(out, c)
		}
	}
	return append(out, j.c.o.Trust.FindSerial(issuer, j.si.Serial)...)
}

func hashed(d *algorithm.Digest, key crypto.PublicKey, b []byte) []byte {
	h := d.New(key)
	h.Write(b)
	return h.Sum(nil)
}

// content compares the digest of the content with message-digest, in full
// length.
func (j *judgement) content() {
	if j.digest == nil {
		return
	}
	var key crypto.PublicKey
	if j.out.Signer != nil {
		key = j.out.Signer.PublicKey
	}
	got, err := j.c.contentSum(j.digest, key)
	switch {
	case errors.Is(err, errNoContent):
		j.doubt(SignedDataNotFound, err.Error())
	case err != nil:
		j.doubt(SignedDataNotFound, "the document beside the container cannot be read")
	case subtle.ConstantTimeCompare(got, j.attrs.messageDigest) != 1:
		j.fail(HashFailure, "the content is not what was signed: digests differ")
	}
}

// cryptography verifies the signature value over the signed attributes.
func (j *judgement) cryptography() {
	if j.digest == nil || j.out.Signer == nil {
		return
	}
	signer := j.out.Signer
	if signer.PublicKey == nil {
		j.doubt(CryptoConstraintsFailure, "the signer's public key is malformed or of an unknown algorithm")
		return
	}
	id, signature := j.si.SignatureAlgorithm, j.si.Signature
	if little, value, ok := algorithm.LittleEndian(id, signature); ok && j.tolerate(BigEndianSignature) {
		id, signature = little, value
	}
	d, err := algorithm.DigestFor(id, j.digest)
	if err != nil {
		j.doubt(CryptoConstraintsFailure, err.Error())
		return
	}
	verify := func(message, value []byte) error {
		return algorithm.VerifySum(id, signer.PublicKey, d, hashed(d, signer.PublicKey, message), value)
	}
	values := [][]byte{signature}
	if j.c.o.Tolerate[WrappedSignature] {
		if e, err := der.One(signature, der.DER); err == nil && e.Is(der.Universal, der.TagOctetString) && !e.Constructed {
			values = append(values, e.Content)
		}
	}
	for i, v := range values {
		if j.si.Sorted {
			err = verify(j.si.SignedBytes(), v)
		} else {
			err = j.verifyUnsorted(verify, v)
		}
		if err == nil {
			if i > 0 {
				j.tolerate(WrappedSignature)
			}
			return
		}
	}
	if errors.Is(err, algorithm.ErrWeak) || errors.Is(err, algorithm.ErrUnknown) {
		j.doubt(CryptoConstraintsFailure, err.Error())
		return
	}
	j.fail(SigCryptoFailure, err.Error())
}

func (j *judgement) verifyUnsorted(verify func(message, value []byte) error, v []byte) error {
	var err error
	if j.c.o.Tolerate[AttrsAsStored] {
		if err = verify(j.si.SignedBytes(), v); err == nil {
			j.tolerate(AttrsAsStored)
			return nil
		}
	}
	if j.c.o.Tolerate[AttrsResorted] {
		if err = verify(j.si.ResortedBytes(), v); err == nil {
			j.tolerate(AttrsResorted)
			return nil
		}
	}
	return err
}

// acceptance checks what the signature itself has to satisfy (5.2.8).
func (j *judgement) acceptance() {
	if j.out.ClaimedTime.After(j.c.o.At.Add(aheadOfReception)) {
		j.doubt(SigConstraintsFailure, "signing-time lies in the future")
	}
	s := j.out.Signer
	if s == nil {
		return
	}
	switch usage := s.KeyUsage; {
	case s.IsCA:
		j.doubt(ChainConstraintsFailure, "the signer's certificate is a CA certificate")
	case s.HasKeyUsage && usage&(pki.NonRepudiation|pki.DigitalSignature) == 0:
		j.doubt(ChainConstraintsFailure, "the signer's certificate is not for signing (keyUsage)")
	case usage&pki.NonRepudiation != 0:
	case usage&pki.DigitalSignature != 0 && j.tolerate(DigitalSignatureOnly):
	default:
		j.doubt(SigConstraintsFailure, "the signer's certificate lacks nonRepudiation (keyUsage)")
	}
	if algorithm.LegacySBox(s.PublicKey) && !j.tolerate(LegacySBox) {
		j.doubt(CryptoConstraintsFailure, "the signer's key is with a substitution block other than DKE No 1")
	}
	if s.Codes().Ambiguous {
		j.doubt(ChainConstraintsFailure, "two codes of one kind in the signer's certificate")
	}
}

// path validates the certificate path at the time of validation (5.2.6) and, where
// it does not hold any more, at the time at which the signature is proved to have
// existed (5.6.2).
func (j *judgement) path() {
	now, proved := j.c.o.At, j.provedTime()
	if proved.Before(now) {
		j.out.ProvedTime = proved
	}
	signer := j.out.Signer
	if signer == nil {
		return
	}
	o := pki.PathOptions{
		At: now, Material: j.material, Evidence: j.evidence(), Work: j.c.work,
		LegacySBox: j.c.o.Tolerate[LegacySBox], Freshness: j.c.o.Freshness,
	}
	p := j.c.o.Trust.Validate(signer, o)
	if p.Outcome != pki.ValidPath && curable(p.Outcome) && proved.Before(now) {
		if past := j.past(signer, proved, o, false); past.holds {
			j.out.Past = true
			j.out.Chain, j.out.Evidence, j.out.RevokedAt = past.chain, past.evidence, past.revokedAt
			j.relyOnStamps()
			if legacyIn(past.chain) {
				j.tolerate(LegacySBox)
			}
			return
		}
	}
	if p.Outcome == pki.NoRevocationEvidence && j.tolerate(NoRevocation) {
		o.WithoutRevocation = true
		p = j.c.o.Trust.Validate(signer, o)
	}
	if legacyIn(p.Chain) {
		j.tolerate(LegacySBox)
	}
	j.out.Chain, j.out.Evidence, j.out.RevokedAt = p.Chain, p.Evidence, p.RevokedAt
	j.out.Missing = append(j.out.Missing, p.Missing...)
	created := j.createdAfter()
	switch {
	case proved.Before(now) && proved.Before(signer.NotBefore):
		j.fail(NotYetValid, "the signature is proved to be older than the signer's certificate")
	case created.After(signer.NotAfter):
		j.fail(Expired, "the signature was made after the signer's certificate expired: its content-time-stamp is later")
	case p.Outcome == pki.CertificateRevoked && created.After(p.RevokedAt):
		j.fail(Revoked, "the signature was made after the signer's certificate was revoked: its content-time-stamp is later")
	case p.Outcome != pki.ValidPath:
		j.doubt(ofPath(p.Outcome), p.Detail)
	}
}

// relyOnStamps notes the tolerances of the time-stamps that a verdict rests on.
func (j *judgement) relyOnStamps() {
	for _, s := range j.stamps {
		if !s.out.Valid {
			continue
		}
		for _, t := range s.needs {
			j.tolerate(t)
		}
	}
}

// ofPath is the sub-indication of a path that does not hold.
func ofPath(o pki.Outcome) SubIndication {
	switch o {
	case pki.NoChain:
		return NoCertificateChainFound
	case pki.WeakAlgorithm:
		return CryptoConstraintsFailure
	case pki.ConstraintsFailure:
		return ChainConstraintsFailure
	case pki.OutOfBounds:
		return OutOfBoundsNoPOE
	case pki.AuthorityRevoked:
		return RevokedCANoPOE
	case pki.CertificateRevoked:
		return RevokedNoPOE
	case pki.CertificateHeld, pki.NoRevocationEvidence:
		return TryLater
	}
	return CertificateChainGeneralFailure
}
