package outgoing

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jacoelho/xsd"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/extract"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/formats/statement"
)

var (
	noon     = time.Date(2026, 1, 16, 12, 0, 0, 0, time.UTC)
	renderer = Renderer{Layouts: profile.Builtin()}
)

// random makes a statement of a kind with n entries that holds.
func random(r *rand.Rand, kind formats.Kind, n int) *statement.Statement {
	s := &statement.Statement{
		Kind: kind, Account: sample.Account("820172", r.IntN(1000)), Owner: words(r, 140), OwnerCode: sample.EDRPOU(r.IntN(1000)),
		Currency: "UAH", Number: fmt.Sprint(1 + r.IntN(1000)), From: "2026-01-01", To: "2026-01-31",
	}
	if kind != formats.AccountNotification {
		s.Opening = r.Int64N(1e12) - 5e11
	}
	if kind == formats.AccountState {
		s.AsOf = "2026-01-31T14:30:00+02:00"
	}
	groups := map[string]*statement.Group{}
	for _, g := range []string{"2111", "2273"} {
		groups[g] = &statement.Group{Group: g}
	}
	for i := range n {
		e := statement.Entry{
			Date: fmt.Sprintf("2026-01-%02d", 1+r.IntN(31)), Credit: r.IntN(2) == 0, Amount: 1 + r.Int64N(1e10), Number: fmt.Sprint(i),
			Counterparty: statement.Counterparty{Name: words(r, 140), Code: sample.EDRPOU(r.IntN(1000)), IBAN: sample.Account("305299", r.IntN(1000))},
			Purpose:      words(r, 1+r.IntN(420)), Reference: fmt.Sprintf("R-%d", i), Group: []string{"2111", "2273"}[r.IntN(2)],
		}
		switch r.IntN(4) {
		case 0:
			e.ValueDate = "2026-02-01"
		case 1:
			e.Counterparty, e.Number, e.Reference = statement.Counterparty{Name: "Невідомий"}, "", ""
		}
		if e.Credit {
			s.Credits += e.Amount
			groups[e.Group].Credits += e.Amount
		} else {
			s.Debits += e.Amount
			groups[e.Group].Debits += e.Amount
		}
		s.Entries = append(s.Entries, e)
	}
	if n > 0 {
		s.Groups = []statement.Group{*groups["2111"], *groups["2273"]}
	}
	if kind != formats.AccountNotification {
		s.Closing = s.Opening + s.Credits - s.Debits
	}
	return s
}

// words are letters and signs that layouts stumble over.
func words(r *rand.Rand, most int) string {
	const signs = `абвгґдеєжзиіїйклмнопрстуфхцчшщьюяАБВГҐДЕЄЖЗИІЇ'";,|=+-@<>&/\ 0123456789.:()%№`
	list := []rune(signs)
	out := make([]rune, r.IntN(most)+1)
	for i := range out {
		out[i] = list[r.IntN(len(list))]
	}
	return strings.Join(strings.Fields("я"+string(out[1:])), " ")
}

// seen is what is read again from a rendering.
type seen struct {
	entries, credits int
	credit, debit    int64
	opening, closing int64
	purposes         []string
}

func want(s *statement.Statement) seen {
	w := seen{entries: len(s.Entries), credit: s.Credits, debit: s.Debits, opening: s.Opening, closing: s.Closing}
	for _, e := range s.Entries {
		if e.Credit {
			w.credits++
		}
		w.purposes = append(w.purposes, e.Purpose)
	}
	return w
}

func (w *seen) add(credit bool, amount int64, purpose string) {
	w.entries++
	if credit {
		w.credits++
		w.credit += amount
	} else {
		w.debit += amount
	}
	w.purposes = append(w.purposes, purpose)
}

func sums(t *testing.T, text string) int64 {
	t.Helper()
	v, err := money.Hryvnias(strings.TrimPrefix(text, "-"))
	if err != nil {
		t.Errorf("%q: %v", text, err)
	}
	if strings.HasPrefix(text, "-") {
		return -v
	}
	return v
}

// readCamt reads a message with nothing but encoding/xml.
func readCamt(t *testing.T, b []byte) seen {
	t.Helper()
	var doc struct {
		Message struct {
			Part struct {
				Bal []struct {
					Code string `xml:"Tp>CdOrPrtry>Cd"`
					Amt  string
					Side string `xml:"CdtDbtInd"`
				}
				Summary struct {
					Credits string `xml:"TtlCdtNtries>Sum"`
					Debits  string `xml:"TtlDbtNtries>Sum"`
					Count   int    `xml:"TtlNtries>NbOfNtries"`
				} `xml:"TxsSummry"`
				Ntry []struct {
					Amt     string
					Side    string   `xml:"CdtDbtInd"`
					Purpose []string `xml:"NtryDtls>TxDtls>RmtInf>Ustrd"`
				}
			} `xml:",any"`
		} `xml:",any"`
	}
	var raw struct {
		Inner []byte `xml:",innerxml"`
	}
	if err := xml.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	// GrpHdr is the first child of the message: leave it out, the rest is one part.
	b = regexp.MustCompile(`(?s)<GrpHdr>.*?</GrpHdr>`).ReplaceAll(b, nil)
	if err := xml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	part := doc.Message.Part
	var w seen
	for _, n := range part.Ntry {
		w.add(n.Side == "CRDT", sums(t, n.Amt), strings.Join(n.Purpose, ""))
	}
	if part.Summary.Count != w.entries || sums(t, part.Summary.Credits) != w.credit || sums(t, part.Summary.Debits) != w.debit {
		t.Errorf("the summary %+v is not of the entries %d %d %d", part.Summary, w.entries, w.credit, w.debit)
	}
	for _, bal := range part.Bal {
		v := sums(t, bal.Amt)
		if bal.Side == "DBIT" {
			v = -v
		}
		if bal.Code == "OPBD" {
			w.opening = v
		} else {
			w.closing = v
		}
	}
	return w
}

func readCSV(t *testing.T, b []byte) seen {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma = ';'
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatal(err)
	}
	var w seen
	for _, row := range rows[1:] {
		purpose := row[10]
		if len(purpose) > 1 && purpose[0] == '\'' && strings.ContainsRune("=+-@", rune(purpose[1])) {
			purpose = purpose[1:]
		}
		w.add(row[3] == "credit", sums(t, row[4]), purpose)
	}
	return w
}

// readDBF reads a table with the reader that documents of clients go through.
func readDBF(t *testing.T, b []byte, page *charset.Page, amount, side, credit string, purposes ...string) seen {
	t.Helper()
	d, err := dbf.NewReader(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), dbf.Options{MaxRecords: statement.MaxEntries})
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) string {
		for i, f := range d.Fields {
			if f.Name == name {
				s, err := page.Decode(d.Raw(i))
				if err != nil {
					t.Fatal(err)
				}
				if f.Type == 'C' {
					return strings.TrimRight(s, " ")
				}
				return strings.TrimSpace(s)
			}
		}
		t.Fatalf("no field %s", name)
		return ""
	}
	var w seen
	for {
		err := d.Next()
		if errors.Is(err, io.EOF) {
			return w
		}
		if err != nil {
			t.Fatal(err)
		}
		text := get(amount)
		var v int64
		if whole, fraction, point := strings.Cut(text, "."); point {
			if strings.Trim(fraction[2:], "0") != "" {
				t.Errorf("amount %q", text)
			}
			v = sums(t, whole+"."+fraction[:2])
		} else if v, err = money.Kopecks(text); err != nil {
			t.Errorf("amount %q", text)
		}
		// A part that ends in a space loses it to the padding: the parts are read raw.
		purpose := ""
		for _, p := range purposes {
			for i, f := range d.Fields {
				if f.Name == p {
					s, _ := page.Decode(d.Raw(i))
					purpose += s
				}
			}
		}
		w.add(get(side) == credit, v, strings.TrimRight(purpose, " "))
		if amount == "amount" {
			for name, to := range map[string]*int64{"opening": &w.opening, "closing": &w.closing} {
				v, err := money.Kopecks(strings.TrimPrefix(get(name), "-"))
				if err != nil {
					t.Error(err)
				}
				if strings.HasPrefix(get(name), "-") {
					v = -v
				}
				*to = v
			}
		}
	}
}

var (
	textEntry = regexp.MustCompile(`(?m)^(\d+)\. \d{4}-\d\d-\d\d  (credit|debit)  ([0-9.]+)\r$`)
	textTotal = regexp.MustCompile(`(?m)^(Credits|Debits|Opening balance|Closing balance): (-?[0-9.]+)\r$`)
)

func readText(t *testing.T, b []byte) seen {
	t.Helper()
	var w seen
	for _, m := range textEntry.FindAllSubmatch(b, -1) {
		w.add(string(m[2]) == "credit", sums(t, string(m[3])), "")
	}
	for _, m := range textTotal.FindAllSubmatch(b, -1) {
		v := sums(t, string(m[2]))
		switch string(m[1]) {
		case "Opening balance":
			w.opening = v
		case "Closing balance":
			w.closing = v
		case "Credits":
			if v != w.credit {
				t.Errorf("credits %d, of the entries %d", v, w.credit)
			}
		case "Debits":
			if v != w.debit {
				t.Errorf("debits %d, of the entries %d", v, w.debit)
			}
		}
	}
	w.purposes = nil
	return w
}

func same(t *testing.T, form string, got, want seen, balances, purposes bool) {
	t.Helper()
	if got.entries != want.entries || got.credits != want.credits || got.credit != want.credit || got.debit != want.debit {
		t.Errorf("%s: %d entries, %d credits, %d and %d kopecks; want %d, %d, %d and %d", form, got.entries, got.credits, got.credit, got.debit, want.entries, want.credits, want.credit, want.debit)
	}
	if balances && (got.opening != want.opening || got.closing != want.closing) {
		t.Errorf("%s: balances %d, %d; want %d, %d", form, got.opening, got.closing, want.opening, want.closing)
	}
	if purposes {
		for i := range want.purposes {
			if i < len(got.purposes) && got.purposes[i] != want.purposes[i] {
				t.Errorf("%s: entry %d: purpose %q, want %q", form, i+1, got.purposes[i], want.purposes[i])
				return
			}
		}
	}
}

func schemaOf(t *testing.T, message string) *xsd.Engine {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "iso20022", "schema", message+".xsd"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := xsd.Compile(xsd.Bytes(message, b))
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// TestEveryRenderingSaysTheSame renders random statements in every form, and
// reads each again by other means.
func TestEveryRenderingSaysTheSame(t *testing.T) {
	t.Parallel()
	engines := map[string]*xsd.Engine{}
	for m := range iso20022.AccountMessages() {
		engines[m] = schemaOf(t, m)
	}
	for _, kind := range []formats.Kind{formats.Statement, formats.AccountState, formats.AccountNotification} {
		for seed := range uint64(7) {
			r := rand.New(rand.NewPCG(seed, 7))
			s := random(r, kind, int(seed*seed*2))
			canonical, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := Parse(canonical)
			if err != nil {
				t.Fatal(err)
			}
			if rep := doc.Check(); !rep.OK() {
				t.Fatalf("%s, seed %d: %+v", kind, seed, rep.Findings[0])
			}
			w := want(s)
			balances := kind != formats.AccountNotification
			for _, form := range renderer.Choose(renderer.Forms(), kind) {
				name := fmt.Sprintf("%s, seed %d: %s", kind, seed, form)
				var b bytes.Buffer
				if err := renderer.Render(&b, form, doc, canonical, Options{Language: "en", At: noon}); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				switch {
				case form == JSON:
					if !bytes.Equal(b.Bytes(), canonical) {
						t.Errorf("%s: other bytes", name)
					}
				case form == Text:
					same(t, name, readText(t, b.Bytes()), w, balances, false)
				case form == CSV:
					same(t, name, readCSV(t, b.Bytes()), w, false, true)
				case engines[form] != nil:
					if err := engines[form].Validate(bytes.NewReader(b.Bytes())); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					same(t, name, readCamt(t, b.Bytes()), w, balances, true)
				case form == "ua.otp.statement":
					same(t, name, readDBF(t, b.Bytes(), charset.Windows1251, "sum", "operat", "2", "prizn", "prizn_end"), w, false, true)
				case form == "brama.statement":
					same(t, name, readDBF(t, b.Bytes(), charset.Windows1251, "amount", "dk", "C", "purpose1", "purpose2"), w, balances && len(s.Entries) > 0, true)
				default:
					t.Errorf("form %s is not read by this test", form)
				}
			}
		}
	}
}

// TestPages: what the page lacks is written by a known substitute, in text named
// by its code point, and in a table an error that names record and column.
func TestPages(t *testing.T) {
	t.Parallel()
	s := random(rand.New(rand.NewPCG(1, 1)), formats.Statement, 1)
	s.Entries[0].Purpose = "За послуги зв’язку — їжа, єдність, ґрунт, Ірпінь, об'єкт"
	render := func(form string, page *charset.Page) ([]byte, error) {
		var b bytes.Buffer
		err := renderer.Render(&b, form, s, nil, Options{Language: "uk", Page: page, At: noon})
		return b.Bytes(), err
	}
	for page, want := range map[*charset.Page]string{
		charset.CP866:       "За послуги зв'язку - їжа, єднiсть, грунт, Iрпiнь, об'єкт",
		charset.CP1125:      "За послуги зв'язку - їжа, єдність, ґрунт, Ірпінь, об'єкт",
		charset.Windows1251: "За послуги зв’язку — їжа, єдність, ґрунт, Ірпінь, об'єкт",
		charset.KOI8U:       "За послуги зв'язку - їжа, єдність, ґрунт, Ірпінь, об'єкт",
	} {
		b, err := render("brama.statement", page)
		if err != nil {
			t.Errorf("%s: %v", page.Name(), err)
			continue
		}
		if got := readDBF(t, b, page, "amount", "dk", "C", "purpose1", "purpose2"); got.purposes[0] != want {
			t.Errorf("%s: %q", page.Name(), got.purposes[0])
		}
		text, err := render(Text, page)
		if err != nil {
			t.Error(err)
		}
		if got, err := page.Decode(text); err != nil || strings.Contains(got, "?") {
			t.Errorf("%s: %v\n%s", page.Name(), err, got)
		}
	}
	if b, _ := render("brama.statement", charset.CP866); b[29] != 0x65 {
		t.Errorf("language byte %#x", b[29])
	}
	if b, _ := render("brama.statement", charset.UTF8); b[29] != 0xC9 {
		t.Errorf("language byte %#x", b[29])
	}
	s.Entries[0].Purpose = "Оплата ✓"
	if b, err := render(CSV, charset.CP866); err != nil || !bytes.Contains(b, []byte("[U+2713]")) {
		t.Errorf("%v %q", err, b)
	}
	var unfit *profile.Unfit
	if _, err := render("brama.statement", charset.CP866); !errors.As(err, &unfit) || unfit.Findings[0].Rule != profile.RuleOutLetter || unfit.Findings[0].Record != 1 || unfit.Findings[0].Field != "purpose1" {
		t.Errorf("%v", err)
	}
}

func TestExtracts(t *testing.T) {
	t.Parallel()
	for _, x := range extracts() {
		canonical, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Parse(canonical)
		if err != nil {
			t.Fatal(err)
		}
		if rep := doc.Check(); !rep.OK() {
			t.Errorf("%s: %+v", x.Kind, rep.Findings)
		}
		if h := HeadOf(doc); h.Kind != x.Kind || h.EDRPOU != x.EDRPOU || h.Number != x.Number {
			t.Errorf("%+v", h)
		}
		for _, form := range renderer.Choose(renderer.Forms(), x.Kind) {
			var b bytes.Buffer
			if err := renderer.Render(&b, form, doc, canonical, Options{Language: "uk", At: noon}); err != nil {
				t.Errorf("%s, %s: %v", x.Kind, form, err)
			}
			switch form {
			case Text:
				if !strings.HasPrefix(b.String(), strings.ToUpper(x.Kind.Title().UK)) || x.Kind != formats.Notice && !strings.Contains(b.String(), "Разом: "+money.Format(x.Total)) {
					t.Errorf("%s", b.String())
				}
			case CSV:
				r := csv.NewReader(&b)
				r.Comma = ';'
				rows, err := r.ReadAll()
				if err != nil {
					t.Fatal(err)
				}
				if x.Kind == formats.Notice {
					if rows[1][7] != x.Text {
						t.Errorf("%q", rows[1][7])
					}
					continue
				}
				var total int64
				for _, row := range rows[1:] {
					total += sums(t, row[13])
				}
				if total != x.Total {
					t.Errorf("%s: total %d", x.Kind, total)
				}
			case "brama.extract":
				d, err := dbf.NewReader(io.NewSectionReader(bytes.NewReader(b.Bytes()), 0, int64(b.Len())), dbf.Options{})
				if err != nil || d.Count != len(x.Rows) {
					t.Errorf("%s: %v", x.Kind, err)
				}
			}
		}
	}
}

func extracts() []*extract.Extract {
	code := sample.EDRPOU(1)
	return []*extract.Extract{
		{Kind: formats.Notice, Number: "1", Date: "2026-01-15", EDRPOU: code, Title: "Про режим роботи", Text: "Перший абзац; \"лапки\".\nДругий."},
		{Kind: formats.AllocationExtract, Number: "2", Date: "2026-01-15", EDRPOU: code, Account: sample.Account("820172", 1), Total: 300, Rows: []extract.Row{
			{EDRPOU: sample.EDRPOU(2), Name: "Школа", KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 1, Amount: 100},
			{EDRPOU: sample.EDRPOU(2), Name: "Школа", KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 2, Amount: 200},
		}},
		{Kind: formats.PlanChange, Number: "3", Date: "2026-01-15", EDRPOU: code, Year: 2026, Basis: "Наказ № 5 від 14.01.2026", Rows: []extract.Row{
			{KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 3, Amount: -500},
			{KPKVK: "0611021", KEKV: "2111", Fund: "special", Amount: 500},
		}},
		{Kind: formats.RegisterExtract, Number: "4", Date: "2026-01-15", EDRPOU: code, Rows: []extract.Row{
			{EDRPOU: sample.EDRPOU(3), Name: "Ліцей «Ґанок»", Account: sample.Account("820172", 3), Status: "діє", Note: strings.Repeat("ї", 420)},
		}},
	}
}

// TestXmllint holds the messages to another engine, where there is one.
func TestXmllint(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("xmllint is not installed")
		}
		t.Skip("xmllint is not installed")
	}
	for message, kind := range iso20022.AccountMessages() {
		s := random(rand.New(rand.NewPCG(5, 5)), kind, 50)
		file := filepath.Join(t.TempDir(), "m.xml")
		var b bytes.Buffer
		if err := renderer.Render(&b, message, s, nil, Options{At: noon}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool, "--nonet", "--noout", "--schema", filepath.Join("..", "iso20022", "schema", message+".xsd"), file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.2000s", message, err, out)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for what, doc := range map[string]string{
		"unknown kind": `{"kind":"payment_instruction"}`, "kind twice": `{"kind":"notice","kind":"statement","number":"1","date":"2026-01-01","edrpou":"1"}`,
		"kind in two cases": `{"kind":"notice","Kind":"plan_change"}`, "no object": `[]`, "empty": ``, "keys of another kind": `{"kind":"notice","opening":1}`,
	} {
		if _, err := Parse([]byte(doc)); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := json.Marshal(random(rand.New(rand.NewPCG(1, 2)), formats.AccountState, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, x := range extracts() {
		b, err := json.Marshal(x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil || !d.Check().OK() {
			return
		}
		for _, form := range renderer.Choose(renderer.Forms(), d.DocumentKind()) {
			var unfit *profile.Unfit
			if err := renderer.Render(io.Discard, form, d, b, Options{Page: charset.CP866, At: noon}); err != nil && !errors.As(err, &unfit) {
				t.Errorf("%s: %v", form, err)
			}
		}
	})
}

// TestDocs: the examples of the documentation hold.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "statement.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 3 {
		t.Errorf("%d examples", len(examples))
	}
	for _, m := range examples {
		doc, err := Parse(m[1])
		if err != nil {
			t.Errorf("%v\n%s", err, m[1])
			continue
		}
		if r := doc.Check(); !r.OK() {
			t.Errorf("%+v", r.Findings)
		}
	}
	for _, rule := range statement.Rules {
		if !bytes.Contains(text, []byte(rule.ID)) && rule.ID != "ST-021" && rule.ID != "ST-022" && rule.ID != "ST-023" {
			t.Errorf("rule %s is not documented", rule.ID)
		}
	}
	for _, form := range renderer.Forms() {
		if !bytes.Contains(text, []byte("`"+form+"`")) {
			t.Errorf("form %s is not documented", form)
		}
	}
}
