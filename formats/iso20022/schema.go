// Package iso20022 reads pain.001.001.09 and its forerunner pain.001.001.03
// (customer credit transfer initiation), writes pain.002 (its status report, of
// the same generation) and camt.052, camt.053 and camt.054 (what is told of an
// account).
//
// A message is first held to the embedded schema of ISO 20022, then read as a
// stream into canonical payment orders, then held to the Ukrainian rules (UA-...)
// and to the rules of the kind (PO-...). DTDs, entities and processing
// instructions are refused. The encoding is UTF-8, or windows-1251 if the XML
// declaration says so.
//
// References: ISO 20022, pain.001.001.09, pain.001.001.03, pain.002.001.10, pain.002.001.03,
// camt.052, camt.053 and camt.054 in their versions 001.08 and 001.02 (schema/NOTICE.txt);
// NBU decree 16 of 03.03.2023 (SEP-4). The NBU's own specification was not at
// hand; what could not be verified against it is a warning.
package iso20022

import (
	_ "embed" // the schemas
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/jacoelho/xsd"
	"github.com/jacoelho/xsd/xsderrors"

	"github.com/brama-gateway/brama/formats"
)

// Namespace of the message that Check reads if it is not told of another.
const Namespace = "urn:iso:std:iso:20022:tech:xsd:" + Pain001

// Names of the messages.
const (
	Pain001   = "pain.001.001.09"
	Pain00103 = "pain.001.001.03" // of 2009: what older programs write
	Pain002   = "pain.002.001.10"
	Pain00203 = "pain.002.001.03" // answers a pain.001.001.03
)

// Messages are the names of the messages that Check reads.
func Messages() []string { return []string{Pain00103, Pain001} }

// NamespaceOf is the namespace of a message.
func NamespaceOf(message string) string { return "urn:iso:std:iso:20022:tech:xsd:" + message }

//go:embed schema/pain.001.001.09.xsd
var pain001XSD []byte

//go:embed schema/pain.001.001.03.xsd
var pain00103XSD []byte

//go:embed schema/pain.002.001.10.xsd
var pain002XSD []byte

// The schemas are compiled at first use, in some milliseconds; they are our own
// bytes, so a failure is a defect that every test shows.
var (
	pain00103Schema = sync.OnceValues(func() (*xsd.Engine, error) { return xsd.Compile(xsd.Bytes(Pain00103, pain00103XSD)) })
	pain001Schema   = sync.OnceValues(func() (*xsd.Engine, error) { return xsd.Compile(xsd.Bytes(Pain001, pain001XSD)) })
	pain002Schema   = sync.OnceValues(func() (*xsd.Engine, error) { return xsd.Compile(xsd.Bytes(Pain002, pain002XSD)) })
)

// schemaOf is the schema of a message of Messages.
func schemaOf(message string) (*xsd.Engine, error) {
	switch message {
	case Pain001:
		return pain001Schema()
	case Pain00103:
		return pain00103Schema()
	}
	return nil, errors.New("iso20022: no such message")
}

// Schema is the text of the schema of a message of Messages, or of Pain002; nil
// for another.
func Schema(message string) []byte {
	switch message {
	case Pain001:
		return pain001XSD
	case Pain00103:
		return pain00103XSD
	case Pain002:
		return pain002XSD
	}
	return nil
}

// Validate holds doc to the schema of a message of Messages and to nothing else.
func Validate(message string, doc *io.SectionReader) []formats.Finding {
	engine, err := schemaOf(message)
	if err != nil {
		return []formats.Finding{{Rule: ruleSchema, Message: formats.Text{UK: "Схеми цього повідомлення немає.", EN: "There is no schema of this message."}}}
	}
	problems, _ := validate(engine, message, Open(doc), doc.Size(), formats.DefaultFindings)
	var list []formats.Finding
	for _, p := range problems {
		list = append(list, p.finding)
	}
	return list
}

// The rules of the XML itself. IDs are never reused.
const (
	RuleXML      = "XML-001" // not well-formed, or cut
	ruleSchema   = "XML-002" // does not follow the schema
	ruleUnsafe   = "XML-003" // DTD, entity, processing instruction
	ruleEncoding = "XML-004" // not UTF-8
	RuleLimit    = "XML-005" // too deep, too long, too many
)

// problem is one complaint of the schema, with its place.
type problem struct {
	finding      formats.Finding
	line, column int
}

// validate holds r to the schema. The schema engine's own words are not passed
// on: they may quote the document.
//
// Read is how far it came: up to there the XML is well-formed and its tokens are
// within the bounds.
func validate(engine *xsd.Engine, message string, r io.Reader, size int64, limit int) (list []problem, read int64) {
	counted := &counter{from: r}
	err := engine.ValidateWithOptions(counted, xsd.ValidateOptions{
		MaxErrors:             limit,
		MaxInstanceDepth:      64,
		MaxInstanceAttributes: 32,
		MaxInstanceTextBytes:  64 << 10,
		MaxInstanceTokenBytes: 64 << 10,
		MaxInstanceBytes:      3*size + 1024, // windows-1251 grows in UTF-8
	})
	if err == nil {
		return nil, counted.n
	}
	for _, err := range xsderrors.Flatten(err) {
		var e *xsderrors.Error
		if !errors.As(err, &e) {
			list = append(list, problem{finding: formats.Finding{Rule: RuleXML, Message: TextXML}})
			continue
		}
		p := problem{line: e.Line(), column: e.Column()}
		p.finding.Field = fieldOf(e.Path())
		p.finding.Path = canonical[p.finding.Field]
		if p.finding.Field == "PmtInf/ReqdExctnDt" {
			p.finding.Path = "value_date"
		}
		p.finding.Rule, p.finding.Message = Explain(e, message)
		list = append(list, p)
	}
	return list, counted.n
}

// counter counts what is read.
type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	return n, err
}

// TextXML says that the XML is damaged.
var TextXML = formats.Text{
	UK: "Файл XML пошкоджено або обрізано. Вивантажте його ще раз і надішліть повністю.",
	EN: "The XML is damaged or cut. Export it again and send the whole file.",
}

var textEncoding = formats.Text{
	UK: "Файл повинен бути XML 1.0 у кодуванні UTF-8 (або windows-1251, якщо так указано в ньому).",
	EN: "The file must be XML 1.0 in UTF-8 (or windows-1251 if it says so).",
}

// Explain is the finding that a complaint of the schema engine makes: the rule
// and what the sender has to do. Message names the schema.
func Explain(e *xsderrors.Error, message string) (rule string, m formats.Text) {
	switch e.Code() {
	case xsderrors.CodeUnsupportedDTD, xsderrors.CodeUnsupportedExternal, xsderrors.CodeUnsupportedEntity:
		return ruleUnsafe, formats.Text{UK: "Файл містить DTD або сутності XML. Їх не дозволено: вивантажте файл без них.", EN: "The file has a DTD or XML entities. They are not allowed: export the file without them."}
	case xsderrors.CodeUnsupportedNonUTF8, xsderrors.CodeUnsupportedXML11:
		return ruleEncoding, textEncoding
	case xsderrors.CodeValidationLimit:
		return RuleLimit, formats.Text{UK: "Файл XML завеликий або надто вкладений.", EN: "The XML is too large or too deeply nested."}
	case xsderrors.CodeValidationXML:
		return RuleXML, TextXML
	case xsderrors.CodeValidationRoot:
		return ruleSchema, formats.Text{UK: "Це не повідомлення " + message + ".", EN: "This is not a " + message + " message."}
	case xsderrors.CodeValidationFacet, xsderrors.CodeValidationType, xsderrors.CodeValidationText, xsderrors.CodeValidationNil:
		return ruleSchema, formats.Text{UK: "Значення елемента не відповідає схемі " + message + " (довжина, знаки або вид числа).", EN: "The element's value does not follow the schema of " + message + " (length, characters or form of a number)."}
	case xsderrors.CodeValidationAttribute:
		return ruleSchema, formats.Text{UK: "Атрибут елемента відсутній або зайвий за схемою " + message + ".", EN: "An attribute of the element is missing or unknown in the schema of " + message + "."}
	}
	return ruleSchema, formats.Text{UK: "У цьому елементі бракує обов'язкового елемента або є зайвий чи не на своєму місці (схема " + message + ").", EN: "In this element a mandatory element is missing, or one is unknown or out of place (schema of " + message + ")."}
}

// fieldOf shortens the engine's path to the one that receipts use: from
// CdtTrfTxInf in a transaction, from PmtInf or GrpHdr elsewhere.
func fieldOf(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/"), "Document/CstmrCdtTrfInitn/")
	if rest, ok := strings.CutPrefix(path, "PmtInf/CdtTrfTxInf"); ok {
		path = "CdtTrfTxInf" + rest
	}
	ok := func(r rune) bool { return r > 0x7E || r < 0x21 }
	if len(path) > 120 || strings.ContainsFunc(path, ok) {
		return "" // names of the writer's own making
	}
	return path
}

// fields are where the canonical paths lie in pain.001.
var fields = map[string]string{
	"number":            "CdtTrfTxInf/PmtId/InstrId",
	"reference":         "CdtTrfTxInf/PmtId/EndToEndId",
	"date":              "GrpHdr/CreDtTm",
	"value_date":        "PmtInf/ReqdExctnDt/Dt",
	"amount":            "CdtTrfTxInf/Amt/InstdAmt",
	"currency":          "CdtTrfTxInf/Amt/InstdAmt/@Ccy",
	"purpose":           "CdtTrfTxInf/RmtInf/Ustrd",
	"purpose_code":      "CdtTrfTxInf/RmtInf/Strd/TaxRmt/Rcrd/Ctgy",
	"payer.name":        "PmtInf/Dbtr/Nm",
	"payer.code":        "PmtInf/Dbtr/Id",
	"payer.iban":        "PmtInf/DbtrAcct/Id/IBAN",
	"payer.mfo":         "PmtInf/DbtrAgt/FinInstnId/ClrSysMmbId/MmbId",
	"payer.bank":        "PmtInf/DbtrAgt/FinInstnId/Nm",
	"payee.name":        "CdtTrfTxInf/Cdtr/Nm",
	"payee.code":        "CdtTrfTxInf/Cdtr/Id",
	"payee.iban":        "CdtTrfTxInf/CdtrAcct/Id/IBAN",
	"payee.mfo":         "CdtTrfTxInf/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId",
	"payee.bank":        "CdtTrfTxInf/CdtrAgt/FinInstnId/Nm",
	"actual_payer.name": "CdtTrfTxInf/UltmtDbtr/Nm",
	"actual_payer.code": "CdtTrfTxInf/UltmtDbtr/Id",
	"actual_payee.name": "CdtTrfTxInf/UltmtCdtr/Nm",
	"actual_payee.code": "CdtTrfTxInf/UltmtCdtr/Id",
}

var canonical = func() map[string]string {
	m := map[string]string{}
	for path, field := range fields {
		m[field] = path
	}
	return m
}()

// FieldOf is Field for a message of Messages.
func FieldOf(message, path string) string {
	if message == Pain00103 && path == "value_date" {
		return "PmtInf/ReqdExctnDt" // a date itself, not a choice
	}
	return Field(path)
}

// Field is the element of pain.001 that holds a canonical path of an order, or
// the path itself if none does.
func Field(path string) string {
	if f, ok := fields[path]; ok {
		return f
	}
	return path
}
