package iso20022

import (
	"embed"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/jacoelho/xsd"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/payment"
)

// The messages that the treasury sends are read too: a site proves with bramactl
// check what it is about to send, and a client what it was sent. No entrance takes
// one (package profile).

//go:embed schema
var schemas embed.FS

var sentSchemas sync.Map // name: func() (*xsd.Engine, error)

// SentKind is the kind of a message that the treasury sends: camt.052, camt.053,
// camt.054 and pain.002 in the versions that are written here.
func SentKind(message string) (formats.Kind, bool) {
	if a, ok := accounts[message]; ok {
		return a.kind, true
	}
	if message == Pain002 || message == Pain00203 {
		return formats.PaymentStatus, true
	}
	return "", false
}

// SentIn is the message, one of those of SentKind, of a root element's namespace.
func SentIn(space string) (message string, kind formats.Kind, ok bool) {
	message, found := strings.CutPrefix(space, NamespaceOf(""))
	if !found {
		return "", "", false
	}
	kind, ok = SentKind(message)
	return message, kind, ok
}

// SentSchema is the text of the schema of a message of SentKind.
func SentSchema(message string) ([]byte, error) {
	if _, ok := SentKind(message); !ok {
		return nil, errors.New("iso20022: no such message")
	}
	return schemas.ReadFile("schema/" + message + ".xsd")
}

func sentSchema(message string) (*xsd.Engine, error) {
	once, _ := sentSchemas.LoadOrStore(message, sync.OnceValues(func() (*xsd.Engine, error) {
		text, err := SentSchema(message)
		if err != nil {
			return nil, err
		}
		return xsd.Compile(xsd.Bytes(message, text))
	}))
	return once.(func() (*xsd.Engine, error))()
}

// The Ukrainian rules on what the treasury sends; UA-020, UA-021 and UA-030 hold
// for it too, and of a message on an account the rules of package statement. IDs
// are never reused.
var (
	ruleSentMoney   = newRule("UA-050", "amounts are in UAH, with at most two decimals", "ISO 4217 (UAH has two decimals); "+citeUA, formats.Error)
	ruleSentBalance = newRule("UA-051", "a statement has one OPBD and one CLBD, an account state one ITBD or CLBD, a notification none", "ISO 20022 external code set, BalanceType; Brama", formats.Error)
	ruleSentSummary = newRule("UA-052", "TxsSummry, when given, equals the entries", "ISO 20022, camt.053.001.08, TransactionsSummary", formats.Error)
	ruleSentBooked  = newRule("UA-053", "the entries are booked (BOOK)", "ISO 20022 external code set, EntryStatus; Brama", formats.Error)
	ruleSentNumber  = newRule("UA-054", "a statement has an ElctrncSeqNb", citeUA, formats.Warning)
	ruleSentMade    = newRule("UA-055", "the message was not made after today (Kyiv)", "Brama", formats.Error)
	ruleSentBank    = newRule("UA-056", "the code of an account's bank is the one in its IBAN", "NBU decree 162 of 28.12.2018", formats.Error)
	ruleSentOf      = newRule("UA-060", "a status report answers a pain.001 of its own generation", "ISO 20022, pain.002, OrgnlMsgNmId; Brama takes no other", formats.Error)
	ruleSentStatus  = newRule("UA-061", "a status is one of the codes of payment statuses", "ISO 20022 external code set, PaymentGroupStatus, PaymentTransactionStatus", formats.Error)
	ruleSentCount   = newRule("UA-062", "a status report tells of no more payments than the message had", "ISO 20022, pain.002, OrgnlNbOfTxs", formats.Error)
	ruleSentReason  = newRule("UA-063", "what is refused (RJCT) has a reason", "ISO 20022, pain.002, StsRsnInf; Brama", formats.Warning)
	ruleSentIBAN    = newRule("UA-064", "an account is a valid Ukrainian IBAN", "ISO 13616-1; ISO 7064, MOD 97-10", formats.Error)
)

// SentRules are the Ukrainian rules on the messages that the treasury sends.
var SentRules = []Rule{
	ruleSentMoney, ruleSentBalance, ruleSentSummary, ruleSentBooked, ruleSentNumber, ruleSentMade, ruleSentBank,
	ruleSentOf, ruleSentStatus, ruleSentCount, ruleSentReason, ruleSentIBAN,
}

// CheckSent reads a message of SentKind and reports what is wrong to add: by the
// schema, and if it follows that, by the Ukrainian rules. A record is an entry of
// the account, or a payment that is told of, from 1.
func CheckSent(c *formats.Context, message string, doc *io.SectionReader, maxFindings int, add func(formats.Finding)) (*formats.Message, []formats.Entry) {
	if maxFindings == 0 {
		maxFindings = formats.DefaultFindings
	}
	engine, err := sentSchema(message)
	if err != nil {
		add(formats.Finding{Rule: ruleSchema, Message: formats.Text{UK: "Внутрішня помилка схеми. Повідомте адміністратора.", EN: "Internal fault of the schema. Tell the administrator."}})
		return nil, nil
	}
	if problems, _ := validate(engine, message, Open(doc), doc.Size(), maxFindings); len(problems) > 0 {
		for _, p := range problems {
			p.finding.Field = strings.TrimPrefix(p.finding.Field, "Document/")
			add(p.finding)
		}
		return nil, nil
	}
	w := &walk{context: c, message: message, add: add}
	var content interface {
		start(path []byte, s *scanner)
		end(path []byte, text string)
		done()
	} = &statusReader{walk: w}
	if a, ok := accounts[message]; ok {
		content = &accountReader{walk: w, account: a}
	}
	if f := w.all(newScanner(Open(doc)), content.start, content.end); f != nil {
		add(*f)
		return nil, nil
	}
	content.done()
	if w.id == "" {
		return nil, w.entries
	}
	return &formats.Message{Name: message, ID: w.id}, w.entries
}

// walk goes through a message that follows its schema.
type walk struct {
	context *formats.Context
	message string
	add     func(formats.Finding)
	id      string
	entries []formats.Entry
	full    bool // there are too many records
}

// maxSent bounds the records of one message.
const maxSent = 100000

// all calls start and end for the elements within the message's root: path is of
// their names from there on, text what stands in the element itself.
func (w *walk) all(s *scanner, start func([]byte, *scanner), end func([]byte, string)) *formats.Finding {
	var path, text []byte
	var depths []int
	for {
		t, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errDTD), errors.Is(err, errProcess):
			return &formats.Finding{Rule: ruleUnsafe, Message: formats.Text{UK: "Файл містить DTD або інструкції обробки XML.", EN: "The file has a DTD or XML processing instructions."}}
		case err != nil:
			return &formats.Finding{Rule: RuleXML, Message: TextXML}
		case w.full:
			return &formats.Finding{Rule: RuleLimit, Message: formats.Textf("Записів більше, ніж дозволено (%d).", "There are more records than allowed (%d).", maxSent)}
		}
		switch t {
		case startTag:
			depths = append(depths, len(path))
			if len(depths) > 2 { // within Document and the message's root
				if len(path) > 0 {
					path = append(path, '/')
				}
				path = append(path, s.name...)
				start(path, s)
			}
			text = text[:0]
		case charData:
			text = append(text, s.text...)
		case endTag:
			if len(depths) == 0 {
				return &formats.Finding{Rule: RuleXML, Message: TextXML}
			}
			if len(depths) > 2 {
				end(path, string(text))
			}
			path = path[:depths[len(depths)-1]]
			depths = depths[:len(depths)-1]
			text = text[:0]
		}
	}
}

func (w *walk) report(rule Rule, record int, field, uk, en string) {
	w.add(formats.Finding{Rule: rule.ID, Severity: rule.Severity, Record: record, Field: field, Message: formats.Text{UK: uk, EN: en}})
}

// header reads what every message begins with.
func (w *walk) header(path, text string) {
	switch path {
	case "GrpHdr/MsgId":
		w.id = strings.TrimSpace(text)
	case "GrpHdr/CreDtTm":
		if n, ok := formats.Days(formats.KyivDate(w.context.At), dateOf(strings.TrimSpace(text))); ok && n > 0 {
			w.report(ruleSentMade, 0, path, "Повідомлення складено пізніше за сьогодні (за Києвом).", "The message was made after today (Kyiv).")
		}
	}
}

// money reads an amount with its currency.
func (w *walk) money(record int, field, text, currency string) int64 {
	v, err := cents(strings.TrimSpace(text), false)
	if err != nil || currency != "UAH" {
		w.report(ruleSentMoney, record, field, "Сума повинна бути в гривнях (UAH), не більш як із двома знаками після крапки.", "The amount must be in hryvnias (UAH), with at most two decimals.")
	}
	return v
}

// party holds the code of a party to the rules that it has in payments too.
func (w *walk) party(p party, record int, field string) (code string) {
	var to payment.Party
	(&reader{add: func(f formats.Finding) {
		f.Field, f.Path = field+"/Id", ""
		w.add(f)
	}}).code(&to, p, record, "")
	return to.Code
}

// bank holds an account's bank to its IBAN.
func (w *walk) bank(a agent, iban string, record int, field string) {
	if !a.given {
		return
	}
	(&reader{add: func(f formats.Finding) {
		f.Field, f.Path = field+"/FinInstnId/ClrSysMmbId", ""
		w.add(f)
	}}).agent(a, record, "")
	if ident.ValidIBAN(iban) && ident.BankOf(iban) != a.code {
		w.report(ruleSentBank, record, field+"/FinInstnId/ClrSysMmbId/MmbId", "Код банку не збігається з кодом у рахунку (IBAN).", "The bank's code is not the one in the account (IBAN).")
	}
}

// SentName is how a message that the treasury sends is called in a report's
// profile.
func SentName(message string) string { return "iso." + message }
