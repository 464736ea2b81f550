package simtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

var zero time.Time

// play is a history under way.
type play struct {
	stage
	ctx    context.Context
	m      *model
	seq    int64 // the last journal row that was read
	reach  *Reach
	forbid string

	act
}

// act is what is known of the act that is being carried out.
type act struct {
	during  map[string]*submission // what it may do: kind of record -> to what; nil: to anything
	must    string                 // the kind of record that it must leave, unless the store failed
	steps   []step                 // that an upload must leave
	taken   func()                 // what else an upload means that was taken
	failed  bool                   // it failed because the store did
	claimed []*submission          // whose record is awaited
	puts    *statement             // that is being handed over
	after   func() error           // what else it means, once the journal was read
	under   *lease                 // that is being answered
	given   *gateway.Answer
}

// A Divergence is where gateway and model differ.
type Divergence struct{ What string }

func (d *Divergence) Error() string { return d.What }

func differ(format string, args ...any) error { return &Divergence{fmt.Sprintf(format, args...)} }

// step carries out one act and looks at what has become of it.
func (p *play) step(a Act) error {
	p.now = p.now.Add(time.Millisecond)
	p.m.now = p.now
	p.act, p.store.hit = act{during: map[string]*submission{}}, false
	p.reach.Acts[a.Kind]++
	if err := p.do(a); err != nil {
		return err
	}
	if err := p.settled(); err != nil {
		return err
	}
	if a.Rest {
		return p.compare()
	}
	p.act, p.store.hit = act{during: map[string]*submission{}}, false
	err := p.gateway.Work(p.ctx)
	if err != nil && !p.store.hit {
		return differ("work: %v", err)
	}
	p.failed = err != nil
	hit := p.store.hit
	if err := p.settled(); err != nil {
		return err
	}
	if !hit {
		if err := p.nothingLeft(); err != nil {
			return err
		}
	}
	return p.compare()
}

// settled reads the journal, and begins anew where the store has stopped.
func (p *play) settled() error {
	dead := p.store.dead
	if dead {
		p.reach.Crashes++
		if err := p.restart(); err != nil {
			return differ("restart: %v", err)
		}
		p.m.recheck = true
	}
	return p.follow()
}

// outcome compares what an act was answered with what it should be; a store that
// failed excuses it.
func (p *play) outcome(err, want error) error {
	switch {
	case p.store.hit && err != nil:
		p.failed = true
		return nil
	case want == nil && err != nil, want != nil && !errors.Is(err, want):
		return differ("answered %v, want %v", err, want)
	}
	return nil
}

func (p *play) do(a Act) error {
	c := a.A % clients
	switch a.Kind {
	case Upload, Interrupt, UploadTemporary:
		// Most files are about one document or another of its number, and half of them the
		// first client's: there histories meet.
		if a.C&1 == 0 {
			c = 0
		}
		docs := p.cast.uploads[c]
		d := a.B % len(docs)
		if a.C&6 > 0 {
			d = a.B % 5 / 4
		}
		f := docs[d][a.C/8%len(docs[d])]
		return p.send(c, f, a.Kind)
	case Resume:
		return p.resume(c, a.B)
	case Rename:
		return p.rename(c, a.B)
	case Advance:
		steps := []time.Duration{time.Second, 10 * time.Second, 70 * time.Second, 11 * time.Minute, time.Hour, 6 * time.Hour, 25 * time.Hour}
		if a.B%3 > 0 {
			steps = steps[:5]
		}
		p.now = p.now.Add(steps[a.A%len(steps)])
		p.m.now = p.now
		return nil
	case Claim:
		return p.claim(a.A%3+1, []time.Duration{time.Second, time.Minute, time.Hour}[a.B%3])
	case Extend, Answer, AnswerAgain, AnswerOtherwise, AnswerOld, GiveBack:
		return p.lease(a)
	case OperatorRetry, OperatorBury, OperatorRelease:
		return p.operate(a)
	case Read, Acknowledge:
		return p.read(a)
	case Release, ReleaseAgain:
		return p.release(a)
	case Disable:
		e := p.cast.entries[c]
		e.Disabled = !p.m.disabled[c]
		p.during["register"], p.must = nil, "register"
		_, err := p.gateway.Apply(p.ctx, []client.Entry{e}, "simulator", false)
		return p.outcome(err, nil)
	case Trust:
		p.believe(a.A % trusts)
		p.m.trust = a.A % trusts
		p.m.recheck = true
		return p.outcome(p.gateway.Recheck(p.ctx), nil)
	case Retain:
		return p.retain([]time.Duration{time.Minute, 5 * time.Hour, 30 * time.Hour}[a.A%3])
	case CloseDay:
		return p.closeDay()
	case Restart:
		p.m.recheck = true
		if err := p.restart(); err != nil {
			return differ("restart: %v", err)
		}
		return nil
	case Fault:
		p.store.how, p.store.wait = a.A%faults, a.B%3+1
		return nil
	}
	return differ("unknown act %d", a.Kind)
}

// send uploads a file: whole, half of it, or under a temporary name.
func (p *play) send(c int, f upload, how Kind) error {
	name := f.name
	if how == UploadTemporary {
		name += ".part"
	}
	up, err := p.create(c, name, gateway.Mode{Truncate: true})
	if up == nil {
		return err
	}
	half := len(f.bytes)
	if how == Interrupt {
		half /= 2
	}
	if _, err := up.WriteAt(f.bytes[:half], 0); err != nil {
		return differ("write: %v", err)
	}
	switch how {
	case Interrupt:
		up.Interrupt(errors.New("gone"))
		p.keepIf(c, name, f)
		return nil
	case UploadTemporary:
		err := up.Close(p.ctx)
		if e := p.outcome(err, nil); e != nil {
			return e
		}
		p.keepIf(c, name, f)
		return nil
	}
	return p.close(c, up, f)
}

// create opens an upload; nil if it was refused, as it should be.
func (p *play) create(c int, name string, mode gateway.Mode) (gateway.Upload, error) {
	var want error
	switch {
	case p.m.disabled[c]:
		want = fs.ErrPermission
	case c == clients-1 && p.m.unsettled(c, name) >= quota:
		want = gateway.ErrQuota
	}
	up, err := p.desk(c).Create(p.ctx, "/inbox/"+name, mode)
	if e := p.outcome(err, want); e != nil || err != nil {
		return nil, e
	}
	return up, nil
}

// keepIf notes an unfinished file, unless the change that keeps it was not made.
func (p *play) keepIf(c int, name string, f upload) {
	if p.store.hit && p.store.how != made {
		return
	}
	p.reach.Kept++
	p.m.kept[c][name] = f
}

// close ends an upload: now the file is the gateway's.
func (p *play) close(c int, up gateway.Upload, f upload) error {
	p.steps = p.m.take(c, f)
	p.taken = func() { delete(p.m.kept[c], f.name) }
	err := up.Close(p.ctx)
	return p.outcome(err, nil)
}

// unfinished are the unfinished files of the first client, from c on, that has any.
func (p *play) unfinished(c int, temporary bool) (of int, names []string) {
	for range clients {
		for _, name := range slices.Sorted(maps.Keys(p.m.kept[c])) {
			if strings.HasSuffix(name, ".part") == temporary {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			break
		}
		c = (c + 1) % clients
	}
	return c, names
}

func (p *play) resume(c, n int) error {
	c, names := p.unfinished(c, false)
	if len(names) == 0 {
		return nil
	}
	f := p.m.kept[c][names[n%len(names)]]
	up, err := p.create(c, f.name, gateway.Mode{})
	if up == nil {
		return err
	}
	if got := up.Size(); got != int64(len(f.bytes)/2) {
		return differ("%s is resumed at %d bytes, want %d", f.name, got, len(f.bytes)/2)
	}
	p.reach.Resumed++
	if _, err := up.WriteAt(f.bytes[len(f.bytes)/2:], up.Size()); err != nil {
		return differ("write: %v", err)
	}
	return p.close(c, up, f)
}

func (p *play) rename(c, n int) error {
	c, names := p.unfinished(c, true)
	if len(names) == 0 {
		return nil
	}
	name := names[n%len(names)]
	f := p.m.kept[c][name]
	var want error
	switch _, there := p.m.kept[c][f.name]; {
	case there:
		want = fs.ErrExist
	case p.m.disabled[c]:
		want = fs.ErrPermission
	default:
		p.steps = p.m.take(c, f)
		p.taken = func() {
			delete(p.m.kept[c], name)
			delete(p.m.kept[c], f.name)
		}
	}
	err := p.desk(c).Rename(p.ctx, "/inbox/"+name, "/inbox/"+f.name, false)
	if err == nil {
		p.reach.Renamed++
	}
	return p.outcome(err, want)
}

func (p *play) claim(most int, ttl time.Duration) error {
	p.during["leased"] = nil
	leases, err := p.gateway.Lease(p.ctx, most, 0, ttl)
	if e := p.outcome(err, nil); e != nil {
		return e
	}
	var got []spool.ID
	for _, l := range leases {
		got = append(got, l.Submission.ID)
	}
	if err != nil { // the journal says what was claimed, the tokens are lost
		return nil
	}
	for range most {
		turn := p.m.turn()
		if len(turn) == 0 {
			break
		}
		if len(got) == 0 {
			return differ("claimed %d of %d, and there is %s", len(leases), most, turn[0].id)
		}
		i := slices.IndexFunc(turn, func(s *submission) bool { return s.id == got[0] })
		if i < 0 {
			return differ("claimed %s out of turn; it is that of %s", got[0], turn[0].id)
		}
		s, l := turn[i], leases[len(leases)-len(got)]
		if p.m.lease(l.Token) != nil {
			return differ("token of %s given out before", s.id)
		}
		if want := p.now.Add(ttl); !l.Until.Equal(want.Truncate(time.Microsecond)) {
			return differ("lease of %s until %v, want %v", s.id, l.Until, want)
		}
		p.m.claimed(s, l.Token, l.Until)
		p.claimed = append(p.claimed, s)
		p.m.leases = append(p.m.leases, &lease{token: l.Token, of: s})
		got = got[1:]
	}
	if len(got) > 0 {
		return differ("claimed %s, which may not be claimed now", got[0])
	}
	return nil
}

// claimed moves a submission; the journal's record of it is compared afterwards.
func (m *model) claimed(s *submission, token string, until time.Time) {
	m.serves++
	m.served[s.client] = m.serves
	s.state, s.token, s.until = "leased", token, until
	s.attempts++
}

var answers = []gateway.Answer{
	{Outcome: gateway.Processed, Reference: "77"},
	{Outcome: gateway.Returned, Reason: "wrong account"},
	{Outcome: gateway.Processed},
	{Outcome: gateway.Returned, Reason: "no budget"},
	{Outcome: gateway.Retry},
	{Outcome: gateway.Dead, Reason: "cannot be read"},
}

func (p *play) lease(a Act) error {
	var some []*lease
	for _, l := range p.m.leases {
		var fits bool
		switch a.Kind {
		case Answer, Extend, GiveBack:
			fits = l.current()
		case AnswerAgain, AnswerOtherwise:
			fits = l.answer != nil
		case AnswerOld:
			fits = l.answer == nil && !l.current()
		}
		if fits {
			some = append(some, l)
		}
	}
	if len(some) == 0 {
		if a.Kind != AnswerOld {
			return nil
		}
		return p.outcome(p.gateway.Answer(p.ctx, "never-given", answers[0]), gateway.ErrLease)
	}
	l := some[a.A%len(some)]
	s := l.of
	switch a.Kind {
	case Extend:
		until, err := p.gateway.Extend(p.ctx, l.token, time.Hour)
		if err == nil {
			s.until = until
		}
		if p.store.hit {
			s.until = zero // not known
		}
		return p.outcome(err, nil)
	case GiveBack:
		p.during["given back"], p.must = s, "given back"
		return p.outcome(p.gateway.GiveBack(p.ctx, l.token), nil)
	case Answer:
		given := answers[a.B%len(answers)]
		p.during["answered"], p.must, p.under, p.given = s, "answered", l, &given
		return p.outcome(p.gateway.Answer(p.ctx, l.token, given), nil)
	case AnswerAgain:
		p.reach.Again++
		return p.outcome(p.gateway.Answer(p.ctx, l.token, *l.answer), nil)
	case AnswerOtherwise:
		other := gateway.Answer{Outcome: gateway.Returned, Reason: "otherwise"}
		return p.outcome(p.gateway.Answer(p.ctx, l.token, other), gateway.ErrAnswer)
	}
	p.reach.Old++
	if err := p.outcome(p.gateway.GiveBack(p.ctx, l.token), gateway.ErrLease); err != nil {
		return err
	}
	if _, err := p.gateway.Extend(p.ctx, l.token, time.Hour); !errors.Is(err, gateway.ErrLease) && !p.store.hit {
		return differ("extended a lease that is over: %v", err)
	}
	return p.outcome(p.gateway.Answer(p.ctx, l.token, answers[a.B%len(answers)]), gateway.ErrLease)
}

func (p *play) operate(a Act) error {
	if len(p.m.all) == 0 {
		return nil
	}
	some := slices.Clone(p.m.all)
	if a.C%4 > 0 { // mostly where it makes sense
		some = slices.DeleteFunc(some, func(s *submission) bool {
			switch a.Kind {
			case OperatorRetry:
				return s.state != "dead"
			case OperatorBury:
				return s.state != "accepted" && s.state != "leased"
			}
			return s.state != "leased" && s.state != "held"
		})
	}
	if len(some) == 0 {
		return nil
	}
	s := some[a.A%len(some)]
	var want, err error
	switch a.Kind {
	case OperatorRetry:
		if s.state != "dead" {
			want = gateway.ErrMove
		}
		p.during["retry"] = s
		err = p.gateway.Retry(p.ctx, s.id, "op", "why")
	case OperatorBury:
		if s.state != "accepted" && s.state != "leased" {
			want = gateway.ErrMove
		}
		p.during["buried"] = s
		err = p.gateway.Bury(p.ctx, s.id, "op", "why")
	default:
		if s.state != "leased" && s.state != "held" {
			want = gateway.ErrMove
		}
		p.during["released by operator"] = s
		err = p.gateway.Release(p.ctx, s.id, "op", "why")
	}
	if err == nil {
		for kind := range p.during {
			p.must = kind
		}
	}
	return p.outcome(err, want)
}

// read takes a file out of a box, or acknowledges it.
func (p *play) read(a Act) error {
	c, box := a.A%clients, "receipts"
	if a.B%3 > 0 {
		box = "outbox"
	}
	for range 2 * clients { // whoever has something there
		if len(p.m.box(c, box)) > 0 {
			break
		}
		if c = (c + 1) % clients; c == a.A%clients {
			box = map[string]string{"receipts": "outbox", "outbox": "receipts"}[box]
		}
	}
	names := slices.Sorted(maps.Keys(p.m.box(c, box)))
	if len(names) == 0 {
		return p.outcome(p.desk(c).Remove(p.ctx, "/"+box+"/none.txt"), fs.ErrNotExist)
	}
	name := names[a.C%len(names)]
	at := "/" + box + "/" + name
	if a.Kind == Acknowledge {
		p.during["acknowledged"], p.must = nil, "acknowledged"
		return p.outcome(p.desk(c).Remove(p.ctx, at), nil)
	}
	f, err := p.desk(c).Open(p.ctx, at)
	if e := p.outcome(err, nil); e != nil || err != nil {
		return e
	}
	if _, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil {
		return differ("%s: %v", at, err)
	}
	p.during["delivered"] = nil
	if !p.m.read(c, name) {
		p.must = "delivered"
	}
	err = f.Close()
	p.failed = p.store.hit
	return p.outcome(err, nil)
}

// gone takes a paper out of a client's sight. No receipt is named as a statement is.
func (m *model) gone(c int, name string) {
	if s := m.byPaper[paperKey(c, name)]; s != nil {
		s.gone[name] = true
		return
	}
	for _, s := range m.all {
		if _, there := s.papers()[name]; there && s.client == c {
			s.gone[name] = true
		}
	}
}

// read says whether a paper was read to its end before.
func (m *model) read(c int, name string) bool {
	if s := m.byPaper[paperKey(c, name)]; s != nil {
		return s.delivered[name]
	}
	for _, s := range m.all {
		if _, there := s.papers()[name]; there && s.client == c {
			return s.read[name]
		}
	}
	return false
}

func paperKey(c int, name string) string { return fmt.Sprint(c, "/", name) }

// release hands over a statement; again one that was handed over.
func (p *play) release(a Act) error {
	c := a.A % clients
	n := &statement{client: c, key: fmt.Sprint("k", a.B), content: fmt.Sprint("statement ", a.B), name: fmt.Sprint("S", a.B%2, ".txt")}
	var want error
	var first *statement
	if a.Kind == ReleaseAgain {
		for _, s := range p.m.statements {
			if s.key != "" {
				first = s
			}
		}
		if first == nil {
			return nil
		}
		c = first.client
		n.client, n.key, n.content = c, first.key, first.content
		if a.C%3 == 0 {
			n.content += " and more"
			want = gateway.ErrKey
		}
	} else {
		for _, s := range p.m.statements {
			if s.client == c && s.key == n.key {
				first = s
			}
		}
	}
	p.puts = n
	id, err := p.gateway.PutStatement(p.ctx, clientID(c), gateway.Outgoing{Name: n.name, Key: n.key, Content: bytes.NewReader([]byte(n.content))})
	if e := p.outcome(err, want); e != nil || err != nil {
		return e
	}
	if first != nil && id != first.id {
		return differ("the statement handed over again got the id %s, the first was %s", id, first.id)
	}
	n.id = id
	if first == nil {
		p.must = "released"
	}
	return nil
}

func (p *play) retain(age time.Duration) error {
	p.during["archived"], p.during["unfinished removed"], p.during["retired"] = nil, nil, nil
	err := p.gateway.Retain(p.ctx, age, age)
	if e := p.outcome(err, nil); e != nil {
		return e
	}
	if p.store.hit { // some are put away, some are not
		p.m.unsure = true
		return nil
	}
	before := p.now.Add(-age)
	type paper struct {
		client int
		name   string
	}
	var old []paper
	for c := range clients {
		for name, at := range p.m.box(c, "receipts") {
			if at.Before(before) {
				old = append(old, paper{c, name})
			}
		}
	}
	var ended []*statement
	for _, s := range p.m.statements {
		if !s.at.Before(before) {
			continue
		}
		if s.state == "delivered" || s.state == "acknowledged" {
			ended = append(ended, s)
		}
		for _, name := range s.papers() {
			if !s.gone[name] && (s.delivered[name] || s.state != "available") { // what nobody has read waits, however long
				old = append(old, paper{s.client, name})
			}
		}
	}
	p.after = func() error {
		for _, o := range old {
			p.m.gone(o.client, o.name)
			p.reach.Retired++
		}
		for _, s := range ended {
			if s.state != "archived" {
				return differ("statement %s is %s still", s.id, s.state)
			}
		}
		return nil
	}
	return nil
}

func (p *play) closeDay() error {
	p.during["day closed"], p.during["released"], p.must = nil, nil, "day closed"
	rep, err := p.gateway.CloseDay(p.ctx, p.now)
	if e := p.outcome(err, nil); e != nil || err != nil {
		return e
	}
	if n := rep.Missing(); n > 0 {
		return differ("the close of the day misses %d statements", n)
	}
	open := map[spool.ID]spool.State{}
	for _, c := range rep.Clients {
		for _, o := range c.Open {
			open[o.Submission] = o.State
		}
	}
	for _, s := range p.m.all {
		final := strings.Contains("rejected duplicate processed returned", string(s.state))
		if _, there := open[s.id]; there == final || there && open[s.id] != s.state {
			return differ("the close of the day has %s open as %q, it is %s", s.id, open[s.id], s.state)
		}
		delete(open, s.id)
	}
	if len(open) > 0 {
		return differ("the close of the day has %v open, which nobody sent", open)
	}
	return nil
}
