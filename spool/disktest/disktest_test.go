package disktest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// A page says which bytes a block is made of, one letter a sector.
func page(letters string) []byte {
	var b []byte
	for _, c := range []byte(letters) {
		b = append(b, bytes.Repeat([]byte{c}, sector)...)
	}
	return b
}

func TestPieces(t *testing.T) {
	t.Parallel()
	m := image{}
	written := bytes.Repeat([]byte("0123456789"), 3000)
	for _, p := range pieces(written, 3*sector) {
		m.apply(p)
	}
	got := make([]byte, len(written)+2*sector)
	m.read(got, 2*sector)
	want := append(append(make([]byte, sector), written...), make([]byte, sector)...)
	if !bytes.Equal(got, want) {
		t.Error("not what was written")
	}
	for _, p := range pieces(make([]byte, len(written)), 3*sector) {
		m.apply(p)
	}
	if len(m) != 0 {
		t.Errorf("%d blocks of zeros are kept", len(m))
	}
}

// A cut keeps what was flushed, whatever its mode, and of the rest what its mode says.
func TestCut(t *testing.T) {
	t.Parallel()
	r := &record{base: image{9: page("zzzzzzzz")}}
	write := func(n int64, letters string) { r.entries = append(r.entries, pieces(page(letters), n*block)) }
	flush := func() { r.entries = append(r.entries, nil) }
	write(1, "aaaaaaaa")
	write(2, "bbbbbbbb")
	flush()
	for n := range int64(40) {
		write(10+n, "cccccccc")
	}
	write(1, "dddddddd") // over what was flushed
	end := Position(len(r.entries))

	read := func(m image, n int64) string {
		b := make([]byte, block)
		m.read(b, n*block)
		s := ""
		for i := 0; i < block; i += sector {
			s += strings.ReplaceAll(string(b[i:i+1]), "\x00", ".")
		}
		return s
	}
	for _, mode := range Modes {
		m := r.cut(end, mode, 1)
		whole, torn := 0, 0
		for n := range int64(40) {
			switch read(m, 10+n) {
			case "cccccccc":
				whole++
			case "........":
			default:
				torn++
			}
		}
		first := read(m, 1)
		var ok bool
		switch mode {
		case Nothing:
			ok = whole == 0 && torn == 0 && first == "aaaaaaaa"
		case All:
			ok = whole == 40 && first == "dddddddd"
		case Blocks:
			ok = whole > 0 && whole < 40 && torn == 0 && (first == "aaaaaaaa" || first == "dddddddd")
		case Torn:
			ok = torn > 0 && !strings.Contains(first, ".")
		}
		if !ok || read(m, 2) != "bbbbbbbb" || read(m, 9) != "zzzzzzzz" {
			t.Errorf("%s: %d whole, %d torn, %s, %s, %s", mode, whole, torn, first, read(m, 2), read(m, 9))
		}
	}
	if m := r.cut(3, Nothing, 1); read(m, 2) != "bbbbbbbb" {
		t.Error("what was flushed right before the cut is gone")
	}
	if m := r.cut(2, Nothing, 1); read(m, 2) != "........" {
		t.Error("what was not flushed is there")
	}
	same, other := r.cut(end, Torn, 1), r.cut(end, Torn, 2)
	if read(same, 10) != read(r.cut(end, Torn, 1), 10) {
		t.Error("the same seed makes another cut")
	}
	differ := false
	for n := range int64(40) {
		differ = differ || read(same, 10+n) != read(other, 10+n)
	}
	if !differ {
		t.Error("another seed makes the same cut")
	}
	for range Lies {
		flush()
	}
	if m := r.cut(Position(len(r.entries)), Nothing, 1); read(m, 10) != "cccccccc" {
		t.Error("an honest disk forgets")
	}
	if n := r.durable(Position(len(r.entries)), Lying); n != 2 {
		t.Errorf("a lying disk keeps %d entries, want 2", n)
	}
}

// A real file system on such a disk loses what nobody flushed, and only that.
func TestFileSystems(t *testing.T) {
	for _, kind := range []FileSystem{"ext4", "xfs"} {
		t.Run(string(kind), func(t *testing.T) {
			if why := Missing(kind); why != "" {
				t.Skip(why)
			}
			dir := t.TempDir()
			r := Start(t, dir)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(r.Format(kind))
			must(os.WriteFile(filepath.Join(dir, "before"), []byte("before"), 0o600))
			must(r.Begin())
			f, err := os.Create(filepath.Join(dir, "flushed"))
			must(err)
			_, err = f.WriteString("flushed")
			must(err)
			must(f.Sync())
			must(f.Close())
			folder, err := os.Open(dir)
			must(err)
			must(folder.Sync())
			must(folder.Close())
			flushed, err := r.Position()
			must(err)
			must(os.WriteFile(filepath.Join(dir, "forgotten"), []byte("forgotten"), 0o600))
			forgotten, err := r.Position()
			must(err)
			tally, err := r.End()
			must(err)
			t.Logf("%s; flushed at %d, forgotten at %d", tally, flushed, forgotten)

			read := func(name string) string {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return ""
				}
				return string(b)
			}
			for i, c := range []struct {
				at   Position
				mode Mode
				want string
			}{
				{0, Nothing, "before"},
				{flushed, Nothing, "before flushed"},
				{flushed, Torn, "before flushed"},
				{forgotten, Blocks, "before flushed"},
				{forgotten, Nothing, "before flushed"},
				{tally.End, All, "before flushed forgotten"}, // it was unmounted
			} {
				must(r.Cut(c.at, c.mode, 1))
				got := strings.TrimSpace(strings.Join([]string{read("before"), read("flushed"), read("forgotten")}, " "))
				if got != c.want {
					t.Errorf("cut %d, at %d, %s: %q, want %q", i, c.at, c.mode, got, c.want)
				}
				must(r.Unmount())
			}
		})
	}
}
