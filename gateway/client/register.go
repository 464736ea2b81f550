package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Register is the whole of the entries at one moment. It never changes, and
// nobody may change the entries it gives out; a new one replaces it.
type Register struct {
	byID     map[ID]*Entry
	sorted   []*Entry
	byKey    map[string][]*Entry // SSH key blob
	byCode   map[string][]*Entry // EDRPOU
	warnings []string
}

// NewRegister makes a register of entries that each hold by themselves. Ids must
// be unique, every superior must be there, and nobody may be his own superior
// through others. What is allowed and still looks like a mistake is told by
// [Register.Warnings]. An empty register is a register: it lets nobody in.
func NewRegister(entries []Entry) (*Register, error) {
	r := &Register{
		byID:   make(map[ID]*Entry, len(entries)),
		byKey:  map[string][]*Entry{},
		byCode: map[string][]*Entry{},
	}
	var errs []error
	for i := range entries {
		e := entries[i].clone()
		if err := e.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("client %q: %w", short(string(e.ID)), err))
			continue
		}
		if r.byID[e.ID] != nil {
			errs = append(errs, fmt.Errorf("client %s: is there twice; keep one entry", e.ID))
			continue
		}
		r.byID[e.ID] = e
		r.sorted = append(r.sorted, e)
	}
	slices.SortFunc(r.sorted, func(a, b *Entry) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, e := range r.sorted {
		if err := r.superiors(e); err != nil {
			errs = append(errs, err)
		}
		for _, line := range e.SSHKeys {
			if k, err := ParseSSHKey(line); err == nil {
				r.byKey[string(k.Blob)] = append(r.byKey[string(k.Blob)], e)
			}
		}
		r.byCode[e.EDRPOU] = append(r.byCode[e.EDRPOU], e)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	r.warn()
	return r, nil
}

// clone makes the entry safe from changes to the one it was made of.
func (e Entry) clone() *Entry {
	for _, l := range []*[]string{&e.Accounts, &e.SSHKeys, &e.Networks, &e.Kinds, &e.Profiles, &e.Tolerate, &e.Statements.Formats} {
		*l = slices.Clone(*l)
	}
	e.Signatories = slices.Clone(e.Signatories)
	for i := range e.Signatories {
		e.Signatories[i].Kinds = slices.Clone(e.Signatories[i].Kinds)
	}
	e.Policies = maps.Clone(e.Policies)
	for k, p := range e.Policies {
		p.Roles = maps.Clone(p.Roles)
		e.Policies[k] = p
	}
	return &e
}

func (r *Register) superiors(e *Entry) error {
	seen := map[ID]bool{e.ID: true}
	for at := e; at.Superior != ""; {
		up := r.byID[at.Superior]
		if up == nil {
			if at != e {
				return nil // told at the entry that names it
			}
			return fmt.Errorf("client %s: superior: %s is not in the register; add it or remove the key", e.ID, at.Superior)
		}
		if up == e {
			return fmt.Errorf("client %s: superior: leads back to the client itself through %s; remove one of the links", e.ID, at.ID)
		}
		if seen[up.ID] {
			return nil // a ring further up, told at its own members
		}
		seen[up.ID] = true
		at = up
	}
	return nil
}

// warn collects what is allowed but looks like a mistake.
func (r *Register) warn() {
	add := func(format string, args ...any) { r.warnings = append(r.warnings, fmt.Sprintf(format, args...)) }
	accounts := map[string]ID{}
	keys := map[string]ID{}
	for _, e := range r.sorted {
		for _, line := range e.SSHKeys {
			k, _ := ParseSSHKey(line)
			if first, ok := keys[string(k.Blob)]; ok {
				add("client %s: an SSH key is also a key of %s", e.ID, first)
				continue
			}
			keys[string(k.Blob)] = e.ID
		}
		for _, a := range e.Accounts {
			if first, ok := accounts[a]; ok {
				add("client %s: account %s is also an account of %s", e.ID, a, first)
				continue
			}
			accounts[a] = e.ID
		}
		if len(e.SSHKeys) == 0 && !e.Folder && !e.Disabled {
			add("client %s: has neither an SSH key nor a folder; nothing can reach it", e.ID)
		}
		for _, kind := range e.Kinds {
			if role := e.unfilled(kind); role != "" {
				add("client %s: %s demands more signatories with role %s than there are; none will be accepted", e.ID, kind, role)
			}
		}
		if slices.Contains(e.Tolerate, "no-revocation") {
			add("client %s: tolerates no-revocation: revoked certificates count; never in production", e.ID)
		}
	}
}

// unfilled gives a role of which the policy of kind demands more than the entry has.
func (e *Entry) unfilled(kind string) Role {
	p := e.PolicyFor(kind)
	for _, role := range slices.Sorted(maps.Keys(p.Roles)) {
		n := 0
		for i := range e.Signatories {
			if e.Signatories[i].Role == role && e.Signatories[i].For(kind) {
				n++
			}
		}
		if n < p.Roles[role] {
			return role
		}
	}
	return ""
}

// Warnings tells what the register allows and a person should look at.
func (r *Register) Warnings() []string { return slices.Clone(r.warnings) }

// ByID gives the entry of a client, or nil.
func (r *Register) ByID(id ID) *Entry {
	if r == nil {
		return nil
	}
	return r.byID[id]
}

// All gives every entry in the order of their ids.
func (r *Register) All() []*Entry {
	if r == nil {
		return nil
	}
	return slices.Clone(r.sorted)
}

// BySSHKey gives the clients, disabled ones too, that have the key with this
// wire form.
func (r *Register) BySSHKey(blob []byte) []*Entry {
	if r == nil {
		return nil
	}
	return slices.Clone(r.byKey[string(blob)])
}

// ByEDRPOU gives the clients with an organisation code; branches share one.
func (r *Register) ByEDRPOU(code string) []*Entry {
	if r == nil {
		return nil
	}
	return slices.Clone(r.byCode[code])
}

// Below gives the clients whose superior is id, in the order of their ids.
func (r *Register) Below(id ID) []*Entry {
	var out []*Entry
	for _, e := range r.All() {
		if e.Superior == id && id != "" {
			out = append(out, e)
		}
	}
	return out
}

// Entitled gives the signatories who may sign documents of kind at a moment,
// whatever their limits; none for a disabled client or a kind it may not send.
func (e *Entry) Entitled(kind string, at time.Time) []*Signatory {
	if e == nil || e.Disabled || !e.May(kind) {
		return nil
	}
	var out []*Signatory
	for i := range e.Signatories {
		if s := &e.Signatories[i]; s.At(at) && s.For(kind) {
			out = append(out, s)
		}
	}
	return out
}

// Certificates gives the DER of the certificates that the entry's signatories
// are named by: material for signatures that carry none, never anchors.
func (e *Entry) Certificates() [][]byte {
	var out [][]byte
	for i := range e.Signatories {
		if e.Signatories[i].Certificate == "" {
			continue
		}
		if der, err := e.Signatories[i].DER(); err == nil {
			out = append(out, der)
		}
	}
	return out
}
