package gateway

import "io"

// NewPiece makes a piece of a file that did not come through an entrance, for
// tools: its role is told as for an upload.
func NewPiece(name string, content *io.SectionReader) (Piece, error) {
	f, err := look(name, content)
	return Piece{Name: name, Role: f.role, Content: content}, err
}

// Totals say what is in the document; nil where its kind has no records.
func (v *Verdict) Totals() *Totals { return totals(v.Entries) }

// Text tells a verdict to people, as the receipt does.
func (v *Verdict) Text(lang string) string {
	w := &letter{lang: lang}
	w.verdict(v)
	return w.String()
}
