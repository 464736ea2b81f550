package iso20022

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"time"

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
	problems, sound := validate(engine, o.Message, open(doc), doc.Size(), o.MaxFindings)
	r := &reader{options: o, context: c, add: add}
	r.checker = payment.Checker{Run: kind.Run{Context: c, Add: add, Field: func(path string) string { return FieldOf(o.Message, path) }}}
	if len(problems) > 0 {
		// Only what the answer quotes, and where the records begin.
		r.add = func(formats.Finding) {}
		r.quoteOnly = true
	}
	readErr := r.read(&guard{from: io.LimitReader(open(doc), sound)})
	for _, p := range problems {
		if strings.HasPrefix(p.finding.Field, "CdtTrfTxInf") {
			p.finding.Record = r.recordAt(p.line, p.column)
		}
		add(p.finding)
	}
	if readErr != nil && len(problems) == 0 {
		add(*readErr)
	}
	if r.message.ID == "" {
		return nil, r.entries
	}
	return &r.message, r.entries
}

var declared1251 = regexp.MustCompile(`(?i)^<\?xml\s[^>]*encoding\s*=\s*["']windows-1251["'][^>]*\?>`)

// open gives the XML of doc as UTF-8. A document that declares windows-1251 is
// decoded and loses its declaration.
func open(doc *io.SectionReader) io.Reader {
	head := make([]byte, 256)
	n, _ := doc.ReadAt(head, 0)
	if m := declared1251.Find(head[:n]); m != nil {
		return charset.Windows1251.Reader(io.NewSectionReader(doc, int64(len(m)), doc.Size()-int64(len(m))))
	}
	return io.NewSectionReader(doc, 0, doc.Size())
}

// Unreadable is the finding about a document whose Root cannot be read.
func Unreadable(doc *io.SectionReader) formats.Finding {
	head := make([]byte, 2)
	if n, _ := doc.ReadAt(head, 0); n == 2 && (head[0] == 0xFE && head[1] == 0xFF || head[0] == 0xFF && head[1] == 0xFE) {
		return formats.Finding{Rule: ruleEncoding, Message: textEncoding}
	}
	return formats.Finding{Rule: ruleXML, Message: textXML}
}

// Root is the namespace and name of the document's root element; ok is false if
// it does not begin as XML.
func Root(doc *io.SectionReader) (space, local string, ok bool) {
	d := xml.NewDecoder(io.LimitReader(open(doc), 64<<10))
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

// guard ends the reading at a comment or processing instruction of more than
// maxAside bytes, which the decoder would keep whole and the schema engine does
// not bound.
type guard struct {
	from  io.Reader
	last  uint32 // four bytes
	aside byte   // '-' in a comment, '?' in an instruction
	n     int
}

const maxAside = 64 << 10

var errAside = errors.New("comment or instruction too long")

func (g *guard) Read(b []byte) (int, error) {
	n, err := g.from.Read(b)
	for _, c := range b[:n] {
		g.last = g.last<<8 | uint32(c)
		g.n++
		switch {
		case g.aside == 0 && g.last == '<'<<24|'!'<<16|'-'<<8|'-':
			g.aside, g.n = '-', 0
		case g.aside == 0 && g.last&0xffff == '<'<<8|'?':
			g.aside, g.n = '?', 0
		case g.aside == '-' && g.n > 2 && g.last&0xffffff == '-'<<16|'-'<<8|'>', g.aside == '?' && g.last&0xffff == '?'<<8|'>':
			g.aside = 0
		case g.aside != 0 && g.n > maxAside:
			return 0, errAside
		}
	}
	return n, err
}

type position struct{ line, column int }

// reader turns the stream of elements into orders. The schema orders the
// elements so that everything of a payment comes before its transactions.
type reader struct {
	options   Options
	context   *formats.Context
	add       func(formats.Finding)
	checker   payment.Checker
	quoteOnly bool

	path   []string
	text   strings.Builder
	starts []position // of the records, when quoteOnly

	message formats.Message
	entries []formats.Entry
	created string // date of CreDtTm
	total   totals // of the message
	records int

	pay *paymentInfo
	tx  *transaction
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
	d := xml.NewDecoder(from)
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.New("not utf-8") }
	bad := &formats.Finding{Rule: ruleXML, Message: textXML}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errAside) {
			return &formats.Finding{Rule: ruleLimit, Message: formats.Text{UK: "Файл XML містить задовгий коментар. Вилучіть його.", EN: "The XML has a comment that is too long. Remove it."}}
		}
		if err != nil {
			return bad
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(r.path) > 64 {
				return bad
			}
			r.path = append(r.path, t.Name.Local)
			r.text.Reset()
			if finding := r.start(t, d); finding != nil {
				return finding
			}
		case xml.CharData:
			if r.text.Len()+len(t) <= 64<<10 {
				r.text.Write(t)
			}
		case xml.EndElement:
			r.end(r.text.String())
			r.text.Reset()
			if len(r.path) > 0 {
				r.path = r.path[:len(r.path)-1]
			}
		case xml.Directive:
			return &formats.Finding{Rule: ruleUnsafe, Message: formats.Text{UK: "Файл містить DTD. Вивантажте його без DTD.", EN: "The file has a DTD. Export it without one."}}
		case xml.ProcInst:
			if t.Target != "xml" {
				return &formats.Finding{Rule: ruleUnsafe, Message: formats.Text{UK: "Файл містить інструкції обробки XML. Вивантажте його без них.", EN: "The file has XML processing instructions. Export it without them."}}
			}
		}
	}
}

// depth: Document=1, CstmrCdtTrfInitn=2, GrpHdr or PmtInf=3, CdtTrfTxInf=4.
func (r *reader) start(t xml.StartElement, d *xml.Decoder) *formats.Finding {
	switch {
	case len(r.path) == 3 && r.path[2] == "PmtInf":
		r.pay = &paymentInfo{}
	case len(r.path) == 4 && r.path[3] == "CdtTrfTxInf" && r.pay != nil:
		if r.records++; r.records > r.options.MaxRecords {
			return &formats.Finding{Rule: ruleLimit, Record: r.records, Message: formats.Textf("Платежів більше, ніж дозволено (%d). Поділіть файл.", "There are more payments than allowed (%d). Split the file.", r.options.MaxRecords)}
		}
		r.tx = &transaction{}
		if r.quoteOnly {
			line, column := d.InputPos()
			r.starts = append(r.starts, position{line, column})
		}
	case r.tx != nil && r.at("Amt/InstdAmt"):
		for _, a := range t.Attr {
			if a.Name.Local == "Ccy" {
				r.tx.ccy = a.Value
			}
		}
	case r.tx != nil && r.at("Amt/EqvtAmt"):
		r.tx.equivalent = true
	}
	return nil
}

// at says whether the path within the transaction or payment is rel.
func (r *reader) at(rel string) bool { return r.rel() == rel }

func (r *reader) rel() string {
	switch {
	case r.tx != nil && len(r.path) >= 4:
		return strings.Join(r.path[4:], "/")
	case len(r.path) >= 3:
		return strings.Join(r.path[3:], "/")
	}
	return ""
}

func (r *reader) end(raw string) {
	text := strings.TrimSpace(raw)
	rel := r.rel()
	switch {
	case len(r.path) < 3:
	case r.path[2] == "GrpHdr":
		r.header(rel, text)
	case r.pay == nil:
	case r.tx != nil && rel == "":
		if len(r.path) == 4 {
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
	if len(r.path) == 2 {
		r.finishMessage()
	}
}

func (r *reader) header(rel, text string) {
	switch rel {
	case "MsgId":
		r.message.ID, r.message.Name = text, r.options.Message
	case "NbOfTxs":
		r.message.Count = text
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
