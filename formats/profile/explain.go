package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/report"
)

// Explanation is what a layout demands, in words.
type Explanation struct {
	Profile    formats.ProfileRef `json:"profile"`
	Title      formats.Text       `json:"title"`
	Kind       string             `json:"kind"`
	KindTitle  formats.Text       `json:"kindTitle"`
	Container  formats.Text       `json:"container"`
	CodePage   formats.Text       `json:"codePage"`
	Limits     formats.Text       `json:"limits"`
	Refused    *formats.Text      `json:"refused,omitempty"` // why no document of the layout is taken
	Fields     []ExplainedField   `json:"fields"`
	Absent     []string           `json:"absent"` // canonical paths that the layout cannot carry
	Rules      []ExplainedRule    `json:"rules"`
	FileRules  []ExplainedRule    `json:"fileRules"`
	References []ExplainedRule    `json:"references"`
	Signatures formats.Text       `json:"signatures"`
}

// ExplainedField is one field of the source.
type ExplainedField struct {
	Source   string       `json:"source"`
	To       string       `json:"to,omitempty"` // canonical path; empty: goes nowhere
	Title    formats.Text `json:"title"`        // what the canonical field is
	Type     formats.Text `json:"type"`
	Required bool         `json:"required"`
	Limits   formats.Text `json:"limits"`
}

// ExplainedRule is one rule. Those of a kind have a title in English only, as the
// published descriptions have; those of a profile have their message.
type ExplainedRule struct {
	ID       string           `json:"id"`
	Title    formats.Text     `json:"title"`
	Citation string           `json:"citation"`
	Severity formats.Severity `json:"severity"`
}

// typeWords are the types of fields in words.
var typeWords = map[string]formats.Text{
	"text":     {UK: "текст", EN: "text"},
	"ref":      {UK: "позначення: латинські літери, цифри та знаки /-?:().,'+, до 35", EN: "a reference: Latin letters, digits and /-?:().,'+, at most 35"},
	"code":     {UK: "одне зі значень", EN: "one of the values"},
	"money":    {UK: "сума", EN: "a sum of money"},
	"change":   {UK: "сума зі знаком", EN: "a sum of money with a sign"},
	"date":     {UK: "дата", EN: "a date"},
	"digits":   {UK: "лише цифри", EN: "digits only"},
	"iban":     {UK: "IBAN: UA і 27 цифр без пробілів", EN: "IBAN: UA and 27 digits, no spaces"},
	"account":  {UK: "IBAN або від 5 до 19 цифр рахунку", EN: "an IBAN, or 5 to 19 digits of an account"},
	"edrpou":   {UK: "код ЄДРПОУ, 8 цифр", EN: "EDRPOU code, 8 digits"},
	"rnokpp":   {UK: "РНОКПП, 10 цифр", EN: "RNOKPP, 10 digits"},
	"taxno9":   {UK: "податковий номер, 9 цифр", EN: "tax number, 9 digits"},
	"passport": {UK: "серія й номер паспорта", EN: "series and number of a passport"},
	"ipn":      {UK: "ІПН платника ПДВ, 12 цифр (або 10 у підприємця)", EN: "number of a VAT payer (ІПН), 12 digits (10 of a sole trader)"},
	"mfo":      {UK: "код банку (МФО), 6 цифр", EN: "the bank's code (MFO), 6 digits"},
	"kekv":     {UK: "КЕКВ, 4 цифри", EN: "economic classification (КЕКВ), 4 digits"},
	"kpkvk":    {UK: "КПКВК, 7 цифр", EN: "programme classification (КПКВК), 7 digits"},
	"tpkvkmb":  {UK: "ТПКВКМБ, 4 цифри", EN: "typical local programme classification (ТПКВКМБ), 4 digits"},
	"kkdb":     {UK: "ККДБ, 8 цифр", EN: "revenue classification (ККДБ), 8 digits"},
	"katottg":  {UK: "КАТОТТГ: UA і 17 цифр", EN: "КАТОТТГ: UA and 17 digits"},
}

// containerWords are the containers in words.
var containerWords = map[string]formats.Text{
	"dbf":       {UK: "таблиця DBF", EN: "DBF table"},
	"xml":       {UK: "XML", EN: "XML"},
	"declar":    {UK: "XML електронної звітності (DECLAR)", EN: "XML of electronic reports (DECLAR)"},
	"pdf":       {UK: "PDF", EN: "PDF"},
	"jpeg":      {UK: "зображення JPEG", EN: "JPEG picture"},
	"json":      {UK: "JSON", EN: "JSON"},
	"letter":    {UK: "лист: заголовки й текст", EN: "letter: headers and text"},
	"fixed":     {UK: "текст, рядки сталої довжини", EN: "text, lines of a fixed length"},
	"keyvalue":  {UK: "текст, рядки КЛЮЧ=значення, порожній рядок між документами", EN: "text, lines KEY=value, an empty line between documents"},
	"keyed":     {UK: "текст, рядки з ключем із десяти знаків", EN: "text, lines that begin with a key of ten characters"},
	"delimited": {UK: "текст, колонки з роздільником", EN: "text, columns with a separator"},
}

var signatureWords = formats.Text{
	UK: "Макет підпису не містить: файл надсилають підписаним (CAdES, ASiC). Хто й скількома підписами має його підписати, визначає запис клієнта в реєстрі (policies) для виду документа.",
	EN: "The layout holds no signature: the file is sent signed (CAdES, ASiC). Who must sign, and how many, is in the client's register entry (policies) for the kind of document.",
}

// Describe says what the layout of that name demands. It is for layouts that are
// read; Layout.Explain is for those that are written.
func (s *Set) Describe(name string) (*Explanation, error) {
	p := s.find(name)
	if p == nil {
		return nil, fmt.Errorf("profile %q: unknown; %s", name, didYouMean(name, append(s.Names(), s.Layouts()...)))
	}
	e := &Explanation{
		Profile: p.ref, Title: p.spec.Title, Kind: p.spec.Kind, KindTitle: formats.Titles[p.kind()], Container: p.containerWords(), CodePage: p.pageWords(),
		Limits: formats.Textf("не більш як %d байтів", "at most %d bytes", p.spec.Limits.MaxBytes), Signatures: signatureWords,
		Fields: []ExplainedField{}, Absent: append([]string{}, p.spec.Absent...), FileRules: []ExplainedRule{}, References: []ExplainedRule{},
		Rules: p.kindRules(),
	}
	if p.records != nil {
		e.Limits = formats.Textf("не більш як %d байтів і %d записів", "at most %d bytes and %d records", p.spec.Limits.MaxBytes, p.spec.Limits.MaxRecords)
	}
	if p.spec.Refuse.UK != "" {
		e.Refused = &p.spec.Refuse
	}
	for i := range p.spec.Record {
		e.Fields = append(e.Fields, p.fieldWords(&p.spec.Record[i]))
	}
	for i := range p.rules {
		r := p.rules[i].spec
		title := r.Message
		if r.Title != "" {
			title = formats.Text{UK: r.Title + ". " + title.UK, EN: r.Title + ". " + title.EN}
		}
		e.Rules = append(e.Rules, ExplainedRule{r.ID, title, r.Citation, p.rules[i].severity})
	}
	for i := range p.fileRules {
		r := p.fileRules[i].spec
		e.FileRules = append(e.FileRules, ExplainedRule{r.ID, r.Message, "", p.fileRules[i].severity})
	}
	for i := range p.spec.References {
		r := &p.spec.References[i]
		rule, of := refUnknown, formats.Textf("%s: код із довідника %s", "%s: a code of the list %s", r.Field, r.List)
		switch r.List {
		case clientAccounts:
			rule, of = refOwner, formats.Textf("%s: рахунок клієнта за реєстром", "%s: an account of the client's register entry", r.Field)
		case clientEDRPOU:
			rule, of = refOwner, formats.Textf("%s: код клієнта за реєстром", "%s: the code of the client's register entry", r.Field)
		}
		e.References = append(e.References, ExplainedRule{rule, of, "", r.severity})
	}
	return e, nil
}

// kindRules are the rules that hold for the kind, whatever its layout.
func (p *Profile) kindRules() []ExplainedRule {
	list := []ExplainedRule{}
	add := func(id, title, citation string, s formats.Severity) {
		list = append(list, ExplainedRule{id, formats.Text{UK: title, EN: title}, citation, s})
	}
	switch {
	case p.spec.Container.Type == "declar":
		for _, r := range report.Rules {
			add(r.ID, r.Title, r.Citation, r.Severity)
		}
	case p.spec.Container.Type == "xml" && p.schema == nil:
		for _, r := range iso20022.Rules {
			add(r.ID, r.Title, r.Citation, r.Severity)
		}
	}
	if p.kind() == formats.PaymentInstruction {
		for _, r := range append(slices.Clone(payment.Rules), payment.RuleUnique) {
			add(r.ID, r.Title, r.Citation, r.Severity)
		}
	} else if p.records != nil {
		for _, r := range p.records.Rules {
			add(r.ID, r.Title, r.Citation, r.Severity)
		}
	}
	return list
}

func (p *Profile) containerWords() formats.Text {
	c := p.spec.Container
	m := containerWords[c.Type]
	more := func(uk, en string, args ...any) {
		t := formats.Textf(uk, en, args...)
		m.UK, m.EN = m.UK+", "+t.UK, m.EN+", "+t.EN
	}
	switch c.Type {
	case "dbf":
		var list []string
		for _, v := range c.Versions {
			list = append(list, fmt.Sprintf("0x%02X", v))
		}
		if len(list) == 0 {
			list = []string{"0x03"}
		}
		more("перший байт (версія) %s", "first byte (version) %s", strings.Join(list, " / "))
		if c.CharOver255 != "" {
			more("текстові поля можуть бути довші за 254 байти (як у Clipper)", "text fields may be longer than 254 bytes (as Clipper has them)")
		}
	case "xml":
		more("повідомлення %s", "message %s", c.Message)
	case "fixed":
		more("рядок має %d байтів", "a line has %d bytes", c.Length)
	case "keyvalue":
		if c.First != "" {
			more("перший рядок %q", "first line %q", c.First)
		}
	case "delimited":
		more("роздільник %q", "separator %q", c.Separator)
		if c.Header {
			more("перший рядок називає колонки", "the first line names the columns")
		}
		if c.Quote {
			more("значення можуть бути в подвійних лапках", "values may stand in double quotes")
		}
	case "json":
		if c.Array != "" {
			more("записи в масиві %q", "records in the array %q", c.Array)
		}
	}
	if c.CRLF {
		more("рядки закінчуються на CR LF", "lines end in CR LF")
	}
	return m
}

func (p *Profile) pageWords() formats.Text {
	s := p.spec.Charset
	switch {
	case p.family() == "xml":
		return formats.Text{UK: "та, яку вказано в самому XML", EN: "the one that the XML itself declares"}
	case s.Name == "":
		return formats.Text{UK: "не застосовується", EN: "does not apply"}
	}
	m := formats.Text{UK: s.Name, EN: s.Name}
	if len(s.FromLDID) > 0 {
		var list []string
		for _, b := range s.FromLDID {
			list = append(list, fmt.Sprintf("0x%02X", b))
		}
		m.UK += ", байт мови " + strings.Join(list, " / ")
		m.EN += ", language byte " + strings.Join(list, " / ")
	}
	if s.Fold != "" {
		m.UK += "; латинська i в кириличному слові читається як і"
		m.EN += "; a Latin i in a Cyrillic word is read as і"
	}
	return m
}

func (p *Profile) fieldWords(f *fieldSpec) ExplainedField {
	x := ExplainedField{Source: strings.Join(f.Src, " + "), To: f.To, Required: f.Required}
	if f.To != "" && p.records != nil {
		k := p.records.Fields[f.at]
		x.Title = k.Title
	}
	var uk, en []string
	for _, t := range f.types {
		if m, ok := typeWords[t]; ok {
			uk, en = append(uk, m.UK), append(en, m.EN)
		}
	}
	x.Type = formats.Text{UK: strings.Join(uk, " або "), EN: strings.Join(en, " or ")}
	if f.Ignore {
		x.Type = formats.Text{UK: "не використовується", EN: "not used"}
	} else if len(uk) == 0 {
		x.Type = typeWords["code"]
	}
	uk, en = nil, nil
	more := func(u, e string, args ...any) {
		t := formats.Textf(u, e, args...)
		uk, en = append(uk, t.UK), append(en, t.EN)
	}
	if isMoney(f.Type) {
		if f.Unit == "kopeck" {
			more("у копійках", "in kopecks")
		} else {
			more("у гривнях, копійки після крапки", "in hryvnias, kopecks after a point")
		}
		if f.Min != 0 {
			more("не менш як %d коп.", "at least %d kopecks", f.Min)
		}
		if f.Max != 0 {
			more("не більш як %d коп.", "at most %d kopecks", f.Max)
		}
	} else {
		if f.Min != 0 {
			more("не менш як %d знаків", "at least %d characters", f.Min)
		}
		if f.Max != 0 {
			more("не більш як %d знаків", "at most %d characters", f.Max)
		}
	}
	if f.Type == "date" {
		format := f.Format
		if format == "" {
			format = "yyyymmdd"
		}
		more("записана як %s", "written as %s", format)
	}
	if len(f.Values) > 0 {
		var list []string
		for _, v := range f.Values {
			list = append(list, fmt.Sprintf("%q", v))
		}
		more("значення: %s", "values: %s", strings.Join(list, ", "))
	}
	if f.Pad > 0 {
		more("доповнюється нулями зліва до %d цифр", "filled with zeros on the left up to %d digits", f.Pad)
	}
	if f.At > 0 {
		more("байти %d-%d рядка", "bytes %d-%d of the line", f.At, f.At+f.Len-1)
	}
	if f.Optional {
		more("поля може не бути", "the field may be missing")
	}
	x.Limits = formats.Text{UK: strings.Join(uk, "; "), EN: strings.Join(en, "; ")}
	return x
}

// Text is the explanation as people read it.
func (e *Explanation) Text() formats.Text {
	return formats.Text{UK: e.in("uk"), EN: e.in("en")}
}

func (e *Explanation) in(lang string) string {
	var b strings.Builder
	w := func(uk, en string) string { return formats.Text{UK: uk, EN: en}.In(lang) }
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s (%s, %s %s)", e.Title.In(lang), e.Profile.Name, w("версія", "version"), e.Profile.Version)
	line("SHA-256: %s", e.Profile.SHA256)
	line("%s: %s (%s)", w("Вид документа", "Kind of document"), e.KindTitle.In(lang), e.Kind)
	line("%s: %s", w("Файл", "File"), e.Container.In(lang))
	line("%s: %s", w("Кодова сторінка", "Code page"), e.CodePage.In(lang))
	line("%s: %s", w("Межі", "Limits"), e.Limits.In(lang))
	if e.Refused != nil {
		line("%s: %s", w("Документів цього макета не приймають", "No document of this layout is taken"), e.Refused.In(lang))
	}
	if len(e.Fields) > 0 {
		line("\n%s:", w("Поля (назва у файлі -> канонічна назва)", "Fields (name in the file -> canonical name)"))
	}
	for _, f := range e.Fields {
		to := f.To
		if to == "" {
			to = "-"
		}
		parts := []string{}
		for _, s := range []string{f.Title.In(lang), f.Type.In(lang), f.Limits.In(lang)} {
			if s != "" {
				parts = append(parts, s)
			}
		}
		if f.Required {
			parts = append(parts, w("обов'язкове", "required"))
		}
		line("  %s -> %s: %s", f.Source, to, strings.Join(parts, "; "))
	}
	if len(e.Absent) > 0 {
		line("\n%s: %s", w("Макет не може містити (попередження в кожному файлі)", "The layout cannot carry (a warning in every file)"), strings.Join(e.Absent, ", "))
	}
	rules := func(title string, list []ExplainedRule) {
		if len(list) == 0 {
			return
		}
		line("\n%s:", title)
		for _, r := range list {
			weight, cited := "", ""
			if r.Severity != formats.Error {
				weight = w(" (попередження)", " (warning)")
			}
			if r.Citation != "" {
				cited = " [" + r.Citation + "]"
			}
			line("  %s%s: %s%s", r.ID, weight, r.Title.In(lang), cited)
		}
	}
	rules(w("Правила", "Rules"), e.Rules)
	rules(w("Правила на файл загалом", "Rules on the file as a whole"), e.FileRules)
	rules(w("Посилання на довідники й реєстр", "References to lists and the register"), e.References)
	line("\n%s: %s", w("Підписи", "Signatures"), e.Signatures.In(lang))
	return b.String()
}
