package asic

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Signatures and sizes of the records of a ZIP archive (APPNOTE 4.3).
const (
	localSignature      = 0x04034b50
	descriptorSignature = 0x08074b50
	centralSignature    = 0x02014b50
	endSignature        = 0x06054b50

	localSize   = 30
	centralSize = 46
	endSize     = 22

	flagDescriptor = 1 << 3
	flagUTF8       = 1 << 11
	// Bits 1 and 2 say how hard the writer tried.
	flagsAllowed = 1<<1 | 1<<2 | flagDescriptor | flagUTF8

	stored   = 0
	deflated = 8
	// versions of the format beyond 4.5 bring encryption and other methods.
	maxVersion = 45
	maxComment = 256
	// ratioFrom is the size from which MaxRatio holds.
	ratioFrom = 1 << 20
)

// extras are the extra fields that may stand at an entry: times and owners.
// Others change what an entry is: sizes (0x0001), its name (0x7075), encryption.
var extras = map[uint16]bool{
	0x000a: true, // NTFS times
	0x5455: true, // extended times
	0x5855: true, // Info-ZIP UNIX, old
	0x7855: true, // Info-ZIP UNIX, old owner
	0x7875: true, // Info-ZIP UNIX, owner
	0xcafe: true, // written by Java's jar
}

// entry is a file of an archive.
type entry struct {
	name          string
	raw           []byte // the compressed bytes
	method, flags uint16
	time, crc     uint32
	packed, size  uint32
	offset        uint32
	extra         bool // has an extra field in its local header
	content       []byte
}

func malformed(format string, args ...any) error { return fmt.Errorf("archive: "+format, args...) }

var le = binary.LittleEndian

// readZIP reads the entries of an archive in the order in which they lie in it, and
// the archive's comment. Nothing is unpacked yet.
func readZIP(b []byte) ([]*entry, string, error) {
	end, comment, err := endRecord(b)
	switch begins := len(b) >= 4 && (le.Uint32(b) == localSignature || le.Uint32(b) == endSignature); {
	case err != nil && !begins:
		return nil, "", ErrNotZIP
	case err != nil:
		return nil, "", err
	case !begins:
		return nil, "", malformed("bytes before its first entry")
	}
	count := int(le.Uint16(b[end+10:]))
	size, start := uint64(le.Uint32(b[end+12:])), uint64(le.Uint32(b[end+16:]))
	switch {
	case le.Uint16(b[end+4:]) != 0 || le.Uint16(b[end+6:]) != 0 || int(le.Uint16(b[end+8:])) != count:
		return nil, "", malformed("it is of several parts")
	case count == 0:
		return nil, "", malformed("it is empty")
	case count > MaxEntries:
		return nil, "", malformed("%d entries: %w", count, ErrLimit)
	case start+size != uint64(end):
		return nil, "", malformed("the central directory does not end at the end record")
	}
	entries, err := centralDirectory(b[start:end], count)
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(entries, func(x, y *entry) int { return int(int64(x.offset) - int64(y.offset)) })
	at := 0
	for _, e := range entries {
		if int(e.offset) != at {
			return nil, "", malformed("entries do not follow one another without gap or overlap")
		}
		if at, err = e.local(b[:start], at); err != nil {
			return nil, "", err
		}
	}
	if at != int(start) {
		return nil, "", malformed("bytes between the last entry and the central directory")
	}
	return entries, comment, nil
}

// endRecord finds the end record, which with its comment ends the file.
func endRecord(b []byte) (at int, comment string, err error) {
	for n := 0; n <= maxComment && n+endSize <= len(b); n++ {
		at = len(b) - endSize - n
		if le.Uint32(b[at:]) == endSignature {
			if int(le.Uint16(b[at+20:])) != n {
				return 0, "", malformed("the length of its comment does not agree with its end")
			}
			return at, string(b[at+endSize:]), nil
		}
	}
	return 0, "", malformed("no end record at its end")
}

func centralDirectory(b []byte, count int) ([]*entry, error) {
	entries := make([]*entry, 0, count)
	for len(b) > 0 {
		if len(entries) == count {
			return nil, malformed("more entries than the end record counts")
		}
		if len(b) < centralSize || le.Uint32(b) != centralSignature {
			return nil, malformed("the central directory is damaged")
		}
		name, extra, comment := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
		whole := centralSize + name + extra + comment
		if len(b) < whole {
			return nil, malformed("the central directory is cut")
		}
		e := &entry{
			name:  string(b[centralSize : centralSize+name]),
			flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), time: le.Uint32(b[12:]), crc: le.Uint32(b[16:]),
			packed: le.Uint32(b[20:]), size: le.Uint32(b[24:]), offset: le.Uint32(b[42:]),
		}
		switch {
		case b[6] > maxVersion || b[7] != 0:
			return nil, malformed("an entry needs version %d.%d of the format", b[6]/10, b[6]%10)
		case e.flags&^flagsAllowed != 0:
			return nil, malformed("an entry is encrypted or has other flags that are not known (%#04x)", e.flags)
		case e.method != stored && e.method != deflated:
			return nil, malformed("compression method %d", e.method)
		case comment != 0 || le.Uint16(b[34:]) != 0:
			return nil, malformed("an entry has a comment or lies in another part")
		case e.packed == 1<<32-1 || e.size == 1<<32-1 || e.offset == 1<<32-1:
			return nil, malformed("an entry is in ZIP64")
		}
		if err := checkExtra(b[centralSize+name : centralSize+name+extra]); err != nil {
			return nil, err
		}
		if err := checkKind(e, b[5], le.Uint32(b[38:])); err != nil {
			return nil, err
		}
		entries = append(entries, e)
		b = b[whole:]
	}
	if len(entries) != count {
		return nil, malformed("fewer entries than the end record counts")
	}
	return entries, nil
}

// checkExtra reads extra fields; only such as change nothing may be there.
func checkExtra(b []byte) error {
	for len(b) > 0 {
		if len(b) < 4 || len(b)-4 < int(le.Uint16(b[2:])) {
			return malformed("an extra field is damaged")
		}
		if id := le.Uint16(b); !extras[id] {
			return malformed("an entry has the extra field %#04x", id)
		}
		b = b[4+int(le.Uint16(b[2:])):]
	}
	return nil
}

// Attributes of an entry: the type of a UNIX file, and the directory of DOS.
const (
	unixType    = 0o170000
	unixRegular = 0o100000
	unixFolder  = 0o040000
	dosFolder   = 0x10
	madeByUnix  = 3
	madeByMac   = 19
)

// checkKind refuses what is no regular file. The folder META-INF/ may be named.
func checkKind(e *entry, madeBy byte, attributes uint32) error {
	folder := e.name == metaInf && e.size == 0
	if madeBy == madeByUnix || madeBy == madeByMac {
		switch kind := attributes >> 16 & unixType; {
		case kind == 0, kind == unixRegular && !folder, kind == unixFolder && folder:
		default:
			return malformed("an entry is no regular file")
		}
	}
	if attributes&dosFolder != 0 && !folder {
		return malformed("an entry is a folder")
	}
	return nil
}

// local reads the local header at a position and finds the packed bytes. It gives
// the position after the entry.
func (e *entry) local(b []byte, at int) (int, error) {
	h := b[at:]
	if len(h) < localSize || le.Uint32(h) != localSignature {
		return 0, malformed("a local header is not where the central directory says")
	}
	name, extra := int(le.Uint16(h[26:])), int(le.Uint16(h[28:]))
	start := localSize + name + extra
	if len(h) < start {
		return 0, malformed("a local header is cut")
	}
	if string(h[localSize:localSize+name]) != e.name {
		return 0, malformed("an entry has two names")
	}
	if le.Uint16(h[6:]) != e.flags || le.Uint16(h[8:]) != e.method || le.Uint32(h[10:]) != e.time || h[4] > maxVersion || h[5] != 0 {
		return 0, malformed("the two headers of an entry differ")
	}
	if err := checkExtra(h[localSize+name : start]); err != nil {
		return 0, err
	}
	e.extra = extra > 0
	h = h[start:]
	if uint64(len(h)) < uint64(e.packed) {
		return 0, malformed("an entry is cut")
	}
	e.raw = h[:e.packed]
	next := at + start + int(e.packed)
	header := b[at:]
	crc, packed, size := le.Uint32(header[14:]), le.Uint32(header[18:]), le.Uint32(header[22:])
	if e.flags&flagDescriptor == 0 {
		if crc != e.crc || packed != e.packed || size != e.size {
			return 0, malformed("the two headers of an entry differ")
		}
		return next, nil
	}
	if crc != 0 && crc != e.crc || packed != 0 && packed != e.packed || size != 0 && size != e.size {
		return 0, malformed("the two headers of an entry differ")
	}
	n, ok := e.descriptor(b[next:])
	if !ok {
		return 0, malformed("the data descriptor of an entry differs from its header")
	}
	return next + n, nil
}

// descriptor reads the sizes after an entry (APPNOTE 4.3.9), whose signature some
// writers leave out.
func (e *entry) descriptor(b []byte) (int, bool) {
	agrees := func(b []byte) bool {
		return le.Uint32(b) == e.crc && le.Uint32(b[4:]) == e.packed && le.Uint32(b[8:]) == e.size
	}
	if len(b) >= 16 && le.Uint32(b) == descriptorSignature && agrees(b[4:]) {
		return 16, true
	}
	if len(b) >= 12 && agrees(b) {
		return 12, true
	}
	return 0, false
}

// unpack fills the content. The caller has checked the sizes by bounds; the memory
// taken is what the header says, and the stream has to be exactly as long.
func (e *entry) unpack() error {
	if e.method == stored {
		if e.packed != e.size {
			return malformed("a stored entry of two sizes")
		}
		e.content = e.raw
	} else {
		raw := bytes.NewReader(e.raw)
		stream := flate.NewReader(raw)
		content := make([]byte, e.size)
		if _, err := io.ReadFull(stream, content); err != nil {
			return malformed("the compressed bytes of an entry are damaged or fewer than it says")
		}
		if n, err := stream.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			return malformed("an entry is longer than it says")
		}
		if raw.Len() != 0 {
			return malformed("bytes after the compressed bytes of an entry")
		}
		e.content = content
	}
	if crc32.ChecksumIEEE(e.content) != e.crc {
		return malformed("the check sum of an entry is wrong")
	}
	return nil
}

// bounds checks what the entries say of their sizes before memory is taken.
func bounds(entries []*entry) error {
	var unpacked uint64
	for _, e := range entries {
		unpacked += uint64(e.size)
		if e.size > ratioFrom && uint64(e.size) > MaxRatio*uint64(e.packed) {
			return malformed("an entry is compressed more than %d to 1: %w", MaxRatio, ErrLimit)
		}
	}
	if unpacked > MaxUnpacked {
		return malformed("more than %d bytes unpacked: %w", MaxUnpacked, ErrLimit)
	}
	return nil
}
