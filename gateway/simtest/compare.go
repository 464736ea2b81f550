package simtest

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// unknown is the token of a lease that was given, and whose answer got lost.
const unknown = "unknown."

// adopt takes over what is the gateway's to choose, or what an answer would have told
// that got lost: tokens, the time of a delay.
func (p *play) adopt() error {
	for _, s := range p.m.all {
		if s.token != unknown && (s.state != "leased" || !s.until.IsZero()) && !s.late {
			continue
		}
		it, err := p.item(s.id)
		if err != nil {
			return differ("submission %s: %v", s.id, err)
		}
		if s.state == "leased" {
			if s.token == unknown {
				s.token = it.Lease
				p.m.leases = append(p.m.leases, &lease{token: it.Lease, of: s})
			}
			s.until = it.LeaseUntil
		}
		if !s.late {
			continue
		}
		d := it.NotBefore.Sub(p.now)
		if d <= 0 || d > time.Hour || s.attempts > s.delays && d < s.delayed {
			return differ("submission %s: delayed by %v after %d attempts, by %v after %d", s.id, d, s.attempts, s.delayed, s.delays)
		}
		s.late, s.notBefore, s.delayed, s.delays = false, it.NotBefore, d, s.attempts
	}
	return nil
}

// told: the last record of each item tells what it is and what parts it has; no change
// of them has gone without one.
func (p *play) told() error {
	return p.store.Store.View(p.ctx, func(r spool.Reader) error {
		items, err := r.Items(spool.Query{})
		if err != nil {
			return err
		}
		for _, it := range items {
			history, err := r.History(it.ID)
			if err != nil {
				return err
			}
			parts, err := r.Parts(it.ID)
			if err != nil {
				return err
			}
			var last struct{ Left string }
			if len(history) == 0 {
				return differ("%s: no record tells of it", it.ID)
			}
			e := history[len(history)-1]
			if err := json.Unmarshal(e.Record, &last); err != nil {
				return err
			}
			if last.Left != journal.ItemDigest(it, parts) {
				return differ("%s: it is not as its last record (%s) left it", it.ID, e.Kind)
			}
		}
		return nil
	})
}

// nothingLeft: after the core has worked, nothing that it could decide is left.
func (p *play) nothingLeft() error {
	for _, s := range p.m.all {
		switch want, _ := p.m.verdict(s); {
		case s.state == "received":
			return differ("submission %s is not examined", s.id)
		case s.state == "held" && !p.now.Before(s.deadline):
			return differ("submission %s is held beyond its deadline", s.id)
		case s.state == "held" && p.m.recheck && want != gateway.Held:
			return differ("submission %s is held still; it should be %s", s.id, want)
		case s.state == "leased" && !p.now.Before(s.until):
			return differ("submission %s is leased still, until %v", s.id, s.until)
		}
	}
	p.m.recheck = false
	return nil
}

// compare holds everything that can be seen against the model.
func (p *play) compare() error {
	var items [2][]spool.Item
	parts := map[spool.ID][]spool.Part{}
	var kept []spool.Kept
	err := p.store.Store.View(p.ctx, func(r spool.Reader) (err error) {
		for i, q := range []spool.Queue{gateway.Submissions, gateway.Statements} {
			if items[i], err = r.Items(spool.Query{Queue: q}); err != nil {
				return err
			}
			counted, err := r.Counts(q)
			if err != nil {
				return err
			}
			scanned := map[spool.State]int64{}
			for _, it := range items[i] {
				scanned[it.State]++
			}
			if !maps.Equal(counted, scanned) {
				return differ("%s: counted %v, there are %v", q, counted, scanned)
			}
		}
		for _, it := range items[0] {
			if parts[it.ID], err = r.Parts(it.ID); err != nil {
				return err
			}
		}
		kept, err = r.Kept("")
		return err
	})
	if err != nil {
		return err
	}
	if err := p.compareSubmissions(items[0], parts); err != nil {
		return err
	}
	if err := p.compareStatements(items[1]); err != nil {
		return err
	}
	n := 0
	for _, k := range kept {
		for c := range clients {
			if _, there := p.m.kept[c][k.Name]; there && k.Owner == string(clientID(c)) {
				n++
			}
		}
	}
	want := 0
	for c := range clients {
		want += len(p.m.kept[c])
	}
	if n != len(kept) || n != want {
		return differ("unfinished files: %v, want %v", kept, p.m.kept)
	}
	return p.compareBoxes()
}

func (p *play) compareSubmissions(items []spool.Item, parts map[spool.ID][]spool.Part) error {
	if len(items) != len(p.m.all) {
		return differ("%d submissions, want %d", len(items), len(p.m.all))
	}
	labels := map[string]bool{}
	for i, it := range items {
		s := p.m.all[i]
		p.reach.States[it.State]++
		switch {
		case it.ID != s.id, it.Owner != string(clientID(s.client)), it.Name != s.name:
			return differ("submission %s %s of %s, want %s %s of c%d", it.ID, it.Name, it.Owner, s.id, s.name, s.client)
		case it.State != s.state:
			return differ("submission %s is %s, want %s", it.ID, it.State, s.state)
		case !it.Received.Equal(s.received.Truncate(time.Microsecond)):
			return differ("submission %s was received at %v, want %v", it.ID, it.Received, s.received)
		case s.waits() && !it.Deadline.Equal(s.deadline.Truncate(time.Microsecond)):
			return differ("submission %s: deadline %v, want %v", it.ID, it.Deadline, s.deadline)
		case it.Lease != s.token, !it.LeaseUntil.Equal(s.until.Truncate(time.Microsecond)):
			return differ("submission %s: lease %q until %v, want %q until %v", it.ID, it.Lease, it.LeaseUntil, s.token, s.until)
		case it.Attempts != s.attempts, s.state == "accepted" && !it.NotBefore.Equal(s.notBefore):
			return differ("submission %s: %d attempts, not before %v, want %d, %v", it.ID, it.Attempts, it.NotBefore, s.attempts, s.notBefore)
		}
		if s.label == "" {
			s.label = it.Label
		}
		answered := s.outcome != "" || !s.notice.IsZero()
		if it.Label != s.label || (it.Label == "") == answered || answered && it.Label != s.name && !strings.HasPrefix(it.Label, s.name+".") {
			return differ("submission %s %s is answered as %q, before as %q", it.ID, s.name, it.Label, s.label)
		}
		if at := it.Owner + "/" + it.Label; it.Label != "" {
			if labels[at] {
				return differ("two submissions are answered as %s", at)
			}
			labels[at] = true
		}
		if err := p.compareParts(s, parts[s.id]); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) compareParts(s *submission, parts []spool.Part) error {
	n := 0
	for _, part := range parts {
		switch part.Role {
		case gateway.RoleDocument, gateway.RoleSignature, gateway.RoleContainer:
			n++
			if f := s.files[part.Name]; f == nil || f.role != part.Role || int64(len(f.bytes)) != part.Content.Size {
				return differ("submission %s has a %s %s, want %s", s.id, part.Role, part.Name, f)
			}
		case gateway.RoleReceipt:
			if err := p.compareReceipt(s, part); err != nil {
				return err
			}
		}
	}
	if n != len(s.files) {
		return differ("submission %s has %d files, want %v", s.id, n, slices.Sorted(maps.Keys(s.files)))
	}
	return nil
}

// compareReceipt reads a receipt, once.
func (p *play) compareReceipt(s *submission, part spool.Part) error {
	last := s.outcome
	ending := ".receipt1.json"
	if s.answer != "" {
		last, ending = s.answer, ".receipt2.json"
	}
	if s.told == last || part.Name != s.label+ending {
		return nil
	}
	blob, err := p.store.Store.Open(p.ctx, part.Content.SHA256)
	if err != nil {
		return differ("%s: %v", part.Name, err)
	}
	defer blob.Close()
	var r gateway.Receipt
	if err := json.NewDecoder(io.NewSectionReader(blob, 0, blob.Size())).Decode(&r); err != nil {
		return differ("%s: %v", part.Name, err)
	}
	var first spool.ID
	if r.First != nil {
		first = *r.First
	}
	if r.Outcome != last || r.Submission != s.id || r.Document != s.name || r.Client != clientID(s.client) || last == s.outcome && first != s.first {
		return differ("%s says %s of %s %s (first %s), want %s of %s (first %s)", part.Name, r.Outcome, r.Submission, r.Document, first, last, s.id, s.first)
	}
	s.told = last
	return nil
}

func (p *play) compareStatements(items []spool.Item) error {
	if len(items) != len(p.m.statements) {
		return differ("%d statements, want %d", len(items), len(p.m.statements))
	}
	for _, s := range p.m.statements {
		i := slices.IndexFunc(items, func(it spool.Item) bool { return it.ID == s.id })
		if i < 0 || items[i].State != s.state || items[i].Owner != string(clientID(s.client)) || items[i].Name != s.name {
			return differ("statement %s %s of c%d is not there as %s: %+v", s.id, s.name, s.client, s.state, items)
		}
		p.reach.States[s.state]++
	}
	return nil
}

// compareBoxes lists what clients see.
func (p *play) compareBoxes() error {
	for c := range clients {
		for _, box := range []string{"receipts", "outbox"} {
			files, err := p.desk(c).List(p.ctx, "/"+box)
			if err != nil {
				return differ("%s of c%d: %v", box, c, err)
			}
			want := p.m.box(c, box)
			got := map[string]bool{}
			for _, f := range files {
				got[f.Name] = true
				if at, there := want[f.Name]; !there || !f.ModTime.Equal(at.Truncate(time.Microsecond)) {
					return differ("%s of c%d has %s of %v, want %v", box, c, f.Name, f.ModTime, at)
				}
			}
			for name := range want {
				switch {
				case got[name]:
				case p.m.unsure:
					p.m.gone(c, name)
				default:
					return differ("%s of c%d has no %s", box, c, name)
				}
			}
		}
	}
	p.m.unsure = false
	return nil
}
