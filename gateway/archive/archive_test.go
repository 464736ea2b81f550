package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/brama-gateway/brama/spool"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// shelf is contents by hash, and the records that name them.
type shelf struct {
	contents map[string][]byte
	records  []Record
}

func (s *shelf) open(_ context.Context, sum string) (spool.Blob, error) {
	b, ok := s.contents[sum]
	if !ok {
		return nil, spool.ErrNotFound
	}
	return blob{bytes.NewReader(b)}, nil
}

type blob struct{ *bytes.Reader }

func (b blob) Close() error { return nil }

func (s *shelf) part(name, role string, b []byte) Part {
	s.contents[sumOf(b)] = b
	return Part{Name: name, Role: role, Added: start, SHA256: sumOf(b), Size: int64(len(b))}
}

// fill makes n items, with what is awkward among them.
func fill(n int) *shelf {
	s := &shelf{contents: map[string][]byte{}}
	rnd := rand.New(rand.NewPCG(1, 2))
	large := make([]byte, 2_500_000)
	for i := range large {
		large[i] = byte(rnd.Uint32())
	}
	for i := range n {
		r := Record{
			ID: spool.ID(1000 + 7*i), Queue: "submission", Client: fmt.Sprint("client", i%3), State: "processed", Name: fmt.Sprintf("P%d.DBF", i),
			Number: fmt.Sprint(i), Date: "2026-01-02", Received: start.Add(time.Duration(i) * time.Second), Note: Text(`{"a":"<&>"}`),
			History: []Event{{Seq: int64(i + 1), ID: spool.ID(1001 + 7*i), At: start, Kind: "decided", Record: Text("{\"x\":\"\u2028\"}")}},
		}
		r.Parts = append(
			r.Parts, s.part(r.Name, "document", fmt.Append(nil, "document ", i, strings.Repeat(" text", i%50))),
			s.part(r.Name+".p7s", "signature", fmt.Append(nil, "signature ", i)),
			s.part(fmt.Sprintf("../%d/квитанція\n\\%%.json", i), "receipt", fmt.Append(nil, "receipt ", i)),
			s.part(".verdict", "verdict", nil),
		)
		switch i {
		case 1, n - 1:
			r.Parts = append(r.Parts, s.part("large.pdf", "document", large)) // the same twice
		case 2:
			r.Note, r.History[0].Record = Text{0xff, 0}, Text{0xfe}
		}
		r.SHA256 = r.Parts[0].SHA256
		s.records = append(s.records, r)
	}
	return s
}

func (s *shelf) write(t testing.TB, path string) Row {
	t.Helper()
	w, err := Create(path, Head{Name: "archive-2026-01-1", Period: "2026-01", Created: start, JournalKey: "key"})
	ok(t, err)
	for _, r := range s.records {
		r.Parts = slices.Clone(r.Parts)
		ok(t, w.Add(t.Context(), r, s.open))
	}
	row, err := w.Finish(func(manifest []byte) ([]byte, error) { return append([]byte("seal over "), sumOf(manifest)...), nil })
	ok(t, err)
	return row
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What was put in is found by id and by hash, and read in any range.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := fill(1300) // more than two lists
	path := filepath.Join(t.TempDir(), "archive-2026-01-1.brama")
	row := s.write(t, path)
	f, err := Open(path)
	ok(t, err)
	defer f.Close()
	sum, err := f.Verify(t.Context(), nil)
	ok(t, err)
	info, err := os.Stat(path)
	ok(t, err)
	if sum != row.SHA256 || row.Directory != f.Directory() || row.Size != info.Size() || row.Items != 1300 || row.Parts != 4*1300+2 {
		t.Errorf("%+v, read %s %s, %d bytes", row, sum, f.Directory(), info.Size())
	}
	if row.Size > 4<<20 {
		t.Errorf("%d bytes: what was there already is written again, or nothing is compressed", row.Size)
	}
	for i, want := range s.records {
		if i%97 > 2 && i < len(s.records)-1 {
			continue
		}
		got, err := f.Item(want.ID)
		ok(t, err)
		for k := range got.Parts {
			p := got.Parts[k]
			if p.At = 0; p != want.Parts[k] {
				t.Errorf("%s: part %+v, want %+v", want.ID, p, want.Parts[k])
			}
			var b bytes.Buffer
			ok(t, f.Copy(t.Context(), &b, got.Parts[k]))
			if !bytes.Equal(b.Bytes(), s.contents[p.SHA256]) {
				t.Errorf("%s: %q has other bytes", want.ID, p.Name)
			}
		}
		back := *got
		back.Parts, want.Parts = nil, nil
		a, _ := json.Marshal(back)
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) || !bytes.Equal(back.Note, want.Note) || !bytes.Equal(back.History[0].Record, want.History[0].Record) {
			t.Errorf("%s: %s, want %s", want.ID, a, b)
		}
		r, p, err := f.Find(want.SHA256)
		if err != nil || r.ID != want.ID && s.contents[p.SHA256] == nil || p.SHA256 != want.SHA256 {
			t.Errorf("%s is found at %v: %v", want.SHA256, r, err)
		}
	}
	for _, id := range []spool.ID{1, 1001, 1 << 60} {
		if _, err := f.Item(id); !errors.Is(err, spool.ErrNotFound) {
			t.Errorf("item %d: %v", id, err)
		}
	}
	if _, _, err := f.Find(sumOf([]byte("nothing of this kind"))); !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("a hash that is not there: %v", err)
	}
	// Ranges over several frames, from several sides at once.
	r, err := f.Item(s.records[1].ID)
	ok(t, err)
	p := r.Parts[4]
	c := f.Content(p)
	want := s.contents[p.SHA256]
	for _, at := range []int64{0, 1, 1<<20 - 1, 2_400_000, 2_499_999} {
		b := make([]byte, 1_100_000)
		n, err := c.ReadAt(b, at)
		if !bytes.Equal(b[:n], want[at:at+int64(n)]) || n < len(b) && (!errors.Is(err, io.EOF) || at+int64(n) != c.Size()) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
	if _, err := c.ReadAt(make([]byte, 1), c.Size()); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
}

// Public tools read it: Zstandard frames, which make a tar, whose lists hold every part.
func TestPublicTools(t *testing.T) {
	t.Parallel()
	s := fill(40)
	path := filepath.Join(t.TempDir(), "archive-2026-01-1.brama")
	s.write(t, path)
	f, err := os.Open(path)
	ok(t, err)
	defer f.Close()
	plain, err := zstd.NewReader(f)
	ok(t, err)
	defer plain.Close()
	sums := map[string]string{}
	texts := map[string][]byte{}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		if !filepath.IsLocal(h.Name) || strings.ContainsAny(h.Name, "\n\\") {
			t.Errorf("tar has %q", h.Name)
		}
		if h.Typeflag == tar.TypeLink {
			if sums[h.Name] = sums[h.Linkname]; sums[h.Name] == "" {
				t.Errorf("%s links to %s, which does not come before", h.Name, h.Linkname)
			}
			continue
		}
		b, err := io.ReadAll(r)
		ok(t, err)
		sums[h.Name] = sumOf(b)
		texts[h.Name] = b
	}
	if seal := texts["MANIFEST.p7s"]; string(seal) != "seal over "+sums["MANIFEST"] {
		t.Errorf("the seal: %q", seal)
	}
	checked := map[string]bool{"MANIFEST": true, "MANIFEST.p7s": true}
	check := func(list string) {
		for lines := bufio.NewScanner(bytes.NewReader(texts[list])); lines.Scan(); {
			sum, name, _ := strings.Cut(lines.Text(), "  ")
			if sums[name] != sum || sum == "" {
				t.Errorf("%s: %s has %s, want %s", list, name, sums[name], sum)
			}
			checked[name] = true
		}
	}
	check("MANIFEST")
	for name := range maps.Clone(checked) {
		if strings.HasSuffix(name, ".sha256") {
			check(name)
		}
	}
	for name := range sums {
		if !checked[name] {
			t.Errorf("nothing vouches for %s", name)
		}
	}
	if len(checked) != 2+1+2+40*4+2 {
		t.Errorf("%d entries", len(checked))
	}
}

// Whatever byte is changed, Verify finds it, also where the sum at the end was made anew.
func TestVerifyFindsChanges(t *testing.T) {
	t.Parallel()
	s := fill(3)
	path := filepath.Join(t.TempDir(), "archive-2026-01-1.brama")
	row := s.write(t, path)
	good, err := os.ReadFile(path)
	ok(t, err)
	verify := func(b []byte) error {
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		defer f.Close()
		sum, err := f.Verify(t.Context(), nil)
		if err == nil && sum != row.SHA256 {
			err = damaged("sum")
		}
		return err
	}
	ok(t, verify(good))
	for at := 0; at < len(good); at += 1 + len(good)/37 {
		b := bytes.Clone(good)
		b[at] ^= 1
		if err := verify(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	for _, n := range []int{0, 1, len(good) / 2, len(good) - 1} {
		if err := verify(good[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	// Who may change the directory makes its sum anew; then the lists and MANIFEST do not agree.
	for _, change := range [][2]string{
		{`"items":3`, `"items":2`},
		{`"parts":14`, `"parts":13`},
		{`"name":"archive-2026-01-1"`, `"name":"archive-2026-02-1"`},
		{`"period":"2026-01"`, `"period":"2026-02"`},
		{`"raw":`, `"raw":1`},
		{`"at":`, `"at":1`},
		{`"first":"`, `"first":"1`},
	} {
		b := withDirectory(good, func(text []byte) []byte { return bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1) })
		if bytes.Equal(b, good) {
			t.Fatalf("%s is not there", change[0])
		}
		if err := verify(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", change[1], err)
		}
	}
}

// withDirectory changes the directory of a file, and makes its sum anew.
func withDirectory(file []byte, change func([]byte) []byte) []byte {
	end := file[len(file)-endSize:]
	at := binary.BigEndian.Uint64(end[8+len(endLine):])
	old := file[at : len(file)-endSize]
	text := change(bytes.Clone(old))
	if bytes.Equal(text, old) {
		return bytes.Clone(file)
	}
	out := bytes.Clone(file[:at-8])
	out = append(out, skippableHead(dirMagic, int64(len(text)))...)
	out = append(out, text...)
	out = append(out, skippableHead(endMagic, int64(endSize-8))...)
	out = append(out, endLine...)
	out = binary.BigEndian.AppendUint64(out, at)
	out = binary.BigEndian.AppendUint64(out, uint64(len(text)))
	sum := sha256.Sum256(text)
	return append(out, sum[:]...)
}

// What cannot be read whole is not written.
func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	s := fill(2)
	dir := t.TempDir()
	create := func(name string) *Writer {
		w, err := Create(filepath.Join(dir, name), Head{Name: "archive-2026-01-1", Created: start})
		ok(t, err)
		t.Cleanup(w.Abandon)
		return w
	}
	seal := func([]byte) ([]byte, error) { return []byte("seal"), nil }
	if _, err := create("empty").Finish(seal); err == nil {
		t.Error("an empty one")
	}
	w := create("changed")
	r := s.records[0]
	s.contents[r.Parts[0].SHA256] = []byte(strings.Repeat("x", int(r.Parts[0].Size)))
	if err := w.Add(t.Context(), r, s.open); err == nil {
		t.Error("bytes that are not those of the hash")
	}
	if _, err := w.Finish(seal); err == nil {
		t.Error("finished after that")
	}
	w = create("order")
	ok(t, w.Add(t.Context(), s.records[1], s.open))
	if err := w.Add(t.Context(), s.records[1], s.open); err == nil {
		t.Error("the same item again")
	}
	w = create("unsealed")
	ok(t, w.Add(t.Context(), s.records[1], s.open))
	if _, err := w.Finish(func([]byte) ([]byte, error) { return nil, errors.New("no seal") }); err == nil {
		t.Error("without a seal")
	}
	if _, err := Create(filepath.Join(dir, "x"), Head{Name: "../x"}); err == nil {
		t.Error("a name that is a path")
	}
	if _, err := Create(filepath.Join(dir, "order"), Head{Name: "archive-2026-01-1"}); err == nil {
		t.Error("over a file that is there")
	}
}

// A name in the tar is that of one file, whatever the part is called.
func TestSafeName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"P0001.DBF": "P0001.DBF", "..": "%2E%2E", ".": "%2E", ".verdict": ".verdict", "../a": "..%2Fa", "платіж.xml": "платіж.xml",
		"a\nb": "a%0Ab", `a\b`: "a%5Cb", "a%41": "a%2541", "\xff": "%FF", "": "",
	} {
		if got := SafeName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// FuzzRead gives the reader whole files, and directories in a file that is good otherwise:
// their sums are made anew, so that what is wrong is met behind them.
func FuzzRead(f *testing.F) {
	s := fill(3)
	for i := range s.records {
		s.records[i].Parts = s.records[i].Parts[:2]
	}
	path := filepath.Join(f.TempDir(), "a.brama")
	s.write(f, path)
	good, err := os.ReadFile(path)
	ok(f, err)
	var dir []byte
	withDirectory(good, func(text []byte) []byte { dir = text; return text })
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(dir)
	f.Add([]byte(strings.Replace(string(dir), `"size":`, `"size":9223372036854775807,"x":`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range [][]byte{b, withDirectory(good, func([]byte) []byte { return b })} {
			a, err := Read(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				continue
			}
			_, _ = a.Verify(t.Context(), nil)
			_, _ = a.Item(1000)
			_, _, _ = a.Find(sumOf([]byte("document 0")))
			_ = a.Close()
		}
	})
}
