package policy

import (
	"maps"
	"slices"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
)

// signer is a signature by somebody entitled.
type signer struct {
	index     int // in Case.Signatures
	signature *Signature
	proved    bool // else it may still become so
	roles     []client.Role
	entries   []int // elements of Entry.Signatories
}

// person is all signatures of one and the same signatory.
type person struct {
	signers []signer
	role    client.Role // filled; "" for none yet
}

// alike says whether two signatures are by one signatory. Anything in common is
// enough: the rule of two persons must not be met by one with two certificates.
func alike(a, b *signer) bool {
	x, y := a.signature, b.signature
	switch {
	case x.CertSHA256 != "" && x.CertSHA256 == y.CertSHA256, x.KeyID != "" && x.KeyID == y.KeyID:
		return true
	case x.SealCertificate && y.SealCertificate && x.EDRPOU != "" && x.EDRPOU == y.EDRPOU:
		return true
	case !x.SealCertificate && !y.SealCertificate && x.Person != "" && x.Person == y.Person:
		return true
	}
	for _, e := range a.entries {
		if slices.Contains(b.entries, e) {
			return true
		}
	}
	return false
}

// persons groups signatures by signatory; likeness is carried on from one to the
// next.
func persons(signers []signer) []*person {
	var out []*person
	for _, s := range signers {
		joined := &person{signers: []signer{s}}
		rest := out[:0:0]
		for _, p := range out {
			if slices.ContainsFunc(p.signers, func(o signer) bool { return alike(&o, &s) }) {
				joined.signers = append(joined.signers, p.signers...)
			} else {
				rest = append(rest, p)
			}
		}
		out = append(rest, joined)
	}
	for _, p := range out {
		slices.SortFunc(p.signers, func(a, b signer) int { return a.index - b.index })
	}
	slices.SortFunc(out, func(a, b *person) int { return a.signers[0].index - b.signers[0].index })
	return out
}

func (p *person) may(role client.Role) bool {
	return slices.ContainsFunc(p.signers, func(s signer) bool { return slices.Contains(s.roles, role) })
}

// count says whether the entitled signers, those still to be proved among them,
// satisfy the policy of the kind; it gives each proved one its role and tells
// what is missing. With unknown set there is a signature that may still turn out
// to be anybody's, so nothing is called missing.
func (d *decider) count(signers []signer, unknown bool) bool {
	ps := persons(signers)
	for _, p := range ps {
		for _, again := range p.signers[1:] {
			if again.proved {
				d.add("SIG-SAME-PERSON", Accept, formats.Info, again.index+1, samePerson)
			}
		}
	}
	policy := d.c.Entry.PolicyFor(d.c.Kind)
	if policy.Min < 1 { // a policy of nothing is nobody's intention
		d.hold("POLICY-EMPTY", 0, policyEmpty, noResend)
		return false
	}
	missing := assign(ps, policy.Roles)
	for _, p := range ps {
		d.name(p)
	}
	short := 0
	for _, n := range missing {
		short += n
	}
	more := max(policy.Min-len(ps)-short, 0)
	if short+more == 0 {
		return true
	}
	if unknown {
		return false
	}
	for _, role := range slices.Sorted(maps.Keys(missing)) {
		d.missing("SIG-ROLE-MISSING", missingRole(role, missing[role]))
	}
	if more > 0 {
		d.missing("SIG-TOO-FEW", missingAny(more))
	}
	return false
}

// missing tells of a signature that is not there and may or may not still come.
func (d *decider) missing(id string, text formats.Text) {
	switch {
	case d.c.Complete:
		d.reject(id, 0, join(text, signAndSend))
	case d.c.Overdue:
		d.reject(id, 0, join(text, timeOver))
	default:
		d.hold("SIG-WAITING", 0, text, sendSignature)
	}
}

// assign gives persons to the demanded roles so that as many as possible are
// filled, one role a person, and returns how many of each role are left over. A
// person who may be head or accountant takes whichever the others leave: the
// augmenting paths of a bipartite matching. Persons that no role needs stay
// without.
func assign(ps []*person, demand map[client.Role]int) map[client.Role]int {
	missing := map[client.Role]int{}
	for _, role := range slices.Sorted(maps.Keys(demand)) {
		for range demand[role] {
			if !fill(ps, role, map[*person]bool{}) {
				missing[role]++
			}
		}
	}
	return missing
}

// fill finds a person for role, moving others to other roles where that helps.
func fill(ps []*person, role client.Role, tried map[*person]bool) bool {
	for _, p := range ps {
		if tried[p] || p.role == role || !p.may(role) {
			continue
		}
		tried[p] = true
		if p.role == "" || fill(ps, p.role, tried) {
			p.role = role
			return true
		}
	}
	return false
}

// name writes the person's role to the first signature that has it. One whom no
// demanded role needed gets the first role that the register gives, so that the
// receipt names it.
func (d *decider) name(p *person) {
	role := p.role
	if role == "" {
		role = p.signers[0].roles[0]
	}
	for _, s := range p.signers {
		if s.proved && slices.Contains(s.roles, role) {
			d.out.Roles[s.index] = string(role)
			return
		}
	}
}
