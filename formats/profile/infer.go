package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/ident"
)

// inferred is how many records Infer looks at.
const inferred = 200

// Infer drafts a profile for the table in doc; name is its file name. Fields that
// a built-in layout knows by name are mapped as there, everything else is ignored
// with a remark: a person must finish the draft. It can be loaded as it is, and
// has nothing of what the table's records hold.
func Infer(name string, doc *io.SectionReader) ([]byte, error) {
	head := []byte{0}
	_, _ = doc.ReadAt(head, 0) // NewReader says what is wrong
	table, err := dbf.NewReader(doc, dbf.Options{Versions: head, LongChar: true, MaxRecords: 1 << 31})
	if err != nil {
		return nil, err
	}
	draft := &draft{table: table, values: make([][]string, len(table.Fields))}
	if err := draft.look(); err != nil {
		return nil, err
	}
	text := draft.write(name)
	if _, err := Parse(name, text); err != nil {
		return nil, fmt.Errorf("draft: %w", err)
	}
	return text, nil
}

type draft struct {
	table  *dbf.Reader
	page   *charset.Page
	unsure bool       // the language byte does not tell the page
	values [][]string // of each field, trimmed, without empty ones
}

// look reads the first records and settles the code page.
func (d *draft) look() error {
	var records [][][]byte
	for len(records) < inferred {
		err := d.table.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var e *dbf.Error
		if errors.As(err, &e) && e.Rule == dbf.RuleDeleted {
			continue
		}
		if err != nil {
			return err
		}
		var record [][]byte
		for i := range d.table.Fields {
			record = append(record, slices.Clone(d.table.Raw(i)))
		}
		records = append(records, record)
	}
	pages := []*charset.Page{charset.Windows1251, charset.CP866, charset.CP1125}
	switch d.table.Language {
	case 0x57, 0xC9:
		pages = pages[:1]
	case 0x26, 0x65:
		pages = pages[1:2]
	default:
		d.unsure = true
	}
	d.page = pages[0]
	for _, p := range pages {
		if readable(p, records) {
			d.page = p
			break
		}
	}
	for _, record := range records {
		for i, raw := range record {
			s, err := d.page.Decode(raw)
			if s = strings.TrimSpace(s); err == nil && s != "" {
				d.values[i] = append(d.values[i], s)
			}
		}
	}
	return nil
}

// readable says whether the records look right in a page.
func readable(p *charset.Page, records [][][]byte) bool {
	for _, record := range records {
		for _, raw := range record {
			s, err := p.Decode(raw)
			if rule, _ := textProblem(s, true); err != nil || rule != "" || (p == charset.CP866 && strings.ContainsAny(s, "ўЎ∙")) {
				return false
			}
		}
	}
	return true
}

// known is a field of that name in a built-in layout.
func known(name string) *fieldSpec {
	for _, p := range Builtin().profiles {
		for i := range p.spec.Record {
			f := &p.spec.Record[i]
			if len(f.Src) == 1 && strings.EqualFold(f.Src[0], name) && f.To != "" {
				return f
			}
		}
	}
	return nil
}

// every says whether there are values and all are so.
func every(values []string, ok func(string) bool) bool {
	return len(values) > 0 && !slices.ContainsFunc(values, func(s string) bool { return !ok(s) })
}

// dateFormat is how the values are written as dates, or "".
func dateFormat(values []string) string {
	for _, format := range []string{"yyyymmdd", "dd.mm.yyyy", "dd/mm/yyyy", "yyyy-mm-dd", "yymmdd"} {
		layout := dateFormats[format]
		if every(values, func(s string) bool {
			_, err := time.Parse(layout, s)
			return err == nil && len(s) == len(layout)
		}) {
			return format
		}
	}
	return ""
}

// remark says what a field that nobody knows looks like.
func (d *draft) remark(i int) string {
	f, v := d.table.Fields[i], d.values[i]
	switch {
	case len(v) == 0:
		return "empty in this table"
	case every(v, ident.IBANShape):
		return "looks like an IBAN"
	case f.Type == 'D' || dateFormat(v) != "":
		return "looks like a date, " + cmp.Or(dateFormat(v), "yyyymmdd")
	case every(v, ident.ValidEDRPOU), every(v, ident.ValidRNOKPP):
		return "looks like a code of EDRPOU or RNOKPP"
	case every(v, ident.MFO):
		return "looks like a bank's code (MFO)"
	case f.Type == 'N' && f.Decimals > 0:
		return "looks like a sum in hryvnias"
	}
	return "not known"
}

// field is the line of the record for field i.
func (d *draft) field(i int, taken map[string]bool) string {
	f, v := d.table.Fields[i], d.values[i]
	shape := fmt.Sprintf("%c(%d)", f.Type, f.Length)
	if f.Decimals > 0 {
		shape = fmt.Sprintf("%c(%d,%d)", f.Type, f.Length, f.Decimals)
	}
	ignore := func(remark string) string {
		return fmt.Sprintf("  - {src: %q, ignore: true}   # %s: %s", f.Name, shape, remark)
	}
	k := known(f.Name)
	if k == nil {
		return ignore(d.remark(i))
	}
	if taken[k.To] {
		return ignore("perhaps " + k.To + ", which another field fills already")
	}
	line := fmt.Sprintf("  - {src: %q, to: %s, type: %s", f.Name, k.To, k.Type)
	remark := ""
	switch k.Type {
	case "money":
		unit := "hryvnia"
		if f.Type == 'N' && f.Decimals == 0 {
			unit = "kopeck"
		}
		line += ", unit: " + unit
		remark = ": see whether the unit is right"
	case "date":
		format := dateFormat(v)
		if format == "" && f.Type != 'D' {
			format, remark = k.Format, ": the format of the date was not seen"
		}
		if format != "" && format != "yyyymmdd" {
			line += ", format: " + format
		}
	case "code":
		line += fmt.Sprintf(", values: [%q]", k.Values[0])
	case "text":
		line += fmt.Sprintf(", max: %d", f.Length)
	}
	if k.Pad > 0 {
		line += fmt.Sprintf(", pad: %d", k.Pad)
	}
	if k.Required {
		line += ", required: true"
	}
	taken[k.To] = true
	return fmt.Sprintf("%s}   # %s%s", line, shape, remark)
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

func (d *draft) write(name string) []byte {
	var b strings.Builder
	base := strings.Trim(notName.ReplaceAllString(strings.ToLower(strings.TrimSuffix(path.Base(name), path.Ext(name))), "-"), "-")
	b.WriteString("# A draft made from the header of a table. Finish it: see every remark, give it a\n# title, then run: bramactl profile check FILE.yaml --sample TABLE\n")
	var names []string
	long := false
	for _, f := range d.table.Fields {
		names = append(names, f.Name)
		long = long || f.Length > 255
	}
	for _, p := range Builtin().profiles {
		if p.spec.Container.Type == "dbf" && p.fit(names).exact {
			fmt.Fprintf(&b, "# These are the fields of the built-in layout %s: see whether that one will do.\n", p.ref.Name)
		}
	}
	fmt.Fprintf(&b, "profile: site.%s\nversion: \"1\"\nkind: %s\n", cmp.Or(base, "table"), formats.PaymentInstruction)
	b.WriteString("title: {uk: \"Назва макета\", en: \"Name of the layout\"}\nmatch: {name: '(?i)\\.dbf$'}\n")
	fmt.Fprintf(&b, "container: {type: dbf, versions: [0x%02X]", d.table.Version)
	if long {
		b.WriteString(", char_over_255: clipper")
	}
	fmt.Fprintf(&b, "}\ncharset: {name: %s, from_ldid: [0x%02X]", d.page.Name(), d.table.Language)
	if d.page == charset.CP866 {
		b.WriteString(", fold: cyrillic-i")
	}
	b.WriteString("}")
	if d.unsure {
		b.WriteString("   # the language byte does not tell the page: ask the maker of the program")
	}
	b.WriteString("\nlimits: {max_bytes: 33554432, max_records: 50000}\nrecord:\n")
	taken := map[string]bool{}
	for i := range d.table.Fields {
		b.WriteString(d.field(i, taken) + "\n")
	}
	var absent, missing []string
	for _, p := range []string{"number", "date", "amount", "purpose", "payer.name", "payer.code", "payer.iban", "payee.name", "payee.code", "payee.iban"} {
		switch {
		case taken[p]:
		case strings.Contains(p, "."):
			absent = append(absent, p)
		default:
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "# No field was found for %s: without them no document is taken.\n", strings.Join(missing, ", "))
	}
	if len(absent) > 0 {
		fmt.Fprintf(&b, "# Not found. What the layout really lacks stays here; map the rest and remove it.\nabsent: [%s]\n", strings.Join(absent, ", "))
	}
	return []byte(b.String())
}
