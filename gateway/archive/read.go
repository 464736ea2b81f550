package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/brama-gateway/brama/spool"
)

// File is an open archive. It is safe for concurrent use.
type File struct {
	r    io.ReaderAt
	size int64
	shut io.Closer

	dir       directory
	directory string  // SHA-256 of it
	starts    []int64 // where each block begins in the tar
	ordinals  []int64 // number of the first item of each page

	mu     sync.Mutex
	decode *zstd.Decoder
	blocks [4]cached // those used last
	turn   int
	page   []Record // the list used last
	paged  int      // its number, -1 for none
}

type cached struct {
	n   int
	raw []byte // nil: nothing
}

// Open opens a file: ErrOffline where there is none, ErrDamaged where it is no archive.
// What it reads is the directory; the rest is looked at when it is read, and by Verify.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrOffline)
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: it is no file", path, ErrDamaged)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a, err := Read(f, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	a.shut = f
	return a, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Read opens an archive of size bytes.
func Read(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, paged: -1}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

// bytes reads a range of the file.
func (f *File) bytes(at, n int64) ([]byte, error) {
	b := make([]byte, n)
	if m, err := f.r.ReadAt(b, at); int64(m) < n {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, damaged("it ends early")
		}
		return nil, fmt.Errorf("archive: %w", err)
	}
	return b, nil
}

func (f *File) open() error {
	headSize := int64(8 + len(formatText))
	if f.size < headSize+int64(endSize) {
		return damaged("it is too short")
	}
	head, err := f.bytes(0, headSize)
	if err != nil {
		return err
	}
	if string(head) != string(skippableHead(headMagic, int64(len(formatText))))+formatText {
		return damaged("it does not begin as an archive of this release does")
	}
	end, err := f.bytes(f.size-int64(endSize), int64(endSize))
	if err != nil {
		return err
	}
	body, ok := bytes.CutPrefix(end, append(skippableHead(endMagic, int64(endSize-8)), endLine...))
	if !ok {
		return damaged("its end is missing")
	}
	at, n := binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
	if n > maxDirectory || at != uint64(f.size-int64(endSize))-n || at < uint64(headSize)+8 {
		return damaged("its directory is not where it says")
	}
	text, err := f.bytes(int64(at), int64(n))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if !bytes.Equal(sum[:], body[16:]) {
		return damaged("its directory was changed")
	}
	f.directory = hex.EncodeToString(sum[:])
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f.dir); err != nil {
		return damaged("directory: %v", err)
	}
	if err := f.layout(headSize, int64(at)-8); err != nil {
		return err
	}
	f.decode, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*blockSize), zstd.WithDecodeAllCapLimit(true))
	return err
}

func skippableHead(magic uint32, n int64) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], magic)
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	return b[:]
}

// layout holds the directory to the file: frames follow on each other without gaps,
// from the head to the directory, and lists lie in the tar that they make.
func (f *File) layout(from, to int64) error {
	d := &f.dir
	if d.Format != formatLine || d.Head.Format != formatLine || !ValidName(d.Head.Name) {
		return damaged("directory: another format, or no name")
	}
	var raw int64
	f.starts = make([]int64, len(d.Blocks))
	for i, b := range d.Blocks {
		if b.At != from || b.Size < 1 || b.Size > maxFrame || b.Raw < 1 || b.Raw > blockSize || len(b.SHA256) != 64 || from+b.Size > to {
			return damaged("directory: frame %d", i+1)
		}
		f.starts[i] = raw
		raw += b.Raw
		from += b.Size
	}
	if raw != d.Size {
		return damaged("directory: the tar has another size")
	}
	// Then the sums and nothing else; the directory's own frame begins where they end.
	if d.Sums.At != from+8 || d.Sums.Size != d.Head.Parts*sumSize || d.Sums.Size < 0 || d.Sums.Size > maxSums || d.Sums.At+d.Sums.Size != to {
		return damaged("directory: the sums of parts")
	}
	var items int64
	var last spool.ID
	for i, p := range d.Pages {
		if !f.within(p.span, maxPage) || !f.within(p.Sums, maxPage) || p.Items < 1 || p.First <= last && i > 0 || p.Last < p.First {
			return damaged("directory: list %d", i+1)
		}
		last = p.Last
		f.ordinals = append(f.ordinals, items)
		if items += p.Items; items > d.Head.Items {
			return damaged("directory: the number of items")
		}
	}
	if items != d.Head.Items || items == 0 {
		return damaged("directory: the number of items")
	}
	if !f.within(d.Record, 1<<20) || !f.within(d.List, maxManifest) || !f.within(d.Seal, 1<<20) {
		return damaged("directory: manifest or seal")
	}
	return nil
}

func (f *File) within(s span, most int64) bool {
	return s.At >= 0 && s.Size >= 0 && s.Size <= most && s.At <= f.dir.Size-s.Size && len(s.SHA256) == 64
}

// Close ends the reading.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decode != nil {
		f.decode.Close()
		f.decode = nil
	}
	if f.shut == nil {
		return nil
	}
	return f.shut.Close()
}

// Head is what the file is.
func (f *File) Head() Head { return f.dir.Head }

// Directory is the SHA-256 of the directory: with it everything that is read is known.
func (f *File) Directory() string { return f.directory }

// Manifest gives MANIFEST and the seal over it.
func (f *File) Manifest() (text, seal []byte, err error) {
	if text, err = f.span(f.dir.List); err != nil {
		return nil, nil, err
	}
	seal, err = f.span(f.dir.Seal)
	return text, seal, err
}

// span reads a place of the tar whole, and holds it against its hash.
func (f *File) span(s span) ([]byte, error) {
	b := make([]byte, s.Size)
	if _, err := f.readAt(b, s.At); err != nil {
		return nil, err
	}
	if sumOf(b) != s.SHA256 {
		return nil, damaged("an entry was changed")
	}
	return b, nil
}

// readAt reads a range of the tar that is in it.
func (f *File) readAt(p []byte, at int64) (int, error) {
	n := 0
	for n < len(p) {
		i := sort.Search(len(f.starts), func(i int) bool { return f.starts[i] > at }) - 1
		if i < 0 || at >= f.dir.Size {
			return n, damaged("a range beyond its end")
		}
		m, err := f.fromBlock(p[n:], i, at-f.starts[i])
		if err != nil {
			return n, err
		}
		n += m
		at += int64(m)
	}
	return n, nil
}

// fromBlock copies from a block, which it decodes unless that was done a moment ago.
func (f *File) fromBlock(p []byte, i int, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.blocks {
		if c.raw != nil && c.n == i {
			return copy(p, c.raw[off:]), nil
		}
	}
	if f.decode == nil {
		return 0, fmt.Errorf("archive: %w", fs.ErrClosed)
	}
	b := f.dir.Blocks[i]
	pressed, err := f.bytes(b.At, b.Size)
	if err != nil {
		return 0, err
	}
	if sumOf(pressed) != b.SHA256 {
		return 0, damaged("frame %d was changed", i+1)
	}
	c := &f.blocks[f.turn]
	f.turn = (f.turn + 1) % len(f.blocks)
	room := c.raw
	c.raw = nil
	if int64(cap(room)) < b.Raw {
		room = make([]byte, 0, b.Raw)
	}
	raw, err := f.decode.DecodeAll(pressed, room[:0:b.Raw])
	if err != nil || int64(len(raw)) != b.Raw {
		return 0, damaged("frame %d cannot be decoded", i+1)
	}
	c.n, c.raw = i, raw
	return copy(p, raw[off:]), nil
}

// records reads a list.
func (f *File) records(n int) ([]Record, error) {
	f.mu.Lock()
	if f.paged == n {
		defer f.mu.Unlock()
		return f.page, nil
	}
	f.mu.Unlock()
	p := f.dir.Pages[n]
	b, err := f.span(p.span)
	if err != nil {
		return nil, fmt.Errorf("list %d: %w", n+1, err)
	}
	all := make([]Record, 0, min(p.Items, pageItems))
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(make([]byte, 0, 64<<10), len(b)+1)
	for lines.Scan() {
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, damaged("list %d, line %d: %v", n+1, len(all)+1, err)
		}
		if len(all) > 0 && r.ID <= all[len(all)-1].ID {
			return nil, damaged("list %d, line %d: not in order", n+1, len(all)+1)
		}
		for _, part := range r.Parts {
			if part.Size < 0 || part.At < 0 || part.At > f.dir.Size-part.Size || len(part.SHA256) != 64 {
				return nil, damaged("list %d, line %d: part %q", n+1, len(all)+1, part.Name)
			}
		}
		all = append(all, r)
	}
	if int64(len(all)) != p.Items || all[0].ID != p.First || all[len(all)-1].ID != p.Last {
		return nil, damaged("list %d: not the items that the directory says", n+1)
	}
	f.mu.Lock()
	f.page, f.paged = all, n
	f.mu.Unlock()
	return all, nil
}

// Item finds an item: spool.ErrNotFound. The record is the file's: it must not be changed.
func (f *File) Item(id spool.ID) (*Record, error) {
	n := sort.Search(len(f.dir.Pages), func(i int) bool { return f.dir.Pages[i].Last >= id })
	if n < len(f.dir.Pages) && f.dir.Pages[n].First <= id {
		all, err := f.records(n)
		if err != nil {
			return nil, err
		}
		i := sort.Search(len(all), func(i int) bool { return all[i].ID >= id })
		if i < len(all) && all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("item %s in archive %s: %w", id, f.dir.Head.Name, spool.ErrNotFound)
}

// Each calls each for every item, in the order of ids, until it returns an error.
func (f *File) Each(each func(*Record) error) error {
	for n := range f.dir.Pages {
		all, err := f.records(n)
		if err != nil {
			return err
		}
		for i := range all {
			if err := each(&all[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Find finds the part of a hash, and its item: spool.ErrNotFound.
func (f *File) Find(sum string) (*Record, Part, error) {
	none := fmt.Errorf("content %s in archive %s: %w", sum, f.dir.Head.Name, spool.ErrNotFound)
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != sha256.Size {
		return nil, Part{}, none
	}
	n := int(f.dir.Sums.Size / sumSize)
	row := make([]byte, sumSize)
	var wrong error
	at := func(i int) []byte {
		if m, err := f.r.ReadAt(row, f.dir.Sums.At+int64(i)*sumSize); m < sumSize {
			wrong = fmt.Errorf("archive: %w", err)
		}
		return row
	}
	i := sort.Search(n, func(i int) bool { return bytes.Compare(at(i)[:8], raw[:8]) >= 0 })
	for ; i < n && wrong == nil && bytes.Equal(at(i)[:8], raw[:8]); i++ {
		number := int64(binary.BigEndian.Uint32(row[8:]))
		p := sort.Search(len(f.ordinals), func(i int) bool { return f.ordinals[i] > number }) - 1
		if p < 0 {
			return nil, Part{}, damaged("the sums of parts")
		}
		all, err := f.records(p)
		if err != nil {
			return nil, Part{}, err
		}
		k := number - f.ordinals[p]
		if k >= int64(len(all)) {
			return nil, Part{}, damaged("the sums of parts")
		}
		for _, part := range all[k].Parts {
			if part.SHA256 == sum {
				return &all[k], part, nil
			}
		}
	}
	if wrong != nil {
		return nil, Part{}, wrong
	}
	return nil, Part{}, none
}

// Content opens a part of a record of this file, for random access. It is valid until the file is closed.
func (f *File) Content(p Part) spool.Blob { return &content{f: f, at: p.At, size: p.Size} }

type content struct {
	f        *File
	at, size int64
	done     func()
}

func (c *content) Size() int64 { return c.size }

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("archive: negative offset")
	}
	if off >= c.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > c.size-off
	if short {
		p = p[:c.size-off]
	}
	n, err := c.f.readAt(p, c.at+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (c *content) Close() error {
	if c.done != nil {
		c.done()
		c.done = nil
	}
	return nil
}
