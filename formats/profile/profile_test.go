package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

const testProfile = `profile: test.table
version: "1"
kind: payment_instruction
title: {uk: "проба", en: "trial"}
match: {name: '(?i)\.dbf$'}
container: {type: dbf}
charset: {name: windows-1251, from_ldid: [0xC9], fold: cyrillic-i}
limits: {max_bytes: 10000, max_records: 3}
record:
  - {src: num,  to: number, type: text, max: 5, required: true}
  - {src: dat,  to: date, type: date, format: dd.mm.yyyy, required: true}
  - {src: sum,  to: amount, type: money, unit: kopeck, required: true}
  - {src: acc,  to: payee.iban, type: iban, required: true}
  - {src: code, to: payee.code, type: edrpou|rnokpp, pad: 8, required: true}
  - {src: mfo,  to: payee.mfo, type: mfo}
  - {src: [p1, p2], join: raw, to: purpose, type: text}
  - {src: val,  type: code, values: ["980"]}
  - {src: kekv, to: kekv, type: kekv, optional: true}
  - {src: rest, ignore: true}
absent: [payer.name, payer.code, payer.iban, payee.name]
rules:
  - {id: SITE-001, when: 'raw.rest != ""', expr: 'raw.rest == bank(payee.iban)', field: payee.mfo, severity: warning, message: {uk: "решта", en: "rest"}}
  - {id: SITE-002, expr: 'amount < 1000000', field: amount, message: {uk: "забагато", en: "too much"}}
  - {id: SITE-003, expr: 'days(date, "2026-01-15") in 0..3', field: date, until: "2026-02-01", message: {uk: "дата", en: "date"}}
file_rules:
  - {id: SITE-010, unique: [payee.iban, number], message: {uk: "двічі", en: "twice"}}
  - {id: SITE-011, sum: amount, max: 2000000, message: {uk: "сума файлу", en: "sum of the file"}}
`

var testFields = []sample.DBFField{
	{Name: "NUM", Type: 'C', Length: 8},
	{Name: "DAT", Type: 'C', Length: 10},
	{Name: "SUM", Type: 'N', Length: 20},
	{Name: "ACC", Type: 'C', Length: 29},
	{Name: "CODE", Type: 'N', Length: 10},
	{Name: "MFO", Type: 'C', Length: 9},
	{Name: "P1", Type: 'C', Length: 6},
	{Name: "P2", Type: 'C', Length: 6},
	{Name: "VAL", Type: 'C', Length: 3},
	{Name: "REST", Type: 'C', Length: 6},
}

const iban = "UA213223130000026007233566001"

func testRow() []string {
	return []string{"17", "15.01.2026", "123456", iban, "13480", "000322313", "За  з", "в'язок", "980", "322313"}
}

func load(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Load(fstest.MapFS{"test.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type tableCase struct {
	rule, what string // "ok RULE" passes
	change     func(row []string)
	field      string
}

var tableCases = []tableCase{
	{"ok FLD-001", "as it is", func([]string) {}, ""},
	{"FLD-001", "number empty", func(r []string) { r[0] = "" }, "num"},
	{"ok FLD-002", "whole kopecks", func(r []string) { r[2] = "1" }, ""},
	{"FLD-002", "hryvnias", func(r []string) { r[2] = "1.00" }, "sum"},
	{"FLD-002", "stars", func(r []string) { r[2] = "********************" }, "sum"},
	{"ok FLD-003", "in its format", func(r []string) { r[1] = "14.01.2026" }, ""},
	{"FLD-003", "no such day", func(r []string) { r[1] = "31.02.2026" }, "dat"},
	{"FLD-003", "another format", func(r []string) { r[1] = "2026-01-15" }, "dat"},
	{"ok FLD-004", "six digits", func(r []string) { r[5] = "322313" }, ""},
	{"FLD-004", "mfo of five", func(r []string) { r[5] = "32231" }, "mfo"},
	{"FLD-004", "iban cut", func(r []string) { r[3] = iban[:28] }, "acc"},
	{"FLD-004", "nine digits are not in the union", func(r []string) { r[4] = "123456789" }, "code"},
	{"ok FLD-005", "five characters", func(r []string) { r[0] = "їїїїї" }, ""},
	{"FLD-005", "six characters", func(r []string) { r[0] = "їїїїїї" }, "num"},
	{"ok FLD-006", "empty and not required", func(r []string) { r[8] = "" }, ""},
	{"FLD-006", "dollars", func(r []string) { r[8] = "840" }, "val"},
	{"PO-021", "check digits are a rule of the kind", func(r []string) { r[3] = "UA22" + iban[4:] }, "acc"},
	{"PO-023", "another bank", func(r []string) { r[5] = "305299" }, "mfo"},
	{"PO-031", "check digit of the code", func(r []string) { r[4] = "13481" }, "code"},
	{"SITE-001", "rest", func(r []string) { r[9] = "305299" }, "mfo"},
	{"ok SITE-001", "does not apply", func(r []string) { r[9] = "" }, ""},
	{"SITE-002", "large", func(r []string) { r[2] = "1000000" }, "sum"},
	{"ok SITE-002", "the largest", func(r []string) { r[2] = "999999" }, ""},
	{"SITE-003", "four days", func(r []string) { r[1] = "11.01.2026" }, "dat"},
	{"ok SITE-003", "three days", func(r []string) { r[1] = "12.01.2026" }, ""},
}

func TestTable(t *testing.T) {
	t.Parallel()
	set := load(t, testProfile)
	for _, c := range tableCases {
		row := testRow()
		c.change(row)
		r := set.Check(january, Options{}, section(sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{row})))
		found := r.Findings
		if len(found) > 0 && found[0].Rule == RulePartial {
			found = found[1:]
		} else {
			t.Errorf("%s: no word about what the layout lacks", c.what)
		}
		switch {
		case strings.HasPrefix(c.rule, "ok "):
			if len(found) > 0 {
				t.Errorf("%s, %s: %+v", c.rule, c.what, found)
			}
		case len(found) != 1 || found[0].Rule != c.rule || found[0].Record != 1 || !strings.EqualFold(found[0].Field, c.field) || found[0].Message.UK == "" || found[0].Message.EN == "":
			t.Errorf("%s, %s: %+v", c.rule, c.what, found)
		}
	}
}

// TestWholeTable has the findings that are not of one cell.
func TestWholeTable(t *testing.T) {
	t.Parallel()
	set := load(t, testProfile)
	good := func() []byte {
		return sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{testRow()})
	}
	rows := func(sums ...string) []byte {
		var list [][]string
		for i, s := range sums {
			r := testRow()
			r[0], r[2] = string(rune('1'+i)), s
			list = append(list, r)
		}
		return sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, list)
	}
	twice := sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{testRow(), testRow()})
	more := append(slices.Clone(testFields), sample.DBFField{Name: "MORE", Type: 'C', Length: 1})
	for _, c := range []struct {
		rule, what string
		doc        []byte
		options    Options
	}{
		{"", "good", good(), Options{Name: "P1.DBF"}},
		{"", "optional field present", sample.DBF(append(slices.Clone(testFields), sample.DBFField{Name: "KEKV", Type: 'C', Length: 4}), 0xC9, charset.Windows1251, january.At, [][]string{append(testRow(), "2273")}), Options{}},
		{"FLD-007", "undefined byte", bytes.Replace(good(), []byte("17 "), []byte("1\x98 "), 1), Options{}},
		{"FLD-008", "another code page", bytes.Replace(good(), charset.Windows1251.Encode("з"), []byte{0x8A}, 1), Options{}},
		{"FLD-009", "NUL", bytes.Replace(good(), []byte("17 "), []byte("17\x00"), 1), Options{}},
		{"FLD-009", "NUL in an ignored field", bytes.Replace(good(), []byte("980322313"), []byte("98032231\x00"), 1), Options{}},
		{"FLD-010", "undeclared field", sample.DBF(more, 0xC9, charset.Windows1251, january.At, [][]string{append(testRow(), "")}), Options{}},
		{"FLD-011", "missing field", sample.DBF(testFields[:9], 0xC9, charset.Windows1251, january.At, [][]string{testRow()}), Options{}},
		{"FLD-013", "language byte", sample.DBF(testFields, 0x65, charset.Windows1251, january.At, [][]string{testRow()}), Options{}},
		{"SITE-010", "twice", twice, Options{}},
		{"", "sum at the bound", rows("999999", "999999", "2"), Options{}},
		{"SITE-011", "sum over the bound", rows("999999", "999999", "3"), Options{}},
		{"DBF-012", "too many records", rows("1", "2", "3", "4"), Options{}},
		{"DBF-010", "cut", good()[:len(good())-40], Options{}},
		{RuleUnknown, "text", []byte("Number;Sum\n1;2\n"), Options{Name: "a.csv"}},
		{RuleUnknown, "another table", sample.DBF([]sample.DBFField{{Name: "A", Type: 'C', Length: 1}}, 0, charset.CP866, january.At, nil), Options{}},
		{RuleUnknown, "no such profile", good(), Options{Profile: "nothing"}},
		{RuleUnknown, "another XML", []byte("<a/>"), Options{}},
		{"XML-001", "broken XML", []byte("<a"), Options{}},
		{"XML-004", "UTF-16", []byte("\xff\xfe<\x00a\x00/\x00>\x00"), Options{Name: "a.xml"}},
		{RuleName, "extension", good(), Options{Name: "P1.xml"}},
		{RuleName, "unusual name", good(), Options{Name: "P1"}},
		{RuleName, "extension within a container's name", good(), Options{Name: "P1.pdf.P7S"}},
		{"", "container's name", good(), Options{Name: "P1.DBF.p7s"}},
		{RuleEmpty, "empty", nil, Options{Name: "P1.DBF"}},
		{RuleLarge, "large", append(good(), make([]byte, 10000)...), Options{Profile: "test.table"}},
		{RuleForbidden, "kind", good(), Options{Kinds: []string{"supporting_document"}}},
		{RuleForbidden, "profile", good(), Options{Allowed: []string{"other"}}},
		{"", "allowed", good(), Options{Kinds: []string{"payment_instruction"}, Allowed: []string{"test.table"}}},
		{RuleNoRecords, "no records", rows(), Options{}},
	} {
		if c.rule == RuleLarge { // the size is looked at before the trailing bytes
			c.doc = sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{testRow()})
			s := load(t, strings.Replace(testProfile, "max_bytes: 10000", "max_bytes: 100", 1))
			if r := s.Check(january, c.options, section(c.doc)); r.OK() || r.Findings[0].Rule != RuleLarge {
				t.Errorf("%s: %+v", c.what, r.Findings)
			}
			continue
		}
		r := set.Check(january, c.options, section(c.doc))
		found := slices.ContainsFunc(r.Findings, func(f formats.Finding) bool { return f.Rule == c.rule })
		if c.what == "container's name" && len(r.Findings) > 1 {
			t.Errorf("%s: %+v", c.what, r.Findings)
		}
		if (c.rule == "" && !r.OK()) || (c.rule != "" && !found) {
			t.Errorf("%q, %s: %+v", c.rule, c.what, r.Findings)
		}
		if c.rule != "" && c.what != "unusual name" && r.OK() {
			t.Errorf("%s: not refused", c.what)
		}
	}
}

func TestJoinAndFold(t *testing.T) {
	t.Parallel()
	p, err := Parse("x.yaml", []byte(testProfile))
	if err != nil {
		t.Fatal(err)
	}
	set := &Set{profiles: []*Profile{p}}
	row := testRow()
	row[6], row[7] = "За м i", "сто IB" // "За м i" + "сто IB": the blank inside stays, the i of a word is folded
	r := set.Check(january, Options{}, section(sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{row})))
	if !r.OK() {
		t.Errorf("%+v", r.Findings)
	}
	for in, want := range map[string]string{
		"мicто": "мicто", // with a Latin c it is not Cyrillic: left alone
		"мiсто": "місто", "IBAN": "IBAN", "Iван": "Іван", "i": "і", "I": "I", "iPhone": "iPhone", "зв'язок i пошта": "зв'язок і пошта", "": "", "123i": "123і",
	} {
		if got := foldCyrillicI(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestUnknownListsWhatMayBeSent(t *testing.T) {
	t.Parallel()
	r := Builtin().Check(january, Options{Name: "a.txt", Kinds: []string{"payment_instruction"}}, section([]byte("hello")))
	if r.Recognised || r.OK() || len(r.Findings) != 1 {
		t.Fatalf("%+v", r)
	}
	m := r.Findings[0].Message.EN
	if !strings.Contains(m, "brama.payment-order.csv") || strings.Contains(m, "estimate") {
		t.Error(m)
	}
}

// TestOwnerAndSampleTampered is the whole way of one wrong account.
func TestOwner(t *testing.T) {
	t.Parallel()
	payer := sample.DemoPayer()
	doc := sample.OshchadDBF(january.At, sample.Orders(payer, january.At, 1, 2))
	c := january
	c.Owner = &formats.Owner{EDRPOU: "00013480", Accounts: []string{iban}}
	r := Builtin().Check(c, Options{}, section(doc))
	var rules []string
	for _, f := range r.Findings {
		rules = append(rules, f.Rule+" "+f.Field)
	}
	if want := []string{"PO-070 acccli", "PO-071 okpocli", "PO-070 acccli", "PO-071 okpocli"}; !slices.Equal(rules, want) {
		t.Errorf("%v", rules)
	}
}

func TestMaxFindings(t *testing.T) {
	t.Parallel()
	orders := sample.Orders(sample.DemoPayer(), january.At, 1, 50)
	for i := range orders {
		orders[i].Amount = 0
	}
	r := Builtin().Check(january, Options{MaxFindings: 10}, section(sample.OshchadDBF(january.At, orders)))
	if len(r.Findings) != 10 || r.More != 40 || r.OK() || len(r.Entries) != 50 {
		t.Errorf("%d findings, %d more, %d entries", len(r.Findings), r.More, len(r.Entries))
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk") }

type panicking struct{}

func (panicking) ReadAt([]byte, int64) (int, error) { panic("disk") }

func TestTroubleIsAFinding(t *testing.T) {
	t.Parallel()
	for rule, r := range map[string]io.ReaderAt{RuleRead: failing{}, RuleInternal: panicking{}} {
		report := Builtin().Check(january, Options{}, io.NewSectionReader(r, 0, 1000))
		if report.OK() || report.Findings[0].Rule != rule {
			t.Errorf("%s: %+v", rule, report.Findings)
		}
	}
	if r := (&Set{}).Check(january, Options{}, section([]byte("%PDF-1.4"))); r.OK() {
		t.Error("the empty set accepts")
	}
	if r := Builtin().Check(january, Options{}, nil); r.OK() {
		t.Error("nothing is accepted")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, name := range Builtin().Names() {
		m, err := Builtin().Explain(name)
		if err != nil || !strings.Contains(m.UK, name) || !strings.Contains(m.EN, name) {
			t.Errorf("%s: %v %+v", name, err, m)
		}
	}
	if _, err := Builtin().Explain("ua.oshchad.payment-ordr"); err == nil || !strings.Contains(err.Error(), "ua.oshchad.payment-order") {
		t.Error(err)
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	own := load(t, testProfile)
	both := Builtin().With(own)
	if len(both.Names()) != len(Builtin().Names())+1 || !slices.IsSorted(both.Names()) {
		t.Error(both.Names())
	}
	changed := load(t, strings.Replace(testProfile, `version: "1"`, `version: "2"`, 1))
	if got := both.With(changed).find("test.table").ref; got.Version != "2" || got.SHA256 == own.find("test.table").ref.SHA256 {
		t.Errorf("%+v", got)
	}
}

// TestBadProfiles: a wrong profile is refused with its file, line, key and what
// to write.
func TestBadProfiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"version:", "versoin:", `test.yaml:2: key "versoin": unknown; did you mean "version"?`},
		{"required: true}\n  - {src: dat", "requird: true}\n  - {src: dat", `test.yaml:10: key "requird": unknown; did you mean "required"?`},
		{"to: payee.iban", "to: payee.ibn", `test.yaml:13: to "payee.ibn": no such path; did you mean "payee.iban"?`},
		{"type: iban", "type: ibam", `test.yaml:13: type "ibam": unknown; did you mean "iban"?`},
		{"raw.rest !=", "raw.rst !=", "test.yaml:22: rule SITE-001: when:"},
		{"amount < 1000000", "amuont < 1000000", "test.yaml:23: rule SITE-002: expr:"},
		{"amount < 1000000", "amount", "test.yaml:23: rule SITE-002: expr:"},
		{"amount < 1000000", "now() > now()", "test.yaml:23: rule SITE-002: expr:"},
		{"id: SITE-002", "id: PO-002", `test.yaml:23: rule id "PO-002": the prefix PO belongs to built-in rules`},
		{"id: SITE-002", "id: SITE-001", `test.yaml:23: rule id "SITE-001": used twice`},
		{"id: SITE-002", "id: site2", `want capitals, a hyphen and three digits`},
		{"severity: warning", "severity: fatal", "test.yaml:22: rule SITE-001: severity"},
		{`{uk: "забагато", en: "too much"}`, `{uk: "забагато"}`, "test.yaml:23: rule SITE-002: message: write it in both languages"},
		{"field: amount", "field: amnt", `test.yaml:23: rule SITE-002: field "amnt": no such path; did you mean "amount"?`},
		{"unique: [payee.iban", "unique: [payee.ibn", `test.yaml:26: rule SITE-010: unique "payee.ibn"`},
		{"sum: amount, max: 2000000", "sum: number, max: 2000000", "test.yaml:27: rule SITE-011: sum"},
		{"name: windows-1251", "name: cp1251", `test.yaml:7: charset name "cp1251": unknown`},
		{"from_ldid: [0xC9]", "from_ldid: []", "test.yaml:7: charset from_ldid: missing"},
		{"from_ldid: [0xC9]", "from_ldid: [300]", "byte 300"},
		{"type: dbf", "type: dbff", `test.yaml:6: container type "dbff": unknown; did you mean "dbf"?`},
		{"kind: payment_instruction", "kind: statement", `test.yaml:3: kind "statement"`},
		{"unit: kopeck", "unit: kopek", `test.yaml:12: unit "kopek": write kopeck or hryvnia`},
		{"format: dd.mm.yyyy", "format: dd.mm.yy", `test.yaml:11: format "dd.mm.yy": unknown`},
		{"join: raw", "join: rav", `test.yaml:16: join "rav"`},
		{"src: rest, ignore: true", "src: rest, ignore: true, required: true", "test.yaml:19: ignore"},
		{"src: rest,", "src: num,", `test.yaml:19: src "num": declared twice`},
		{"absent: [payer.name", "absent: [payer.nam", `test.yaml:20: absent "payer.nam"`},
		{"absent: [payer.name", "absent: [amount", `test.yaml:20: absent "amount": the record has it`},
		{"(?i)", "(?", "test.yaml:5: match name"},
		{"max_records: 3", "max_records: many", "test.yaml"},
		{"max_records: 3", "max_records: 3, max_records: 4", `written twice`},
		{"profile: test.table", "profile: Test Table", `test.yaml:1: profile "Test Table"`},
		{"profile: test.table", "profile: &a test.table", "anchors"},
		{`title: {uk: "проба", en: "trial"}`, `title: {uk: "проба"}`, "test.yaml:4: title"},
		{"type: edrpou|rnokpp", "type: edrpou|kekv", "test.yaml:14: type"},
		{"- {src: rest, ignore: true}", "- {src: rest}", "test.yaml:19: type"},
		{"- {src: rest, ignore: true}", "- {src: rest, check: true, type: text}", "test.yaml:19: check"},
		{"mfo, type: mfo}", "mfo, type: mfo, check: true}", "test.yaml:15: check"},
		{"absent: [payer.name", "refuse: {uk: ні}\nabsent: [payer.name", "test.yaml:20: refuse: write it in both languages"},
		{"- {src: rest, ignore: true}", "- rest", "test.yaml:19: want a mapping"},
	} {
		if !strings.Contains(testProfile, c.from) {
			t.Fatalf("%q: nothing to replace", c.from)
		}
		_, err := Load(fstest.MapFS{"test.yaml": {Data: []byte(strings.Replace(testProfile, c.from, c.to, 1))}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s: %v, want %s", c.from, c.to, err, c.want)
		}
	}
	for _, text := range []string{"", "---\n", "a: [", "[]", "x", "profile: a\n---\nprofile: b\n", strings.Repeat("#", maxProfile+1)} {
		if _, err := Parse("x.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "x.yaml") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(testProfile)}, "b.yaml": {Data: []byte(testProfile)}}); err == nil || !strings.Contains(err.Error(), "a.yaml") {
		t.Errorf("one name twice: %v", err)
	}
}

// TestBadTexts are mistakes in profiles of text containers.
func TestBadTexts(t *testing.T) {
	t.Parallel()
	const head = "profile: t\nversion: \"1\"\nkind: payment_instruction\ntitle: {uk: т, en: t}\n"
	const tail = "charset: {name: cp866}\nrecord:\n"
	for _, c := range []struct{ text, want string }{
		{"container: {type: fixed, length: 10}\n" + tail + "  - {src: a, at: 1, len: 10, to: number, type: text}\n", ""},
		{"container: {type: fixed, length: 10}\n" + tail + "  - {src: a, at: 2, len: 9, to: number, type: text}\n", "t.yaml:8: at 2: want 1"},
		{"container: {type: fixed, length: 10}\n" + tail + "  - {src: a, at: 1, len: 9, to: number, type: text}\n", "t.yaml:5: length 10: the fields end at 9"},
		{"container: {type: fixed, length: 10}\n" + tail + "  - {src: a, at: 1, len: 10, align: up, to: number, type: text}\n", "t.yaml:8: align"},
		{"container: {type: fixed, length: 10}\n" + tail + "  - {src: [a, b], at: 1, len: 10, to: number, type: text}\n", "t.yaml:8: src"},
		{"container: {type: keyvalue}\n" + tail + "  - {src: a, at: 1, to: number, type: text}\n", "t.yaml:8: at, len, align"},
		{"container: {type: keyvalue}\n" + tail + "  - {src: a, to: number, type: text, optional: true}\n", "t.yaml:8: optional"},
		{"container: {type: delimited}\n" + tail + "  - {src: a, to: number, type: text}\n", "t.yaml:5: separator"},
		{"container: {type: delimited, separator: ';;'}\n" + tail + "  - {src: a, to: number, type: text}\n", "t.yaml:5: separator"},
		{"container: {type: keyed, header: true}\n" + tail + "  - {src: a, to: number, type: text}\n", "t.yaml:5: crlf and max_line"},
		{"container: {type: keyed, max_line: 99999999}\n" + tail + "  - {src: a, to: number, type: text}\n", "t.yaml:5: length, max_line"},
		{"container: {type: keyed, versions: [3]}\n" + tail + "  - {src: a, to: number, type: text}\n", "t.yaml:5: versions"},
		{"container: {type: keyed}\n" + tail + "  - {src: a, to: number, type: account}\n", "t.yaml:8: type account"},
	} {
		_, err := Parse("t.yaml", []byte(head+c.text))
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

// A text is refused with the line on which the trouble is.
func TestTextFindings(t *testing.T) {
	t.Parallel()
	good := string(canonicalCSV(sample.Orders(sample.DemoPayer(), january.At, 1, 3)))
	for _, c := range []struct{ name, from, to, want string }{
		{"no such day", ";2026-01-15;2026", ";2026-02-30;2026", "FLD-003 1 date Line 2: "},
		{"windows-1251", "Сві", "\xd1\xe2", "FLD-007 1 payee_name Line 2: "},
		{"a column too many", ";9900000000\n", ";9900000000;\n", "TXT-005 1  Line 2: "},
		{"unknown column", "kekv", "kevk", "FLD-010 0 kevk "},
		{"a column missing", "payee_iban", "reference", "FLD-011 0 payee_iban "},
		{"name of another layout", "", "", "FMT-002"},
		{"header only", good[strings.Index(good, "\n"):], "\n", "FMT-008 0  "},
	} {
		name := "P.csv"
		if c.from == "" {
			name = "P.dbf"
		}
		r := Builtin().Check(january, Options{Name: name}, section([]byte(strings.Replace(good, c.from, c.to, 1))))
		if r.OK() || len(r.Findings) == 0 {
			t.Errorf("%s: taken", c.name)
			continue
		}
		f := r.Findings[0]
		if got := fmt.Sprintf("%s %d %s %s", f.Rule, f.Record, f.Field, f.Message.EN); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The two versions of pain.001 are held to their own schemas.
func TestPain001Versions(t *testing.T) {
	t.Parallel()
	doc := sample.Pain001("V-1", january.At, sample.Orders(sample.DemoPayer(), january.At, 1, 1))
	for _, c := range []struct {
		name    string
		doc     []byte
		profile string
		want    string // in the first finding; empty: none
	}{
		{"of 2019", doc, "iso.pain.001.001.09", ""},
		{"of 2009", pain03(doc), "iso.pain.001.001.03", ""},
		{"of 2009 with the date of 2019", swap(doc, "pain.001.001.09", "pain.001.001.03"), "iso.pain.001.001.03", "pain.001.001.03"},
		{"of 2019 with the date of 2009", swap(pain03(doc), "pain.001.001.03", "pain.001.001.09"), "iso.pain.001.001.09", "pain.001.001.09"},
		{"another", swap(doc, "pain.001.001.09", "pain.001.001.11"), "", "not recognised"},
	} {
		r := Builtin().Check(january, Options{Name: "P.xml"}, section(c.doc))
		if r.Profile.Name != c.profile || r.OK() != (c.want == "") || (c.want != "" && !strings.Contains(r.Findings[0].Message.EN, c.want)) {
			t.Errorf("%s: %s, %+v", c.name, r.Profile.Name, r.Findings)
		}
		if c.want == "" && (r.Message == nil || "iso."+r.Message.Name != c.profile) {
			t.Errorf("%s: message %+v", c.name, r.Message)
		}
	}
}

// The published description of the canonical CSV names the columns of its profile.
func TestPublishedCSV(t *testing.T) {
	t.Parallel()
	var schema struct {
		Fields []struct {
			Name        string
			Constraints struct{ Required bool }
		}
	}
	if err := json.Unmarshal(read(t, "../../docs/payment-order-csv.schema.json"), &schema); err != nil {
		t.Fatal(err)
	}
	page := string(read(t, "../../docs/payment-order-csv.md"))
	record := Builtin().find("brama.payment-order.csv").spec.Record
	if len(schema.Fields) != len(record) {
		t.Fatalf("%d fields, want %d", len(schema.Fields), len(record))
	}
	for i, f := range record {
		if g := schema.Fields[i]; g.Name != f.Src[0] || g.Constraints.Required != f.Required || f.Required == f.Optional {
			t.Errorf("%s: %+v", f.Src[0], g)
		}
		if !strings.Contains(page, "| `"+f.Src[0]+"` |") {
			t.Errorf("%s: not in the page", f.Src[0])
		}
	}
}

// Digits of an account and the bank's code are the account's IBAN.
func TestAccountOfDigits(t *testing.T) {
	t.Parallel()
	orders := sample.Orders(sample.DemoPayer(), january.At, 1, 1)
	owner := &formats.Owner{EDRPOU: orders[0].Payer.Code, Accounts: []string{orders[0].Payer.IBAN}}
	c := january
	c.Owner = owner
	if r := Builtin().Check(c, Options{}, section(sepAB(orders))); !r.OK() {
		t.Errorf("own account: %+v", r.Findings)
	}
	owner.Accounts[0] = orders[0].Payee.IBAN
	if r := Builtin().Check(c, Options{}, section(sepAB(orders))); r.OK() || r.Findings[0].Rule != "PO-070" {
		t.Errorf("another's account: %+v", r.Findings)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(testProfile))
	for _, name := range Builtin().Names() {
		b, err := os.ReadFile("../../configs/profiles/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	doc := sample.DBF(testFields, 0xC9, charset.Windows1251, january.At, [][]string{testRow()})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("x.yaml", b)
		if err != nil {
			return
		}
		r := (&Set{profiles: []*Profile{p}}).Check(january, Options{Profile: p.ref.Name}, section(doc))
		for _, f := range r.Findings {
			if f.Rule == RuleInternal {
				t.Error("panic inside")
			}
		}
	})
}

func FuzzCheck(f *testing.F) {
	for name, b := range sampleFiles() {
		if len(b) < 20000 {
			f.Add(name, b)
		}
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		r := Builtin().Check(january, Options{Name: name}, section(b))
		if !r.OK() && len(r.Findings) == 0 {
			t.Error("refused without a word")
		}
		for _, f := range r.Findings {
			if f.Rule == RuleInternal {
				t.Error("panic inside")
			}
		}
	})
}
