package charset

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	const text = "Сплата за послуги, код 12345678; ЄДРПОУ їжак ґанок № 7"
	for _, p := range []*Page{UTF8, Windows1251, CP1125} {
		got, err := p.Decode(p.Encode(text))
		if err != nil || got != text {
			t.Errorf("%s: %q, %v", p.Name(), got, err)
		}
	}
}

func TestEncodeSubstitutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		page     *Page
		in, want string
	}{
		{CP866, "місто Ґанок «Їжак» — 5 € ₴", "мiсто Ганок \"Їжак\" - 5 EUR грн"},
		{KOI8U, "№ 5 «ґ» …", "N 5 \"ґ\" ..."},
		{Windows1251, "日本", "??"},
		{CP1125, "a\u00adb", "ab"},
		{UTF8, "a\xffb", "a?b"},
	} {
		got, err := c.page.Decode(c.page.Encode(c.in))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.page.Name(), got, err, c.want)
		}
	}
}

func TestUndefined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		page   *Page
		in     string
		offset int
	}{
		{Windows1251, "abc\x98", 3},
		{UTF8, "ab\xffc", 2},
		{UTF8, "ab\xd0", 2},
		{UTF8, "\xed\xa0\x80", 0},      // a surrogate
		{UTF8, "a\xf8\x88\x80\x80", 1}, // five bytes
		{UTF8, "\xc0\xaf", 0},          // overlong
	} {
		_, err := c.page.Decode([]byte(c.in))
		var e *UndefinedError
		if !errors.As(err, &e) || e.Offset != c.offset {
			t.Errorf("%s %q: %v, want offset %d", c.page.Name(), c.in, err, c.offset)
		}
	}
	if s, err := UTF8.Decode([]byte("\uFFFD")); err != nil || s != "\uFFFD" {
		t.Errorf("a replacement character that was written: %q, %v", s, err)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("Призначення платежу ", 1000)
	b, err := io.ReadAll(Windows1251.Reader(iotest.HalfReader(bytes.NewReader(Windows1251.Encode(want)))))
	if err != nil || string(b) != want {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	_, err = io.ReadAll(Windows1251.Reader(strings.NewReader(strings.Repeat("a", 5000) + "\x98")))
	var e *UndefinedError
	if !errors.As(err, &e) || e.Offset != 5000 {
		t.Errorf("%v", err)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, n := range Names() {
		if p, ok := Lookup(strings.ToUpper(n)); !ok || p.Name() != n {
			t.Errorf("%s", n)
		}
	}
	if _, ok := Lookup("latin1"); ok {
		t.Error("latin1 is known")
	}
}

// TestTables compares every byte with the shared tables, made by another program.
func TestTables(t *testing.T) {
	t.Parallel()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(root, "data", "formats", "codepages", "cp1125.tsv"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Scan()
	head := strings.Split(s.Text(), "\t")
	pages := map[string]*Page{"cp1125": CP1125, "cp866": CP866, "koi8u": KOI8U, "cp1251": Windows1251}
	for s.Scan() {
		row := strings.Split(s.Text(), "\t")
		c, _ := strconv.ParseUint(row[0], 16, 8)
		for i, name := range head[1:] {
			want := rune(-1)
			if v, err := strconv.ParseUint(strings.TrimPrefix(row[i+1], "U+"), 16, 32); err == nil {
				want = rune(v)
			}
			if got := pages[name].runes[c]; got != want {
				t.Errorf("%s %02X: %U, want %U", name, c, got, want)
			}
		}
	}
}
