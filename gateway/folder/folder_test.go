package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

func TestNamesAreSingle(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	for _, n := range []string{"", ".", "..", "a/b", "/etc/passwd", "../x", "a\x00b"} {
		if _, err := d.Sub(n); !errors.Is(err, errComponent) {
			t.Errorf("Sub %q: %v", n, err)
		}
		if _, _, err := d.File(n); !errors.Is(err, errComponent) {
			t.Errorf("File %q: %v", n, err)
		}
		if err := d.Write(n, 0o600, time.Time{}, func(io.Writer) error { return nil }); !errors.Is(err, errComponent) {
			t.Errorf("Write %q: %v", n, err)
		}
		if err := d.Remove(n); !errors.Is(err, errComponent) {
			t.Errorf("Remove %q: %v", n, err)
		}
		if err := d.Rename(n, d, "x"); !errors.Is(err, errComponent) {
			t.Errorf("Rename %q: %v", n, err)
		}
		if err := d.RemoveAll(n, 1); !errors.Is(err, errComponent) {
			t.Errorf("RemoveAll %q: %v", n, err)
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, "f"), []byte("keep"), 0o600)
	os.Symlink(other, filepath.Join(path, "dir"))
	os.Symlink(filepath.Join(other, "f"), filepath.Join(path, "file"))
	if _, err := Open(filepath.Join(path, "dir")); err == nil {
		t.Error("Open followed")
	}
	if _, err := d.Sub("dir"); err == nil {
		t.Error("Sub followed")
	}
	if _, err := d.Make("dir", 0o700); err == nil {
		t.Error("Make followed")
	}
	if _, _, err := d.File("file"); !errors.Is(err, ErrIrregular) {
		t.Error(err)
	}
	if err := d.Write("file", 0o600, time.Time{}, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Error(err)
	}
	if err := d.RemoveAll("dir", 3); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(other, "f")); string(b) != "keep" {
		t.Errorf("%q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(path, "file")); string(b) != "new" {
		t.Errorf("%q", b)
	}
}

func TestWriteIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	os.WriteFile(filepath.Join(path, "f"), []byte("old"), 0o600)
	bad := errors.New("bad")
	err := d.Write("f", 0o640, time.Time{}, func(w io.Writer) error { io.WriteString(w, "half"); return bad })
	if !errors.Is(err, bad) {
		t.Error(err)
	}
	names, _ := d.Names()
	if b, _ := os.ReadFile(filepath.Join(path, "f")); string(b) != "old" || len(names) != 1 {
		t.Errorf("%q %q", b, names)
	}
}

func TestRenameDoesNotReplace(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	os.WriteFile(filepath.Join(path, "a"), nil, 0o600)
	os.WriteFile(filepath.Join(path, "b"), nil, 0o600)
	if err := d.Rename("a", d, "b"); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

func TestMakeKeepsTheGroupBit(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	if err := os.Chmod(path, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	s, err := d.Make("sub", 0o770)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if st, _ := os.Stat(filepath.Join(path, "sub")); st.Mode().Perm() != 0o770 || st.Mode()&fs.ModeSetgid == 0 {
		t.Error(st.Mode())
	}
}

func TestRemoveAllIsBounded(t *testing.T) {
	t.Parallel()
	d, path := open(t)
	os.MkdirAll(filepath.Join(path, "a/b/c"), 0o700)
	if err := d.RemoveAll("a", 2); err == nil {
		t.Error("too deep, and removed")
	}
	if err := d.RemoveAll("a", 3); err != nil {
		t.Error(err)
	}
	if err := d.RemoveAll("a", 3); err != nil {
		t.Error("absent:", err)
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"P0001.DBF":          "P0001.DBF",
		"платіжка №5.xml":    "платіжка №5.xml",
		"../../etc/passwd":   "%2E.%2F..%2Fetc%2Fpasswd",
		".hidden":            "%2Ehidden",
		"a\u202egnp.exe":     "a%E2%80%AEgnp.exe",
		"bad\xff":            "bad%FF",
		"100%":               "100%25",
		"line\nbreak\x00":    "line%0Abreak%00",
		"replacement\ufffd!": "replacement%EF%BF%BD%21",
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if a, b := Escape(strings.Repeat("я", 200)+"1"), Escape(strings.Repeat("я", 200)+"2"); a == b || len(a) > 120 {
		t.Error(a, b)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a", "\xff\xfe", "п", strings.Repeat("ї", 300), "~", "%41", "CON", "a\\b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := Escape(s)
		if !utf8.ValidString(e) || len(e) > 120 || strings.ContainsAny(e, "/\x00\n") || strings.HasPrefix(e, ".") {
			t.Errorf("%q", e)
		}
	})
}

func FuzzParseTaken(f *testing.F) {
	for _, s := range []string{"", TakenPrefix, TakenPrefix + "1-2-a", TakenPrefix + "1-2-..", TakenPrefix + "1-2-a/b", TakenPrefix + "ffffffffffffffff-1-a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, ok := ParseTaken(s)
		if !ok {
			return
		}
		if component(w.Name) != nil {
			t.Errorf("%q", w.Name)
		}
		again, ok := ParseTaken(fmt.Sprintf("%s%x-%x-%s", TakenPrefix, w.Changed.UnixNano(), w.Ino, w.Name))
		if !ok || again != w {
			t.Errorf("%+v %+v", w, again)
		}
	})
}
