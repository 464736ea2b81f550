package gateway

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // receipts are in Kyiv time on every host

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Receipt is the gateway's or the processor's answer to one submission
// (DESIGN 8). Its JSON form is what is sealed; docs/receipts.md describes it.
type Receipt struct {
	Receipt    int                `json:"receipt"` // 1: examined; 2: answered by the processor
	Document   string             `json:"document"`
	SHA256     string             `json:"sha256"` // of the document that was signed
	Size       int64              `json:"size"`
	Submission spool.ID           `json:"submission"`
	Client     client.ID          `json:"client"`
	Received   time.Time          `json:"received"`
	Decided    time.Time          `json:"decided"`
	Outcome    Outcome            `json:"outcome"`
	Deadline   *time.Time         `json:"deadline,omitempty"` // of a held one
	First      *spool.ID          `json:"first,omitempty"`    // of a duplicate: the submission that was accepted
	Kind       formats.Kind       `json:"kind,omitempty"`
	Profile    formats.ProfileRef `json:"profile"`
	Totals     *Totals            `json:"totals,omitempty"`
	Findings   []formats.Finding  `json:"findings"`
	More       int                `json:"moreFindings,omitempty"` // counted and not listed
	Signatures []SignatureView    `json:"signatures"`
	Container  *ContainerView     `json:"container,omitempty"` // that the document came in, if an ASiC
	Reason     string             `json:"reason,omitempty"`    // receipt 2: the processor's words
	Reference  string             `json:"reference,omitempty"` // receipt 2: the processor's number
	Journal    JournalRef         `json:"journal"`
}

// Totals say what was in the file.
type Totals struct {
	Records int    `json:"records"`
	Sum     string `json:"sum,omitempty"` // hryvnias, 1234.05, of the amounts that could be read; absent: more than can be counted

	kopecks int64
}

// JournalRef names the record of the journal that this answer stands in.
type JournalRef struct {
	Record spool.ID `json:"record"`
}

// JSON is the form that is sealed and that programs read.
func (r *Receipt) JSON() ([]byte, error) {
	out := *r
	if out.Findings == nil {
		out.Findings = []formats.Finding{}
	}
	if out.Signatures == nil {
		out.Signatures = []SignatureView{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// receiptFile is one form of a receipt; its name is the label and the suffix.
type receiptFile struct {
	suffix  string
	content []byte
}

// receiptFiles makes every form of a receipt: JSON first, then its seal, the
// text, and pain.002 where the document was pain.001.
func (g *Gateway) receiptFiles(r *Receipt, entry *client.Entry, v *Verdict) ([]receiptFile, error) {
	body, err := r.JSON()
	if err != nil {
		return nil, err
	}
	seal, err := g.seal(body, r.Decided)
	if err != nil {
		return nil, err
	}
	text := encode(entry, r.Text(g.language(entry)))
	base := fmt.Sprintf(".receipt%d", r.Receipt)
	files := []receiptFile{{base + ".json", body}, {base + ".json.p7s", seal}, {base + ".txt", text}}
	if v.Message != nil {
		answer := iso20022.StatusReport(iso20022.Status{
			ID: fmt.Sprintf("%s-%d", r.Submission, r.Receipt), At: r.Decided, Outcome: string(r.Outcome), Reason: r.Reason,
			Message: *v.Message, Entries: v.Entries, Findings: r.Findings, Language: g.language(entry),
		})
		files = append(files, receiptFile{base + ".pain002.xml", answer})
	}
	return files, nil
}

// ErrSeal is wrapped when the gateway's seal cannot be used now. What needed it has
// not happened, and may be asked for again.
var ErrSeal = errors.New("the seal cannot be used now")

// NoSeal stands in the place of a seal in a tool that opens a store to look at it,
// and cannot have the key: why tells the reason. What has to be sealed fails with
// ErrSeal and that reason. A daemon has no use for it.
func NoSeal(why error) cades.Signer { return cades.Signer{Key: noSeal{why}} }

type noSeal struct{ why error }

func (noSeal) Public() crypto.PublicKey { return nil }

func (n noSeal) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, n.why }

func (n noSeal) Ready() error { return n.why }

// seal signs bytes as the gateway: detached CAdES.
func (g *Gateway) seal(content []byte, at time.Time) ([]byte, error) {
	if n, none := g.Seal.Key.(noSeal); none {
		return nil, fmt.Errorf("%w: %w", ErrSeal, n.why)
	}
	sealed, err := cades.Sign(g.Rand, content, []cades.Signer{g.Seal}, cades.SignOptions{Detached: true, At: at})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSeal, err)
	}
	return sealed, nil
}

// language is the one that a client is answered in.
func (g *Gateway) language(entry *client.Entry) string {
	if l := g.Settings().Language; entry.Language == "" && l != "" {
		return l
	}
	return entry.Lang()
}

// encode writes text in the client's code page. The register has only pages that exist.
func encode(entry *client.Entry, text string) []byte {
	page, ok := charset.Lookup(entry.Page())
	if !ok {
		return []byte(text)
	}
	return page.Encode(text)
}

// Text is the form for people, in language lang ("uk" or "en").
func (r *Receipt) Text(lang string) string {
	w := &letter{lang: lang}
	w.head(r)
	w.reasons(r)
	w.signatures(r)
	w.foot(r)
	return strings.ReplaceAll(w.String(), "\n", "\r\n") // old editors know no other line end
}

// letter writes a receipt for people.
type letter struct {
	strings.Builder
	lang string
}

func (w *letter) say(uk, en string, args ...any) {
	format := formats.Text{UK: uk, EN: en}.In(w.lang)
	fmt.Fprintf(&w.Builder, format+"\n", args...)
}

// Text tells a verdict to people, as the receipt does.
func (v *Verdict) Text(lang string) string {
	w := &letter{lang: lang}
	w.verdict(v)
	return w.String()
}

// Totals say what is in the document; nil where its kind has no records.
func (v *Verdict) Totals() *Totals { return totals(v.Entries) }

func totals(entries []formats.Entry) *Totals {
	if len(entries) == 0 {
		return nil
	}
	t := Totals{Records: len(entries)}
	for _, e := range entries {
		t.kopecks = addCapped(t.kopecks, e.Amount)
	}
	if t.kopecks < math.MaxInt64 {
		t.Sum = money.Format(t.kopecks)
	}
	return &t
}

// verdict tells an examination that no receipt was made of.
func (w *letter) verdict(v *Verdict) {
	r := &Receipt{
		Receipt: 1, Document: v.Document, SHA256: v.SHA256, Outcome: v.Outcome, Kind: v.Kind, Profile: v.Profile,
		Totals: totals(v.Entries), Findings: v.Findings, More: v.More, Signatures: v.Signatures,
		Container: v.Container,
	}
	w.what(r)
	w.say("", "")
	w.reasons(r)
	w.signatures(r)
	w.which(r)
}

var outcomeWords = map[Outcome]formats.Text{
	Accepted:  {UK: "ПРИЙНЯТО", EN: "ACCEPTED"},
	Rejected:  {UK: "ВІДХИЛЕНО", EN: "REJECTED"},
	Held:      {UK: "ОЧІКУЄ", EN: "HELD"},
	Duplicate: {UK: "ПОВТОР (уже прийнято раніше)", EN: "DUPLICATE (accepted before)"},
	Processed: {UK: "ВИКОНАНО", EN: "PROCESSED"},
	Returned:  {UK: "ПОВЕРНУТО БЕЗ ВИКОНАННЯ", EN: "RETURNED UNPROCESSED"},
}

var roleWords = map[string]formats.Text{
	string(client.Head):       {UK: "керівник", EN: "head"},
	string(client.Accountant): {UK: "головний бухгалтер", EN: "chief accountant"},
	string(client.Seal):       {UK: "печатка", EN: "seal"},
	string(client.Other):      {UK: "інша особа", EN: "other"},
}

var indicationWords = map[string]formats.Text{
	cades.TotalPassed.String():   {UK: "підпис дійсний", EN: "valid"},
	cades.TotalFailed.String():   {UK: "підпис недійсний", EN: "not valid"},
	cades.Indeterminate.String(): {UK: "підпис не підтверджено", EN: "not confirmed"},
}

func (w *letter) head(r *Receipt) {
	if r.Outcome == Held {
		w.say("ПОВІДОМЛЕННЯ: документ очікує", "NOTICE: the document is held")
	} else {
		w.say("КВИТАНЦІЯ № %d", "RECEIPT %d", r.Receipt)
	}
	w.what(r)
	w.say("Одержано:    %s", "Received:    %s", kyiv(r.Received))
	if r.Outcome == Held {
		if r.Deadline != nil {
			w.say("Чекаємо до:  %s", "Waiting to:  %s", kyiv(*r.Deadline))
		}
	} else {
		w.say("Рішення:     %s", "Decided:     %s", kyiv(r.Decided))
	}
	w.say("Подання:     %s", "Submission:  %s", r.Submission)
	if r.First != nil {
		w.say("Перше подання: %s", "First submission: %s", *r.First)
	}
	if r.Reference != "" {
		w.say("Номер у системі обробки: %s", "Processor's reference: %s", plain(r.Reference))
	}
	w.say("", "")
}

// what says which document it is about, and how it came out.
func (w *letter) what(r *Receipt) {
	w.say("Документ:    %s", "Document:    %s", r.Document)
	if c := r.Container; c != nil {
		w.say("Контейнер:   %s, у ньому файл %s", "Container:   %s, in it the file %s", c.Form, plain(c.File))
	}
	w.say("Результат:   %s", "Outcome:     %s", outcomeWords[r.Outcome].In(w.lang))
	k, ok := formats.Titles[r.Kind]
	if !ok {
		k = r.Kind.Title()
	}
	if k.UK != "" {
		w.say("Вид:         %s", "Kind:        %s", k.In(w.lang))
	}
	switch {
	case r.Totals == nil:
	case r.Totals.Sum == "":
		w.say("Записів: %d", "Records: %d", r.Totals.Records)
	case r.More > 0 || slices.ContainsFunc(r.Findings, func(f formats.Finding) bool { return f.Record > 0 && f.Severity == formats.Error }):
		// Where records are wrong, amounts may not have been read: the sum is not to be
		// taken for the file's own total.
		w.say("Записів: %d; сума тих, що прочитано: %s грн", "Records: %d; sum of what could be read: UAH %s", r.Totals.Records, r.Totals.Sum)
	default:
		w.say("Записів: %d, на суму %s грн", "Records: %d, in all UAH %s", r.Totals.Records, r.Totals.Sum)
	}
}

func (w *letter) reasons(r *Receipt) {
	if r.Reason != "" {
		w.say("Причина: %s", "Reason: %s", plain(r.Reason))
		w.say("", "")
	}
	if len(r.Findings) == 0 {
		return
	}
	list := points(r.Findings)
	total := ""
	if n := len(r.Findings) + r.More; n > len(list) {
		total = fmt.Sprintf(formats.Text{UK: " (усього зауважень: %d)", EN: " (%d findings in all)"}.In(w.lang), n)
	}
	switch {
	case r.Outcome == Held:
		w.say("Чого бракує%s:", "What is missing%s:", total)
	case r.Outcome == Duplicate:
		w.say("Пояснення%s:", "Explanation%s:", total)
	case refused(r.Findings):
		w.say("Що виправити%s:", "What to mend%s:", total)
	default:
		w.say("Зауваження%s:", "Remarks%s:", total)
	}
	for i, p := range list {
		mark := ""
		if p.Severity == formats.Warning && r.Outcome != Accepted && r.Outcome != Held {
			mark = formats.Text{UK: "(попередження) ", EN: "(warning) "}.In(w.lang)
		}
		w.point(i+1, p, mark)
	}
	if r.More > 0 {
		if last := lastRecord(r.Findings); last > 0 {
			w.say("     Названо зауваження до запису %d включно.", "     Named are the findings up to record %d.", last)
		}
		w.say("     ... і ще зауважень: %d, у наступних записах можуть бути й такі самі. Виправте все таке в усьому файлі й надішліть його ще раз.",
			"     ... and %d more, perhaps the same ones in the records that follow. Mend all of that sort in the whole file and send it again.", r.More)
	}
	w.say("", "")
}

// lastRecord is how far the findings that are named go into the file.
func lastRecord(findings []formats.Finding) (last int) {
	for _, f := range findings {
		last = max(last, f.Record)
	}
	return last
}

func (w *letter) signatures(r *Receipt) {
	if len(r.Signatures) == 0 || r.Receipt == 2 {
		return
	}
	w.say("Підписи:", "Signatures:")
	for i, s := range r.Signatures {
		name := plain(s.Signer.Name)
		if name == "" {
			name = formats.Text{UK: "підписувача не визначено", EN: "signer not identified"}.In(w.lang)
		}
		if role, ok := roleWords[s.Role]; ok {
			name += " (" + role.In(w.lang) + ")"
		}
		code := s.Indication
		if s.SubIndication != "" {
			code += " " + s.SubIndication
		}
		if len(s.Tolerances) > 0 {
			code += ", " + strings.Join(s.Tolerances, ", ")
		}
		state, ok := indicationWords[s.Indication]
		if !ok {
			state = indicationWords[cades.Indeterminate.String()]
		}
		w.say("%3d. %s: %s [%s]", "%3d. %s: %s [%s]", i+1, name, state.In(w.lang), code)
	}
	w.say("", "")
}

func (w *letter) foot(r *Receipt) {
	w.which(r)
	if r.Outcome != Held {
		w.say("Запис журналу: %s", "Journal record: %s", r.Journal.Record)
		w.say("Ця квитанція підтверджена печаткою шлюзу: файл .receipt%d.json та підпис до нього .p7s.",
			"This receipt is proved by the gateway's seal: the file .receipt%d.json and its signature .p7s.", r.Receipt)
	}
}

// which names the document and the layout beyond doubt.
func (w *letter) which(r *Receipt) {
	if r.SHA256 != "" {
		w.say("SHA-256 документа: %s", "SHA-256 of the document: %s", r.SHA256)
	}
	if r.Profile.Name != "" {
		w.say("Формат: %s", "Layout: %s", r.Profile.Name)
	}
}

// Kyiv is the time zone of everything that people read. It is fixed, not the
// host's: a receipt says the same wherever the gateway runs.
var Kyiv = mustLocation("Europe/Kyiv")

func mustLocation(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(fmt.Sprintf("time zone %s: %v", name, err)) // the program embeds time/tzdata
	}
	return loc
}

func kyiv(t time.Time) string { return t.In(Kyiv).Format("02.01.2006 15:04:05") }

// plain makes foreign text safe for a receipt: no control or direction marks.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || slices.Contains(directionMarks, r) {
			return ' '
		}
		return r
	}, s)
}

var directionMarks = []rune{0x200b, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff}
