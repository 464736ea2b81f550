package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/brama-gateway/brama/spool"
)

// Writer writes one archive, in the order of the items' ids.
type Writer struct {
	f   *os.File
	sum hash.Hash // of the whole file
	at  int64     // bytes of the file so far
	err error     // the first; nothing is written after it

	press *zstd.Encoder
	tar   *tar.Writer
	buf   []byte // of the tar, not yet compressed
	pos   int64  // bytes of the tar so far
	out   []byte

	dir   directory
	sums  []byte // records of the sums frame, not yet sorted
	big   map[[sha256.Size]byte]placed
	page  bytes.Buffer // the list at hand
	parts bytes.Buffer // its .sha256
	first spool.ID
	last  spool.ID
	count int64
}

// placed is a large part that later ones of the same bytes link to.
type placed struct {
	name string
	at   int64
}

// large is from where on a part may be a link to another of the same bytes.
const large = 64 << 10

// Create begins a file, which must not be there.
func Create(path string, h Head) (*Writer, error) {
	if !ValidName(h.Name) {
		return nil, fmt.Errorf("archive %q: not a name", h.Name)
	}
	press, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(blockSize))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	h.Format = formatLine
	w := &Writer{f: f, sum: sha256.New(), press: press, buf: make([]byte, 0, blockSize), big: map[[sha256.Size]byte]placed{}}
	w.dir = directory{Format: formatLine, Head: h, Blocks: []block{}, Pages: []page{}}
	w.tar = tar.NewWriter(writerFunc(w.raw))
	w.skippable(headMagic, []byte(formatText))
	return w, w.err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Size is how long the file has become so far, about.
func (w *Writer) Size() int64 {
	return w.at + int64(len(w.buf))/2 + int64(w.page.Len())/2 + int64(len(w.sums))
}

// Items are those that were added.
func (w *Writer) Items() int64 { return w.dir.Head.Items }

func (w *Writer) fault(err error) error {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("archive %s: %w", w.dir.Head.Name, err)
	}
	return w.err
}

// put writes bytes into the file.
func (w *Writer) put(b []byte) {
	if w.err != nil {
		return
	}
	w.sum.Write(b)
	n, err := w.f.Write(b)
	w.at += int64(n)
	w.fault(err)
}

func (w *Writer) skippable(magic uint32, b []byte) frame {
	if len(b) > math.MaxUint32 {
		w.fault(errors.New("a frame is too large"))
		return frame{}
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], magic)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(b)))
	w.put(head[:])
	f := frame{At: w.at, Size: int64(len(b)), SHA256: sumOf(b)}
	w.put(b)
	return f
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// raw takes bytes of the tar.
func (w *Writer) raw(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && w.err == nil; {
		n := min(len(rest), blockSize-len(w.buf))
		w.buf, rest = append(w.buf, rest[:n]...), rest[n:]
		if len(w.buf) == blockSize {
			w.cut()
		}
	}
	w.pos += int64(len(b))
	return len(b), w.err
}

// cut ends the frame at hand.
func (w *Writer) cut() {
	if len(w.buf) == 0 {
		return
	}
	w.out = w.press.EncodeAll(w.buf, w.out[:0])
	w.dir.Blocks = append(w.dir.Blocks, block{frame{w.at, int64(len(w.out)), sumOf(w.out)}, int64(len(w.buf))})
	w.put(w.out)
	w.buf = w.buf[:0]
}

func (w *Writer) header(name string, size int64, at time.Time, link string) error {
	h := &tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: at.UTC().Truncate(time.Second), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	if link != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, link, 0
	}
	return w.fault(w.tar.WriteHeader(h))
}

// file writes a whole entry of the tar.
func (w *Writer) file(name string, b []byte) (span, error) {
	if err := w.header(name, int64(len(b)), w.dir.Head.Created, ""); err != nil {
		return span{}, err
	}
	s := span{At: w.pos, Size: int64(len(b)), SHA256: sumOf(b)}
	if _, err := w.tar.Write(b); err != nil {
		return s, w.fault(err)
	}
	return s, w.fault(w.tar.Flush())
}

// Add takes one item in; open reads its parts. A part with other bytes than its
// record says ends the writing.
func (w *Writer) Add(ctx context.Context, r Record, open func(ctx context.Context, sha256 string) (spool.Blob, error)) error {
	if w.err != nil {
		return w.err
	}
	if r.ID <= w.last {
		return w.fault(fmt.Errorf("item %s comes after %s", r.ID, w.last))
	}
	for i := range r.Parts {
		if err := w.part(ctx, &r, &r.Parts[i], open); err != nil {
			return w.fault(fmt.Errorf("item %s, part %q: %w", r.ID, r.Parts[i].Name, err))
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return w.fault(err)
	}
	if len(line) >= maxPage-pageBytes {
		return w.fault(fmt.Errorf("item %s: its history is too long", r.ID))
	}
	h := &w.dir.Head
	if w.count == 0 {
		w.first = r.ID
	}
	if h.Items == 0 || r.Received.Before(h.From) {
		h.From = r.Received
	}
	if r.Received.After(h.To) {
		h.To = r.Received
	}
	w.last = r.ID
	w.count++
	h.Items++
	w.page.Write(line)
	w.page.WriteByte('\n')
	if w.count == pageItems || w.page.Len()+w.parts.Len() > pageBytes {
		return w.list()
	}
	return nil
}

func (w *Writer) part(ctx context.Context, r *Record, p *Part, open func(context.Context, string) (spool.Blob, error)) error {
	raw, err := hex.DecodeString(p.SHA256)
	if err != nil || len(raw) != sha256.Size {
		return errors.New("its hash cannot be read")
	}
	sum := [sha256.Size]byte(raw)
	name := "parts/" + r.ID.String() + "/" + SafeName(p.Name)
	fmt.Fprintf(&w.parts, "%s  %s\n", p.SHA256, name)
	w.sums = append(w.sums, sum[:8]...)
	w.sums = binary.BigEndian.AppendUint32(w.sums, uint32(w.dir.Head.Items))
	w.dir.Head.Parts++
	w.dir.Head.Bytes += p.Size
	if old, ok := w.big[sum]; ok {
		p.At = old.at
		return w.header(name, 0, p.Added, old.name)
	}
	b, err := open(ctx, p.SHA256)
	if err != nil {
		return err
	}
	defer b.Close()
	if b.Size() != p.Size {
		return fmt.Errorf("it has %d bytes, want %d", b.Size(), p.Size)
	}
	if err := w.header(name, p.Size, p.Added, ""); err != nil {
		return err
	}
	p.At = w.pos
	h := sha256.New()
	from := readerFunc(func(b []byte) (int, error) { return 0, ctx.Err() })
	if _, err := io.CopyBuffer(io.MultiWriter(w.tar, h), &checked{from, io.NewSectionReader(b, 0, p.Size)}, make([]byte, 128<<10)); err != nil {
		return err
	}
	if [sha256.Size]byte(h.Sum(nil)) != sum {
		return errors.New("its bytes do not have the hash; see: bramactl integrity --deep")
	}
	if p.Size >= large {
		w.big[sum] = placed{name, p.At}
	}
	return w.tar.Flush()
}

type readerFunc func([]byte) (int, error)

// checked reads as long as a context lets it.
type checked struct {
	may readerFunc
	r   io.Reader
}

func (c *checked) Read(b []byte) (int, error) {
	if _, err := c.may(nil); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// list writes the list at hand, in frames of its own.
func (w *Writer) list() error {
	if w.count == 0 {
		return w.err
	}
	w.cut()
	name := fmt.Sprintf("items/%06d", len(w.dir.Pages)+1)
	p := page{First: w.first, Last: w.last, Items: w.count}
	var err error
	if p.span, err = w.file(name+".jsonl", w.page.Bytes()); err != nil {
		return err
	}
	if p.Sums, err = w.file(name+".sha256", w.parts.Bytes()); err != nil {
		return err
	}
	w.cut()
	w.dir.Pages = append(w.dir.Pages, p)
	w.page.Reset()
	w.parts.Reset()
	w.count = 0
	return w.err
}

// Finish seals and ends the file, and flushes it. The row has everything of it but State.
func (w *Writer) Finish(seal func(manifest []byte) ([]byte, error)) (Row, error) {
	defer w.f.Close()
	if w.err == nil && w.dir.Head.Items == 0 {
		w.fault(errors.New("it would be empty"))
	}
	if err := w.list(); err != nil {
		return Row{}, err
	}
	if err := w.seal(seal); err != nil {
		return Row{}, err
	}
	if err := w.fault(w.tar.Close()); err != nil {
		return Row{}, err
	}
	w.cut()
	w.dir.Size = w.pos
	w.dir.Sums = w.skippable(sumsMagic, sortSums(w.sums))
	text, err := json.Marshal(w.dir)
	if err != nil {
		return Row{}, w.fault(err)
	}
	if len(text) > maxDirectory {
		return Row{}, w.fault(errors.New("its directory is too large"))
	}
	d := w.skippable(dirMagic, text)
	end := []byte(endLine)
	end = binary.BigEndian.AppendUint64(end, uint64(d.At))
	end = binary.BigEndian.AppendUint64(end, uint64(d.Size))
	sum := sha256.Sum256(text)
	w.skippable(endMagic, append(end, sum[:]...))
	if w.err == nil {
		w.fault(w.f.Sync())
	}
	h := w.dir.Head
	return Row{
		Name: h.Name, Period: h.Period, Written: h.Created, Items: h.Items, Parts: h.Parts, Bytes: h.Bytes,
		Size: w.at, SHA256: hex.EncodeToString(w.sum.Sum(nil)), Directory: d.SHA256,
	}, w.err
}

// seal writes what vouches for all the rest.
func (w *Writer) seal(seal func([]byte) ([]byte, error)) error {
	text, err := json.MarshalIndent(w.dir.Head, "", "  ")
	if err != nil {
		return w.fault(err)
	}
	if w.dir.Record, err = w.file("archive.json", append(text, '\n')); err != nil {
		return err
	}
	list := manifest(&w.dir)
	if w.dir.List, err = w.file("MANIFEST", list); err != nil {
		return err
	}
	sealed, err := seal(list)
	if err != nil {
		return w.fault(err)
	}
	w.dir.Seal, err = w.file("MANIFEST.p7s", sealed)
	return err
}

// manifest is the text of MANIFEST.
func manifest(d *directory) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  archive.json\n", d.Record.SHA256)
	for i, p := range d.Pages {
		fmt.Fprintf(&b, "%s  items/%06d.jsonl\n%s  items/%06d.sha256\n", p.SHA256, i+1, p.Sums.SHA256, i+1)
	}
	return b.Bytes()
}

// Abandon ends a writer that is not finished. The file is the caller's to remove.
func (w *Writer) Abandon() { w.f.Close() }

func sortSums(b []byte) []byte {
	n := len(b) / sumSize
	all := make([][sumSize]byte, n)
	for i := range all {
		all[i] = [sumSize]byte(b[i*sumSize:])
	}
	slices.SortFunc(all, func(a, b [sumSize]byte) int { return bytes.Compare(a[:], b[:]) })
	for i := range all {
		copy(b[i*sumSize:], all[i][:])
	}
	return b
}
