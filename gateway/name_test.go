package gateway

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostileNames is a file of the common test data, or the test is skipped.
func hostileNames(t *testing.T) string {
	t.Helper()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for dir != filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(filepath.Dir(dir), "shared")
	}
	p := filepath.Join(root, "data", "relsec", "names", "HOSTILE_NAMES.tsv")
	if _, err := os.Stat(p); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	return p
}

func TestCleanNameHostile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(hostileNames(t))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		raw, err := base64.StdEncoding.DecodeString(f[0])
		if err != nil {
			t.Fatalf("row %d: %v", i+2, err)
		}
		rows++
		expected := f[len(f)-2]
		name, err := CleanName(string(raw))
		switch expected {
		case "accept":
			if err != nil || name != string(raw) {
				t.Errorf("row %d %q: %q, %v", i+2, raw, name, err)
			}
		case "refuse":
			if !errors.Is(err, ErrName) || name != "" {
				t.Errorf("row %d %q: %q, %v", i+2, raw, name, err)
			}
		default: // either, but consistently
			if err == nil && name != string(raw) || err != nil && !errors.Is(err, ErrName) {
				t.Errorf("row %d %q: %q, %v", i+2, raw, name, err)
			}
		}
	}
	if rows != 77 {
		t.Errorf("%d rows, not 77", rows)
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"P0001.DBF", "П5010203.001", "Платіжне доручення №17.xml.p7s", "a", "7", "Звіт2026Q1.xml", "ґєії-ЩЬЮЯ.txt",
		"a+b (1), c_d.xml", "x.com.ua.xml", "parts.xml", "tmp.xml", strings.Repeat("a", 120), "COM10.txt", "CONTO.DBF", "(1).xml",
	} {
		if got, err := CleanName(name); err != nil || got != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		strings.Repeat("a", 121), "x.exe", "X.EXE", "x.exe.p7s", "x.js.P7S.sig", "x.bat.asice", "x.exe .p7s", "com0.xml", "lpt3 .xml",
		"x.PART", "x.Tmp", "x~", "a~b", "ы.xml", "ё.xml", "a'b", "a&b", "a@b", "a=b", "...", "-", "№", "x.xml.", "Aж.xml",
		"a/b", `a\b`, "x\u0301.xml", "x.xml\x00", "ſ.xml", "\u212a.xml",
	} {
		if got, err := CleanName(name); !errors.Is(err, ErrName) || got != "" {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestTemporary(t *testing.T) {
	t.Parallel()
	custom := []string{"tmp_*", "*.wrk"}
	for _, c := range []struct {
		name     string
		patterns []string
		final    string
		ok       bool
	}{
		{"x.part", nil, "x", true},
		{"x.xml.filepart", nil, "x.xml", true},
		{"X.XML.FILEPART", nil, "X.XML", true},
		{"x.xml.partial", nil, "x.xml", true},
		{"x.xml.uploading", nil, "x.xml", true},
		{".hidden", nil, "hidden", true},
		{".x.txt.tmp", nil, "x.txt", true},
		{".in.A.DBF", nil, "A.DBF", true},
		{"~A.DBF", nil, "A.DBF", true},
		{"A.DBF~", nil, "A.DBF", true},
		{"Платіж №1.xml.part", nil, "Платіж №1.xml", true},
		{"x.exe.part", nil, "", true}, // waits; refused at the rename
		{strings.Repeat("a", 120) + ".filepart", nil, strings.Repeat("a", 120), true},
		{"tmp_A.DBF", custom, "A.DBF", true},
		{"A.DBF.WRK", custom, "A.DBF", true},
		{"x.part", custom, "", false},
		{"x.xml", nil, "", false},
		{"x", []string{"[", "*.part"}, "", false}, // a broken pattern matches nothing
		{"x.part", []string{"[", "*.part"}, "x", true},
		{"A.DBF", []string{"A.DBF"}, "A.DBF", true},
		{".", nil, "", false},
		{"..", nil, "", false},
		{"..x", nil, "", false},
		{"", nil, "", false},
		{".part", nil, "", true},
		{"-x.part", nil, "", false},
		{"../x.part", nil, "", false},
		{"a/b.part", nil, "", false},
		{"x\x1b.part", nil, "", false},
		{"x\u202egpj.part", nil, "", false},
		{"%00.part", nil, "", false},
		{"NUL.part", nil, "", false},
		{"x .part ", nil, "", false},
		{"\xef\xeb.part", nil, "", false},
		{"и\u0306.part", nil, "", false},
		{strings.Repeat("a", 200) + ".part", nil, "", false},
	} {
		if final, ok := Temporary(c.name, c.patterns); final != c.final || ok != c.ok {
			t.Errorf("%q: %q %v, not %q %v", c.name, final, ok, c.final, c.ok)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"P0001.DBF", ".x.txt.tmp", "Платіж №1.xml", "x\u202e.exe", "~", "\xff", "CON.part", "рay.xml"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := CleanName(name)
		final, ok := Temporary(name, nil)
		if err == nil && (clean != name || ok || strings.ContainsAny(name, "/\\\x00\n%~") || name[0] == '.') {
			t.Errorf("%q is clean", name)
		}
		if ok && strings.ContainsAny(name, "/\\\x00\n%\x7f") {
			t.Errorf("%q is temporary", name)
		}
		if final != "" {
			if _, err := CleanName(final); err != nil {
				t.Errorf("%q stands for %q: %v", name, final, err)
			}
		}
	})
}
