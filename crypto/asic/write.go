package asic

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
)

// Sign makes what is put over content: a detached CAdES signature in DER, or a
// time-stamp token.
type Sign func(content []byte) ([]byte, error)

// WriteOptions are the conditions of writing. The bytes written depend on these, the
// files and the signatures alone.
type WriteOptions struct {
	// At becomes the time of the entries, in UTC and even seconds.
	At time.Time
	// Open says what may be in the container; nobody else's reader need allow it.
	Open Options
}

// WriteS makes an ASiC-S (EN 319 162-1, 4.3): one document and the signature over it.
func WriteS(doc File, sign Sign, o WriteOptions) ([]byte, error) {
	w := newWriter(S, o)
	w.add(doc.Name, doc.Content)
	if err := w.sign(signatureS, doc.Content, sign); err != nil {
		return nil, err
	}
	return w.finish()
}

// Signature is what one signature of an ASiC-E is to be over.
type Signature struct {
	// Files are the names of data files; nil means all of them. A container in which
	// signatures are over some of the files is refused by who does not allow it:
	// ValidateOptions.Partial.
	Files []string
	Sign  Sign
}

// WriteE makes an ASiC-E with CAdES (EN 319 162-1, 4.4.3): files, and for each
// signature a manifest that names its files with their SHA-256 digests.
func WriteE(files []File, signatures []Signature, o WriteOptions) ([]byte, error) {
	if len(files) == 0 || len(signatures) == 0 {
		return nil, errors.New("an ASiC-E needs a file and a signature")
	}
	w := newWriter(E, o)
	for _, f := range files {
		w.add(f.Name, f.Content)
	}
	for i, s := range signatures {
		covered := files
		if s.Files != nil {
			covered = nil
			for _, name := range s.Files {
				at := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
				if at < 0 {
					return nil, fmt.Errorf("signature %d: there is no file %q", i+1, name)
				}
				covered = append(covered, files[at])
			}
		}
		name := fmt.Sprintf(metaInf+"signature%03d.p7s", i+1)
		manifest := writeManifest(name, "application/pkcs7-signature", covered)
		w.add(fmt.Sprintf(metaInf+"ASiCManifest%03d.xml", i+1), manifest)
		if err := w.sign(name, manifest, s.Sign); err != nil {
			return nil, err
		}
	}
	return w.finish()
}

// archiveManifest is the name of the newest archive manifest, EN 319 162-1, A.7.
const archiveManifest = metaInf + "ASiCArchiveManifest.xml"

// Archive gives the container with a further time-stamp over everything that is in
// it (EN 319 162-1, A.7): an ASiCArchiveManifest, and the token that stamp makes over
// it. Further files, such as certificates and revocation lists, cannot be added with
// it: they would be data files that no signature covers.
func (c *Container) Archive(stamp Sign, o WriteOptions) ([]byte, error) {
	if c.Odd != "" {
		return nil, errors.New(c.Odd)
	}
	w := newWriter(c.Form, o)
	var files []File
	older := 0
	for _, f := range c.all() {
		if kindOf(f.Name) == archiveManifestFile {
			older++
		}
	}
	for _, f := range c.all() {
		name := f.Name
		if name == archiveManifest { // the newest bears the plain name
			name = strings.Replace(name, ".xml", fmt.Sprintf("%03d.xml", older), 1)
		}
		w.add(name, f.Content)
		files = append(files, File{Name: name, Content: f.Content, MimeType: f.MimeType})
	}
	token := fmt.Sprintf(metaInf+"timestamp%03d.tst", len(c.Stamps)+1)
	for n := len(c.Stamps) + 2; c.byName[token] != nil; n++ {
		token = fmt.Sprintf(metaInf+"timestamp%03d.tst", n)
	}
	manifest := writeManifest(token, "application/vnd.etsi.timestamp-token", files)
	w.add(archiveManifest, manifest)
	if err := w.sign(token, manifest, stamp); err != nil {
		return nil, err
	}
	return w.finish()
}

// all are the files in the order in which they are written: data, then META-INF as
// its parts belong together.
func (c *Container) all() []*File {
	out := slices.Concat(c.Data, c.Unused)
	for _, s := range slices.Concat(c.Signatures, c.Stamps) {
		if s.Manifest != nil {
			out = append(out, s.Manifest.File)
		}
		out = append(out, s.File)
	}
	return out
}

// writeManifest writes a manifest over files.
func writeManifest(signedBy, mime string, files []File) []byte {
	d := algorithm.DigestByOID(algorithm.SHA256)
	var b bytes.Buffer
	text := func(s string) string {
		var x strings.Builder
		_ = xml.EscapeText(&x, []byte(s)) // a strings.Builder takes everything
		return x.String()
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	fmt.Fprintf(&b, "<asic:ASiCManifest xmlns:asic=%q xmlns:ds=%q>", manifestSpace, digestSpace)
	fmt.Fprintf(&b, `<asic:SigReference URI="%s" MimeType="%s"/>`, reference(signedBy), mime)
	for _, f := range files {
		h := d.New(nil)
		h.Write(f.Content)
		fmt.Fprintf(&b, `<asic:DataObjectReference URI="%s"`, text(reference(f.Name)))
		if f.MimeType != "" {
			fmt.Fprintf(&b, ` MimeType="%s"`, text(f.MimeType))
		}
		fmt.Fprintf(&b, `><ds:DigestMethod Algorithm="%ssha256"/><ds:DigestValue>%s</ds:DigestValue></asic:DataObjectReference>`,
			xmlenc, base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	b.WriteString("</asic:ASiCManifest>")
	return b.Bytes()
}

// writer puts a container together.
type writer struct {
	zipWriter
	o WriteOptions
}

func newWriter(f Form, o WriteOptions) *writer {
	w := &writer{o: o}
	w.date, w.clock = dosTime(o.At)
	w.store(mimetype, []byte(f.MimeType()))
	return w
}

// sign adds a signature over content.
func (w *writer) sign(name string, content []byte, sign Sign) error {
	value, err := sign(content)
	if err != nil {
		return err
	}
	w.add(name, value)
	return nil
}

// finish ends the archive, which has to be one that Open reads: what is refused on
// reading is not written either.
func (w *writer) finish() ([]byte, error) {
	b := w.end()
	if _, err := Open(b, w.o.Open); err != nil {
		return nil, err
	}
	return b, nil
}
