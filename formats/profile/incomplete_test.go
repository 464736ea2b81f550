package profile

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

// A payment without a payee is only for the client whose entry names the layout.
func TestIncompleteLayoutMustBeNamed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	fields := []sample.DBFField{{Name: "NDOC", Type: 'C', Length: 10}, {Name: "DATE", Type: 'D', Length: 8}, {Name: "SUM", Type: 'N', Length: 15, Decimals: 2}, {Name: "NAZN", Type: 'C', Length: 160}}
	doc := sample.DBF(fields, 0x65, charset.CP866, at, [][]string{{"1", "20260115", "10.00", "paper"}})
	for _, c := range []struct {
		name    string
		owner   *formats.Owner
		allowed []string
		want    bool
	}{
		{"format alone", nil, nil, true},
		{"a client that may use anything", &formats.Owner{EDRPOU: "12345678"}, nil, false},
		{"a client whose entry names it", &formats.Owner{EDRPOU: "12345678"}, []string{"brama.payment-order"}, true},
	} {
		r := Builtin().Check(formats.Context{At: at, Owner: c.owner}, Options{Name: "P.DBF", Allowed: c.allowed}, io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
		if r.OK() != c.want {
			t.Errorf("%s: %v, want %v: %+v", c.name, r.OK(), c.want, r.Findings)
		}
	}
}
