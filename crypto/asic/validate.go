package asic

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// ValidateOptions are the conditions of a validation.
type ValidateOptions struct {
	// Options are those of each signature. Of its tolerances ASiCMimetype is the
	// container's.
	cades.Options
	// Open says what may be in the container.
	Open Options
	// Partial allows signatures that cover some of the data files only, as long as
	// each file is covered by one. Otherwise each signature has to cover all.
	Partial bool
}

// Validate gives the verdict over a container and every signature in it. It never
// panics: a fault of the reader's own is a FORMAT_FAILURE.
func Validate(container []byte, o ValidateOptions) *Report {
	r, _ := Through(container, o, func(in cades.Input, o cades.Options) (*cades.Report, error) { return cades.Validate(in, o), nil })
	return r
}

// Judge gives the verdict over a detached signature, as cades.Validate does.
type Judge func(cades.Input, cades.Options) (*cades.Report, error)

// Through validates as Validate does, except that judge gives the verdict over each
// signature file and what it is over. So judge need not know containers. Its error is
// returned, and then there is no report.
func Through(container []byte, o ValidateOptions, judge Judge) (r *Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = failed(fmt.Sprintf("reader fault (%T): report this file", p)), nil
		}
	}()
	c, err := Open(container, o.Open)
	if err != nil {
		r := failed(err.Error())
		r.NotContainer = errors.Is(err, ErrNotZIP)
		r.XAdES, r.Archive = errors.Is(err, ErrXAdES), errors.Is(err, ErrArchive)
		return r, nil
	}
	o.Past.Exists = c.within(container, o.Past.Exists)
	return c.Validate(o, judge)
}

// within adds to what is known to have existed the files of the container, if it is
// the container as a whole.
func (c *Container) within(container []byte, known []cades.Existence) []cades.Existence {
	out := slices.Clone(known)
	sum := sha256.Sum256(container)
	for _, x := range known {
		if x.SHA256 != sum {
			continue
		}
		for _, f := range c.byName {
			out = append(out, cades.Existence{SHA256: sha256.Sum256(f.Content), At: x.At})
		}
	}
	return out
}

func failed(detail string) *Report {
	return &Report{Report: cades.Report{
		Indication: cades.TotalFailed, SubIndication: cades.FormatFailure, Detail: detail, Attached: true,
	}}
}

// Validate gives the verdict over an opened container; see Through.
func (c *Container) Validate(o ValidateOptions, judge Judge) (*Report, error) {
	r := &Report{Container: c, Report: cades.Report{Attached: true}}
	if len(c.Data) == 1 {
		r.Content = c.Data[0].Content
	}
	if c.Odd != "" && !o.Tolerate[cades.ASiCMimetype] {
		r.Indication, r.SubIndication, r.Detail = cades.TotalFailed, cades.FormatFailure, c.Odd
		return r, nil
	}
	r.Stamps = c.stamps(o)
	o.Past.Exists = slices.Clone(o.Past.Exists)
	for _, x := range r.Stamps {
		for _, name := range x.Files {
			o.Past.Exists = append(o.Past.Exists, cades.Existence{SHA256: sha256.Sum256(c.byName[name].Content), At: x.latest})
		}
	}
	covered := make(map[string]bool)
	for _, s := range c.Signatures {
		cover, fault := c.cover(s, o.Partial)
		rep, err := judge(cades.Input{Container: s.File.Content, Detached: c.signed(s).Section()}, o.Options)
		if err != nil || rep == nil {
			return nil, errors.Join(err, errNoReport(rep))
		}
		if len(rep.Signatures) == 0 { // nobody to put it to
			r.Indication, r.SubIndication, r.Detail = rep.Indication, rep.SubIndication, s.File.Name+": "+rep.Detail
			if r.Indication == cades.TotalPassed {
				r.Indication = cades.Indeterminate
			}
			r.Signatures, r.Cover, r.Stamps = nil, nil, nil
			return r, nil
		}
		for _, sig := range rep.Signatures {
			fault.spoil(&sig)
			if c.Odd != "" {
				sig.Tolerances = append(slices.Clone(sig.Tolerances), cades.ASiCMimetype)
			}
			r.Signatures = append(r.Signatures, sig)
			r.Cover = append(r.Cover, cover)
		}
		for _, name := range cover.Data {
			covered[name] = true
		}
	}
	r.Conclude()
	if len(c.Data) == 0 && r.Indication == cades.TotalPassed {
		r.Indication, r.SubIndication, r.Detail = cades.TotalFailed, cades.FormatFailure, "no data file in the container"
	}
	for _, f := range c.Data {
		if !covered[f.Name] && r.Indication == cades.TotalPassed {
			r.Indication, r.SubIndication, r.Detail = cades.TotalFailed, cades.FormatFailure, "a data file that no signature covers"
		}
	}
	return r, nil
}

func errNoReport(r *cades.Report) error {
	if r == nil {
		return errors.New("no report on a signature")
	}
	return nil
}

// signed is the file that a signature or token is made over.
func (c *Container) signed(s Signing) *File {
	if s.Manifest != nil {
		return s.Manifest.File
	}
	return c.Data[0]
}

// fault is what is wrong with the files that a signature is over; the zero value is
// none.
type fault struct {
	failed bool // for ever
	sub    cades.SubIndication
	detail string
}

// spoil makes a signature fail over its files, unless it fails for ever by itself. The files are
// the content of the signature: that it does not match them is told before what is
// not known of the signer (EN 319 102-1, 5.2.7).
func (f fault) spoil(s *cades.Signature) {
	if f.sub == "" || s.Indication == cades.TotalFailed {
		return
	}
	s.Indication, s.SubIndication, s.Detail = cades.Indeterminate, f.sub, f.detail
	if f.failed {
		s.Indication = cades.TotalFailed
	}
}

// cover compares the files with what the manifest of a signature says of them.
func (c *Container) cover(s Signing, partial bool) (Cover, fault) {
	out := Cover{File: s.File.Name}
	if s.Manifest == nil {
		out.Data = []string{c.Data[0].Name}
		return out, fault{}
	}
	out.Manifest = s.Manifest.File.Name
	var worst fault
	worse := func(f fault) {
		if worst.sub == "" || f.failed && !worst.failed {
			worst = f
		}
	}
	for _, r := range s.Manifest.References {
		name := r.Name
		f := c.byName[name]
		if f == nil {
			out.Missing = append(out.Missing, name)
			worse(fault{sub: cades.SignedDataNotFound, detail: "a file that the manifest names is not in the container"})
			continue
		}
		same, err := r.matches(f)
		switch {
		case err != nil:
			worse(fault{sub: cades.CryptoConstraintsFailure, detail: err.Error()})
		case !same:
			out.Altered = append(out.Altered, name)
			worse(fault{failed: true, sub: cades.HashFailure, detail: "a file is not what was signed: digests differ"})
		case c.isData(name):
			out.Data = append(out.Data, name)
		}
	}
	for _, f := range c.Data {
		if !slices.ContainsFunc(s.Manifest.References, func(r Reference) bool { return r.Name == f.Name }) {
			out.Uncovered = append(out.Uncovered, f.Name)
			if !partial {
				worse(fault{failed: true, sub: cades.SigConstraintsFailure, detail: "a data file that the signature does not cover"})
			}
		}
	}
	return out, worst
}

func (c *Container) isData(name string) bool {
	return slices.ContainsFunc(c.Data, func(f *File) bool { return f.Name == name })
}

// matches compares a file with its digest in a manifest, in full length.
func (r Reference) matches(f *File) (bool, error) {
	d, err := findDigest(r.Digest)
	if err != nil {
		return false, err
	}
	h := d.New(nil)
	h.Write(f.Content)
	return subtle.ConstantTimeCompare(h.Sum(nil), r.Value) == 1, nil
}

// stamps verifies the time-stamp tokens.
func (c *Container) stamps(o ValidateOptions) []Stamp {
	work := pki.NewWork()
	var out []Stamp
	for _, s := range c.Stamps {
		x := Stamp{File: s.File.Name, TimeStamp: cades.TimeStamp{Kind: ManifestTimeStamp}}
		over := c.signed(s)
		if s.Manifest != nil {
			x.Manifest = s.Manifest.File.Name
		}
		x.TimeStamp, x.latest = stamped(s.File.Content, over.Content, o, work)
		if x.Valid {
			x.Files = append(x.Files, over.Name)
			if s.Manifest != nil {
				for _, r := range s.Manifest.References {
					f := c.byName[r.Name]
					if same, err := r.matchesAt(f); err != nil || !same {
						x.Valid, x.Files = false, nil
						x.SubIndication, x.Detail = cades.HashFailure, "a file is not what the time-stamp's manifest says"
						break
					}
					x.Files = append(x.Files, r.Name)
				}
			}
		}
		out = append(out, x)
	}
	return out
}

func (r Reference) matchesAt(f *File) (bool, error) {
	if f == nil {
		return false, nil
	}
	return r.matches(f)
}

func stamped(raw, over []byte, o ValidateOptions, work *pki.Work) (out cades.TimeStamp, latest time.Time) {
	out = cades.TimeStamp{Kind: ManifestTimeStamp}
	token, err := tsp.Parse(raw)
	if err != nil {
		out.SubIndication, out.Detail = cades.FormatFailure, err.Error()
		return out, latest
	}
	out.Time = token.Info.Time
	to := tsp.Options{
		Trust: o.Trust, Sum: tsp.Sum(over), AttrsAsStored: o.Tolerate[cades.AttrsAsStored],
		Path: pki.PathOptions{At: o.At, Evidence: o.Evidence, Work: work, LegacySBox: o.Tolerate[cades.LegacySBox]},
	}
	v := token.Verify(to)
	if v.Path.Outcome == pki.NoRevocationEvidence && o.Tolerate[cades.NoRevocation] {
		to.Path.WithoutRevocation = true
		v = token.Verify(to)
	}
	if v.Authority != nil {
		out.Authority = v.Authority.Subject.String()
		if cn := v.Authority.Subject.CommonName; cn != "" {
			out.Authority = pki.Escape(cn)
		}
	}
	if v.Outcome != tsp.Valid {
		out.SubIndication, out.Detail = cades.OfToken(v), v.Detail
		return out, latest
	}
	out.Valid = true
	// Accuracy to the safe side.
	return out, token.Info.Time.Add(token.Info.Accuracy)
}
