package kind

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
)

const citeBrama = "Brama, formats/kind"

// Rules that hold for every kind made by Of. IDs are never reused.
var (
	ruleHeader = Rule{ID: "DOC-010", Title: "what belongs to the whole document is the same in every record", Citation: citeBrama}
	ruleTotal  = Rule{ID: "DOC-011", Title: "the amounts of the records add up to the total", Citation: citeBrama + "; the forms of the orders have a total line"}
)

// generalRules are the rules on single fields that follow from their types.
func generalRules[T any](fields []Field) []formats.Rule[*record[T]] {
	has := func(types ...string) bool {
		return slices.ContainsFunc(fields, func(f Field) bool { return slices.Contains(types, f.Type) })
	}
	path := func(p string) int { return slices.IndexFunc(fields, func(f Field) bool { return f.Path == p }) }
	each := func(r *record[T], types []string, look func(f *Field, s string)) {
		for i := range fields {
			if slices.Contains(types, fields[i].Type) {
				if s := *r.Text(i); s != "" {
					look(&fields[i], s)
				}
			}
		}
	}
	type rule = formats.Rule[*record[T]]
	list := []rule{
		{
			ID: "DOC-001", Title: "what a document must have is given", Citation: citeBrama,
			Check: func(_ *formats.Context, r *record[T], report func(string, formats.Text)) {
				for i := range fields {
					f := &fields[i]
					if f.Required && !f.Money() && strings.TrimSpace(*r.Text(i)) == "" {
						report(f.Path, formats.Textf("Не заповнено: %s.", "Missing: %[2]s.", f.Title.UK, f.Title.EN))
					}
				}
			},
		},
		{
			ID: "DOC-002", Title: "texts are not too long and have no control characters", Citation: citeBrama,
			Check: func(_ *formats.Context, r *record[T], report func(string, formats.Text)) {
				each(r, []string{"text", "ref", "word"}, func(f *Field, s string) {
					if f.Max > 0 && utf8.RuneCountInString(s) > f.Max {
						report(f.Path, formats.Textf("Забагато знаків: дозволено %d. Скоротіть.", "Too many characters: %d are allowed. Shorten it.", f.Max))
					}
					if strings.ContainsFunc(s, unprintable) {
						report(f.Path, formats.Text{UK: "Текст містить керівні або невидимі знаки. Вилучіть їх.", EN: "The text has control or invisible characters. Remove them."})
					}
				})
			},
		},
	}
	if path("date") >= 0 {
		list = append(list, rule{
			ID: "DOC-003", Title: "the date is not in the future", Citation: citeBrama,
			Check: func(c *formats.Context, r *record[T], report func(string, formats.Text)) {
				if n, ok := formats.Days(formats.KyivDate(c.At), r.Day()); ok && n > 0 {
					report("date", formats.Text{UK: "Дата документа пізніша за сьогоднішню (за Києвом). Виправте дату.", EN: "The date of the document is after today (Kyiv). Mend the date."})
				}
			},
		})
	}
	if has("edrpou", "party") {
		list = append(list, rule{
			ID: "DOC-004", Title: "the codes of bodies and persons are valid", Citation: "published algorithm of the check digit; no clause known",
			Check: func(_ *formats.Context, r *record[T], report func(string, formats.Text)) {
				each(r, []string{"edrpou", "party"}, func(f *Field, s string) {
					if !validCode(f.Type, s) {
						report(f.Path, formats.Text{UK: "Код неправильний: не та довжина або не збігається контрольна цифра. Перевірте код.", EN: "The code is wrong: its length, or its check digit does not match. Check the code."})
					}
				})
			},
		})
	}
	if has("iban") {
		list = append(list, rule{
			ID: "DOC-005", Title: "accounts have valid check digits", Citation: "ISO 13616-1; ISO 7064, MOD 97-10; NBU decree 162 of 28.12.2018",
			Check: func(_ *formats.Context, r *record[T], report func(string, formats.Text)) {
				each(r, []string{"iban"}, func(f *Field, s string) {
					if !ident.ValidIBAN(s) {
						report(f.Path, formats.Text{UK: "Контрольні цифри рахунку (IBAN) не збігаються: у номері помилка. Перевірте всі цифри.", EN: "The check digits of the account (IBAN) do not match: the number has a mistake. Check every digit."})
					}
				})
			},
		})
	}
	if i := path("sender.code"); i >= 0 {
		list = append(list, rule{
			ID: "DOC-006", Title: "the document is the sender's own", Citation: "the sender's entry in the register; " + citeBrama,
			Check: func(c *formats.Context, r *record[T], report func(string, formats.Text)) {
				if s := *r.Text(i); c.Owner != nil && c.Owner.EDRPOU != "" && s != "" && s != c.Owner.EDRPOU {
					report("sender.code", formats.Text{UK: "Код розпорядника не збігається з кодом ЄДРПОУ відправника. Вкажіть свій код.", EN: "The code of the body is not the sender's EDRPOU. Give your own code."})
				}
			},
		})
	}
	return list
}

func validCode(t, s string) bool {
	switch {
	case ident.Zeros(s):
		return false
	case ident.Digits(s, 8):
		return ident.ValidEDRPOU(s)
	case t == "edrpou":
		return false
	case ident.Digits(s, 10):
		return ident.ValidRNOKPP(s)
	}
	return ident.TaxNumber9(s) || ident.Passport(s)
}

// unprintable finds what has no place in a one-line text.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == utf8.RuneError
}

// checker checks a document of a kind made by Of.
type checker[T any] struct {
	Run
	d       *Definition[T]
	kind    *Kind
	at      index
	general []formats.Rule[*record[T]]
	each    []func(*T, Report)
	end     []func(Report)
	ledger  Ledger

	said    []string
	place   int // of the record at hand; 0: the whole document
	first   *record[T]
	differs []string // header paths that were reported
	total   int64    // what the document says
	sum     int64
	entries []formats.Entry
}

func newChecker[T any](d *Definition[T], k *Kind, at index, general []formats.Rule[*record[T]], run Run) *checker[T] {
	c := &checker[T]{Run: run, d: d, kind: k, at: at, general: general, ledger: Ledger{Prior: run.Context.Prior}}
	for i := range d.File {
		each, end := d.File[i].Start(run.Context)
		c.each, c.end = append(c.each, each), append(c.end, end)
	}
	return c
}

// Record implements Checker.
func (c *checker[T]) Record(place int) Record {
	return &record[T]{place: place, kind: c.kind, at: c.at}
}

// Check implements Checker.
func (c *checker[T]) Check(from Record, said ...string) {
	r := from.(*record[T])
	c.said, c.place = said, r.place
	for i := range c.general {
		rule := &c.general[i]
		rule.Check(c.Context, r, c.reporter(rule.ID, rule.Severity))
	}
	c.header(r)
	for i := range c.d.Rules {
		if rule := &c.d.Rules[i]; rule.InForce(r.Day()) {
			rule.Check(c.Context, &r.value, c.reporter(rule.ID, rule.Severity))
		}
	}
	for i, each := range c.each {
		if each != nil {
			each(&r.value, c.reporter(c.d.File[i].ID, c.d.File[i].Severity))
		}
	}
	if c.d.References != nil {
		path, ids := c.d.References(&r.value)
		c.ledger.Documents(path, ids, c.named)
	}
	var postings []formats.Posting
	if c.d.Postings != nil {
		postings = c.d.Postings(&r.value)
		c.ledger.Post(postings, c.named)
	}
	c.enter(r, postings)
}

// header holds what belongs to the document to what the first record says of it.
func (c *checker[T]) header(r *record[T]) {
	if c.first == nil {
		c.first = r
		return
	}
	for i := range c.kind.Fields {
		f := &c.kind.Fields[i]
		if !f.Header || slices.Contains(c.differs, f.Path) {
			continue
		}
		same := false
		if f.Money() {
			same = *r.Money(i) == *c.first.Money(i)
		} else {
			same = *r.Text(i) == *c.first.Text(i)
		}
		if !same {
			c.differs = append(c.differs, f.Path)
			c.report(ruleHeader.ID, ruleHeader.Severity, f.Path, formats.Textf(
				"Значення не таке, як у першому записі (%s). Один файл містить один документ.",
				"The value is not that of the first record (%[2]s). One file holds one document.", f.Title.UK, f.Title.EN))
		}
	}
}

// enter notes what the document consists of.
func (c *checker[T]) enter(r *record[T], postings []formats.Posting) {
	var amount int64
	if i := c.kind.Index("amount"); i >= 0 {
		amount = *r.Money(i)
		if c.sum += amount; amount > 0 && c.sum < 0 {
			c.sum = 1<<63 - 1
		}
	}
	if i := c.kind.Index("total"); i >= 0 && len(c.entries) == 0 {
		c.total = *r.Money(i)
	}
	if !c.d.Entries && len(c.entries) > 0 {
		c.entries[0].Amount = c.sum
		c.entries[0].Postings = append(c.entries[0].Postings, postings...)
		return
	}
	number := ""
	if i := c.kind.Index("number"); i >= 0 {
		number = *r.Text(i)
	}
	c.entries = append(c.entries, formats.Entry{Record: r.place, Number: number, Date: r.Day(), Amount: amount, Postings: postings})
}

// End implements Checker.
func (c *checker[T]) End(whole bool) []formats.Entry {
	c.place, c.said = 0, nil
	if !whole || c.first == nil {
		return c.entries
	}
	if c.kind.Index("total") >= 0 && c.sum != c.total {
		c.report(ruleTotal.ID, ruleTotal.Severity, "total", formats.Text{
			UK: "Підсумок документа не дорівнює сумі рядків. Перевірте підсумок і кожен рядок.",
			EN: "The total of the document is not the sum of its lines. Check the total and every line.",
		})
	}
	for i, end := range c.end {
		if end != nil {
			end(c.reporter(c.d.File[i].ID, c.d.File[i].Severity))
		}
	}
	return c.entries
}

func (c *checker[T]) reporter(id string, s formats.Severity) Report {
	return func(path string, m formats.Text) { c.report(id, s, path, m) }
}

func (c *checker[T]) named(r Rule, path string, m formats.Text) { c.report(r.ID, r.Severity, path, m) }

func (c *checker[T]) report(id string, s formats.Severity, path string, m formats.Text) {
	if slices.Contains(c.Absent, path) || slices.Contains(c.said, path) {
		return
	}
	field := path
	if c.Field != nil && path != "" {
		field = c.Field(path)
	}
	c.Add(formats.Finding{Rule: id, Severity: s, Record: c.place, Field: field, Path: path, Message: m})
}

// Unique is the rule that records differ in what key gives; path is named.
func Unique[T any](id, title, citation, path string, key func(r *T) string) FileRule[T] {
	return FileRule[T]{
		ID: id, Title: title, Citation: citation,
		Start: func(*formats.Context) (func(*T, Report), func(Report)) {
			seen := map[string]int{}
			n := 0
			return func(r *T, report Report) {
				n++
				k := key(r)
				if k == "" {
					return
				}
				if first, ok := seen[k]; ok {
					report(path, formats.Textf("Рядок %s уже має те саме значення; двічі його вказати не можна.", "Line %s has the same value already; it cannot be given twice.", strconv.Itoa(first)))
					return
				}
				seen[k] = n
			}, nil
		},
	}
}
