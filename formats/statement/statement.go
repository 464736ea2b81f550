// Package statement holds the canonical account statement: what a processor
// hands over as JSON, its rules, and how it looks as text and CSV.
//
// The JSON is one object with the keys of [Statement]; unknown and repeated keys,
// bytes after it, and anything beyond the bounds below are refused. Sums are
// whole kopecks, dates ISO 8601.
package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
)

// Bounds of a statement.
const (
	MaxBytes   = 64 << 20
	MaxEntries = 100000
)

// Statement is the turnover of one account over one or several days.
type Statement struct {
	Account  string `json:"account"` // IBAN
	Owner    string `json:"owner,omitempty"`
	Currency string `json:"currency"` // UAH
	Number   string `json:"number"`   // of the statement; gapless a year and account
	From     string `json:"from"`
	To       string `json:"to"`

	Opening int64 `json:"opening"` // kopecks; negative: overdrawn
	Closing int64 `json:"closing"`
	Credits int64 `json:"credits"` // turnover
	Debits  int64 `json:"debits"`

	Entries []Entry `json:"entries"`
}

// Entry is one movement on the account.
type Entry struct {
	Date         string       `json:"date"`
	Credit       bool         `json:"credit"` // false: debit
	Amount       int64        `json:"amount"` // kopecks, greater than zero
	Number       string       `json:"number,omitempty"`
	Counterparty Counterparty `json:"counterparty"`
	Purpose      string       `json:"purpose"`
	Reference    string       `json:"reference,omitempty"` // the processor's own
}

// Counterparty is the other side of a movement.
type Counterparty struct {
	Name string `json:"name"`
	Code string `json:"code,omitempty"`
	IBAN string `json:"iban,omitempty"`
}

// Parse reads a statement strictly. It checks form only; see Check.
func Parse(r io.Reader) (*Statement, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("statement: %w", err)
	case len(b) > MaxBytes:
		return nil, fmt.Errorf("statement: larger than %d bytes", MaxBytes)
	case !utf8.Valid(b):
		return nil, errors.New("statement: not UTF-8")
	}
	if err := noRepeats(b); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	s := &Statement{}
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("statement: bytes after the object")
	}
	if len(s.Entries) > MaxEntries {
		return nil, fmt.Errorf("statement: more than %d entries", MaxEntries)
	}
	return s, nil
}

// noRepeats refuses a key that stands twice in one object, also in another case,
// which encoding/json would take as the same: readers differ on which one counts.
func noRepeats(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		keys  map[string]bool // nil: an array
		value bool            // a value comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if delim, ok := t.(json.Delim); ok && (delim == '}' || delim == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack) - 1; n >= 0 && stack[n].keys != nil {
			if !stack[n].value {
				k := strings.ToLower(t.(string))
				if stack[n].keys[k] {
					return errors.New("a key stands twice in one object")
				}
				stack[n].keys[k] = true
				stack[n].value = true
				continue
			}
			stack[n].value = false
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > 8 {
			return errors.New("nested too deeply")
		}
	}
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
		if n, ok := formats.Days(s.From, s.To); !ok || n < 0 {
			r(0, "from", formats.Text{UK: "Період виписки неправильний: потрібні дві дати, перша не пізніша за другу.", EN: "The statement's period is wrong: two dates are needed, the first not after the second."})
		}
	}},
	{"ST-010", "opening + credits - debits = closing", cite, func(s *Statement, r report) {
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
			return utf8.RuneCountInString(v) > 420 || strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
		}
		m := formats.Text{UK: "Текст задовгий або містить керівні знаки.", EN: "The text is too long or has control characters."}
		if bad(s.Owner) || bad(s.Number) {
			r(0, "owner", m)
		}
		for i, e := range s.Entries {
			if bad(e.Number) || bad(e.Purpose) || bad(e.Reference) || bad(e.Counterparty.Name) || bad(e.Counterparty.Code) {
				r(i+1, "purpose", m)
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

// Check holds the statement to the rules. A record is an entry, from 1.
func (s *Statement) Check() *formats.Report {
	report := &formats.Report{Recognised: true, Kind: formats.Statement}
	c := formats.Collector{Report: report}
	for _, rule := range Rules {
		rule.check(s, func(record int, path string, m formats.Text) {
			c.Add(formats.Finding{Rule: rule.ID, Record: record, Field: path, Path: path, Message: m})
		})
	}
	return report
}
