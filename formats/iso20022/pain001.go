package iso20022

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/payment"
)

// Options bound and extend Check.
type Options struct {
	Message     string               // one of Messages; empty: Pain001
	MaxRecords  int                  // transactions; 0: 50000
	MaxFindings int                  // of the schema; 0: formats.DefaultFindings
	Each        func(*payment.Order) // called for every order of a message that follows the schema, before the rules
}

// Check reads the pain.001 message in doc and reports what is wrong to
// add. The message and entries are what could be read, also of a refused one, so
// that a status report can quote them.
func Check(c *formats.Context, doc *io.SectionReader, o Options, add func(formats.Finding)) (*formats.Message, []formats.Entry) {
	if o.MaxRecords == 0 {
		o.MaxRecords = 50000
	}
	if o.MaxFindings == 0 {
		o.MaxFindings = formats.DefaultFindings
	}
	if o.Message == "" {
		o.Message = Pain001
	}
	engine, err := schemaOf(o.Message)
	if err != nil {
		add(formats.Finding{Rule: ruleSchema, Message: formats.Text{UK: "Внутрішня помилка схеми. Повідомте адміністратора.", EN: "Internal fault of the schema. Tell the administrator."}})
		return nil, nil
	}
	problems, sound := validate(engine, o.Message, Open(doc), doc.Size(), o.MaxFindings)
	r := &reader{options: o, size: doc.Size(), context: c, add: add}
	r.checker = payment.Checker{Run: kind.Run{Context: c, Add: add, Field: func(path string) string { return FieldOf(o.Message, path) }}}
	if len(problems) > 0 {
		// Only what the answer quotes, and where the records begin.
		r.add = func(formats.Finding) {}
		r.quoteOnly = true
	}
	readErr := r.read(io.LimitReader(Open(doc), sound))
	for _, p := range problems {
		if strings.HasPrefix(p.finding.Field, "CdtTrfTxInf") {
			p.finding.Record = r.recordAt(p.line, p.column)
		}
		add(p.finding)
	}
	if readErr != nil && len(problems) == 0 {
		add(*readErr)
	}
	entries := r.checker.End(readErr == nil)
	if r.quoteOnly {
		entries = r.entries
	}
	if r.message.ID == "" {
		return nil, entries
	}
	return &r.message, entries
}

var declared1251 = regexp.MustCompile(`(?i)^<\?xml\s[^>]*encoding\s*=\s*["']windows-1251["'][^>]*\?>`)

// Open gives the XML of doc as UTF-8. A document that declares windows-1251 is
// decoded and loses its declaration.
func Open(doc *io.SectionReader) io.Reader {
	head := make([]byte, 256)
	n, _ := doc.ReadAt(head, 0)
	if m := declared1251.Find(head[:n]); m != nil {
		if isUTF8(doc) {
			return failing{errMislabelled}
		}
		return charset.Windows1251.Reader(io.NewSectionReader(doc, int64(len(m)), doc.Size()-int64(len(m))))
	}
	return io.NewSectionReader(doc, 0, doc.Size())
}

// errMislabelled says that a document declares windows-1251 and is UTF-8: by its
// declaration every name in it would be another.
var errMislabelled = errors.New("declared as windows-1251, written in UTF-8")

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// isUTF8 says whether doc has letters beyond ASCII and all of it is UTF-8. Ukrainian
// text in windows-1251 is not: its small letters would have to be followed by two
// bytes that are none. So the first of them ends the search.
func isUTF8(doc *io.SectionReader) bool {
	var room [32 << 10]byte
	beyond, kept := false, 0
	for at := int64(0); ; {
		n, err := doc.ReadAt(room[kept:], at)
		at += int64(n)
		b := room[:kept+n]
		for len(b) > 0 {
			if b[0] < utf8.RuneSelf {
				b = b[1:]
				continue
			}
			if !utf8.FullRune(b) && err == nil {
				break // the rest of it comes
			}
			r, size := utf8.DecodeRune(b)
			if r == utf8.RuneError && size == 1 {
				return false
			}
			beyond, b = true, b[size:]
		}
		if err != nil {
			return beyond
		}
		kept = copy(room[:], b)
	}
}

var textMislabelled = formats.Text{
	UK: "Файл оголошує кодування windows-1251, а записаний в UTF-8. Виправте перший рядок (encoding=\"UTF-8\") або вивантажте файл у windows-1251.",
	EN: "The file declares windows-1251 and is written in UTF-8. Mend its first line (encoding=\"UTF-8\"), or export it in windows-1251.",
}

// Unreadable is the finding about a document whose Root cannot be read.
func Unreadable(doc *io.SectionReader) formats.Finding {
	if f, ok := Open(doc).(failing); ok && f.err == errMislabelled {
		return formats.Finding{Rule: ruleEncoding, Message: textMislabelled}
	}
	head := make([]byte, 2)
	if n, _ := doc.ReadAt(head, 0); n == 2 && (head[0] == 0xFE && head[1] == 0xFF || head[0] == 0xFF && head[1] == 0xFE) {
		return formats.Finding{Rule: ruleEncoding, Message: textEncoding}
	}
	return formats.Finding{Rule: RuleXML, Message: TextXML}
}

// Root is the namespace and name of the document's root element; ok is false if
// it does not begin as XML.
func Root(doc *io.SectionReader) (space, local string, ok bool) {
	d := xml.NewDecoder(io.LimitReader(Open(doc), 64<<10))
	// Only the names are wanted; Check says what is wrong with the encoding.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		t, err := d.RawToken()
		if err != nil {
			return "", "", false
		}
		e, is := t.(xml.StartElement)
		if !is {
			continue
		}
		for _, a := range e.Attr {
			if (e.Name.Space == "" && a.Name.Space == "" && a.Name.Local == "xmlns") || (a.Name.Space == "xmlns" && a.Name.Local == e.Name.Space) {
				space = a.Value
			}
		}
		return space, e.Name.Local, true
	}
}

// smallest is about the least size of a payment, in bytes.
const smallest = 300

type position struct{ line, column int }

// reader turns the stream of elements into orders. The schema orders the
// elements so that everything of a payment comes before its transactions.
type reader struct {
	options   Options
	size      int64 // of the document
	context   *formats.Context
	add       func(formats.Finding)
	checker   payment.Checker
	quoteOnly bool

	path   []byte // of the open elements, each with a slash before it
	depths []int  // where the name of each begins in path
	names  map[string]string
	text   []byte
	starts []position // of the records, when quoteOnly

	message formats.Message
	entries []formats.Entry // when quoteOnly
	created string          // date of CreDtTm
	total   totals          // of the message
	records int

	pay *paymentInfo
	tx  *transaction // &one, while in a transaction

	one   transaction // used again for every transaction, as order is
	order payment.Order
}

type totals struct {
	count    int
	sum      int64
	overflow bool
	unread   bool // an amount could not be read, and was refused: the sum says nothing
}

func (t *totals) plus(amount int64) {
	t.count++
	if amount < 0 || amount > math.MaxInt64-t.sum {
		t.overflow = true
		return
	}
	t.sum += amount
}

type paymentInfo struct {
	id, method, count, sum, currency string
	valueDate                        string
	dbtr, ultimate                   party
	dbtrAgent                        agent
	iban                             string
	total                            totals
}

type transaction struct {
	instrID, endToEnd        string
	amount, ccy              string
	equivalent               bool
	agent                    agent
	creditor                 party
	iban                     string
	ultimateDbtr, ultimateCr party
	ustrd                    []string
	category, info           []string
}

// reset makes t empty and keeps what memory it has.
func (t *transaction) reset() {
	*t = transaction{ustrd: t.ustrd[:0], category: t.category[:0], info: t.info[:0], creditor: party{ids: t.creditor.ids[:0]}}
}

type party struct {
	name string
	ids  []identifier
}

type identifier struct {
	private    bool
	id, scheme string
}

type agent struct {
	given        bool
	system, code string
	name         string
}

func (r *reader) read(from io.Reader) *formats.Finding {
	r.names = map[string]string{}
	s := newScanner(from)
	for {
		line, column := s.line, s.column
		t, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errAside):
			return &formats.Finding{Rule: RuleLimit, Message: formats.Text{UK: "Файл XML містить задовгий коментар. Вилучіть його.", EN: "The XML has a comment that is too long. Remove it."}}
		case errors.Is(err, errDTD):
			return &formats.Finding{Rule: ruleUnsafe, Message: formats.Text{UK: "Файл містить DTD. Вивантажте його без DTD.", EN: "The file has a DTD. Export it without one."}}
		case errors.Is(err, errProcess):
			return &formats.Finding{Rule: ruleUnsafe, Message: formats.Text{UK: "Файл містить інструкції обробки XML. Вивантажте його без них.", EN: "The file has XML processing instructions. Export it without them."}}
		case err != nil:
			return &formats.Finding{Rule: RuleXML, Message: TextXML}
		}
		switch t {
		case startTag:
			if len(r.depths) > 64 {
				return &formats.Finding{Rule: RuleXML, Message: TextXML}
			}
			r.depths = append(r.depths, len(r.path))
			r.path = append(append(r.path, '/'), s.name...)
			r.text = r.text[:0]
			if finding := r.start(s, position{line, column}); finding != nil {
				return finding
			}
		case charData:
			if len(r.text)+len(s.text) <= 64<<10 {
				r.text = append(r.text, s.text...)
			}
		case endTag:
			r.end()
			r.text = r.text[:0]
			if n := len(r.depths); n > 0 {
				r.path = r.path[:r.depths[n-1]]
				r.depths = r.depths[:n-1]
			}
		}
	}
}

// depth: Document=1, CstmrCdtTrfInitn=2, GrpHdr or PmtInf=3, CdtTrfTxInf=4.
func (r *reader) start(s *scanner, at position) *formats.Finding {
	switch {
	case len(r.depths) == 3 && r.named(3, "PmtInf"):
		r.pay = &paymentInfo{}
	case len(r.depths) == 4 && r.pay != nil && r.named(4, "CdtTrfTxInf"):
		if r.records++; r.records > r.options.MaxRecords {
			return &formats.Finding{Rule: RuleLimit, Record: r.records, Message: formats.Textf("Платежів більше, ніж дозволено (%d). Поділіть файл.", "There are more payments than allowed (%d). Split the file.", r.options.MaxRecords)}
		}
		r.one.reset()
		r.tx = &r.one
		if r.quoteOnly {
			r.starts = append(r.starts, at)
		}
	case r.tx == nil || len(r.depths) != 6: // of Amt within a transaction
	case r.rel() == "Amt/InstdAmt":
		r.tx.ccy, _ = s.attribute("Ccy")
	case r.rel() == "Amt/EqvtAmt":
		r.tx.equivalent = true
	}
	return nil
}

// named says whether the open element at depth, from 1, is called name.
func (r *reader) named(depth int, name string) bool {
	if depth > len(r.depths) {
		return false
	}
	from, to := r.depths[depth-1]+1, len(r.path)
	if depth < len(r.depths) {
		to = r.depths[depth]
	}
	return string(r.path[from:to]) == name
}

// rel is the path within the transaction, payment or header.
func (r *reader) rel() string {
	depth := 3
	if r.tx != nil {
		depth = 4
	}
	if len(r.depths) <= depth {
		return ""
	}
	return r.word(r.path[r.depths[depth]+1:])
}

// word is b as a string, the same one for the same bytes: a message has few
// different ones, thousands of times.
func (r *reader) word(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(r.names) < 1000 && len(s) < 200 {
		r.names[s] = s
	}
	return s
}

func (r *reader) end() {
	if len(r.depths) == 2 {
		r.finishMessage()
	}
	if len(r.depths) < 3 {
		return
	}
	raw := string(r.text)
	text := strings.TrimSpace(raw)
	rel := r.rel()
	switch {
	case r.named(3, "GrpHdr"):
		r.header(rel, text)
	case r.pay == nil:
	case r.tx != nil && rel == "":
		if len(r.depths) == 4 {
			r.finishTransaction()
			r.tx = nil
		}
	case r.tx != nil && strings.HasPrefix(rel, "RmtInf/Ustrd"):
		r.tx.ustrd = append(r.tx.ustrd, raw) // a purpose is cut anywhere, also at a space
	case r.tx != nil:
		r.tx.set(rel, text)
	case rel == "":
		r.finishPayment()
		r.pay = nil
	default:
		r.pay.set(rel, text)
	}
}

func (r *reader) header(rel, text string) {
	switch rel {
	case "MsgId":
		r.message.ID, r.message.Name = text, r.options.Message
	case "NbOfTxs":
		r.message.Count = text
		if n, err := strconv.Atoi(text); err == nil { // a list that grows is in memory twice
			r.checker.Expect = min(n, r.options.MaxRecords, int(r.size/smallest))
		}
	case "CtrlSum":
		r.message.Sum = text
	case "CreDtTm":
		r.created = dateOf(text)
	}
}

// dateOf is the date, in Kyiv, of an ISODateTime; without an offset it is taken
// as it stands.
func dateOf(s string) string {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return formats.KyivDate(t)
	}
	if t, err := time.Parse("2006-01-02T15:04:05", s); err == nil {
		return t.Format(time.DateOnly)
	}
	return ""
}

func (p *paymentInfo) set(rel, text string) {
	switch rel {
	case "PmtInfId":
		p.id = text
	case "PmtMtd":
		p.method = text
	case "NbOfTxs":
		p.count = text
	case "CtrlSum":
		p.sum = text
	case "ReqdExctnDt": // pain.001.001.03; in the later one it holds elements only
		if text != "" {
			p.valueDate = text
		}
	case "ReqdExctnDt/Dt":
		p.valueDate = text
	case "ReqdExctnDt/DtTm":
		p.valueDate = dateOf(text)
	case "DbtrAcct/Id/IBAN":
		p.iban = text
	case "DbtrAcct/Ccy":
		p.currency = text
	default:
		p.dbtr.set(rel, "Dbtr/", text)
		p.ultimate.set(rel, "UltmtDbtr/", text)
		p.dbtrAgent.set(rel, "DbtrAgt/", text)
	}
}

func (t *transaction) set(rel, text string) {
	switch rel {
	case "PmtId/InstrId":
		t.instrID = text
	case "PmtId/EndToEndId":
		t.endToEnd = text
	case "Amt/InstdAmt":
		t.amount = text
	case "CdtrAcct/Id/IBAN":
		t.iban = text
	case "RmtInf/Strd/TaxRmt/Rcrd/Ctgy":
		t.category = append(t.category, text)
	case "RmtInf/Strd/TaxRmt/Rcrd/AddtlInf", "RmtInf/Strd/AddtlRmtInf":
		t.info = append(t.info, text)
	default:
		t.creditor.set(rel, "Cdtr/", text)
		t.agent.set(rel, "CdtrAgt/", text)
		t.ultimateDbtr.set(rel, "UltmtDbtr/", text)
		t.ultimateCr.set(rel, "UltmtCdtr/", text)
	}
}

func (p *party) set(rel, prefix, text string) {
	rel, ok := strings.CutPrefix(rel, prefix)
	if !ok {
		return
	}
	switch rel {
	case "Nm":
		p.name = text
	case "Id/OrgId/Othr/Id", "Id/PrvtId/Othr/Id":
		if len(p.ids) < 16 {
			p.ids = append(p.ids, identifier{private: strings.HasPrefix(rel, "Id/PrvtId"), id: text})
		}
	case "Id/OrgId/Othr/SchmeNm/Prtry", "Id/OrgId/Othr/SchmeNm/Cd", "Id/PrvtId/Othr/SchmeNm/Prtry", "Id/PrvtId/Othr/SchmeNm/Cd":
		if len(p.ids) > 0 {
			p.ids[len(p.ids)-1].scheme = text
		}
	}
}

func (a *agent) set(rel, prefix, text string) {
	rel, ok := strings.CutPrefix(rel, prefix+"FinInstnId/")
	if !ok {
		return
	}
	switch rel {
	case "ClrSysMmbId/ClrSysId/Cd":
		a.given, a.system = true, text
	case "ClrSysMmbId/ClrSysId/Prtry":
		a.given, a.system = true, "-"
	case "ClrSysMmbId/MmbId":
		a.given, a.code = true, text
	case "Nm":
		a.name = text
	}
}

func (r *reader) recordAt(line, column int) int {
	n := 0
	for _, s := range r.starts {
		if s.line > line || (s.line == line && s.column > column) {
			break
		}
		n++
	}
	return n
}

// cents reads a sum of the message; zeros after the second decimal are allowed
// only in a control sum, which is a plain decimal number.
func cents(s string, control bool) (int64, error) {
	if whole, fraction, point := strings.Cut(s, "."); control && point && len(fraction) > 2 {
		s = whole + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0")
	}
	return money.Hryvnias(s)
}
