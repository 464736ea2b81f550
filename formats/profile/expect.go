package profile

import (
	"fmt"
	"time"

	"github.com/brama-gateway/brama/formats"
)

// Expectation is what is expected of a sample of a profile; it stands beside the
// sample in SAMPLE.want.json. Texts are left out: they may be worded better.
type Expectation struct {
	At       time.Time         `json:"at"`
	Profile  string            `json:"profile"` // that recognises the sample; empty: none
	OK       bool              `json:"ok"`
	Findings []ExpectedFinding `json:"findings"`

	// Of a layout that is written: the code page of the client it is written for, and
	// the file beside the expectation that holds what must be written.
	Page   string `json:"page,omitempty"`
	Output string `json:"output,omitempty"`
}

// ExpectedFinding is one finding, in the order of the report.
type ExpectedFinding struct {
	Rule     string           `json:"rule"`
	Severity formats.Severity `json:"severity"`
	Record   int              `json:"record,omitempty"`
	Field    string           `json:"field,omitempty"`
}

// Expect is the expectation that a report of a check at the moment at fulfils.
func Expect(r *formats.Report, at time.Time) Expectation {
	e := Expectation{At: at, Profile: r.Profile.Name, OK: r.OK(), Findings: []ExpectedFinding{}}
	for _, f := range r.Findings {
		e.Findings = append(e.Findings, ExpectedFinding{f.Rule, f.Severity, f.Record, f.Field})
	}
	return e
}

// Differences say where got is not as expected; none: it is.
func (e Expectation) Differences(got Expectation) []formats.Text {
	var list []formats.Text
	if e.Profile != got.Profile {
		list = append(list, formats.Textf("макет: %[2]q, очікувано %[1]q", "profile: %[2]q, expected %[1]q", e.Profile, got.Profile))
	}
	if e.OK != got.OK {
		list = append(list, formats.Textf("прийнято: %[2]v, очікувано %[1]v", "taken: %[2]v, expected %[1]v", e.OK, got.OK))
	}
	for i := range max(len(e.Findings), len(got.Findings)) {
		want, have := "-", "-"
		if i < len(e.Findings) {
			want = e.Findings[i].String()
		}
		if i < len(got.Findings) {
			have = got.Findings[i].String()
		}
		if want != have {
			list = append(list, formats.Textf("зауваження %[1]d: %[3]s, очікувано %[2]s", "finding %[1]d: %[3]s, expected %[2]s", i+1, want, have))
		}
	}
	return list
}

func (f ExpectedFinding) String() string {
	return fmt.Sprintf("%s %s record %d field %s", f.Rule, f.Severity, f.Record, f.Field)
}
