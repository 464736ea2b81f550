// Package asic reads, validates and makes associated signature containers with
// CAdES signatures: ASiC-S and ASiC-E (EN 319 162-1). A container is a ZIP archive:
//
//	mimetype                     first, stored: which of the two forms it is
//	NAME                         a data file; in ASiC-S exactly one
//	META-INF/signature.p7s       ASiC-S: detached CAdES over the data file
//	META-INF/*signature*.p7s     ASiC-E: detached CAdES over the manifest that names it
//	META-INF/ASiCManifest*.xml   ASiC-E: names and digests of the files of one signature
//	META-INF/*timestamp*.tst     a time-stamp token over the manifest that names it
//	META-INF/ASiCArchiveManifest*.xml   what such a token protects in the long run
//
// Archives are read by rules of our own before anything is unpacked, because ZIP
// readers differ in what they see in a hostile one: the entries have to tile the
// file exactly, both headers of an entry have to agree, names have to be plain and
// different from one another on every system, and what is unpacked is counted as it
// comes. Nothing in a container becomes a path, and no address in it is followed.
//
// The verdict is stricter than the standard asks: every signature has to hold, and
// has to cover every data file, unless the caller allows otherwise.
//
// Not read, and refused with the reason: XAdES signatures, evidence records,
// archives in archives, manifest extensions. The digests of Ukrainian standards have
// no registered names in XML; those that Ukrainian software writes are known.
//
// References: ETSI EN 319 162-1 V1.1.1, PKWARE APPNOTE 6.3 (ZIP), RFC 3986,
// EN 319 102-1.
package asic

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Form is the kind of a container. The zero value is none.
type Form uint8

// The forms.
const (
	Unknown Form = iota
	S            // ASiC-S: one data file
	E            // ASiC-E: data files, manifests
)

// String gives the name of the form in the standard.
func (f Form) String() string {
	switch f {
	case S:
		return "ASiC-S"
	case E:
		return "ASiC-E"
	}
	return ""
}

// MimeType gives the media type of the form, EN 319 162-1, 4.3.3.1 and 4.4.3.1.
func (f Form) MimeType() string {
	switch f {
	case S:
		return "application/vnd.etsi.asic-s+zip"
	case E:
		return "application/vnd.etsi.asic-e+zip"
	}
	return ""
}

// Limits of a container.
const (
	MaxEntries  = 1000      // entries in the archive
	MaxUnpacked = 256 << 20 // bytes of all entries together
	MaxRatio    = 100       // unpacked to packed, of an entry of more than a mebibyte
	MaxManifest = 1 << 20   // bytes of a manifest
	MaxToken    = 4 << 20   // bytes of a signature or a time-stamp token
	MaxSignings = 32        // signatures and time-stamp tokens, as files
)

// Errors that callers tell apart. Every error of Open is one of the last three, or
// says that the container is malformed.
var (
	ErrNotZIP   = errors.New("not a ZIP archive")
	ErrLimit    = errors.New("limit exceeded")
	ErrXAdES    = errors.New("XAdES signature in the container; only CAdES signatures (.p7s) are read")
	ErrArchive  = errors.New("an archive within the container")
	errNoToSign = errors.New("no signature in the container")
)

// File is a file of a container.
type File struct {
	Name    string
	Content []byte
	// MimeType is that of the manifest; may be empty. Nothing is decided by it.
	MimeType string
}

// Section gives the content for reading.
func (f *File) Section() *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(f.Content), 0, int64(len(f.Content)))
}

// Signing is what one signature or one time-stamp token of a container is over.
type Signing struct {
	// File is the signature or token.
	File *File
	// Manifest is what it was made over; nil in ASiC-S, where that is the data file.
	Manifest *Manifest
}

// Container is an opened container. That it could be opened says nothing about its
// signatures.
type Container struct {
	Form Form
	// Data are the data files in the archive's order.
	Data []*File
	// Signatures are the CAdES signatures, Stamps the time-stamp tokens, in the
	// archive's order.
	Signatures, Stamps []Signing
	// Unused are files of META-INF that have a meaning for other software only
	// (META-INF/manifest.xml). No signature need cover them and nothing reads them.
	Unused []*File
	// Odd says how the mimetype entry departs from the standard; empty if it does not.
	Odd string

	byName map[string]*File
}

// File gives a file by its name in the archive, or nil: data files, and those of
// META-INF too.
func (c *Container) File(name string) *File { return c.byName[name] }

// Options are the conditions of opening.
type Options struct {
	// Archives allows data files that are archives themselves. They stay closed.
	Archives bool
}

// dosTime is a time as ZIP has it: in UTC, even seconds, from 1980.
func dosTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	if t.Year() < 1980 || t.Year() > 2107 {
		return 1<<5 | 1, 0
	}
	date = uint16(t.Year()-1980)<<9 | uint16(t.Month())<<5 | uint16(t.Day())
	clock = uint16(t.Hour())<<11 | uint16(t.Minute())<<5 | uint16(t.Second())/2
	return date, clock
}
