package asic

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// sniffed is how much of the end of an archive Sniff looks at.
const sniffed = 64 << 10

// Sniff tells whether a file is an ASiC container, of either form and with
// signatures of whatever kind: from its first entry, and where that is not mimetype
// from the names near its end. That it is sound it does not say. An archive that is
// no ASiC container (a spreadsheet, a plain ZIP) is none.
func Sniff(r io.ReaderAt, size int64) bool {
	head := make([]byte, min(localSize+int64(len(mimetype))+64, size))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	if len(head) >= localSize && le.Uint32(head) == localSignature {
		name, extra := int(le.Uint16(head[26:])), int(le.Uint16(head[28:]))
		rest := head[localSize:]
		if bytes.HasPrefix(rest, []byte(mimetype)) && name == len(mimetype) && le.Uint16(head[8:]) == stored && len(rest) > name+extra {
			return bytes.HasPrefix(rest[name+extra:], []byte("application/vnd.etsi.asic-"))
		}
	}
	tail := make([]byte, min(sniffed, size))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return bytes.Contains(tail, []byte("PK\x05\x06")) && namesSignature(tail)
}

// IsZIP tells whether a file begins as a ZIP archive of whatever content does: with an
// entry, empty, or as one volume of several.
func IsZIP(b []byte) bool {
	return bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("PK\x05\x06")) || bytes.HasPrefix(b, []byte("PK\x07\x08"))
}

// namesSignature looks for a name of META-INF that only an ASiC container has.
func namesSignature(b []byte) bool {
	for {
		i := bytes.Index(b, []byte(metaInf))
		if i < 0 {
			return false
		}
		b = b[i:]
		end := bytes.IndexFunc(b[:min(len(b), maxPath)], func(r rune) bool { return r < 0x20 || r == utf8.RuneError })
		if end < 0 {
			end = min(len(b), maxPath)
		}
		// In the central directory the signature of the next record follows.
		name, _, _ := strings.Cut(string(b[:end]), "PK")
		switch kindOf(name) {
		case signatureFile, stampFile, manifestFile, archiveManifestFile, evidenceRecord, xadesFile:
			return true
		}
		b = b[len(metaInf):]
	}
}
