package simtest

import (
	"path"
	"slices"
	"strings"
)

// A step is one record that an upload must leave, and what it means. A nil
// submission is one that is begun by it.
type step struct {
	kind string
	of   *submission
	do   func(*submission)
}

// take says where an upload goes (DESIGN 5.1): a document and its detached
// signatures are one submission, in whatever order they come.
func (m *model) take(client int, f upload) []step {
	switch f.role {
	case "document":
		return m.takeDocument(client, f)
	case "signature":
		return m.takeSignature(client, f)
	}
	// A container is a submission of its own, unless it lies beside its document:
	// then it is not clear which of the two was signed.
	for _, s := range m.waiting(client, strings.TrimSuffix(f.name, ".p7s")) {
		if s.doc != nil {
			return []step{m.add(s, f)}
		}
	}
	return []step{m.begin(client, f.name, f)}
}

// waiting are the client's unsettled submissions of a name, newest first.
func (m *model) waiting(client int, name string) (out []*submission) {
	for _, s := range slices.Backward(m.all) {
		if s.client == client && s.name == name && s.waits() && !s.superseded {
			out = append(out, s)
		}
	}
	return out
}

// recent are submissions of a name that came in within the time of holding, newest first.
func (m *model) recent(client int, name string) (out []*submission) {
	for _, s := range slices.Backward(m.all) {
		if s.client == client && s.name == name && !s.received.Before(m.now.Add(-hold)) {
			out = append(out, s)
		}
	}
	return out[:min(len(out), 16)]
}

func (m *model) begin(client int, name string, f upload) step {
	return step{"received", nil, func(s *submission) {
		s.client, s.name, s.state, s.received, s.deadline = client, name, "received", m.now, m.now.Add(hold)
		s.files, s.gone, s.read = map[string]*piece{f.name: f.piece}, map[string]bool{}, map[string]bool{}
		if f.role == "document" {
			s.doc = f.doc
		}
	}}
}

func (m *model) add(s *submission, f upload) step {
	if s.files[f.name] == f.piece {
		return step{"again", s, func(*submission) {}}
	}
	return step{"added", s, func(s *submission) {
		s.files[f.name] = f.piece
		if f.role == "document" {
			s.doc = f.doc
		}
		s.state = "received"
	}}
}

func (m *model) takeDocument(client int, f upload) (steps []step) {
	for _, s := range m.waiting(client, f.name) {
		if s.doc == f.doc { // an answer that got lost
			return append(steps, step{"again", s, func(*submission) {}})
		}
		if s.doc != nil { // another document in its place
			steps = append(steps, step{"superseded", s, func(s *submission) { s.superseded, s.state = true, "received" }})
		}
	}
	// Signatures that came before it.
	var target *submission
	for _, s := range m.all {
		if s.client != client || !s.waits() || !s.orphan() || s.name != f.name && !strings.HasPrefix(s.name, f.name+".") {
			continue
		}
		if target == nil {
			target = s
			continue
		}
		steps = append(steps, step{"joined", target, func(to *submission) {
			for name, p := range s.files {
				to.files[name] = p
			}
			m.forget(s)
		}})
	}
	if target == nil {
		steps = append(steps, m.begin(client, f.name, f))
	} else {
		add := m.add(target, f)
		steps = append(steps, step{add.kind, target, func(s *submission) {
			if s.name != f.name { // answers bear the document's name
				s.label, s.name, s.notice = "", f.name, zero
			}
			add.do(s)
		}})
	}
	// Signatures over this very document that another submission of its name has to spare.
	have := map[string]bool{}
	if target != nil {
		for name := range target.files {
			have[name] = true
		}
		for i := range steps {
			if steps[i].kind == "joined" {
				for _, s := range m.all {
					if s != target && s.client == client && s.waits() && s.orphan() && (s.name == f.name || strings.HasPrefix(s.name, f.name+".")) {
						for name := range s.files {
							have[name] = true
						}
					}
				}
			}
		}
	}
	have[f.name] = true
	begun := len(steps) - 1
	for _, s := range m.recent(client, f.name) {
		if s == target {
			continue
		}
		var rest, mine []upload
		for _, u := range s.spares {
			if u.doc == f.doc {
				mine = append(mine, u)
			} else {
				rest = append(rest, u)
			}
		}
		for _, u := range mine {
			p := s.files[u.name] // as it is now
			if have[u.name] {
				continue
			}
			have[u.name] = true
			steps = append(steps, step{"joined", target, func(to *submission) { to.files[u.name] = p }})
		}
		if len(mine) > 0 {
			then := steps[begun].do
			steps[begun].do = func(to *submission) {
				then(to)
				s.spares = rest
			}
		}
	}
	return steps
}

func (m *model) forget(s *submission) {
	delete(m.byID, s.id)
	m.all = slices.DeleteFunc(m.all, func(o *submission) bool { return o == s })
}

// documentNames are those that a signature's document may have: P0.DBF.head.p7s is of
// P0.DBF.head, or of P0.DBF.
func documentNames(signature string) (names []string) {
	for name := strings.TrimSuffix(signature, ".p7s"); name != ""; name = strings.TrimSuffix(name, path.Ext(name)) {
		names = append(names, name)
		if path.Ext(name) == "" {
			break
		}
	}
	return names
}

func (m *model) takeSignature(client int, f upload) []step {
	names := documentNames(f.name)
	var best *submission
	for _, name := range names {
		for _, s := range m.waiting(client, name) {
			switch old := s.files[f.name]; {
			case s.container() && s.doc == nil, s.orphan() && s.name != names[0], old != nil && old.role != f.role:
				continue
			}
			if best == nil || s.doc == f.doc && best.doc != f.doc {
				best = s
			}
		}
	}
	if best != nil {
		add := m.add(best, f)
		if best.doc != nil && best.doc != f.doc && add.kind == "added" {
			then := add.do
			add.do = func(s *submission) { // perhaps early, for a document that takes this one's place
				then(s)
				s.spare(f)
			}
		}
		return []step{add}
	}
	// What it signs was answered already: that answer is this file's too, unless the
	// client has signed anew.
	for _, name := range names {
		for _, s := range m.recent(client, name) {
			if s.doc != f.doc || s.doc == nil || s.files[f.name] != nil && s.files[f.name] != f.piece {
				continue
			}
			return []step{{"late", s, func(s *submission) {
				s.files[f.name] = f.piece
				s.spare(f)
			}}}
		}
	}
	return []step{m.begin(client, names[0], f)}
}

func (s *submission) spare(f upload) {
	if len(s.spares) < 16 {
		s.spares = append(s.spares, f)
	}
}
