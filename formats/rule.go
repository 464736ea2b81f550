package formats

import "fmt"

// Rule is one requirement on documents of type T. A rule cites a published
// text; what is merely our practice cites us and says so. IDs are never reused.
type Rule[T any] struct {
	ID       string
	Title    string // the requirement, in English
	Citation string // where it is written
	Severity Severity

	// From and Until bound the rule by the document's own date, half-open, ISO
	// 8601; empty means without bound.
	From, Until string

	// Check calls report for what is wrong. Path is canonical; the text says what
	// to mend and carries no names, accounts or codes.
	Check func(c *Context, doc T, report func(path string, m Text))
}

// InForce says whether the rule holds for a document of date (ISO 8601). A
// document without a date is held to every rule.
func (r *Rule[T]) InForce(date string) bool {
	return date == "" || ((r.From == "" || date >= r.From) && (r.Until == "" || date < r.Until))
}

// Collector gathers findings into a report, bounded: no more than Max are kept,
// and warnings never crowd out errors.
type Collector struct {
	Report *Report
	Max    int // findings kept; 0: DefaultFindings

	lenient int
}

// DefaultFindings is how many findings of one document are kept when the caller
// does not say.
const DefaultFindings = 100

// Add keeps f, or counts it when there are enough already. Only errors are
// counted past the limit: Report.OK relies on that.
func (c *Collector) Add(f Finding) {
	limit := c.Max
	if limit <= 0 {
		limit = DefaultFindings
	}
	if f.Severity != Error {
		if c.lenient >= limit/2 || len(c.Report.Findings) >= limit {
			return
		}
		c.lenient++
	}
	if len(c.Report.Findings) >= limit {
		c.Report.More++
		return
	}
	c.Report.Findings = append(c.Report.Findings, f)
}

// Textf makes a text of two formats that take the same arguments.
func Textf(uk, en string, args ...any) Text {
	return Text{UK: fmt.Sprintf(uk, args...), EN: fmt.Sprintf(en, args...)}
}
