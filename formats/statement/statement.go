// Package statement holds what the treasury says of an account in its canonical
// form: the statement, the state of the account within the day, and the
// notification of debits and credits. It is what a processor hands over as JSON;
// here are its rules, and how it looks as text and CSV.
//
// The JSON is one object with the keys of [Statement]; unknown and repeated keys,
// bytes after it, and anything beyond the bounds below are refused. Sums are
// whole kopecks, dates ISO 8601.
package statement

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/strictjson"
)

// Bounds of a statement.
const (
	MaxBytes   = 64 << 20
	MaxEntries = 100000
	MaxGroups  = 10000
)

// Statement is the turnover of one account over one or several days.
type Statement struct {
	// Kind is statement, account_state (what stands on the account at AsOf) or
	// account_notification (movements without balances); empty: statement.
	Kind formats.Kind `json:"kind,omitempty"`

	Account   string `json:"account"` // IBAN
	Owner     string `json:"owner,omitempty"`
	OwnerCode string `json:"ownerCode,omitempty"` // EDRPOU
	Currency  string `json:"currency"`            // UAH
	Number    string `json:"number"`              // of the statement; gapless a year and account
	From      string `json:"from"`
	To        string `json:"to"`
	AsOf      string `json:"asOf,omitempty"` // of an account_state: RFC 3339

	Opening int64 `json:"opening"` // kopecks; negative: overdrawn
	Closing int64 `json:"closing"`
	Credits int64 `json:"credits"` // turnover
	Debits  int64 `json:"debits"`

	// Groups are turnovers by the code that entries carry, as КЕКВ; none: not told.
	Groups  []Group `json:"groups,omitempty"`
	Entries []Entry `json:"entries"`
}

// Group is the turnover of the entries that carry its code.
type Group struct {
	Group   string `json:"group"`
	Credits int64  `json:"credits"`
	Debits  int64  `json:"debits"`
}

// Entry is one movement on the account.
type Entry struct {
	Date         string       `json:"date"`                // of booking
	ValueDate    string       `json:"valueDate,omitempty"` // where it is another
	Credit       bool         `json:"credit"`              // false: debit
	Amount       int64        `json:"amount"`              // kopecks, greater than zero
	Number       string       `json:"number,omitempty"`
	Counterparty Counterparty `json:"counterparty"`
	Purpose      string       `json:"purpose"`
	Reference    string       `json:"reference,omitempty"` // the processor's own
	Group        string       `json:"group,omitempty"`     // of Statement.Groups
}

// Counterparty is the other side of a movement.
type Counterparty struct {
	Name string `json:"name"`
	Code string `json:"code,omitempty"`
	IBAN string `json:"iban,omitempty"`
}

// Parse reads a statement strictly. It checks form only; see Check.
func Parse(r io.Reader) (*Statement, error) {
	s := &Statement{}
	if err := strictjson.Decode(r, MaxBytes, s); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if len(s.Entries) > MaxEntries {
		return nil, fmt.Errorf("statement: more than %d entries", MaxEntries)
	}
	if len(s.Groups) > MaxGroups {
		return nil, fmt.Errorf("statement: more than %d groups", MaxGroups)
	}
	return s, nil
}

type report = func(record int, path string, m formats.Text)

// Rule is one requirement on statements.
type Rule struct {
	ID, Title, Citation string
	check               func(s *Statement, r report)
}

const cite = "Brama, formats/statement; ISO 20022, camt.053.001.08 (balances and summary)"

// Rules are the rules on a statement. All of them refuse. IDs are never reused.
var Rules = []Rule{
	{"ST-001", "the account is a valid Ukrainian IBAN", "ISO 13616-1; ISO 7064, MOD 97-10", func(s *Statement, r report) {
		if !ident.ValidIBAN(s.Account) {
			r(0, "account", formats.Text{UK: "Рахунок виписки не є правильним IBAN.", EN: "The statement's account is not a valid IBAN."})
		}
	}},
	{"ST-002", "the currency is UAH", cite, func(s *Statement, r report) {
		if s.Currency != "UAH" {
			r(0, "currency", formats.Text{UK: "Валюта виписки повинна бути UAH.", EN: "The statement's currency must be UAH."})
		}
	}},
	{"ST-003", "the number has 1 to 35 characters", cite, func(s *Statement, r report) {
		if n := utf8.RuneCountInString(s.Number); n < 1 || n > 35 {
			r(0, "number", formats.Text{UK: "Номер виписки повинен мати від 1 до 35 знаків.", EN: "The statement's number must have 1 to 35 characters."})
		}
	}},
	{"ST-004", "the period is two dates in order", cite, func(s *Statement, r report) {
		if n, ok := formats.Days(s.From, s.To); !ok || n < 0 || s.From < "1991" {
			r(0, "from", formats.Text{UK: "Період виписки неправильний: потрібні дві дати, перша не пізніша за другу.", EN: "The statement's period is wrong: two dates are needed, the first not after the second."})
		}
	}},
	{"ST-005", "the kind is one that is told of an account", cite, func(s *Statement, r report) {
		if k := s.DocumentKind(); k != formats.Statement && k != formats.AccountState && k != formats.AccountNotification {
			r(0, "kind", formats.Text{UK: "Вид документа повинен бути statement, account_state або account_notification.", EN: "The kind must be statement, account_state or account_notification."})
		}
	}},
	{"ST-006", "the state of an account names its moment, on the last day of its period; nothing else does", "ISO 20022, camt.052.001.08 (interim balance)", func(s *Statement, r report) {
		if s.DocumentKind() != formats.AccountState {
			if s.AsOf != "" {
				r(0, "asOf", formats.Text{UK: "Момент (asOf) указують лише для стану рахунку.", EN: "Only the state of an account has a moment (asOf)."})
			}
			return
		}
		if t, err := time.Parse(time.RFC3339, s.AsOf); err != nil || formats.KyivDate(t) != s.To {
			r(0, "asOf", formats.Text{UK: "Стан рахунку потребує моменту (asOf, RFC 3339) в останній день періоду.", EN: "The state of an account needs its moment (asOf, RFC 3339), on the last day of the period."})
		}
	}},
	{"ST-007", "the owner's code, when given, is a valid EDRPOU", "formats/ident", func(s *Statement, r report) {
		if s.OwnerCode != "" && !ident.ValidEDRPOU(s.OwnerCode) {
			r(0, "ownerCode", formats.Text{UK: "Код власника рахунку не є правильним кодом ЄДРПОУ.", EN: "The account owner's code is not a valid EDRPOU."})
		}
	}},
	{"ST-009", "a notification has no balances", "ISO 20022, camt.054.001.08", func(s *Statement, r report) {
		if s.DocumentKind() == formats.AccountNotification && (s.Opening != 0 || s.Closing != 0) {
			r(0, "opening", formats.Text{UK: "Повідомлення про рух коштів не має залишків: opening і closing повинні бути 0.", EN: "A notification has no balances: opening and closing must be 0."})
		}
	}},
	{"ST-010", "opening + credits - debits = closing", cite, func(s *Statement, r report) {
		if s.DocumentKind() == formats.AccountNotification {
			return
		}
		sum, ok := add(s.Opening, s.Credits)
		if ok {
			sum, ok = add(sum, -s.Debits)
		}
		if !ok || s.Credits < 0 || s.Debits < 0 || sum != s.Closing {
			r(0, "closing", formats.Text{UK: "Залишки не збігаються: вхідний + надходження - видатки не дорівнює вихідному.", EN: "The balances do not hold: opening + credits - debits is not closing."})
		}
	}},
	{"ST-011", "the turnover is the sum of the entries", cite, func(s *Statement, r report) {
		var credits, debits int64
		ok := true
		for _, e := range s.Entries {
			sum := &debits
			if e.Credit {
				sum = &credits
			}
			v, fits := add(*sum, e.Amount)
			ok = ok && fits
			*sum = v
		}
		if !ok || credits != s.Credits || debits != s.Debits {
			r(0, "credits", formats.Text{UK: "Обороти не дорівнюють сумі рядків виписки.", EN: "The turnover is not the sum of the entries."})
		}
	}},
	{"ST-012", "groups, when told, are the sums of their entries, each once, and every entry is in one", "Brama, formats/statement", func(s *Statement, r report) {
		if len(s.Groups) == 0 {
			for i, e := range s.Entries {
				if e.Group != "" {
					r(i+1, "group", formats.Text{UK: "Рядок належить до групи, якої немає у виписці.", EN: "The entry is in a group that the statement does not have."})
				}
			}
			return
		}
		sums := map[string]*Group{}
		for _, g := range s.Groups {
			if sums[g.Group] != nil || g.Group == "" {
				r(0, "groups", formats.Text{UK: "Група повторюється або не має коду.", EN: "A group stands twice or has no code."})
			}
			sums[g.Group] = &Group{}
		}
		for i, e := range s.Entries {
			g := sums[e.Group]
			if g == nil {
				r(i+1, "group", formats.Text{UK: "Рядок належить до групи, якої немає у виписці.", EN: "The entry is in a group that the statement does not have."})
				continue
			}
			sum := &g.Debits
			if e.Credit {
				sum = &g.Credits
			}
			if v, ok := add(*sum, e.Amount); ok { // else ST-011 has said so
				*sum = v
			}
		}
		for _, g := range s.Groups {
			if sum := sums[g.Group]; sum.Credits != g.Credits || sum.Debits != g.Debits {
				r(0, "groups", formats.Text{UK: "Обороти групи не дорівнюють сумі її рядків.", EN: "The turnover of a group is not the sum of its entries."})
			}
		}
	}},
	{"ST-020", "an entry's amount is greater than zero", cite, func(s *Statement, r report) {
		for i, e := range s.Entries {
			if e.Amount <= 0 {
				r(i+1, "amount", formats.Text{UK: "Сума рядка повинна бути більшою за нуль.", EN: "The entry's amount must be greater than zero."})
			}
		}
	}},
	{"ST-021", "an entry's date is within the period", cite, func(s *Statement, r report) {
		for i, e := range s.Entries {
			if _, ok := formats.Days(e.Date, e.Date); !ok || e.Date < s.From || e.Date > s.To {
				r(i+1, "date", formats.Text{UK: "Дата рядка поза періодом виписки.", EN: "The entry's date is outside the statement's period."})
			}
			if _, ok := formats.Days(e.ValueDate, e.ValueDate); e.ValueDate != "" && (!ok || e.ValueDate < "1991") {
				r(i+1, "valueDate", formats.Text{UK: "Такої дати валютування не існує.", EN: "There is no such value date."})
			}
		}
	}},
	{"ST-022", "a counterparty's account, when given, is a valid Ukrainian IBAN", "ISO 13616-1; ISO 7064, MOD 97-10", func(s *Statement, r report) {
		for i, e := range s.Entries {
			if e.Counterparty.IBAN != "" && !ident.ValidIBAN(e.Counterparty.IBAN) {
				r(i+1, "counterparty.iban", formats.Text{UK: "Рахунок кореспондента не є правильним IBAN.", EN: "The counterparty's account is not a valid IBAN."})
			}
		}
	}},
	{"ST-023", "texts have no control characters and at most 420 characters", cite, func(s *Statement, r report) {
		bad := func(v string) bool {
			return utf8.RuneCountInString(v) > 420 || strings.ContainsFunc(v, func(r rune) bool {
				return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r&0xFFFE == 0xFFFE
			})
		}
		m := formats.Text{UK: "Текст задовгий або містить керівні знаки.", EN: "The text is too long or has control characters."}
		if bad(s.Owner) || bad(s.Number) {
			r(0, "owner", m)
		}
		for i, e := range s.Entries {
			if bad(e.Number) || bad(e.Purpose) || bad(e.Group) || bad(e.Reference) || bad(e.Counterparty.Name) || bad(e.Counterparty.Code) {
				r(i+1, "purpose", m)
			}
		}
	}},
	{"ST-024", "names have at most 140 characters, numbers, references, codes and groups 35", "ISO 20022, Max140Text, Max35Text", func(s *Statement, r report) {
		long := func(v string, n int) bool { return utf8.RuneCountInString(v) > n }
		m := formats.Text{UK: "Назва довша за 140 знаків або номер, референс, код чи група довші за 35.", EN: "A name is longer than 140 characters, or a number, reference, code or group longer than 35."}
		if long(s.Owner, 140) {
			r(0, "owner", m)
		}
		for i, e := range s.Entries {
			for _, v := range [...]struct {
				path, text string
				most       int
			}{{"number", e.Number, 35}, {"reference", e.Reference, 35}, {"group", e.Group, 35}, {"counterparty.name", e.Counterparty.Name, 140}, {"counterparty.code", e.Counterparty.Code, 35}} {
				if long(v.text, v.most) {
					r(i+1, v.path, m)
				}
			}
		}
		for _, g := range s.Groups {
			if long(g.Group, 35) {
				r(0, "groups", m)
			}
		}
	}},
}

// add is a + b; ok is false when it does not fit.
func add(a, b int64) (sum int64, ok bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}

// DocumentKind is the kind, with the default filled in.
func (s *Statement) DocumentKind() formats.Kind {
	if s.Kind == "" {
		return formats.Statement
	}
	return s.Kind
}

// Check holds the statement to the rules. A record is an entry, from 1.
func (s *Statement) Check() *formats.Report {
	report := &formats.Report{Recognised: true, Kind: s.DocumentKind()}
	c := formats.Collector{Report: report}
	for _, rule := range Rules {
		rule.check(s, func(record int, path string, m formats.Text) {
			c.Add(formats.Finding{Rule: rule.ID, Record: record, Field: path, Path: path, Message: m})
		})
	}
	return report
}
