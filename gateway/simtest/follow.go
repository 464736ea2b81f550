package simtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// record is a journal row as auditors read it.
type record struct {
	spool.Event
	Name      string          `json:"name"`
	From      spool.State     `json:"from"`
	To        spool.State     `json:"to"`
	Outcome   gateway.Outcome `json:"outcome"`
	Other     spool.ID        `json:"other"`
	Lease     string          `json:"lease"`
	Reference string          `json:"reference"`
	By        string          `json:"by"`
	Before    time.Time       `json:"before"`
}

func (r record) String() string {
	return fmt.Sprintf("row %d, %s of %s from %q to %q %s", r.Seq, r.Kind, r.Event.Item, r.From, r.To, r.Outcome)
}

// rows reads what the journal has gained.
func (p *play) rows() (rows []record, err error) {
	err = p.store.Store.View(p.ctx, func(r spool.Reader) error {
		rows = nil
		events, err := r.Events(p.seq, 1000)
		for _, e := range events {
			rec := record{}
			if err := json.Unmarshal(e.Record, &rec); err != nil {
				return err
			}
			rec.Event = e
			rows = append(rows, rec)
		}
		return err
	})
	return rows, err
}

// follow reads the journal on, holds every row to what may happen now, and lets the
// model go along.
func (p *play) follow() error {
	rows, err := p.rows()
	if err != nil {
		return err
	}
	for i := range rows {
		if p.seq++; rows[i].Seq != p.seq {
			return differ("journal: row %d comes after %d", rows[i].Seq, p.seq-1)
		}
		p.reach.Records[rows[i].Kind]++
	}
	if rows, err = p.followSteps(rows); err != nil {
		return err
	}
	left := ""
	for i := range rows {
		if err := p.followOne(&rows[i]); err != nil {
			return err
		}
		left += rows[i].Kind + ","
	}
	if err := p.adopt(); err != nil {
		return err
	}
	if len(p.claimed) > 0 {
		return differ("the journal has no record of the lease of %s", p.claimed[0].id)
	}
	if p.after != nil {
		if err := p.after(); err != nil {
			return err
		}
	}
	if p.must != "" && !p.failed && !strings.Contains(left, p.must+",") {
		return differ("the journal has no record %q of it", p.must)
	}
	return nil
}

// followSteps compares what an upload had to leave: all of it or, where the store
// failed, nothing.
func (p *play) followSteps(rows []record) ([]record, error) {
	if len(p.steps) == 0 || p.failed && len(rows) == 0 {
		return rows, nil
	}
	if len(rows) < len(p.steps) {
		return nil, differ("an upload left %d records, want %d (%s ...)", len(rows), len(p.steps), p.steps[len(rows)].kind)
	}
	begun := (*submission)(nil)
	for i, s := range p.steps {
		r := rows[i]
		of := s.of
		if of == nil {
			if begun == nil {
				if p.m.byID[r.Event.Item] != nil {
					return nil, differ("%s: not a new submission", r)
				}
				begun = &submission{id: r.Event.Item}
				p.m.byID[begun.id] = begun
				p.m.all = append(p.m.all, begun)
				slices.SortFunc(p.m.all, func(a, b *submission) int { return int(int64(a.id) - int64(b.id)) })
			}
			of = begun
		}
		if r.Kind != s.kind || r.Event.Item != of.id {
			return nil, differ("%s: want %s of %s", r, s.kind, of.id)
		}
		if r.From != "" && r.From != of.state || r.Kind == "received" && r.From != "" {
			return nil, differ("%s: it was %q", r, of.state)
		}
		was := of.state
		s.do(of)
		if was != of.state && !p.allowed(was, of.state) {
			return nil, differ("%s: not an allowed move", r)
		}
		if r.To != "" && r.To != of.state {
			return nil, differ("%s: want to %q", r, of.state)
		}
		p.reach.move(was, of.state)
	}
	if p.taken != nil {
		p.taken()
	}
	return rows[len(p.steps):], nil
}

// may says whether the act may leave a record of this kind about this submission.
func (p *play) may(r *record, s *submission) error {
	if only, ok := p.during[r.Kind]; !ok || only != nil && only != s {
		return differ("%s: nobody asked for it", r)
	}
	return nil
}

func (p *play) followOne(r *record) error {
	m := p.m
	switch r.Kind {
	case "register":
		var c int
		if _, err := fmt.Sscanf(r.Name, "c%d", &c); err != nil {
			return err
		}
		m.disabled[c] = !m.disabled[c]
		m.recheck = true
		return p.may(r, nil)
	case "day closed":
		return p.may(r, nil)
	case "retired":
		if r.Before.IsZero() || !r.Before.Before(p.now) || r.Name != "outbox" && r.Name != "receipts" {
			return differ("%s: %q before %v is not what was asked for", r, r.Name, r.Before)
		}
		return p.may(r, nil)
	case "unfinished removed":
		var c int
		if _, err := fmt.Sscanf(r.By, "c%d", &c); err != nil {
			return err
		}
		if _, there := m.kept[c][r.Name]; !there {
			return differ("%s: %s is not there", r, r.Name)
		}
		delete(m.kept[c], r.Name)
		return p.may(r, nil)
	case "released", "delivered", "acknowledged", "archived":
		return p.followPaper(r)
	}
	s := m.byID[r.Event.Item]
	if s == nil {
		return differ("%s: a submission that nobody sent", r)
	}
	if r.Kind == "leased" {
		return p.followLeased(r, s)
	}
	if r.From != s.state {
		return differ("%s: it was %q", r, s.state)
	}
	var err error
	switch r.Kind {
	case "decided":
		err = p.followVerdict(r, s)
	case "held":
		if want, _ := m.verdict(s); want != gateway.Held || r.To != "held" {
			return differ("%s: want %s", r, want)
		}
		s.notice = p.now
		for _, e := range []string{".held.txt", ".held.json"} {
			delete(s.gone, s.label+e)
			delete(s.read, s.label+e)
		}
	case "lease over":
		if p.now.Before(s.until) {
			return differ("%s: the lease holds until %v", r, s.until)
		}
		s.late = true
	case "given back":
		s.attempts, s.notBefore = max(0, s.attempts-1), zero
		err = p.may(r, s)
	case "answered":
		err = p.followAnswer(r, s)
	case "retry":
		s.notBefore = zero
		err = p.may(r, s)
	case "buried":
		err = p.may(r, s)
	case "released by operator":
		if s.state == "leased" {
			s.notBefore = zero
		}
		err = p.may(r, s)
	default:
		return differ("%s: not a known kind of record", r)
	}
	if err != nil {
		return err
	}
	return p.move(r, s)
}

// allowed says whether the design has a move.
func (p *play) allowed(from, to spool.State) bool {
	return slices.Contains(strings.Fields(allowed[from]), string(to)) && p.forbid != fmt.Sprintf("%s -> %s", from, to)
}

// move changes the state of a submission, by the table of the design.
func (p *play) move(r *record, s *submission) error {
	from := s.state
	if from == "held" && r.Kind == "decided" { // one record for two moves
		if !p.allowed(from, "received") {
			return differ("%s: not an allowed move", r)
		}
		p.reach.move(from, "received")
		from = "received"
	}
	if r.From != r.To && !p.allowed(from, r.To) {
		return differ("%s: not an allowed move", r)
	}
	if r.From != r.To {
		p.reach.move(from, r.To)
	}
	s.state = r.To
	if s.state != "leased" {
		s.token, s.until = "", zero
	}
	return nil
}

func (p *play) followVerdict(r *record, s *submission) error {
	want, first := p.m.verdict(s)
	if r.Outcome != want || string(r.To) != string(want) {
		return differ("%s: want %s", r, want)
	}
	s.outcome, s.decided, s.notice = want, p.now, zero
	switch want {
	case gateway.Accepted:
		d, signers := s.signed()
		p.m.content[contentKey(s.client, d, signers)] = s
		p.m.number[numberKey(s.client, d)] = s
	case gateway.Duplicate:
		if r.Other != first.id {
			return differ("%s: a duplicate of %s, want of %s", r, r.Other, first.id)
		}
		s.first = first.id
	}
	return nil
}

// followLeased is a claim: it was compared with whose turn it is when the processor
// got it, unless the store failed before he did.
func (p *play) followLeased(r *record, s *submission) error {
	if err := p.may(r, s); err != nil {
		return err
	}
	if !p.allowed("accepted", "leased") {
		return differ("%s: not an allowed move", r)
	}
	p.reach.move("accepted", "leased")
	switch {
	case s.state == "leased" && s.token[:8] == r.Lease && slices.Contains(p.claimed, s):
		p.claimed = slices.DeleteFunc(p.claimed, func(o *submission) bool { return o == s })
		return nil
	case p.failed && slices.Contains(p.m.turn(), s):
		p.m.claimed(s, unknown, zero)
		return nil
	}
	return differ("%s: the processor has another lease, or it is another's turn", r)
}

func (p *play) followAnswer(r *record, s *submission) error {
	if err := p.may(r, s); err != nil {
		return err
	}
	if p.given == nil || r.Outcome != p.given.Outcome || !p.under.current() {
		return differ("%s: the processor did not say so", r)
	}
	if want := map[gateway.Outcome]spool.State{gateway.Processed: "processed", gateway.Returned: "returned", gateway.Retry: "accepted", gateway.Dead: "dead"}[r.Outcome]; r.To != want {
		return differ("%s: want to %q", r, want)
	}
	p.under.answer = p.given
	switch r.Outcome {
	case gateway.Retry:
		s.late = true
	case gateway.Returned:
		for _, keys := range []map[string]*submission{p.m.content, p.m.number} { // the number may be used again
			for k, of := range keys {
				if of == s {
					delete(keys, k)
				}
			}
		}
		fallthrough
	case gateway.Processed:
		if s.answer != "" {
			return differ("%s: a second final answer", r)
		}
		s.answer, s.answered = r.Outcome, p.now
	}
	return nil
}

// followPaper is about what lies in a box.
func (p *play) followPaper(r *record) error {
	m := p.m
	if r.Kind == "released" {
		return p.followReleased(r)
	}
	if err := p.may(r, nil); err != nil {
		return err
	}
	var s *statement
	for _, o := range m.statements {
		if o.id == r.Event.Item {
			s = o
		}
	}
	if s == nil { // a receipt
		of := m.byID[r.Event.Item]
		if of == nil || r.To != "" || r.Kind == "archived" {
			return differ("%s: not a paper of anybody", r)
		}
		if r.Kind == "delivered" {
			if of.read[r.Name] {
				return differ("%s: delivered twice", r)
			}
			of.read[r.Name] = true
		}
		if r.Kind == "acknowledged" {
			if _, there := of.papers()[r.Name]; !there {
				return differ("%s: %s is not there", r, r.Name)
			}
			of.gone[r.Name] = true
		}
		return nil
	}
	put := r.Kind == "archived" && s.state == "acknowledged" // the client had put it away himself
	if !slices.Contains(s.papers(), r.Name) || s.gone[r.Name] != put {
		return differ("%s: %s is not there", r, r.Name)
	}
	to := map[string]spool.State{"delivered": "delivered", "acknowledged": "acknowledged", "archived": "archived"}[r.Kind]
	moves := r.Name == s.name && s.state != to && p.allowed(s.state, to)
	if moves != (r.To != "") || moves && (r.From != s.state || r.To != to) {
		return differ("%s: the statement was %q", r, s.state)
	}
	if moves {
		p.reach.move(s.state, to)
		s.state = to
	}
	switch r.Kind {
	case "delivered":
		if s.delivered[r.Name] {
			return differ("%s: delivered twice", r)
		}
		s.delivered[r.Name] = true
	case "acknowledged":
		s.gone[r.Name] = true
	}
	return nil
}

func (p *play) followReleased(r *record) error {
	m := p.m
	var s *statement
	switch _, close := p.during["released"]; {
	case close && strings.HasPrefix(r.Name, "DAY-"):
		it, err := p.item(r.Event.Item)
		if err != nil {
			return err
		}
		s = &statement{key: "", name: r.Name}
		if _, err := fmt.Sscanf(it.Owner, "c%d", &s.client); err != nil {
			return err
		}
	case p.puts != nil:
		s, p.puts = p.puts, nil
	default:
		return differ("%s: nobody handed it over", r)
	}
	s.id, s.name, s.at, s.state = r.Event.Item, r.Name, p.now, "available"
	s.delivered, s.gone = map[string]bool{}, map[string]bool{}
	m.numbers[s.client]++
	s.number = m.numbers[s.client]
	if want := fmt.Sprintf("%06d", s.number); r.Reference != want || r.To != "available" {
		return differ("%s: number %s, want %s", r, r.Reference, want)
	}
	for _, o := range m.statements {
		if o.client == s.client && (s.key != "" && o.key == s.key || o.name == s.name) {
			return differ("%s: the statement of key %q, name %s is there already", r, s.key, s.name)
		}
	}
	for _, name := range s.papers() {
		m.byPaper[paperKey(s.client, name)] = s
	}
	if !p.allowed("", "available") {
		return differ("%s: not an allowed move", r)
	}
	m.statements = append(m.statements, s)
	p.reach.move("", "available")
	return nil
}

func (p *play) item(id spool.ID) (it spool.Item, err error) {
	err = p.store.Store.View(p.ctx, func(r spool.Reader) (err error) {
		it, err = r.Item(id)
		return err
	})
	return it, err
}
