package iso20022

import (
	"encoding/xml"
	"regexp"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
)

// Outcomes that StatusReport tells apart, spelled as in receipts.
const (
	Accepted  = "accepted"  // ACTC: authentication and format are right
	Rejected  = "rejected"  // RJCT
	Duplicate = "duplicate" // RJCT
	Held      = "held"      // PDNG
	Processed = "processed" // ACSC
	Returned  = "returned"  // RJCT
)

var statusOf = map[string]string{Accepted: "ACTC", Held: "PDNG", Processed: "ACSC"}

// Status is what a status report says.
type Status struct {
	ID       string    // of the report itself, at most 35 characters
	At       time.Time // when it is made
	Outcome  string    // one of the outcomes; any other rejects
	Reason   string    // text of the processor, for Returned
	Message  formats.Message
	Entries  []formats.Entry
	Findings []formats.Finding
	Language string // uk or en
}

// StatusReport writes the status report of the generation that the message was of:
// pain.002.001.03 about a pain.001.001.03, else pain.002.001.10. It is valid by
// the schema whatever the argument holds: what does not fit is cut.
func StatusReport(s Status) []byte {
	w := &writer{}
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	message := Pain002
	if s.Message.Name == Pain00103 {
		message = Pain00203 // the elements that are written here are the same
	}
	w.open(`Document xmlns="` + NamespaceOf(message) + `"`)
	w.open("CstmrPmtStsRpt")
	w.open("GrpHdr")
	w.text("MsgId", short(s.ID, 35))
	w.text("CreDtTm", s.At.UTC().Format("2006-01-02T15:04:05Z"))
	w.close("GrpHdr")

	status, ok := statusOf[s.Outcome]
	if !ok {
		status = "RJCT"
	}
	byRecord := map[int][]formats.Finding{}
	for _, f := range s.Findings {
		byRecord[f.Record] = append(byRecord[f.Record], f)
	}
	known := map[int]bool{0: true}
	for _, e := range s.Entries {
		known[e.Record] = true
	}
	group := byRecord[0]
	for _, f := range s.Findings {
		if !known[f.Record] { // no entry to hang it on
			group = append(group, f)
		}
	}

	w.open("OrgnlGrpInfAndSts")
	w.text("OrgnlMsgId", short(s.Message.ID, 35))
	w.text("OrgnlMsgNmId", short(s.Message.Name, 35))
	if countOK.MatchString(s.Message.Count) {
		w.text("OrgnlNbOfTxs", s.Message.Count)
	}
	if sumOK.MatchString(s.Message.Sum) {
		w.text("OrgnlCtrlSum", s.Message.Sum)
	}
	w.text("GrpSts", status)
	if s.Reason != "" {
		w.reason(s.Reason)
	}
	for _, f := range group {
		w.finding(f, s.Language)
	}
	w.close("OrgnlGrpInfAndSts")

	for i := 0; i < len(s.Entries); {
		id := s.Entries[i].PaymentID
		w.open("OrgnlPmtInfAndSts")
		w.text("OrgnlPmtInfId", short(id, 35))
		for ; i < len(s.Entries) && s.Entries[i].PaymentID == id; i++ {
			e := s.Entries[i]
			w.open("TxInfAndSts")
			if e.Instructed != "" {
				w.text("OrgnlInstrId", short(e.Instructed, 35))
			}
			w.text("OrgnlEndToEndId", short(e.EndToEndID, 35))
			// A file is taken or refused whole: every payment has the file's status.
			w.text("TxSts", status)
			for _, f := range byRecord[e.Record] {
				w.finding(f, s.Language)
			}
			w.close("TxInfAndSts")
		}
		w.close("OrgnlPmtInfAndSts")
	}
	w.close("CstmrPmtStsRpt")
	w.close("Document")
	return []byte(w.b.String())
}

var (
	countOK = regexp.MustCompile(`^[0-9]{1,15}$`)
	sumOK   = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,2})?$`)
)

// short fits s into a text of at most n characters; an empty one becomes
// NOTPROVIDED, as ISO 20022 uses it.
func short(s string, n int) string {
	r := []rune(strings.TrimSpace(clean(s)))
	if len(r) > n {
		r = r[:n]
	}
	if len(r) == 0 {
		return "NOTPROVIDED"
	}
	return string(r)
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0xFFFE || r == 0xFFFF || (r >= 0xD800 && r < 0xE000) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

type writer struct{ b strings.Builder }

func (w *writer) raw(s string)   { w.b.WriteString(s) }
func (w *writer) open(s string)  { w.raw("<" + s + ">") }
func (w *writer) close(s string) { w.raw("</" + s + ">") }
func (w *writer) text(n, s string) {
	w.open(n)
	_ = xml.EscapeText(&w.b, []byte(s)) // a strings.Builder never fails
	w.close(n)
}

func (w *writer) finding(f formats.Finding, lang string) {
	s := f.Rule
	if f.Severity == formats.Warning {
		s += " (" + formats.Text{UK: "попередження", EN: "warning"}.In(lang) + ")"
	}
	if f.Field != "" {
		s += " " + f.Field
	}
	w.reason(s + ": " + f.Message.In(lang))
}

// reason writes a narrative reason (external code NARR) in pieces of Max105Text.
func (w *writer) reason(s string) {
	w.open("StsRsnInf")
	w.raw("<Rsn><Cd>NARR</Cd></Rsn>")
	r := []rune(strings.TrimSpace(clean(s)))
	for n := 0; len(r) > 0 && n < 20; n++ {
		k := min(105, len(r))
		w.text("AddtlInf", string(r[:k]))
		r = r[k:]
	}
	w.close("StsRsnInf")
}
