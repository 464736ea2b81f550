package asic

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// FuzzValidate: no fault within, and nothing passes where nobody is trusted. What
// is opened another reader of ZIP sees in the same way, entry by entry.
func FuzzValidate(f *testing.F) {
	all := cades.Tolerances{cades.ASiCMimetype: true, cades.NoRevocation: true}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []ValidateOptions{
			{Options: cades.Options{At: pkitest.At}},
			{Options: cades.Options{At: pkitest.At, Tolerate: all}, Open: Options{Archives: true}, Partial: true},
		} {
			r := Validate(b, o)
			if r.Indication == cades.TotalPassed || r.SubIndication == "" || strings.Contains(r.Detail, "reader fault") {
				t.Fatalf("%s (%s)", verdict(r), r.Detail)
			}
			if len(r.Signatures) != len(r.Cover) {
				t.Fatalf("%d signatures, %d covers", len(r.Signatures), len(r.Cover))
			}
		}
		c, err := Open(b, Options{Archives: true})
		if err != nil {
			return
		}
		if c.Odd == "" && !Sniff(bytes.NewReader(b), int64(len(b))) {
			t.Fatal("opened and not told as a container")
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("opened here, not by archive/zip: %v", err)
		}
		for _, e := range z.File {
			ours := c.File(e.Name)
			if e.Name == metaInf {
				continue
			}
			if ours == nil {
				t.Fatalf("archive/zip sees an entry that we do not: %q", e.Name)
			}
			r, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(theirs, ours.Content) {
				t.Fatalf("%q: %v, contents equal %v", e.Name, err, bytes.Equal(theirs, ours.Content))
			}
		}
	})
}

// FuzzManifest: what is read has references that are plain and different, and is
// written and read again to the same.
func FuzzManifest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readManifest(b)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, r := range m.References {
			if seen[r.Name] || checkName(r.Name) != nil || len(r.Value) == 0 {
				t.Fatalf("reference %+v", r)
			}
			seen[r.Name] = true
			back, err := resolve(reference(r.Name))
			if err != nil || back != r.Name {
				t.Fatalf("%q written as %q: %q %v", r.Name, reference(r.Name), back, err)
			}
		}
	})
}
