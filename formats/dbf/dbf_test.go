package dbf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// table is a good table of two fields and two records; rows change one thing.
func table() []byte {
	b := make([]byte, 32)
	b[0], b[1], b[2], b[3], b[29] = 0x03, 126, 1, 15, 0x65
	binary.LittleEndian.PutUint32(b[4:], 2)
	binary.LittleEndian.PutUint16(b[8:], 32+2*32+1)
	binary.LittleEndian.PutUint16(b[10:], 1+10+8)
	for _, f := range []struct {
		name   string
		kind   byte
		length byte
	}{{"NDOC", 'C', 10}, {"DATE", 'D', 8}} {
		d := make([]byte, 32)
		copy(d, f.name)
		d[11], d[16] = f.kind, f.length
		b = append(b, d...)
	}
	b = append(b, 0x0D)
	b = append(b, " 17        20260115"...)
	b = append(b, " 18        20260115"...)
	return append(b, 0x1A)
}

const records = 32 + 64 + 1

func read(b []byte, o Options) (rows []string, err error) {
	r, err := NewReader(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), o)
	if err != nil {
		return nil, err
	}
	for {
		err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		var cells []string
		for i := range r.Fields {
			cells = append(cells, strings.TrimSpace(string(r.Raw(i))))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, what string // "" accepts
		change     func(b []byte) []byte
		options    Options
	}{
		{"", "as it is", func(b []byte) []byte { return b }, Options{}},
		{"", "no end mark", func(b []byte) []byte { return b[:len(b)-1] }, Options{}},
		{"", "Clipper's zero after the fields", func(b []byte) []byte {
			b[8]++
			return append(append(bytes.Clone(b[:records]), 0), b[records:]...)
		}, Options{}},
		{"", "no records", func(b []byte) []byte { b[4] = 0; return b[:records] }, Options{}},
		{"", "memo version without memo, allowed", func(b []byte) []byte { b[0] = 0x83; return b }, Options{Versions: []byte{0x03, 0x83}}},
		{RuleTruncated, "empty", func([]byte) []byte { return nil }, Options{}},
		{RuleTruncated, "31 bytes", func(b []byte) []byte { return b[:31] }, Options{}},
		{RuleTruncated, "header beyond the file", func(b []byte) []byte { return b[:60] }, Options{}},
		{RuleVersion, "FoxPro", func(b []byte) []byte { b[0] = 0x30; return b }, Options{}},
		{RuleMemo, "memo version", func(b []byte) []byte { b[0] = 0x83; return b }, Options{}},
		{RuleMemo, "memo field", func(b []byte) []byte { b[32+11] = 'M'; return b }, Options{}},
		{RuleEncrypted, "encrypted", func(b []byte) []byte { b[15] = 1; return b }, Options{}},
		{RuleEncrypted, "unfinished transaction", func(b []byte) []byte { b[14] = 1; return b }, Options{}},
		{RuleHeader, "length cuts a field", func(b []byte) []byte { b[8] -= 5; return b }, Options{}},
		{RuleHeader, "length zero", func(b []byte) []byte { b[8] = 0; return b }, Options{}},
		{RuleFieldEnd, "no 0x0D", func(b []byte) []byte { b[records-1] = 0; return b }, Options{}},
		{RuleField, "unknown type", func(b []byte) []byte { b[32+11] = 'Y'; return b }, Options{}},
		{RuleField, "length zero", func(b []byte) []byte { b[32+16] = 0; return b }, Options{}},
		{RuleField, "date of seven", func(b []byte) []byte { b[64+16] = 7; return b }, Options{}},
		{RuleField, "name empty", func(b []byte) []byte { b[32] = 0; return b }, Options{}},
		{RuleField, "name begins with a digit", func(b []byte) []byte { b[32] = '1'; return b }, Options{}},
		{RuleField, "long text where not allowed", func(b []byte) []byte { b[32+17] = 1; return b }, Options{}},
		{RuleField, "impossible decimals", func(b []byte) []byte { b[32+11], b[32+17] = 'N', 9; return b }, Options{}},
		{RuleDuplicate, "one name in two cases", func(b []byte) []byte { copy(b[64:], "ndoc\x00"); return b }, Options{}},
		{RuleRecordLen, "longer", func(b []byte) []byte { b[10]++; return b }, Options{}},
		{RuleRecordLen, "zero", func(b []byte) []byte { b[10] = 0; return b }, Options{}},
		{RuleCount, "more than there are", func(b []byte) []byte { b[4] = 3; return b }, Options{}},
		{RuleCount, "four thousand million", func(b []byte) []byte { copy(b[4:], "\xff\xff\xff\xff"); return b }, Options{}},
		{RuleCount, "a hidden record", func(b []byte) []byte { b[4] = 1; return b }, Options{}},
		{RuleTrailing, "another last byte", func(b []byte) []byte { b[len(b)-1] = 0; return b }, Options{}},
		{RuleTrailing, "two end marks", func(b []byte) []byte { return append(b, 0x1A) }, Options{}},
		{RuleTrailing, "much after the end mark", func(b []byte) []byte { return append(b, make([]byte, 100)...) }, Options{}},
		{RuleRecords, "too many", func(b []byte) []byte { return b }, Options{MaxRecords: 1}},
		{RuleDeleted, "deleted", func(b []byte) []byte { b[records+19] = '*'; return b }, Options{}},
		{RuleFlag, "end mark for a flag", func(b []byte) []byte { b[records+19] = 0x1A; return b }, Options{}},
	} {
		_, err := read(c.change(table()), c.options)
		var e *Error
		if errors.As(err, &e) != (c.rule != "") || (e != nil && e.Rule != c.rule) {
			t.Errorf("%s: %v, want %q", c.what, err, c.rule)
		}
		if e != nil && (e.Text.UK == "" || e.Text.EN == "" || e.Finding().Rule != e.Rule) {
			t.Errorf("%s: no text", c.what)
		}
	}
	rows, err := read(table(), Options{})
	if err != nil || strings.Join(rows, ",") != "17|20260115,18|20260115" {
		t.Errorf("%q, %v", rows, err)
	}
}

// TestLongChar is the field of 420 characters whose length spills into the
// decimals; a reader that does not know it shifts everything after it.
func TestLongChar(t *testing.T) {
	t.Parallel()
	b := table()
	b[32+16], b[32+17] = 420&0xff, 420>>8
	binary.LittleEndian.PutUint16(b[10:], 1+420+8)
	b[4] = 1
	b = append(b[:records], " "+strings.Repeat("x", 420)+"20260115\x1a"...)
	rows, err := read(b, Options{LongChar: true})
	if err != nil || len(rows) != 1 || rows[0] != strings.Repeat("x", 420)+"|20260115" {
		t.Errorf("%q, %v", rows, err)
	}
}

// TestDeletedGoesOn: the records after a deleted one are still examined.
func TestDeletedGoesOn(t *testing.T) {
	t.Parallel()
	b := table()
	b[records] = '*'
	r, err := NewReader(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Next(); err == nil || r.Record() != 1 {
		t.Errorf("%v, record %d", err, r.Record())
	}
	if err := r.Next(); err != nil || r.Record() != 2 || string(r.Raw(0)) != "18        " || r.Offset(0) != records+20 {
		t.Errorf("%v, record %d %q at %d", err, r.Record(), r.Raw(0), r.Offset(0))
	}
	if err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestNoAllocationByHeader: a header that claims four thousand million records of
// 64 KiB costs nothing.
func TestNoAllocationByHeader(t *testing.T) {
	b := table()
	copy(b[4:8], "\xff\xff\xff\xff")
	copy(b[10:12], "\xff\xff")
	n := testing.AllocsPerRun(10, func() { _, _ = read(b, Options{}) })
	if n > 40 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(table())
	for _, cut := range []int{0, 31, 33, 64, records, records + 5} {
		f.Add(table()[:cut])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []Options{{}, {Versions: []byte{0x03, 0x83}, LongChar: true}} {
			rows, err := read(b, o)
			if err == nil && len(rows) > len(b) {
				t.Errorf("%d records of %d bytes", len(rows), len(b))
			}
		}
	})
}
