package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/spool"
)

// Verify reads everything: every frame, every list, and the bytes of every part,
// each against its hash, up to MANIFEST. The seal over that is the caller's to judge.
// It gives the SHA-256 of the whole file. What is wrong is an ErrDamaged. Each is
// called for every item once its parts were found to be whole; it may be nil.
func (f *File) Verify(ctx context.Context, each func(*Record) error) (sum string, err error) {
	if sum, err = f.Sum(ctx); err != nil {
		return "", err
	}
	d := &f.dir
	text, err := f.span(d.Record)
	if err != nil {
		return sum, fmt.Errorf("archive.json: %w", err)
	}
	var h Head
	if err := json.Unmarshal(text, &h); err != nil || h != d.Head {
		return sum, damaged("archive.json is not what the directory says")
	}
	list, err := f.span(d.List)
	if err != nil {
		return sum, fmt.Errorf("MANIFEST: %w", err)
	}
	if !bytes.Equal(list, manifest(d)) {
		return sum, damaged("MANIFEST does not list what is there")
	}
	if _, err := f.span(d.Seal); err != nil {
		return sum, fmt.Errorf("MANIFEST.p7s: %w", err)
	}
	return sum, f.verifyItems(ctx, each)
}

func (f *File) verifyItems(ctx context.Context, each func(*Record) error) error {
	var parts, size int64
	var sums []byte
	number := uint32(0)
	buf := make([]byte, 256<<10)
	for n, p := range f.dir.Pages {
		all, err := f.records(n)
		if err != nil {
			return err
		}
		var listed bytes.Buffer
		for i := range all {
			r := &all[i]
			for _, part := range r.Parts {
				if err := f.verifyPart(ctx, part, buf); err != nil {
					return fmt.Errorf("item %s, part %q: %w", r.ID, part.Name, err)
				}
				fmt.Fprintf(&listed, "%s  parts/%s/%s\n", part.SHA256, r.ID, SafeName(part.Name))
				raw, err := hex.DecodeString(part.SHA256)
				if err != nil {
					return damaged("item %s, part %q: its hash", r.ID, part.Name)
				}
				sums = binary.BigEndian.AppendUint32(append(sums, raw[:8]...), number)
				parts++
				size += part.Size
			}
			number++
			if each != nil {
				if err := each(r); err != nil {
					return err
				}
			}
		}
		text, err := f.span(p.Sums)
		if err != nil {
			return fmt.Errorf("list %d: %w", n+1, err)
		}
		if !bytes.Equal(text, listed.Bytes()) {
			return damaged("list %d: its sums are not those of its items", n+1)
		}
	}
	if parts != f.dir.Head.Parts || size != f.dir.Head.Bytes {
		return damaged("it says %d parts of %d bytes, and has %d of %d", f.dir.Head.Parts, f.dir.Head.Bytes, parts, size)
	}
	if sumOf(sortSums(sums)) != f.dir.Sums.SHA256 {
		return damaged("the sums of parts are not those of its parts")
	}
	kept, err := f.bytes(f.dir.Sums.At, f.dir.Sums.Size)
	if err != nil {
		return err
	}
	if sumOf(kept) != f.dir.Sums.SHA256 {
		return damaged("the sums of parts were changed")
	}
	return nil
}

func (f *File) verifyPart(ctx context.Context, p Part, buf []byte) error {
	return f.copy(ctx, io.Discard, p, buf)
}

// Copy writes a part of a record of this file out, and holds it against its hash: it
// may have been written when that turns out to be another.
func (f *File) Copy(ctx context.Context, w io.Writer, p Part) error {
	return f.copy(ctx, w, p, make([]byte, 256<<10))
}

func (f *File) copy(ctx context.Context, w io.Writer, p Part, buf []byte) error {
	h := sha256.New()
	may := readerFunc(func([]byte) (int, error) { return 0, ctx.Err() })
	if _, err := io.CopyBuffer(io.MultiWriter(h, struct{ io.Writer }{w}), &checked{may, io.NewSectionReader(f.Content(p), 0, p.Size)}, buf); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != p.SHA256 {
		return damaged("its bytes do not have its hash")
	}
	return nil
}

// Sum is the SHA-256 of the whole file.
func (f *File) Sum(ctx context.Context) (string, error) {
	h := sha256.New()
	r := io.NewSectionReader(f.r, 0, f.size)
	may := readerFunc(func([]byte) (int, error) { return 0, ctx.Err() })
	if _, err := io.CopyBuffer(h, &checked{may, r}, make([]byte, 256<<10)); err != nil {
		return "", fmt.Errorf("archive: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Ids is the hash that stands for a set of items: SHA-256 over their ids in
// ascending order, 8 bytes each, big endian.
type Ids struct {
	b []byte
	h interface {
		io.Writer
		Sum([]byte) []byte
	}
	N int64
}

// NewIds begins an empty set.
func NewIds() *Ids { return &Ids{h: sha256.New()} }

// Add adds an id that is greater than those before.
func (s *Ids) Add(id spool.ID) {
	s.b = binary.BigEndian.AppendUint64(s.b[:0], uint64(id))
	s.h.Write(s.b)
	s.N++
}

// Sum is the hash, in hexadecimal.
func (s *Ids) Sum() string { return hex.EncodeToString(s.h.Sum(nil)) }
