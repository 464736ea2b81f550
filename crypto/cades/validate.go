package cades

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/transport"
)

// Validate gives the verdict over a container and every signature in it. It
// never panics: a fault of the reader's own is a FORMAT_FAILURE.
func Validate(in Input, o Options) (r *Report) {
	defer func() {
		if p := recover(); p != nil {
			r = failed(FormatFailure, fmt.Sprintf("reader fault (%T): report this file", p))
		}
	}()
	return validate(in, o)
}

// Through validates as Validate does, except that judge gives the verdict: over the
// container, or over what the transport wrapper around it carries. So judge need not
// know wrappers. Its error is returned, and then there is no report.
func Through(in Input, o Options, judge func(Input, Options) (*Report, error)) (*Report, error) {
	if transport.Is(in.Container) {
		return wrapped(in, o, judge)
	}
	return judge(in, o)
}

func failed(sub SubIndication, detail string) *Report {
	return &Report{Indication: TotalFailed, SubIndication: sub, Detail: detail}
}

func validate(in Input, o Options) *Report {
	if transport.Is(in.Container) {
		r, _ := wrapped(in, o, func(in Input, o Options) (*Report, error) { return validate(in, o), nil })
		return r
	}
	data, err := cms.Unarmour(in.Container)
	if err != nil {
		r := failed(FormatFailure, err.Error())
		r.NotContainer = Sniff(in.Container) == NotCMS
		return r
	}
	if len(data) == 0 {
		r := failed(FormatFailure, "no bytes")
		r.NotContainer = true
		return r
	}
	sd, err := cms.Parse(data, cms.Options{BERSignerInfo: o.Tolerate[BERSignerInfo]})
	if err != nil {
		r := failed(FormatFailure, err.Error())
		r.NotContainer = errors.Is(err, cms.ErrNotCMS)
		if kind, attached, err := cms.Head(data); err == nil && kind == cms.TypeSignedData {
			r.Attached = attached
		}
		return r
	}
	return judge(sd, in, o, false)
}

// wrapped judges what a transport wrapper carries, where TransportWrapper allows.
// The wrapper itself is signed by nobody: its headers decide nothing.
func wrapped(in Input, o Options, judge func(Input, Options) (*Report, error)) (*Report, error) {
	refuse := func(detail string) (*Report, error) {
		r := failed(FormatFailure, detail)
		r.Attached = Sniff(in.Container) == Attached
		return r, nil
	}
	if !o.Tolerate[TransportWrapper] {
		return refuse("transport wrapper around the container")
	}
	f, err := transport.Parse(in.Container)
	if err != nil {
		return refuse(err.Error())
	}
	p, err := f.Payload()
	if err != nil {
		return refuse(err.Error())
	}
	switch {
	case p.Kind != transport.Signed:
		return refuse("transport wrapper without a signature: " + p.Label)
	case p.Content != nil && in.beside():
		return refuse("content is in the transport wrapper and beside it")
	}
	inner := Input{Container: p.Data, Detached: in.Detached, Sums: in.Sums}
	if p.Content != nil {
		inner.Detached = io.NewSectionReader(bytes.NewReader(p.Content), 0, int64(len(p.Content)))
	}
	if transport.Is(p.Data) {
		return refuse("transport wrapper within a transport wrapper")
	}
	r, err := judge(inner, o)
	if err != nil || r == nil {
		return nil, err
	}
	r.NotContainer = false
	if p.Content != nil && !r.Attached && len(r.Signatures) > 0 {
		r.Content, r.Attached = p.Content, true
	}
	for i := range r.Signatures {
		r.Signatures[i].Tolerances = append(r.Signatures[i].Tolerances, TransportWrapper)
	}
	return r, nil
}

// judge validates a parsed container; inner marks one found within another.
func judge(sd *cms.SignedData, in Input, o Options, inner bool) *Report {
	r := failed(FormatFailure, "")
	r.Attached = sd.Attached
	if sd.Attached {
		r.Content = sd.Content
	}
	refuse := func(detail string) *Report {
		r.Detail = detail
		return r
	}
	if sd.Attached && in.beside() {
		return refuse("content is inside the container and beside it")
	}
	if in.Detached != nil && in.Sums != nil {
		return refuse("the document is given twice: whole and as digests")
	}
	if len(sd.Signers) == 0 {
		return refuse("no signature in the container")
	}
	if sd.ContentType != cms.Data && sd.ContentType != cms.TypeSignedData {
		return refuse("encapsulated content type " + string(sd.ContentType) + " is not id-data")
	}
	if sd.Attached && len(sd.Content) == 0 || in.Detached != nil && in.Detached.Size() == 0 {
		return refuse("content is empty")
	}
	nested := nestedIn(sd)
	if sd.ContentType == cms.TypeSignedData && nested == nil {
		return refuse("encapsulated content type is not id-data")
	}
	if nested != nil && (inner || !o.Tolerate[NestedSignedData]) {
		return refuse("SignedData within SignedData")
	}
	if sd.Attached && cms.IsAttributes(sd.Content) {
		r.SubIndication = SigConstraintsFailure
		return refuse("content is a set of signed attributes")
	}

	c := newShared(sd, in, o)
	for i := range sd.Signers {
		s := c.signature(&sd.Signers[i])
		if nested != nil {
			s.Tolerances = append(s.Tolerances, NestedSignedData)
		}
		r.Signatures = append(r.Signatures, s)
	}
	if nested != nil {
		within, err := cms.Parse(nested, cms.Options{BERSignerInfo: o.Tolerate[BERSignerInfo]})
		if err != nil {
			return refuse("inner container: " + err.Error())
		}
		if !within.Attached {
			return refuse("inner container is detached")
		}
		w := judge(within, Input{}, o, true)
		for _, s := range w.Signatures {
			s.Tolerances = append(s.Tolerances, NestedSignedData)
			r.Signatures = append(r.Signatures, s)
		}
		r.Content = w.Content
		if len(w.Signatures) == 0 {
			r.SubIndication = w.SubIndication
			return refuse("inner container: " + w.Detail)
		}
	}
	r.sum()
	return r
}

// sum sets the verdict of the whole from those of the signatures.
func (r *Report) sum() {
	worst := r.Signatures[0]
	for _, s := range r.Signatures[1:] {
		if worse(s, worst) {
			worst = s
		}
	}
	r.Indication, r.SubIndication, r.Detail = worst.Indication, worst.SubIndication, worst.Detail
}

// worse: TOTAL-FAILED before INDETERMINATE before TOTAL-PASSED; what waiting
// cannot cure before what it can.
func worse(a, b Signature) bool {
	rank := func(s Signature) int {
		switch {
		case s.Indication == TotalPassed:
			return 0
		case s.Indication == TotalFailed:
			return 3
		case s.SubIndication == TryLater:
			return 1
		}
		return 2
	}
	return rank(a) > rank(b)
}

// nestedIn gives the ContentInfo that is the content of sd, or nil. Writers put
// it there whole, or under id-signedData without its ContentInfo.
func nestedIn(sd *cms.SignedData) []byte {
	if !sd.Attached {
		return nil
	}
	if kind, _, err := cms.Head(sd.Content); err == nil && kind == cms.TypeSignedData {
		return sd.Content
	}
	if sd.ContentType != cms.TypeSignedData {
		return nil
	}
	whole := der.Sequence(cms.TypeSignedData.Encode(), der.Explicit(0, sd.Content))
	if _, _, err := cms.Head(whole); err != nil {
		return nil
	}
	return whole
}

// shared is what the signatures of one container share.
type shared struct {
	sd       *cms.SignedData
	in       Input
	o        Options
	embedded []*pki.Certificate
	lists    []*pki.CRL
	evidence []pki.Evidence
	sums     map[string]sum // by Digest.Variant
	whole    *[32]byte      // SHA-256 of the container
	work     *pki.Work
	// stampWork is apart: unsigned time-stamps, which anybody may add, must not use
	// up what the signatures need.
	stampWork *pki.Work
}

type sum struct {
	value []byte
	err   error
}

func newShared(sd *cms.SignedData, in Input, o Options) *shared {
	c := &shared{sd: sd, in: in, o: o, evidence: o.Evidence, sums: make(map[string]sum), work: pki.NewWork(), stampWork: pki.NewWork()}
	for _, raw := range sd.Certificates {
		// One that cannot be read is no signer and no issuer; that is all.
		if cert, err := o.Trust.ParseCertificate(raw); err == nil {
			c.embedded = append(c.embedded, cert)
		}
	}
	for _, raw := range sd.CRLs {
		if l, err := pki.ParseCRL(raw); err == nil {
			c.lists = append(c.lists, l)
		}
	}
	if c.lists != nil {
		c.evidence = append(slices.Clip(c.evidence), pki.CRLs(c.lists))
	}
	return c
}

// sum256 is the SHA-256 of the container as it was given.
func (c *shared) sum256() [32]byte {
	if c.whole == nil {
		s := sha256.Sum256(c.in.Container)
		c.whole = &s
	}
	return *c.whole
}

// errNoContent: the container is detached and no document came with it.
var errNoContent = errors.New("no document beside the detached container")

// contentSum hashes the content. key is the signer's, nil if not known.
func (c *shared) contentSum(d *algorithm.Digest, key crypto.PublicKey) ([]byte, error) {
	variant := d.Variant(key)
	if s, ok := c.sums[variant]; ok {
		return s.value, s.err
	}
	h := d.New(key)
	var s sum
	switch {
	case c.sd.Attached:
		h.Write(c.sd.Content)
	case c.in.Sums != nil && !d.Keyed && len(c.in.Sums[d.OID]) == d.Size:
		return c.in.Sums[d.OID], nil
	case c.in.Detached == nil:
		s.err = errNoContent
	default:
		_, s.err = io.Copy(h, io.NewSectionReader(c.in.Detached, 0, c.in.Detached.Size()))
	}
	if s.err == nil {
		s.value = h.Sum(nil)
	}
	c.sums[variant] = s
	return s.value, s.err
}
