// Package letter reads a free letter: a small text that the treasury's people
// read. It is UTF-8 and begins with headers, a line each, an empty line after
// them, then the text:
//
//	Тема: Про уточнення рахунку
//	Номер: 12-05/17
//	Дата: 2026-01-15
//
//	Просимо ...
//
// The subject is first and needed; English names (Subject, Number, Date) are the
// same. A letter without a number is a duplicate only of an identical one.
package letter

import (
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
)

// The rules. IDs are never reused.
const (
	RuleText    = "LT-001" // UTF-8, no control characters
	RuleSubject = "LT-002"
	RuleHeader  = "LT-003"
	RuleBody    = "LT-004"
	RuleDate    = "LT-005"
)

// Bounds.
const (
	MaxBytes   = 64 << 10
	maxSubject = 250
	maxNumber  = 35
)

var names = map[string]string{"тема": "subject", "subject": "subject", "номер": "number", "number": "number", "дата": "date", "date": "date"}

// Is says whether a file begins as a letter.
func Is(head []byte) bool {
	s := strings.TrimPrefix(string(head), "\ufeff")
	for _, name := range []string{"Тема:", "Subject:"} {
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return true
		}
	}
	return false
}

// Check reads the letter in doc and reports what is wrong.
func Check(c *formats.Context, doc *io.SectionReader, add func(formats.Finding)) []formats.Entry {
	tell := func(rule, field, uk, en string) {
		add(formats.Finding{Rule: rule, Field: field, Message: formats.Text{UK: uk, EN: en}})
	}
	b := make([]byte, min(doc.Size(), MaxBytes))
	if _, err := doc.ReadAt(b, 0); err != nil && err != io.EOF || doc.Size() > MaxBytes {
		tell(RuleText, "", "Лист більший за 64 КБ. Скоротіть його або надішліть як підтвердний документ.", "The letter is larger than 64 KB. Shorten it, or send it as a supporting document.")
		return nil
	}
	s := strings.TrimPrefix(string(b), "\ufeff")
	if !utf8.ValidString(s) {
		tell(RuleText, "", "Текст листа не в UTF-8. Збережіть його в UTF-8.", "The text of the letter is not UTF-8. Save it as UTF-8.")
		return nil
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co))
	}) {
		tell(RuleText, "", "Текст містить керівні або невидимі знаки. Вилучіть їх.", "The text has control or invisible characters. Remove them.")
	}
	head, body, _ := strings.Cut(s, "\n\n")
	values := map[string]string{}
	for _, line := range strings.Split(strings.TrimRight(head, "\n"), "\n") {
		name, value, ok := strings.Cut(line, ":")
		key := names[strings.ToLower(strings.TrimSpace(name))]
		if _, twice := values[key]; !ok || key == "" || twice {
			tell(RuleHeader, "", "До порожнього рядка дозволено лише рядки Тема, Номер і Дата, кожен один раз.", "Before the empty line only the lines Subject, Number and Date are allowed, each once.")
			continue
		}
		values[key] = strings.TrimSpace(value)
	}
	if n := utf8.RuneCountInString(values["subject"]); n == 0 || n > maxSubject {
		tell(RuleSubject, "Тема", "Вкажіть тему листа, до 250 знаків.", "Give the subject of the letter, at most 250 characters.")
	}
	if utf8.RuneCountInString(values["number"]) > maxNumber {
		tell(RuleHeader, "Номер", "Номер листа має понад 35 знаків.", "The number of the letter has more than 35 characters.")
	}
	if strings.TrimSpace(body) == "" {
		tell(RuleBody, "", "Лист не має тексту. Напишіть його після порожнього рядка.", "The letter has no text. Write it after an empty line.")
	}
	if d := values["date"]; d != "" {
		if _, err := time.Parse(time.DateOnly, d); err != nil || d > formats.KyivDate(c.At) {
			tell(RuleDate, "Дата", "Дата листа повинна бути справжньою, у вигляді РРРР-ММ-ДД, і не пізнішою за сьогоднішню.", "The date of the letter must be a real one, as YYYY-MM-DD, and not after today.")
		}
	}
	if values["number"] == "" {
		return nil
	}
	return []formats.Entry{{Record: 1, Number: values["number"], Date: values["date"]}}
}
