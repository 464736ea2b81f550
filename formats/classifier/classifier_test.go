package classifier

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func list(t *testing.T, entries ...Entry) *List {
	t.Helper()
	l, err := New("kekv", entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestContains(t *testing.T) {
	t.Parallel()
	s := NewSet(list(t, Entry{Code: "2273"}, Entry{Code: "2111", Until: "2026-01-01"}, Entry{Code: "2111", From: "2026-06-01"}, Entry{Code: "3110", From: "2026-01-01", Until: "2027-01-01"}))
	for _, c := range []struct {
		list, code, day string
		in, known       bool
	}{
		{"kekv", "2273", "2026-01-15", true, true},
		{"kekv", "2273", "", true, true},
		{"kekv", "2274", "2026-01-15", false, true},
		{"kekv", "227", "2026-01-15", false, true},
		{"kekv", "2111", "2025-12-31", true, true},
		{"kekv", "2111", "2026-01-01", false, true},
		{"kekv", "2111", "2026-06-01", true, true},
		{"kekv", "3110", "2025-12-31", false, true},
		{"kekv", "3110", "2026-12-31", true, true},
		{"kekv", "3110", "2027-01-01", false, true},
		{"kpkvk", "2273", "", false, false},
	} {
		if in, known := s.Contains(c.list, c.code, c.day); in != c.in || known != c.known {
			t.Errorf("%+v: %v %v", c, in, known)
		}
	}
	if _, known := (*Set)(nil).Contains("kekv", "2273", ""); known {
		t.Error("no set, and it knows a list")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for what, entries := range map[string][]Entry{
		"nothing":         nil,
		"no code":         {{Code: ""}},
		"not a date":      {{Code: "1", From: "2026-02-30"}},
		"ends too soon":   {{Code: "1", From: "2026-02-01", Until: "2026-02-01"}},
		"twice":           {{Code: "1"}, {Code: "1"}},
		"twice on a day":  {{Code: "1", Until: "2026-02-01"}, {Code: "1", From: "2026-01-31"}},
		"a very long one": {{Code: strings.Repeat("1", 41)}},
	} {
		if _, err := New("kekv", entries); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if _, err := New("К", []Entry{{Code: "1"}}); err == nil {
		t.Error("name: taken")
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	old := list(t, Entry{Code: "1", Name: "a"}, Entry{Code: "2", Name: "b"}, Entry{Code: "3", Name: "c", Until: "2020-01-01"}, Entry{Code: "9", From: "2026-06-01"})
	l, err := old.Replace([]Entry{{Code: "2", Name: "b"}, {Code: "4", Name: "d"}, {Code: "1", Name: "new name"}}, "2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code, day string
		in        bool
	}{
		{"1", "2026-02-28", true},
		{"1", "2026-03-01", true},
		{"2", "2026-03-01", true},
		{"2", "1999-01-01", true},
		{"3", "2019-12-31", true},
		{"3", "2026-03-01", false},
		{"4", "2026-02-28", false},
		{"4", "2026-03-01", true},
		{"9", "2026-06-01", false},
	} {
		if l.Contains(c.code, c.day) != c.in {
			t.Errorf("%+v", c)
		}
	}
	if l, err = l.Replace([]Entry{{Code: "7"}}, ""); err != nil || l.Contains("1", "") || !l.Contains("7", "") {
		t.Error("a list without a date must take the place of the whole", err)
	}
	text, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseStored(text); err != nil || again.Len() != 1 || again.Name() != "kekv" {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	table := sample.DBF([]sample.DBFField{{Name: "KEKV", Type: 'C', Length: 4}, {Name: "TXT", Type: 'C', Length: 30}, {Name: "D_BEG", Type: 'D', Length: 8}, {Name: "D_END", Type: 'D', Length: 8}},
		0x65, charset.CP866, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), [][]string{{"2273", "Оплата електроенергії", "20140101", ""}, {"1111", "Старий код", "", "20131231"}})
	for name, file := range map[string][]byte{
		"k.dbf": table,
		"k.csv": []byte("Код;Назва;діє_з;діє_до\n2273;\"Оплата; електроенергії\";01.01.2014;\n1111;Старий;;31.12.2013\n"),
		"k.txt": []byte("code,name,from,until\r\n2273,x,2014-01-01,\r\n1111,y,,2013-12-31\r\n"),
	} {
		entries, err := Read(name, section(file), Columns{})
		if err != nil || len(entries) != 2 {
			t.Fatalf("%s: %+v %v", name, entries, err)
		}
		if e := entries[0]; e.Code != "2273" || e.From != "2014-01-01" || e.Until != "" || e.Name == "" {
			t.Errorf("%s: %+v", name, e)
		}
		if e := entries[1]; e.Code != "1111" || e.From != "" || e.Until != "2014-01-01" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	named, err := Read("k.csv", section([]byte("a;b\n1;один\n")), Columns{Code: "A", Name: "b", Pad: 7})
	if err != nil || named[0].Code != "0000001" || named[0].Name != "один" {
		t.Errorf("%+v %v", named, err)
	}
	other := bytes.Clone(table)
	other[29] = 0
	for what, c := range map[string]struct {
		name string
		file []byte
		Columns
	}{
		"empty":          {"k.csv", nil, Columns{}},
		"no such column": {"k.csv", []byte("a;b\n1;2\n"), Columns{Code: "c"}},
		"no code column": {"k.csv", []byte("a;b\n1;2\n"), Columns{}},
		"no code":        {"k.csv", []byte("code;name\n;2\n"), Columns{}},
		"bad date":       {"k.csv", []byte("code;from\n1;2026-13-01\n"), Columns{}},
		"bad byte":       {"k.csv", []byte("code;name\n1;\xff\n"), Columns{}},
		"cut table":      {"k.dbf", table[:len(table)-20], Columns{}},
		"page unknown":   {"k.dbf", other, Columns{}},
		"one column":     {"k.csv", []byte("code\n1\n"), Columns{}},
	} {
		if e, err := Read(c.name, section(c.file), c.Columns); err == nil {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if _, err := Read("k.dbf", section(other), Columns{Charset: "cp866"}); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("code;name;from\n1;x;2026-01-01\n"))
	f.Add(sample.DBF([]sample.DBFField{{Name: "CODE", Type: 'C', Length: 4}, {Name: "NAME", Type: 'C', Length: 4}}, 0x65, charset.CP866, time.Time{}, [][]string{{"1", "x"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"k.csv", "k.dbf"} {
			entries, err := Read(name, section(b), Columns{})
			if err != nil {
				continue
			}
			if l, err := New("k", entries); err == nil {
				text, err := l.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ParseStored(text); err != nil && !strings.Contains(string(text), "\ufffd") {
					t.Fatal(err)
				}
			}
		}
	})
}
