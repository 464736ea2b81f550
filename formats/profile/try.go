package profile

import (
	"bytes"
	"errors"

	"github.com/brama-gateway/brama/formats"
)

// Checked is a document of the treasury that knows its own rules.
type Checked interface {
	formats.Source
	Check() *formats.Report
}

// Try checks a document and writes it, and reports as a gateway would that has
// only this layout. The bytes are nil where the report is not OK.
func (l *Layout) Try(doc Checked, o WriteOptions) (*formats.Report, []byte, error) {
	r := &formats.Report{Recognised: true, Profile: l.ref}
	if held := doc.Check(); !held.OK() {
		r.Findings, r.More = held.Findings, held.More
		return r, nil, nil
	}
	var b bytes.Buffer
	_, err := l.Write(&b, doc, o)
	var unfit *Unfit
	switch {
	case errors.As(err, &unfit):
		r.Findings = unfit.Findings
		return r, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return r, b.Bytes(), nil
}
