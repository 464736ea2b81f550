package iso20022

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/statement"
)

func told(kind formats.Kind) *statement.Statement {
	iban := func(mfo, account string) string {
		s, err := ident.IBAN(mfo, account)
		if err != nil {
			panic(err)
		}
		return s
	}
	s := &statement.Statement{
		Kind: kind, Account: iban("820172", "1"), Owner: "Тестова школа", OwnerCode: "37993783", Currency: "UAH", Number: "7",
		From: "2026-01-14", To: "2026-01-15", Opening: 100000, Closing: 84550, Credits: 50, Debits: 15500,
		Entries: []statement.Entry{
			{Date: "2026-01-14", Amount: 15500, Number: "1", Purpose: "За папір & олівці", Counterparty: statement.Counterparty{Name: "ТОВ «Тест»", Code: "00013480", IBAN: iban("305299", "26001")}},
			{Date: "2026-01-15", ValueDate: "2026-01-16", Credit: true, Amount: 50, Number: "2", Purpose: strings.Repeat("ї ", 200) + "к", Reference: "R", Counterparty: statement.Counterparty{Name: "Особа", Code: "1759013776"}},
		},
	}
	switch kind {
	case formats.AccountNotification:
		s.Opening, s.Closing = 0, 0
	case formats.AccountState:
		s.AsOf = "2026-01-15T14:30:00+02:00"
	}
	return s
}

func checkSent(message, doc string) (found []formats.Finding, m *formats.Message, e []formats.Entry) {
	m, e = CheckSent(&formats.Context{At: noon}, message, io.NewSectionReader(strings.NewReader(doc), 0, int64(len(doc))), 0, func(f formats.Finding) { found = append(found, f) })
	return found, m, e
}

func rulesOf(found []formats.Finding) (list []string) {
	for _, f := range found {
		if !slices.Contains(list, f.Rule) {
			list = append(list, f.Rule)
		}
	}
	return list
}

// TestSentIsWhatIsWritten: every message that is written comes back clean.
func TestSentIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	for message, kind := range AccountMessages() {
		var b bytes.Buffer
		if err := WriteAccount(&b, message, told(kind), AccountOptions{At: noon}); err != nil {
			t.Fatal(err)
		}
		found, m, entries := checkSent(message, b.String())
		if len(found) > 0 || m == nil || m.ID != "2026-01-15-7" || len(entries) != 2 || entries[0].Amount != 15500 {
			t.Errorf("%s: %+v %+v %+v", message, found, m, entries)
		}
		if got, k, ok := SentIn(NamespaceOf(message)); !ok || got != message || k != kind {
			t.Errorf("%s: %s %s", message, got, k)
		}
	}
	_, m, entries := run(good(t))
	for _, name := range []string{Pain001, Pain00103} {
		of := *m
		of.Name = name
		want := Pain002
		if name == Pain00103 {
			want = Pain00203
		}
		for _, outcome := range []string{Accepted, Rejected, Duplicate, Held, Processed, Returned} {
			doc := StatusReport(Status{ID: "R1-1", At: noon, Outcome: outcome, Reason: "чому", Message: of, Entries: entries, Language: "uk"})
			found, m, told := checkSent(want, string(doc))
			if len(found) > 0 || m == nil || len(told) != len(entries) {
				t.Errorf("%s %s: %+v %+v", want, outcome, found, told)
			}
		}
	}
}

// TestSentRules breaks each rule on what is sent, and only that.
func TestSentRules(t *testing.T) {
	t.Parallel()
	camt := func(message string) string {
		var b bytes.Buffer
		if err := WriteAccount(&b, message, told(AccountMessages()[message]), AccountOptions{At: noon}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	_, m, entries := run(good(t))
	report := string(StatusReport(Status{ID: "R1-1", At: noon, Outcome: Rejected, Reason: "чому", Message: *m, Entries: entries, Language: "uk"}))
	bare := string(StatusReport(Status{ID: "R1-1", At: noon, Outcome: Rejected, Message: *m, Entries: entries, Language: "uk"}))
	ref := "</TxSts><StsRsnInf><Rsn><Cd>NARR</Cd></Rsn></StsRsnInf><OrgnlTxRef><CdtrAcct><Id><IBAN>DE21500500009876543210</IBAN></Id></CdtrAcct></OrgnlTxRef>"
	broken := map[string]bool{}
	for i, c := range []struct {
		message, doc, old, new, rule string
	}{
		{"camt.053.001.08", "", `<Amt Ccy="UAH">155.00`, `<Amt Ccy="EUR">155.00`, "UA-050"},
		{"camt.053.001.02", "", `<Amt Ccy="UAH">155.00`, `<Amt Ccy="UAH">155.001`, "UA-050 UA-052 ST-010 ST-020"},
		{"camt.053.001.08", "", "OPBD", "PRCD", "UA-051"},
		{"camt.052.001.08", "", "ITBD", "XPCD", "UA-051"},
		{"camt.053.001.08", "", "<NbOfNtries>2<", "<NbOfNtries>3<", "UA-052"},
		{"camt.054.001.08", "", "<Sum>155.00<", "<Sum>155.01<", "UA-052"},
		{"camt.053.001.02", "", "<Sts>BOOK<", "<Sts>PDNG<", "UA-053"},
		{"camt.053.001.08", "", "<ElctrncSeqNb>7</ElctrncSeqNb>", "", "UA-054"},
		{"camt.053.001.08", "", "<CreDtTm>2026-01-15", "<CreDtTm>2026-01-17", "UA-055"},
		{"camt.053.001.08", "", "<MmbId>305299<", "<MmbId>820172<", "UA-056"},
		{"camt.054.001.02", "", "<Prtry>RNRCT<", "<Prtry>ABCDE<", "UA-020"},
		{"camt.053.001.08", "", "<Cd>UA</Cd>", "<Cd>US</Cd>", ""},
		{"camt.053.001.08", "", `845.50`, `845.51`, "ST-010"},
		{"camt.053.001.08", "", "<CdtDbtInd>DBIT", "<CdtDbtInd>XXXX", "XML-002"},
		{Pain002, report, "<OrgnlMsgNmId>pain.001.001.09", "<OrgnlMsgNmId>pain.008.001.08", "UA-060"},
		{Pain002, report, "<GrpSts>RJCT", "<GrpSts>XXXX", "UA-061"},
		{Pain002, report, "<OrgnlNbOfTxs>2", "<OrgnlNbOfTxs>1", "UA-062"},
		{Pain002, bare, "", "", "UA-063"},
		{Pain002, report, "</TxSts>", ref, "UA-064"},
	} {
		doc := c.doc
		if doc == "" {
			doc = camt(c.message)
		}
		if !strings.Contains(doc, c.old) {
			t.Fatalf("%d: %s is not in the document", i, c.old)
		}
		found, _, _ := checkSent(c.message, strings.Replace(doc, c.old, c.new, 1))
		got := fmt.Sprint(strings.Join(rulesOf(found), " "))
		if c.rule != "" && got != c.rule || c.rule == "" && got == "" {
			t.Errorf("%d %s: %q, want %q: %+v", i, c.rule, got, c.rule, found)
		}
		for _, r := range rulesOf(found) {
			broken[r] = true
		}
	}
	for _, r := range SentRules {
		if !broken[r.ID] {
			t.Errorf("%s: no case breaks it", r.ID)
		}
		if r.Title == "" || r.Citation == "" {
			t.Errorf("%s: no title or citation", r.ID)
		}
	}
}

func FuzzSent(f *testing.F) {
	for message, kind := range AccountMessages() {
		var b bytes.Buffer
		if err := WriteAccount(&b, message, told(kind), AccountOptions{At: noon}); err != nil {
			f.Fatal(err)
		}
		f.Add(message, b.String())
	}
	f.Add(Pain002, string(StatusReport(Status{ID: "R", At: noon, Outcome: Rejected, Message: formats.Message{Name: Pain001, ID: "M"}, Entries: []formats.Entry{{Record: 1}}})))
	f.Fuzz(func(t *testing.T, message, doc string) {
		found, m, _ := checkSent(message, doc)
		if m == nil && len(found) == 0 {
			t.Error("nothing read and nothing said")
		}
	})
}
