package iso20022

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jacoelho/xsd"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/payment"
)

var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// good is a message of two payments; rows of the tables replace parts of it.
func good(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/pain001.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func section(s string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(s), 0, int64(len(s)))
}

func run(doc string) ([]formats.Finding, *formats.Message, []formats.Entry) {
	var found []formats.Finding
	m, entries := Check(&formats.Context{At: noon}, section(doc), Options{}, func(f formats.Finding) { found = append(found, f) })
	return found, m, entries
}

func TestGood(t *testing.T) {
	t.Parallel()
	found, m, entries := run(good(t))
	if len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	if m == nil || m.Name != Pain001 || m.ID != "GW-20260115-0001" || m.Count != "2" || m.Sum != "1734.56" {
		t.Errorf("%+v", m)
	}
	want := []formats.Entry{
		{Record: 1, Number: "1", Date: "2026-01-15", Amount: 123456, PaymentID: "GW-20260115-0001-1", EndToEndID: "E1", Instructed: "1"},
		{Record: 2, Number: "2", Date: "2026-01-15", Amount: 50000, PaymentID: "GW-20260115-0001-1", EndToEndID: "E2", Instructed: "2"},
	}
	if !reflect.DeepEqual(entries, want) {
		t.Errorf("%+v", entries)
	}
}

type testCase struct {
	rule, what, from, to string // "ok RULE" passes
	record               int
	field                string
}

const (
	tx       = "CdtTrfTxInf"
	usrc     = `<Id>00013480</Id><SchmeNm><Prtry>USRC</Prtry></SchmeNm>`
	org      = `<OrgId><Othr>` + usrc + `</Othr></OrgId>`
	amount   = `<InstdAmt Ccy="UAH">1234.56</InstdAmt>`
	payeeAgt = `<ClrSysMmbId><ClrSysId><Cd>UA</Cd></ClrSysId><MmbId>305299</MmbId></ClrSysMmbId>`
	ustrd    = `<Ustrd>За електроенергію зг. дог. № 12; КЕКВ 2273</Ustrd>`
)

var cases = []testCase{
	{"UA-001", "count of the message", "<NbOfTxs>2</NbOfTxs><CtrlSum>1734.56</CtrlSum><InitgPty>", "<NbOfTxs>3</NbOfTxs><CtrlSum>1734.56</CtrlSum><InitgPty>", 0, "GrpHdr/NbOfTxs"},
	{"UA-001", "count of the payment", "<NbOfTxs>2</NbOfTxs><CtrlSum>1734.56</CtrlSum><ReqdExctnDt>", "<NbOfTxs>1</NbOfTxs><CtrlSum>1734.56</CtrlSum><ReqdExctnDt>", 0, "PmtInf/NbOfTxs"},
	{"UA-001", "no count of the payment", "<NbOfTxs>2</NbOfTxs><CtrlSum>1734.56</CtrlSum><ReqdExctnDt>", "<CtrlSum>1734.56</CtrlSum><ReqdExctnDt>", 0, "PmtInf/NbOfTxs"},
	{"ok UA-001", "zeros before", "<NbOfTxs>2</NbOfTxs>", "<NbOfTxs>002</NbOfTxs>", 0, ""},
	{"UA-002", "sum of the message", "<CtrlSum>1734.56</CtrlSum><InitgPty>", "<CtrlSum>1734.57</CtrlSum><InitgPty>", 0, "GrpHdr/CtrlSum"},
	{"UA-002", "no sum of the message", "<CtrlSum>1734.56</CtrlSum><InitgPty>", "<InitgPty>", 0, "GrpHdr/CtrlSum"},
	{"UA-002", "sum with a third decimal", "<CtrlSum>1734.56</CtrlSum><InitgPty>", "<CtrlSum>1734.561</CtrlSum><InitgPty>", 0, "GrpHdr/CtrlSum"},
	{"UA-002", "sum of the payment", "<CtrlSum>1734.56</CtrlSum><ReqdExctnDt>", "<CtrlSum>0.56</CtrlSum><ReqdExctnDt>", 0, "PmtInf/CtrlSum"},
	{"ok UA-002", "zeros after", "<CtrlSum>1734.56</CtrlSum><InitgPty>", "<CtrlSum>1734.5600</CtrlSum><InitgPty>", 0, ""},
	{"UA-010", "cheque", "<PmtMtd>TRF</PmtMtd>", "<PmtMtd>CHK</PmtMtd>", 0, "PmtInf/PmtMtd"},
	{"ok UA-010", "transfer", "<PmtMtd>TRF</PmtMtd>", "<PmtMtd>TRF</PmtMtd>", 0, ""},
	{"UA-011", "euro account", "<Ccy>UAH</Ccy>", "<Ccy>EUR</Ccy>", 0, "PmtInf/DbtrAcct/Ccy"},
	{"ok UA-011", "not said", "<Ccy>UAH</Ccy>", "", 0, ""},
	{"UA-013", "three decimals", amount, `<InstdAmt Ccy="UAH">1234.560</InstdAmt>`, 1, tx + "/Amt/InstdAmt"},
	{"UA-013", "a plus", amount, `<InstdAmt Ccy="UAH">+1234.56</InstdAmt>`, 1, tx + "/Amt/InstdAmt"},
	{"ok UA-013", "spaces around", amount, `<InstdAmt Ccy="UAH"> 1234.56 </InstdAmt>`, 0, ""},
	{"UA-014", "an equivalent", amount, `<EqvtAmt><Amt Ccy="UAH">1234.56</Amt><CcyOfTrf>UAH</CcyOfTrf></EqvtAmt>`, 1, tx + "/Amt"},
	{"ok UA-014", "an amount", amount, amount, 0, ""},
	{"UA-020", "unknown scheme", usrc, `<Id>00013480</Id><SchmeNm><Prtry>OKPO</Prtry></SchmeNm>`, 1, tx + "/Cdtr/Id"},
	{"UA-020", "a person's scheme for an organisation", usrc, `<Id>1759013776</Id><SchmeNm><Prtry>RNRCT</Prtry></SchmeNm>`, 1, tx + "/Cdtr/Id"},
	{"UA-020", "NA with a code", usrc, `<Id>00013480</Id><SchmeNm><Prtry>NA</Prtry></SchmeNm>`, 1, tx + "/Cdtr/Id"},
	{"ok UA-020", "NA", usrc, `<Id>000000000</Id><SchmeNm><Prtry>NA</Prtry></SchmeNm>`, 0, ""},
	{"ok UA-020", "TRAN", usrc, `<Id>770000001</Id><SchmeNm><Prtry>TRAN</Prtry></SchmeNm>`, 0, ""},
	{"ok UA-020", "a person", org, `<PrvtId><Othr><Id>1759013776</Id><SchmeNm><Prtry>RNRCT</Prtry></SchmeNm></Othr></PrvtId>`, 0, ""},
	{"ok UA-020", "a passport", org, `<PrvtId><Othr><Id>СН123456</Id><SchmeNm><Prtry>PSPT</Prtry></SchmeNm></Othr></PrvtId>`, 0, ""},
	{"ok UA-020", "a person without code", org, `<PrvtId><Othr><Id>99999</Id><SchmeNm><Cd>UNKN</Cd></SchmeNm></Othr></PrvtId>`, 0, ""},
	{"UA-021", "two codes", `<Othr>` + usrc + `</Othr>`, `<Othr>` + usrc + `</Othr><Othr>` + usrc + `</Othr>`, 1, tx + "/Cdtr/Id"},
	{"ok UA-021", "one code", usrc, usrc, 0, ""},
	{"UA-030", "another system", payeeAgt, strings.Replace(payeeAgt, "<Cd>UA</Cd>", "<Cd>RUCBC</Cd>", 1), 1, tx + "/CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd"},
	{"UA-030", "five digits", payeeAgt, strings.Replace(payeeAgt, "305299", "30529", 1), 1, tx + "/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"},
	{"ok UA-030", "as it is", payeeAgt, payeeAgt, 0, ""},
	{"UA-031", "no code of the bank", payeeAgt, "<Nm>Банк</Nm>", 1, tx + "/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"},
	{"ok UA-031", "as it is", payeeAgt, payeeAgt, 0, ""},
	{"UA-041", "two digits", "<Ctgy>101</Ctgy>", "<Ctgy>10</Ctgy>", 2, tx + "/RmtInf/Strd/TaxRmt/Rcrd/Ctgy"},
	{"ok UA-041", "three digits", "<Ctgy>101</Ctgy>", "<Ctgy>107</Ctgy>", 0, ""},

	// Rules of the kind, seen through the elements of the message.
	{"PO-003", "created tomorrow", "2026-01-15T10:11:12+02:00", "2026-01-16T00:00:00+02:00", 1, "GrpHdr/CreDtTm"},
	{"PO-005", "executed too late", "<Dt>2026-01-15</Dt>", "<Dt>2026-02-15</Dt>", 1, "PmtInf/ReqdExctnDt/Dt"},
	{"PO-010", "zero", amount, `<InstdAmt Ccy="UAH">0</InstdAmt>`, 1, tx + "/Amt/InstdAmt"},
	{"PO-012", "euro", amount, `<InstdAmt Ccy="EUR">1234.56</InstdAmt>`, 1, tx + "/Amt/InstdAmt/@Ccy"},
	{"PO-020", "payer's check digits", "UA188201720344290001000012345", "UA198201720344290001000012345", 1, "PmtInf/DbtrAcct/Id/IBAN"},
	{"PO-021", "payee's check digits", "UA903052990000026002661176318", "UA913052990000026002661176318", 1, tx + "/CdtrAcct/Id/IBAN"},
	{"PO-023", "payee's bank", payeeAgt, strings.Replace(payeeAgt, "305299", "820172", 1), 1, tx + "/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"},
	{"PO-031", "payee's code", usrc, strings.Replace(usrc, "00013480", "00013481", 1), 1, tx + "/Cdtr/Id"},
	{"PO-050", "no purpose", "<RmtInf>" + ustrd + "</RmtInf>", "", 1, tx + "/RmtInf/Ustrd"},
	{"ok PO-050", "420 characters", ustrd, strings.Repeat("<Ustrd>"+strings.Repeat("ї", 140)+"</Ustrd>", 3), 0, ""},
	{"PO-050", "421 characters", ustrd, strings.Repeat("<Ustrd>"+strings.Repeat("ї", 140)+"</Ustrd>", 3) + "<Ustrd>a</Ustrd>", 1, tx + "/RmtInf/Ustrd"},
	{"PO-052", "no category", "<Ctgy>101</Ctgy>", "", 2, tx + "/RmtInf/Ustrd"},

	// The XML.
	{"XML-001", "cut", "</CstmrCdtTrfInitn></Document>", "", 0, ""},
	{"XML-001", "bad bytes", "ТОВ «Світанок-Є»", "\xd2\xce", 1, tx + "/Cdtr/Nm"},
	{"XML-002", "unknown element", "<PmtMtd>", "<Foo/><PmtMtd>", 0, "PmtInf"},
	{"XML-002", "value too long", "<MsgId>", "<MsgId>" + strings.Repeat("0", 35), 0, "GrpHdr/MsgId"},
	{"XML-002", "exponent", "500.00", "5e2", 2, tx + "/Amt/InstdAmt"},
	{"XML-002", "five decimals and more", "500.00", "500.0000001", 2, tx + "/Amt/InstdAmt"},
	{"XML-003", "DTD", "<Document", "<!DOCTYPE Document [<!ENTITY a \"b\">]><Document", 0, ""},
	{"XML-003", "processing instruction", "<GrpHdr>", "<?php 1?><GrpHdr>", 0, ""},
	{"XML-004", "another encoding", `encoding="UTF-8"`, `encoding="KOI8-U"`, 0, ""},
	{"XML-005", "a long comment", "<GrpHdr>", "<!-- " + strings.Repeat("<a> ", 20000) + "--><GrpHdr>", 0, ""},
	{"ok XML-005", "a short comment", "<GrpHdr>", "<!-- <a> --><GrpHdr>", 0, ""},
	{"XML-005", "deep", "<GrpHdr>", strings.Repeat("<a>", 70), 0, ""},
}

func TestRules(t *testing.T) {
	t.Parallel()
	doc := good(t)
	for _, c := range cases {
		if !strings.Contains(doc, c.from) {
			t.Fatalf("%s, %s: nothing to replace", c.rule, c.what)
		}
		found, _, _ := run(strings.Replace(doc, c.from, c.to, 1))
		if strings.HasPrefix(c.rule, "ok ") {
			if c.from == "<NbOfTxs>2</NbOfTxs>" {
				found, _, _ = run(strings.ReplaceAll(doc, c.from, c.to))
			}
			if len(found) > 0 {
				t.Errorf("%s, %s: %+v", c.rule, c.what, found)
			}
			continue
		}
		i := slices.IndexFunc(found, func(f formats.Finding) bool { return f.Rule == c.rule })
		if i < 0 {
			t.Errorf("%s, %s: not found: %+v", c.rule, c.what, found)
			continue
		}
		f := found[i]
		if f.Record != c.record || (c.field != "" && f.Field != c.field) || f.Message.UK == "" || f.Message.EN == "" {
			t.Errorf("%s, %s: %+v", c.rule, c.what, f)
		}
		for _, g := range found {
			if g.Rule != c.rule && !slices.Contains([]string{"UA-002", "PO-005", "PO-010", "PO-024", "PO-023", "PO-031", "PO-050", "PO-052", "XML-001", "XML-002", "XML-004"}, g.Rule) {
				t.Errorf("%s, %s: also %+v", c.rule, c.what, g)
			}
		}
	}
}

// TestEveryRuleIsTested holds the cases above complete.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	for _, r := range Rules {
		for _, want := range []string{r.ID, "ok " + r.ID} {
			if !slices.ContainsFunc(cases, func(c testCase) bool { return c.rule == want }) {
				t.Errorf("no case %q", want)
			}
		}
		if r.Title == "" || r.Citation == "" {
			t.Errorf("%s: without title or citation", r.ID)
		}
	}
	for _, id := range []string{RuleXML, ruleSchema, ruleUnsafe, ruleEncoding, RuleLimit} {
		if !slices.ContainsFunc(cases, func(c testCase) bool { return c.rule == id }) {
			t.Errorf("no case %q", id)
		}
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	found, _, _ := run(strings.Replace(good(t), payeeAgt, "<Nm>Банк</Nm>", 1))
	if len(found) != 1 || found[0].Severity != formats.Warning {
		t.Errorf("%+v", found)
	}
}

func TestWindows1251(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(good(t), "UTF-8", "windows-1251", 1)
	found, m, entries := run(string(charset.Windows1251.Encode(doc)))
	if len(found) > 0 || m == nil || len(entries) != 2 {
		t.Errorf("%+v", found)
	}
	found, _, _ = run(doc[:1500] + "\x98" + doc[1500:])
	if len(found) == 0 {
		t.Error("an undefined byte was taken")
	}
}

// A document that says windows-1251 and is UTF-8 would be read as other names than
// its sender means.
func TestMislabelled(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(good(t), "UTF-8", "windows-1251", 1)
	if _, _, ok := Root(section(doc)); ok {
		t.Error("taken as windows-1251")
	}
	if f := Unreadable(section(doc)); f.Rule != ruleEncoding || f.Message != textMislabelled {
		t.Errorf("%+v", f)
	}
	for _, c := range []struct {
		doc  string
		want bool
	}{
		{"ascii", false},
		{"і", true},
		{strings.Repeat("x", 32<<10-1) + "ї", true}, // across two reads
		{strings.Repeat("ї", 40_000), true},
		{strings.Repeat("ї", 40_000) + "\xd0", false},
		{string(charset.Windows1251.Encode("Оплата за послуги зв'язку, Кіровоградська обл.")), false},
		{"", false},
	} {
		if got := isUTF8(section(c.doc)); got != c.want {
			t.Errorf("%.20q: %v", c.doc, got)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	if found, _, _ := run("\ufeff" + good(t)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestPurposeIsJoinedAsItIs: a purpose of several parts may be cut at a space.
func TestPurposeIsJoinedAsItIs(t *testing.T) {
	t.Parallel()
	var purposes []string
	Check(&formats.Context{At: noon}, section(strings.Replace(good(t), ustrd, "<Ustrd> За </Ustrd><Ustrd>світло</Ustrd>", 1)), Options{
		Each: func(o *payment.Order) { purposes = append(purposes, o.PurposeCode+o.Purpose) },
	}, func(formats.Finding) {})
	if want := []string{"За світло", "101ЄСВ за січень 2026 р."}; !slices.Equal(purposes, want) {
		t.Errorf("%q", purposes)
	}
}

func TestTooManyRecords(t *testing.T) {
	t.Parallel()
	var found []formats.Finding
	Check(&formats.Context{At: noon}, section(good(t)), Options{MaxRecords: 1}, func(f formats.Finding) { found = append(found, f) })
	if len(found) != 1 || found[0].Rule != RuleLimit || found[0].Record != 2 {
		t.Errorf("%+v", found)
	}
}

// TestSchemaRefusesQuotesWhatItCan: a status report needs the ids also of a
// message that does not follow the schema.
func TestSchemaRefusesQuotesWhatItCan(t *testing.T) {
	t.Parallel()
	found, m, entries := run(strings.Replace(good(t), "500.00", "5e2", 1))
	if len(found) != 1 || m == nil || m.ID != "GW-20260115-0001" || len(entries) != 2 {
		t.Errorf("%+v %+v %+v", found, m, entries)
	}
}

func TestStatusReport(t *testing.T) {
	t.Parallel()
	engine, err := pain002Schema()
	if err != nil {
		t.Fatal(err)
	}
	_, m, entries := run(good(t))
	long := strings.Repeat("дуже довгий текст ", 200)
	base := Status{ID: "R1-1", At: noon, Outcome: Accepted, Message: *m, Entries: entries, Language: "uk"}
	for what, c := range map[string]struct {
		change func(*Status)
		want   []string
	}{
		"accepted":  {func(*Status) {}, []string{"<GrpSts>ACTC</GrpSts>", "<TxSts>ACTC</TxSts>", "<OrgnlEndToEndId>E2</OrgnlEndToEndId>", "<OrgnlMsgNmId>pain.001.001.09<"}},
		"processed": {func(s *Status) { s.Outcome = Processed }, []string{"<GrpSts>ACSC</GrpSts>"}},
		"held":      {func(s *Status) { s.Outcome = Held }, []string{"<GrpSts>PDNG</GrpSts>"}},
		"returned":  {func(s *Status) { s.Outcome, s.Reason = Returned, "немає коштів & <тег>" }, []string{"<GrpSts>RJCT</GrpSts>", "<Cd>NARR</Cd>", "немає коштів &amp; &lt;тег&gt;"}},
		"rejected": {func(s *Status) {
			s.Outcome = Rejected
			s.Findings = []formats.Finding{
				{Rule: "PO-021", Record: 2, Field: tx + "/CdtrAcct/Id/IBAN", Message: formats.Text{UK: "помилка", EN: "mistake"}},
				{Rule: "XML-002", Record: 0, Message: formats.Text{UK: long, EN: long}},
				{Rule: "PO-001", Record: 77, Severity: formats.Warning, Message: formats.Text{UK: "не наш запис", EN: "not our record"}},
			}
		}, []string{"PO-021 CdtTrfTxInf/CdtrAcct/Id/IBAN: помилка", "PO-001 (попередження): не наш запис"}},
		"unknown outcome": {func(s *Status) { s.Outcome = "" }, []string{"RJCT"}},
		"empty":           {func(s *Status) { *s = Status{} }, []string{"NOTPROVIDED"}},
		"hostile": {func(s *Status) {
			s.ID, s.Reason = long+"\x00\xff\u0001", "\ufffe]]>\x01"
			s.Message = formats.Message{Name: long, ID: "\x00", Count: "-1", Sum: "NaN"}
			s.Entries = []formats.Entry{{Record: 1, PaymentID: long, EndToEndID: "<>&\"'", Instructed: long}, {Record: 2, PaymentID: "b"}, {Record: 3, PaymentID: long}}
		}, nil},
	} {
		s := base
		c.change(&s)
		b := StatusReport(s)
		if err := engine.Validate(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v\n%s", what, err, b)
		}
		for _, want := range c.want {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s: no %s in\n%s", what, want, b)
			}
		}
	}
}

// TestSamplesOfOthers reads messages that follow the schema and not the
// Ukrainian rules.
func TestSamplesOfOthers(t *testing.T) {
	t.Parallel()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(root, "data", "formats", "iso20022", "samples", "pactus_test_pain001.xml"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	found, _, _ := run(string(b))
	if len(found) == 0 {
		t.Error("no finding")
	}
	for _, f := range found {
		if strings.HasPrefix(f.Rule, "XML-") {
			t.Errorf("%+v", f)
		}
	}
}

// TestHostile: what is large or deep is refused without being kept.
func TestHostile(t *testing.T) {
	doc := good(t)
	large := strings.Repeat("a", 10<<20)
	for what, bad := range map[string]string{
		"text":       strings.Replace(doc, "<MsgId>", "<MsgId>"+large, 1),
		"comment":    strings.Replace(doc, "<GrpHdr>", "<!-- <"+large+"> --><GrpHdr>", 1),
		"attribute":  strings.Replace(doc, "<GrpHdr>", `<GrpHdr a="`+large+`">`, 1),
		"attributes": strings.Replace(doc, "<GrpHdr>", "<GrpHdr"+strings.Repeat(" a='b'", 50000)+">", 1),
		"name":       strings.Replace(doc, "<GrpHdr>", "<"+large+">", 1),
		"depth":      strings.Replace(doc, "<GrpHdr>", strings.Repeat("<a>", 200000), 1),
		"entities":   strings.Replace(doc, "<Document", "<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;\">]><Document", 1),
		"CDATA":      strings.Replace(doc, "<MsgId>", "<MsgId><![CDATA["+large+"]]>", 1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, _, _ := run(bad)
		runtime.ReadMemStats(&after)
		if len(found) == 0 {
			t.Errorf("%s: taken", what)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 6<<20 {
			t.Errorf("%s: %d bytes allocated", what, grown)
		}
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		good(t):                         Namespace + " Document",
		`<a:b xmlns:a="x"/>`:            "x b",
		`<b xmlns="y"/>`:                "y b",
		`<?xml version="1.0"?><!-- -->`: " ",
		"":                              " ",
		"<":                             " ",
	} {
		space, local, _ := Root(section(doc))
		if got := space + " " + local; got != want {
			t.Errorf("%.30q: %q, want %q", doc, got, want)
		}
	}
}

func TestManyRecordsStream(t *testing.T) {
	t.Parallel()
	doc := good(t)
	i, j := strings.Index(doc, "<CdtTrfTxInf>"), strings.Index(doc, "</CdtTrfTxInf>")+len("</CdtTrfTxInf>")
	one := doc[i:j]
	var b strings.Builder
	b.WriteString(doc[:i])
	const n = 2000
	for k := range n {
		b.WriteString(strings.NewReplacer("<InstrId>1<", fmt.Sprintf("<InstrId>%d<", k+1), "1234.56", "1.00").Replace(one))
	}
	b.WriteString(doc[strings.LastIndex(doc, "</CdtTrfTxInf>")+len("</CdtTrfTxInf>"):])
	doc = strings.NewReplacer("<NbOfTxs>2<", fmt.Sprintf("<NbOfTxs>%d<", n), "<CtrlSum>1734.56<", fmt.Sprintf("<CtrlSum>%d.00<", n)).Replace(b.String())
	found, _, entries := run(doc)
	if len(found) > 0 || len(entries) != n {
		t.Errorf("%d entries, %+v", len(entries), found)
	}
}

// TestStatusReportOfTheSameGeneration: who sent a message of 2009 reads answers of 2009.
func TestStatusReportOfTheSameGeneration(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("schema/pain.002.001.03.xsd")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := xsd.Compile(xsd.Bytes(Pain00203, schema))
	if err != nil {
		t.Fatal(err)
	}
	_, m, entries := run(good(t))
	m.Name = Pain00103
	for _, outcome := range []string{Accepted, Rejected, Duplicate, Held, Processed, Returned} {
		b := StatusReport(Status{ID: "R1-1", At: noon, Outcome: outcome, Reason: "немає коштів", Message: *m, Entries: entries, Language: "uk", Findings: []formats.Finding{
			{Rule: "PO-021", Record: 2, Field: tx + "/CdtrAcct/Id/IBAN", Message: formats.Text{UK: "помилка", EN: "mistake"}},
		}})
		if err := engine.Validate(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", outcome, err)
		}
		if !bytes.Contains(b, []byte(NamespaceOf(Pain00203))) || !bytes.Contains(b, []byte("<OrgnlMsgNmId>pain.001.001.03<")) {
			t.Errorf("%s: %s", outcome, b)
		}
	}
}

func FuzzCheck(f *testing.F) {
	doc := good(f)
	f.Add([]byte(doc))
	for i := 0; i < len(cases); i += 3 {
		f.Add([]byte(strings.Replace(doc, cases[i].from, cases[i].to, 1)))
	}
	engine, err := pain002Schema()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, m, entries := run(string(b))
		if m == nil && len(found) == 0 {
			t.Error("nothing read and nothing said")
		}
		s := Status{ID: "F", At: noon, Outcome: Rejected, Entries: entries, Findings: found}
		if m != nil {
			s.Message = *m
		}
		if err := engine.Validate(bytes.NewReader(StatusReport(s))); err != nil {
			t.Errorf("status report: %v", err)
		}
	})
}

// TestCountIsNotBelieved: room is made for the payments that NbOfTxs promises only
// as far as the size of the message bears it out.
func TestCountIsNotBelieved(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(good(t), "<NbOfTxs>2<", "<NbOfTxs>999999999999999<", 1)
	found, _, entries := run(doc)
	if len(found) == 0 || len(entries) != 2 {
		t.Fatalf("%+v %+v", found, entries)
	}
	if most := len(doc)/smallest + 4; cap(entries) > most {
		t.Errorf("room for %d payments in %d bytes", cap(entries), len(doc))
	}
}
