package simtest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// hold is how long what is incomplete waits (DESIGN 5.1).
const hold = 24 * time.Hour

// allowed are the moves of DESIGN 5, written down once more.
var allowed = map[spool.State]string{
	"":             "received available",
	"received":     "held rejected duplicate accepted",
	"held":         "received",
	"accepted":     "leased dead",
	"leased":       "processed returned dead accepted",
	"dead":         "accepted",
	"available":    "delivered acknowledged",
	"delivered":    "acknowledged archived",
	"acknowledged": "archived",
}

// submission is what the model knows of one.
type submission struct {
	id       spool.ID
	client   int
	name     string
	files    map[string]*piece
	doc      *document // that lies beside its signatures; nil: none yet, or in a container
	state    spool.State
	received time.Time
	deadline time.Time
	decided  time.Time

	superseded bool
	spares     []upload // signatures that another submission may need

	outcome  gateway.Outcome // of receipt 1
	first    spool.ID
	answer   gateway.Outcome // of receipt 2
	answered time.Time
	label    string
	told     gateway.Outcome // whose receipt was read

	attempts  int
	notBefore time.Time
	late      bool // it was given back with a delay, which is the gateway's to choose
	delayed   time.Duration
	delays    int // attempts when it was delayed so
	token     string
	until     time.Time

	notice time.Time       // when the held notice was put into the box; zero: there is none
	read   map[string]bool // papers that were read to their end
	gone   map[string]bool // papers that the client has acknowledged, or retention put away
}

func (s *submission) container() bool {
	for _, p := range s.files {
		if p.role == "container" {
			return true
		}
	}
	return false
}

// orphan: a signature without its document.
func (s *submission) orphan() bool { return s.doc == nil && !s.container() }

func (s *submission) waits() bool { return s.state == "received" || s.state == "held" }

// papers are what lies in the client's box, with the time at which it was put there.
func (s *submission) papers() map[string]time.Time {
	out := map[string]time.Time{}
	add := func(at time.Time, endings ...string) {
		for _, e := range endings {
			if name := s.label + e; !s.gone[name] {
				out[name] = at
			}
		}
	}
	if !s.notice.IsZero() {
		add(s.notice, ".held.txt", ".held.json")
	}
	if s.outcome != "" {
		add(s.decided, ".receipt1.json", ".receipt1.json.p7s", ".receipt1.txt")
	}
	if s.answer != "" {
		add(s.answered, ".receipt2.json", ".receipt2.json.p7s", ".receipt2.txt")
	}
	return out
}

// statement is what the model knows of one.
type statement struct {
	id        spool.ID
	client    int
	number    int
	name      string // of its first form
	key       string
	content   string
	state     spool.State
	at        time.Time
	delivered map[string]bool
	gone      map[string]bool
}

func (s *statement) papers() []string { return []string{s.name, s.name + ".p7s"} }

type lease struct {
	token  string
	of     *submission
	answer *gateway.Answer // that was given under it
}

// model is what there should be.
type model struct {
	now   time.Time
	trust int

	all      []*submission // by id
	byID     map[spool.ID]*submission
	content  map[string]*submission // accepted: by client, document and signers
	number   map[string]*submission // accepted: by client and business number
	leases   []*lease
	served   [clients]int // 0: never
	serves   int
	disabled [clients]bool
	kept     [clients]map[string]upload // unfinished files; an upload with bytes of half a file has none of the whole
	recheck  bool                       // everything held is to be examined again

	statements []*statement
	byPaper    map[string]*statement // client/name
	numbers    [clients]int
	unsure     bool // what lies in the boxes is to be looked at: retention was interrupted
}

func newModel(now time.Time) *model {
	m := &model{
		now: now, byID: map[spool.ID]*submission{}, content: map[string]*submission{}, number: map[string]*submission{},
		byPaper: map[string]*statement{},
	}
	for c := range m.kept {
		m.kept[c] = map[string]upload{}
	}
	return m
}

// unsettled counts against the quota.
func (m *model) unsettled(client int, but string) (n int) {
	for _, s := range m.all {
		if s.client == client && s.waits() {
			n++
		}
	}
	for name := range m.kept[client] {
		if name != but {
			n++
		}
	}
	return n
}

// verdict is what an examination must come to now, and the submission that was
// accepted before, for a duplicate.
func (m *model) verdict(s *submission) (gateway.Outcome, *submission) {
	o, unsigned := m.judged(s)
	switch {
	case o == gateway.Accepted:
		d, signers := s.signed()
		if first := m.content[contentKey(s.client, d, signers)]; first != nil {
			return gateway.Duplicate, first
		}
		if first := m.number[numberKey(s.client, d)]; first != nil {
			return gateway.Duplicate, first
		}
	case o == gateway.Held && unsigned && s.doc != nil:
		// It has come again alone, and its signatures were sent before.
		for _, b := range slices.Backward(m.all) {
			if b.id < s.id && b.client == s.client && b.name == s.name && !b.received.Before(m.now.Add(-hold)) && b.doc == s.doc &&
				strings.Contains("accepted leased processed dead", string(b.state)) {
				return gateway.Duplicate, b
			}
		}
	}
	return o, nil
}

// signed is the document of a submission, and who signed it.
func (s *submission) signed() (d *document, signers string) {
	d = s.doc
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if p := s.files[name]; p.role != "document" {
			signers += p.signers
			if p.role == "container" {
				d = p.doc
			}
		}
	}
	set := []rune(signers)
	slices.Sort(set)
	return d, string(slices.Compact(set))
}

// judged is the verdict on a submission by itself: what is proved wrong rejects,
// what may still come holds until the deadline.
func (m *model) judged(s *submission) (o gateway.Outcome, unsigned bool) {
	overdue := !m.now.Before(s.deadline)
	wait := gateway.Held
	if overdue {
		wait = gateway.Rejected
	}
	boxes := 0
	for _, p := range s.files {
		if p.role == "container" {
			boxes++
		}
	}
	switch {
	case s.superseded, boxes > 1, boxes == 1 && s.doc != nil:
		return gateway.Rejected, false
	case boxes == 0 && s.doc == nil:
		return wait, false
	}
	d, _ := s.signed()
	o = gateway.Accepted
	if d.bad || m.disabled[s.client] {
		o = gateway.Rejected
	}
	have := map[rune]bool{}
	n := 0
	for _, p := range s.files {
		if p.role == "document" {
			continue
		}
		for _, who := range p.signers {
			n++
			switch {
			case p.doc != d: // signed over other bytes
				o = gateway.Rejected
			case m.trust == trustNone:
				if o == gateway.Accepted {
					o = wait
				}
				have[who] = true
			case who == stranger, who == revoked, who == head && m.trust == trustGone:
				o = gateway.Rejected
			default:
				have[who] = true
			}
		}
	}
	if o == gateway.Rejected {
		return o, n == 0
	}
	if !(have[head] || have[revoked]) || !have[accountant] { // whose a signature is can be read before it is proved
		if boxes == 1 {
			return gateway.Rejected, false
		}
		o = wait
	}
	return o, n == 0
}

func contentKey(c int, d *document, signers string) string {
	// A person is known by the personal code: the revoked certificate is the head's.
	return strings.ReplaceAll(signers, "R", "H") + " " + string(clientID(c)) + " " + string(d.bytes)
}

func numberKey(c int, d *document) string { return string(clientID(c)) + string(rune('0'+d.number)) }

// claimable says whether a submission may be given to the processor now.
func (m *model) claimable(s *submission) bool {
	return s.state == "accepted" && !s.notBefore.After(m.now)
}

// turn says whose turn it may be: the owner served longest ago, those never served
// before all others; of one owner the oldest.
func (m *model) turn() []*submission {
	oldest := [clients]*submission{}
	for _, s := range m.all {
		if m.claimable(s) && oldest[s.client] == nil {
			oldest[s.client] = s
		}
	}
	var out []*submission
	least := 0
	for c, s := range oldest {
		if s == nil {
			continue
		}
		if len(out) == 0 || m.served[c] < least {
			out, least = nil, m.served[c]
		}
		if m.served[c] == least {
			out = append(out, s)
		}
	}
	return out
}

func (m *model) lease(token string) *lease {
	for _, l := range m.leases {
		if l.token == token {
			return l
		}
	}
	return nil
}

// current says whether a lease is one that its submission is still under.
func (l *lease) current() bool { return l.of.state == "leased" && l.of.token == l.token }

// box is what a client sees in a box.
func (m *model) box(client int, box string) map[string]time.Time {
	out := map[string]time.Time{}
	if box == "receipts" {
		for _, s := range m.all {
			if s.client == client {
				maps.Copy(out, s.papers())
			}
		}
		return out
	}
	for _, s := range m.statements {
		for _, name := range s.papers() {
			if s.client == client && !s.gone[name] {
				out[name] = s.at
			}
		}
	}
	return out
}
