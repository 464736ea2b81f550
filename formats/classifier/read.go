package classifier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/text"
)

// Columns say which columns of a table are what; empty: by their usual names.
type Columns struct {
	Code, Name, From, Until string
	Charset                 string // empty: as a DBF's language byte says; of CSV UTF-8
	Pad                     int    // zeros before codes that lost them
}

// usual names of the columns, lower case.
var usual = struct{ code, name, from, until []string }{
	code:  []string{"code", "kod", "код", "k", "kekv", "kpkvk", "kpk", "kfk", "kkd", "kkdb", "katottg", "mfo", "mfo_b", "glmfo", "tpkvkmb", "kvk"},
	name:  []string{"name", "txt", "naz", "nazva", "назва", "name_uk", "text", "nb", "fullname", "найменування"},
	from:  []string{"from", "date_from", "d_beg", "dbeg", "date_beg", "datebeg", "d_open", "дата_початку", "діє_з"},
	until: []string{"until", "date_until", "date_to", "d_end", "dend", "date_end", "dateend", "d_close", "дата_закінчення", "діє_до"},
}

var dates = []string{"20060102", time.DateOnly, "02.01.2006", "02/01/2006"}

// pages of a DBF by its language byte.
var pages = map[byte]*charset.Page{0x26: charset.CP866, 0x65: charset.CP866, 0x57: charset.Windows1251, 0xC9: charset.Windows1251}

// Read reads the entries of a table: DBF or CSV with a header, as the content says.
// A date of its end is the last day in force.
func Read(name string, doc *io.SectionReader, c Columns) ([]Entry, error) {
	head := make([]byte, 1)
	if n, _ := doc.ReadAt(head, 0); n == 0 {
		return nil, errors.New("the file is empty")
	}
	if strings.EqualFold(path.Ext(name), ".csv") || head[0] > 0x20 {
		return readCSV(doc, c)
	}
	return readDBF(doc, c, head[0])
}

// table is what both sorts of file are read through.
type table interface {
	Next() error
	Raw(i int) []byte
	Record() int
}

func readDBF(doc *io.SectionReader, c Columns, version byte) ([]Entry, error) {
	r, err := dbf.NewReader(doc, dbf.Options{Versions: []byte{0x03, 0x30, 0x83, version}, LongChar: true, MaxRecords: MaxEntries})
	if err != nil {
		return nil, err
	}
	page := pages[r.Language]
	if c.Charset != "" {
		page, _ = charset.Lookup(c.Charset)
	}
	if page == nil {
		return nil, fmt.Errorf("the table's language byte (%02X) does not tell its code page; name it: --charset cp866 or windows-1251", r.Language)
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, f.Name)
	}
	return entries(r, names, page, c)
}

func readCSV(doc *io.SectionReader, c Columns) ([]Entry, error) {
	page := charset.UTF8
	if c.Charset != "" {
		var ok bool
		if page, ok = charset.Lookup(c.Charset); !ok {
			return nil, fmt.Errorf("charset %q: unknown; one of %s", c.Charset, strings.Join(charset.Names(), ", "))
		}
	}
	first := make([]byte, 4096)
	n, _ := doc.ReadAt(first, 0)
	line, _, _ := bytes.Cut(first[:n], []byte("\n"))
	separator := byte(',')
	for _, s := range []byte(";\t|") {
		if bytes.Count(line, []byte{s}) > bytes.Count(line, []byte{separator}) {
			separator = s
		}
	}
	r, err := text.NewReader(doc, text.Options{Shape: text.Delimited, Page: page, Separator: separator, Header: true, Quote: true, MaxRecords: MaxEntries})
	if errors.Is(err, text.ErrShape) {
		return nil, errors.New("not a CSV with a header of at least two columns, nor a DBF")
	}
	if err != nil {
		return nil, err
	}
	return entries(r, r.Fields, page, c)
}

// find is the index of a column that is named, or has one of the usual names.
func find(names []string, named string, usual []string) (int, error) {
	for i, n := range names {
		if named != "" && strings.EqualFold(n, named) {
			return i, nil
		}
	}
	if named != "" {
		return -1, fmt.Errorf("column %q: the table has %s", named, strings.Join(names, ", "))
	}
	for _, u := range usual {
		for i, n := range names {
			if strings.EqualFold(n, u) {
				return i, nil
			}
		}
	}
	return -1, nil
}

func entries(r table, names []string, page *charset.Page, c Columns) ([]Entry, error) {
	code, err := find(names, c.Code, usual.code)
	if err != nil {
		return nil, err
	}
	if code < 0 {
		return nil, fmt.Errorf("no column of codes found; name it: --code, one of %s", strings.Join(names, ", "))
	}
	var at [3]int
	for i, w := range []struct {
		named string
		usual []string
	}{{c.Name, usual.name}, {c.From, usual.from}, {c.Until, usual.until}} {
		if at[i], err = find(names, w.named, w.usual); err != nil {
			return nil, err
		}
	}
	var list []Entry
	for {
		err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		cell := func(i int) string {
			if i < 0 || err != nil {
				return ""
			}
			var s string
			if s, err = page.Decode(r.Raw(i)); err != nil {
				err = fmt.Errorf("record %d: %s: %w", r.Record(), names[i], err)
			}
			return strings.TrimSpace(s)
		}
		e := Entry{Code: cell(code), Name: cell(at[0])}
		from, until := cell(at[1]), cell(at[2])
		if err != nil {
			return nil, err
		}
		if e.Code == "" {
			return nil, fmt.Errorf("record %d: it has no code", r.Record())
		}
		if len(e.Code) < c.Pad {
			e.Code = strings.Repeat("0", c.Pad-len(e.Code)) + e.Code
		}
		if e.From, err = isoDate(from); err == nil {
			e.Until, err = isoDate(until)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", r.Record(), err)
		}
		if e.Until != "" { // the last day, as lists of the field have it
			t, _ := time.Parse(time.DateOnly, e.Until)
			e.Until = t.AddDate(0, 0, 1).Format(time.DateOnly)
		}
		list = append(list, e)
	}
}

func isoDate(s string) (string, error) {
	if s == "" || strings.Trim(s, "0.-/ ") == "" {
		return "", nil
	}
	i := slices.IndexFunc(dates, func(layout string) bool { _, err := time.Parse(layout, s); return err == nil })
	if i < 0 {
		return "", fmt.Errorf("date %q: want 20260131, 2026-01-31 or 31.01.2026", s)
	}
	t, _ := time.Parse(dates[i], s)
	return t.Format(time.DateOnly), nil
}
