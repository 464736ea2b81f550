package profile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/jsondoc"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/pdf"
	"github.com/brama-gateway/brama/formats/text"
	"github.com/brama-gateway/brama/formats/xmldoc"
)

func (c *check) pain001(p *Profile) {
	message := p.spec.Container.Message
	field := func(path string) string { return iso20022.FieldOf(message, path) }
	site := p.site(c.context, field, c.add)
	c.report.Message, c.report.Entries = iso20022.Check(c.context, c.doc, iso20022.Options{
		Message:     message,
		MaxRecords:  p.spec.Limits.MaxRecords,
		MaxFindings: c.options.MaxFindings,
		Each:        func(o *payment.Order) { site.check(o, map[string]any{}) },
	}, c.add)
	site.end(c.report.OK())
}

func (c *check) pdf() { pdf.Check(c.doc, c.add) }

// column is a declared field and where it lies in the table.
type column struct {
	spec  *fieldSpec
	index []int // in the table, a part each
}

// source gives records field by field.
type source interface {
	Next() error // io.EOF at the end; *dbf.Error, *text.Error or *jsondoc.Error
	Record() int
	Name(i int) string
	Raw(i int) []byte
	Offset(i int) int64
}

// lined is a source whose fields stand on lines.
type lined interface {
	Line(i int) int // from 1; 0: not given
}

// tableSource is a source with the names of a DBF's fields.
type tableSource struct{ *dbf.Reader }

func (t tableSource) Name(i int) string { return t.Fields[i].Name }

func (c *check) dbf(p *Profile, reader *dbf.Reader) {
	var names []string
	for _, f := range reader.Fields {
		names = append(names, f.Name)
	}
	columns, ok := c.columns(p, names)
	if !slices.Contains(p.spec.Charset.FromLDID, int(reader.Language)) {
		c.add(formats.Finding{Rule: fieldLanguage, Message: formats.Textf(
			"Байт мови таблиці (%02X) суперечить кодовій сторінці макета (%s). Вивантажте файл у цьому кодуванні.",
			"The language byte of the table (%02X) contradicts the layout's code page (%s). Export the file in that encoding.", reader.Language, p.page.Name())})
		ok = false
	}
	if !ok {
		return
	}
	if reader.Count == 0 {
		c.add(formats.Finding{Rule: RuleNoRecords, Message: formats.Text{UK: "У таблиці немає жодного запису.", EN: "The table has no records."}})
		return
	}
	c.records(p, columns, tableSource{reader})
}

func (c *check) text(p *Profile, reader *text.Reader) {
	columns, ok := c.columns(p, reader.Fields)
	if !ok {
		return
	}
	c.records(p, columns, reader)
	if reader.Record() == 0 {
		c.add(formats.Finding{Rule: RuleNoRecords, Message: formats.Text{UK: "У файлі немає жодного документа.", EN: "The file has no documents."}})
	}
}

func (c *check) json(p *Profile) {
	reader, err := jsondoc.NewReader(c.doc, p.json)
	var e *jsondoc.Error
	if errors.As(err, &e) {
		c.add(e.Finding())
		return
	}
	columns, _ := c.columns(p, p.json.Members)
	more := c.report.More + len(c.report.Findings)
	c.records(p, columns, reader)
	if reader.Record() == 0 && c.report.More+len(c.report.Findings) == more {
		c.add(formats.Finding{Rule: RuleNoRecords, Message: formats.Text{UK: "У файлі немає жодного документа.", EN: "The file has no documents."}})
	}
}

// records reads and checks record by record.
func (c *check) records(p *Profile, columns []column, from source) {
	if len(p.spec.Absent) > 0 {
		c.add(formats.Finding{Rule: RulePartial, Severity: formats.Warning, Message: formats.Textf(
			"Цей макет не містить усіх реквізитів документа (бракує: %s); їх не перевірено.",
			"This layout does not carry all particulars of the document (missing: %s); they were not checked.", strings.Join(p.spec.Absent, ", "))})
	}
	field := func(path string) string {
		if f, ok := p.fields[path]; ok {
			return f
		}
		return path
	}
	run := kind.Run{Context: c.context, Add: c.add, Field: field, Absent: p.spec.Absent}
	if table, ok := from.(tableSource); ok { // its reader has held the count to the file's size
		run.Expect = table.Count
	}
	checker := p.records.Start(run)
	site := p.site(c.context, field, c.add)
	whole := true
	defer func() {
		c.report.Entries = checker.End(whole)
		site.end(whole)
	}()
	row := row{check: c, profile: p, from: from}
	row.lines, _ = from.(lined)
	for {
		err := from.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		var t *text.Error
		var x *xmldoc.Error
		if errors.As(err, &x) {
			whole = false
			c.add(x.Finding())
			return
		}
		if errors.As(err, &t) {
			whole = false
			c.add(t.Finding())
			if !t.Fatal {
				continue
			}
			return
		}
		var j *jsondoc.Error
		if errors.As(err, &j) {
			whole = false
			c.add(j.Finding())
			if !j.Fatal {
				continue
			}
			return
		}
		var e *dbf.Error
		if errors.As(err, &e) {
			whole = false
			c.add(e.Finding())
			if e.Rule == dbf.RuleDeleted {
				continue
			}
			return
		}
		o := checker.Record(from.Record())
		row.read(o, columns)
		checker.Check(o, row.said...)
		if len(row.said) > 0 {
			whole = false
		} else { // on a record that was not read whole they would say what is said
			site.check(o, row.raw)
		}
	}
}

// columns matches the declared fields with the table's.
func (c *check) columns(p *Profile, names []string) ([]column, bool) {
	ok := true
	at := map[string]int{}
	for i, name := range names {
		at[strings.ToLower(name)] = i
		if !p.declared[strings.ToLower(name)] {
			ok = false
			if len(name) > 64 {
				name = ""
			}
			c.add(formats.Finding{Rule: fieldUndeclared, Field: name, Message: formats.Textf(
				"Макет %s не має такого поля. Вилучіть його з таблиці.", "The layout %s has no such field. Remove it from the table.", p.ref.Name)})
		}
	}
	var columns []column
	for i := range p.spec.Record {
		f := &p.spec.Record[i]
		col := column{spec: f}
		for _, src := range f.Src {
			k, found := at[strings.ToLower(src)]
			if found {
				col.index = append(col.index, k)
				continue
			}
			if !f.Optional {
				ok = false
				c.add(formats.Finding{Rule: fieldMissing, Field: src, Path: f.To, Message: formats.Textf(
					"У таблиці немає цього поля макета %s. Додайте його.", "The table lacks this field of the layout %s. Add it.", p.ref.Name)})
			}
		}
		if len(col.index) == len(f.Src) {
			columns = append(columns, col)
		}
	}
	return columns, ok
}

// row reads one record after another.
type row struct {
	check   *check
	profile *Profile
	from    source
	lines   lined          // the same, when it has lines
	said    []string       // canonical paths with an error in this record
	line    int            // of the field that is read now; 0: the source has no lines
	raw     map[string]any // trimmed text by source name, for rules
	buffer  []byte         // of the text that is decoded now
}

func (r *row) read(o kind.Record, columns []column) {
	r.said = r.said[:0]
	if r.profile.wantsRaw() {
		r.raw = make(map[string]any, len(r.profile.raw))
	}
	for _, col := range columns {
		f := col.spec
		good := true
		r.buffer = r.buffer[:0]
		for i, k := range col.index {
			from := len(r.buffer)
			whole := f.Join == "raw" && i < len(col.index)-1 // the next part goes on where this one ends
			good = r.text(f, k, whole) && good
			if r.raw != nil && r.profile.raw[f.Src[i]] {
				r.raw[f.Src[i]] = string(bytes.TrimSpace(r.buffer[from:]))
			}
			if !whole {
				r.buffer = bytes.TrimRight(r.buffer, " ")
			}
		}
		if !good || f.Ignore {
			continue
		}
		if f.Align != "" && !aligned(r.from.Raw(col.index[0]), f.Align) {
			r.report(fieldAlign, f.Src[0], f.To, formats.Text{
				UK: "Значення зсунуто в межах свого місця в рядку. Вивантажте файл знову.",
				EN: "The value is shifted within its place in the line. Export the file again.",
			})
			continue
		}
		if r.lines != nil {
			r.line = r.lines.Line(col.index[0])
		}
		r.fill(o, f, r.profile.string(bytes.TrimSpace(r.buffer)))
	}
	r.line = 0
	r.accounts(o)
}

// aligned says whether a value that is filled up with spaces stands at side.
func aligned(raw []byte, side string) bool {
	if len(raw) == 0 || len(bytes.Trim(raw, " ")) == 0 {
		return true
	}
	if side == "right" {
		return raw[len(raw)-1] != ' '
	}
	return raw[0] != ' '
}

// accounts makes IBANs of accounts that were given by their digits. A Ukrainian
// IBAN is the code of the bank and the account with zeros before it (NBU decree
// 162 of 28.12.2018), so nothing is guessed.
func (r *row) accounts(o kind.Record) {
	for i := range r.profile.spec.Record {
		f := &r.profile.spec.Record[i]
		if f.Type != "account" {
			continue
		}
		account := o.Text(f.at)
		if *account == "" || ident.IBANShape(*account) {
			continue
		}
		iban, err := ident.IBAN(*o.Text(r.profile.bankOf(f.To)), *account)
		if err != nil {
			r.report(fieldShape, strings.Join(f.Src, "+"), f.To, formats.Text{
				UK: "Рахунок записано без IBAN, а коду банку (МФО) немає або він неправильний. Вкажіть IBAN із 29 знаків.",
				EN: "The account is not an IBAN, and the bank's code (MFO) is missing or wrong. Give an IBAN of 29 characters.",
			})
		}
		*account = iban
	}
}

// text decodes field k into the buffer, also one that is ignored: nothing signed
// stays unread. Spaces at the end are left out unless the whole is wanted.
func (r *row) text(f *fieldSpec, k int, whole bool) bool {
	raw := r.from.Raw(k)
	if !whole {
		raw = bytes.TrimRight(raw, " ")
	}
	if len(raw) == 0 {
		return true
	}
	from := len(r.buffer)
	var err error
	if r.profile.plain(raw) {
		if f.Ignore && (r.raw == nil || !r.profile.raw[f.Src[0]] && len(f.Src) == 1) {
			return true
		}
		r.buffer, err = r.profile.page.Append(r.buffer, raw)
		return err == nil // every plain byte is defined
	}
	name := r.from.Name(k)
	if r.lines != nil {
		r.line = r.lines.Line(k)
	}
	r.buffer, err = r.profile.page.Append(r.buffer, raw)
	var undefined *charset.UndefinedError
	if errors.As(err, &undefined) {
		r.report(fieldByte, name, f.To, formats.Textf(
			"Байт %02X (зміщення %d у файлі) не має значення в кодуванні %s.", "The byte %02X (offset %d in the file) has no meaning in %s.",
			undefined.Byte, r.from.Offset(k)+int64(undefined.Offset), r.profile.page.Name()))
		r.buffer = r.buffer[:from]
		return false
	}
	s := string(r.buffer[from:])
	rule, m := textProblem(s, r.profile.page != charset.UTF8)
	if rule == "" && strings.ContainsAny(s, r.profile.spec.Charset.Foreign) {
		rule, m = fieldLetters, textOtherPage
	}
	if rule != "" {
		r.report(rule, name, f.To, m)
		r.buffer = r.buffer[:from]
		return false
	}
	return true
}

func (r *row) report(rule, field, path string, m formats.Text) {
	if path != "" {
		r.said = append(r.said, path)
	}
	if r.line > 0 {
		m = formats.Textf("Рядок %[1]d: %[2]s", "Line %[1]d: %[3]s", r.line, m.UK, m.EN)
	}
	r.check.add(formats.Finding{Rule: rule, Record: r.from.Record(), Field: field, Path: path, Message: m})
}

// fill puts the text of a field where it belongs.
func (r *row) fill(o kind.Record, f *fieldSpec, s string) {
	name := f.name
	if s == "" {
		if f.Required {
			r.report(fieldEmpty, name, f.To, formats.Text{UK: "Поле порожнє. Заповніть його.", EN: "The field is empty. Fill it in."})
		}
		return
	}
	if f.Pad > 0 && len(s) < f.Pad && strings.Trim(s, "0123456789") == "" {
		s = strings.Repeat("0", f.Pad-len(s)) + s
	}
	if len(f.Values) > 0 && !slices.Contains(f.Values, s) {
		if f.Values[0] == "" {
			r.report(fieldValue, name, f.To, formats.Text{UK: "Поле повинно бути порожнім.", EN: "The field must be empty."})
			return
		}
		r.report(fieldValue, name, f.To, formats.Textf("Дозволені значення: %s.", "Values allowed: %s.", strings.Join(f.Values, ", ")))
		return
	}
	if isMoney(f.Type) {
		v, rule, m := amount(f, s)
		if rule != "" {
			r.report(rule, name, f.To, m)
		}
		*o.Money(f.at) = v
		return
	}
	if f.Max > 0 && int64(runes(s)) > f.Max || int64(runes(s)) < f.Min {
		r.report(fieldLength, name, f.To, formats.Textf("Довжина значення не така, як дозволено (найбільше %d).", "The value's length is not as allowed (at most %d).", f.Max))
		return
	}
	value, rule, m := "", "", formats.Text{}
	for _, t := range f.types {
		if value, rule, m = fieldTypes[t](f, s); rule == "" {
			if code := codeTypes[t]; code != "" {
				if s == "000000000" { // said to have no code
					code = payment.NoCode
				}
				if o, ok := o.(*payment.Order); ok { // in others its length tells the type of a code
					o.SetCodeType(f.To, code)
				}
			}
			break
		}
	}
	if strings.Contains(f.Type, "|") && rule != "" {
		m = formats.Text{
			UK: "Код повинен мати 8 цифр (ЄДРПОУ), 10 цифр (РНОКПП), 9 цифр (податковий номер) або бути серією й номером паспорта.",
			EN: "The code must have 8 digits (EDRPOU), 10 digits (RNOKPP), 9 digits (tax number) or be a passport's series and number.",
		}
	}
	if rule != "" {
		r.report(rule, name, f.To, m)
		return
	}
	if f.Type == "text" && r.profile.spec.Charset.Fold == "cyrillic-i" {
		value = foldCyrillicI(value)
	}
	if f.at >= 0 {
		*o.Text(f.at) = value
	}
}
