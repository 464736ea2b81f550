package pki

import "bytes"

// CRLs is evidence from a set of lists, of any issuers.
type CRLs []*CRL

// Revocation finds the status in CRLs whose scope takes in the certificate (RFC 5280,
// 6.3.3): full ones, and delta CRLs over a full one of the same scope. Their signer is
// the certificate's issuer by the key that signed the certificate or another one under
// the same anchor, or, where a distribution point of the certificate names another
// issuer, that one under the same anchor.
//
// A listed certificate is revoked even if the list has expired; that a certificate is
// good, or held, only fresh lists prove. A full list without a fresh delta is fresh
// enough; a delta's word, removal from hold too, goes before that of its base.
// Lists for some reasons only prove that a certificate is good where together they are
// for all of them.
func (s CRLs) Revocation(q Question) Answer {
	best := Answer{Detail: "no CRL of the issuer"}
	var sound, deltas []*CRL
	alternates := onceOf(q.Alternates)
	for _, l := range s {
		if why := l.useless(q, alternates); why != "" {
			if best.Status == Unknown && why != anotherIssuer {
				best.Detail = why
			}
			continue
		}
		if l.delta {
			deltas = append(deltas, l)
		} else {
			sound = append(sound, l)
		}
	}
	var covered reasons
	var partial Answer
	for _, l := range append(sound[:len(sound):len(sound)], deltas...) {
		entry, listed := l.entryOf(q)
		if listed && !entry.held() {
			return Answer{Status: Revoked, RevokedAt: entry.at, Reason: entry.reason, Used: []EvidenceRef{l.ref()}}
		}
	}
	for _, d := range deltas {
		// A hold counts without its base; lifting it takes one.
		if e, ok := d.entryOf(q); ok && e.reason == reasonCertificateHold && d.old(q) == "" {
			best = Best(best, Answer{Status: OnHold, RevokedAt: e.at, Reason: e.reason, Used: []EvidenceRef{d.ref()}})
		}
	}
	for _, l := range sound {
		a := l.answer(q, deltas)
		if a.Status == Unknown {
			if best.Status == Unknown {
				best.Detail = a.Detail
			}
			continue
		}
		r := l.interim(q.Certificate)
		if r == allReasons || a.Status == OnHold {
			best = Best(best, a)
			continue
		}
		if covered |= r; partial.Status == Unknown {
			partial = a
		} else {
			partial.Used = append(partial.Used, a.Used...)
		}
	}
	switch {
	case covered == allReasons:
		best = Best(best, partial)
	case best.Status == Unknown && covered != 0:
		best.Detail = "CRLs for some reasons only"
	}
	if best.Status == Unknown && len(sound) == 0 && len(deltas) > 0 {
		best.Detail = "delta CRL without its base"
	}
	return best
}

func onceOf(f func() []*Certificate) func() []*Certificate {
	var out []*Certificate
	asked := f == nil
	return func() []*Certificate {
		if !asked {
			out, asked = f(), true
		}
		return out
	}
}

const anotherIssuer = "CRL of another issuer"

// useless says why a list proves nothing of the certificate, whatever is on it.
func (l *CRL) useless(q Question, alternates func() []*Certificate) string {
	own := l.Issuer.Same(q.Certificate.Issuer)
	if !own && !q.Certificate.names(l.Issuer) {
		return anotherIssuer
	}
	switch {
	case l.unusable != "":
		return l.unusable
	case !l.covers(q.Certificate):
		return "CRL of another scope"
	case l.ThisUpdate.After(q.Until()):
		return "CRL from the future"
	}
	if own && mayCRL(q.Issuer) && l.signedBy(q.Issuer) == nil {
		return ""
	}
	candidates := alternates
	if !own {
		if q.Authorities == nil {
			return "indirect CRL"
		}
		candidates = func() []*Certificate { return q.Authorities(l.Issuer) }
	}
	for _, c := range candidates() {
		if mayCRL(c) && l.signedBy(c) == nil {
			return ""
		}
	}
	return "CRL is not signed by the issuer"
}

func (l *CRL) ref() EvidenceRef {
	return EvidenceRef{Kind: "crl", SHA256: l.sum, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate}
}

func (e crlEntry) held() bool {
	return e.reason == reasonCertificateHold || e.reason == reasonRemoveFromCRL
}

// entryOf finds the certificate; of a time in the past what has happened since is no entry.
func (l *CRL) entryOf(q Question) (crlEntry, bool) {
	entry, listed := l.entries[entryKey(q.Certificate.Issuer, q.Certificate.RawSerial)]
	if listed && l.ThisUpdate.After(q.At) && entry.at.After(q.At) {
		return crlEntry{}, false
	}
	return entry, listed
}

// old says why a list is not fresh.
func (l *CRL) old(q Question) string {
	switch {
	case l.NextUpdate.IsZero() || l.NextUpdate.Before(q.At):
		return "CRL has expired"
	case q.Freshness.Age > 0 && q.At.Sub(l.ThisUpdate) > q.Freshness.Age:
		return "CRL is too old"
	case l.ThisUpdate.After(q.At) && l.ThisUpdate.After(q.Certificate.NotAfter):
		return "CRL is of a time when the certificate had expired"
	}
	return ""
}

// answer is the word of a full list, and of the newest delta over it.
func (l *CRL) answer(q Question, deltas []*CRL) Answer {
	var over *CRL
	for _, d := range deltas {
		if d.old(q) == "" && d.over(l) && (over == nil || d.Number.Cmp(over.Number) > 0) {
			over = d
		}
	}
	entry, listed := l.entryOf(q)
	used := []EvidenceRef{l.ref()}
	if over == nil {
		if why := l.old(q); why != "" {
			return Answer{Detail: why}
		}
	} else {
		// RFC 5280, 5.2.4: a base that has expired serves with its delta.
		if l.ThisUpdate.After(q.At) && l.ThisUpdate.After(q.Certificate.NotAfter) {
			return Answer{Detail: "CRL is of a time when the certificate had expired"}
		}
		used = []EvidenceRef{over.ref(), l.ref()}
		if e, ok := over.entryOf(q); ok {
			entry, listed = e, e.reason != reasonRemoveFromCRL
		}
	}
	if !listed {
		return Answer{Status: Good, Used: used}
	}
	return Answer{Status: OnHold, RevokedAt: entry.at, Reason: entry.reason, Used: used}
}

// over tells whether a delta goes over a full list (RFC 5280, 5.2.4 and 6.3.3 (c)): same
// issuer, scope and authority key, not older, and of a base not newer than the list.
func (l *CRL) over(full *CRL) bool {
	return l.delta && l.base != nil && l.Number != nil && full.Number != nil &&
		l.Issuer.Same(full.Issuer) && bytes.Equal(l.rawPoint, full.rawPoint) && bytes.Equal(l.AuthorityKeyID, full.AuthorityKeyID) &&
		l.base.Cmp(full.Number) <= 0 && full.Number.Cmp(l.Number) <= 0
}

// reasons is a set of ReasonFlags, RFC 5280, 4.2.1.13.
type reasons uint16

// allReasons are those but the bit that is not used.
const allReasons reasons = 0x1fe

func readReasons(bits []byte) (r reasons) {
	for i, b := range bits[:min(len(bits), 2)] {
		for j := range 8 {
			if b&(0x80>>j) != 0 {
				r |= 1 << (8*i + j)
			}
		}
	}
	return r & allReasons
}

// interim is for which reasons the list speaks about the certificate: those of the list
// and of a distribution point that it is of (RFC 5280, 6.3.3 (d)).
func (l *CRL) interim(c *Certificate) reasons {
	of := allReasons
	if l.reasons != nil {
		of = *l.reasons
	}
	if len(c.points) == 0 {
		return of
	}
	var points reasons
	for _, p := range c.points {
		if !l.isOf(c, p) {
			continue
		}
		if p.reasons == nil {
			return of
		}
		points |= *p.reasons
	}
	if points == 0 { // it stands at no point, and is the issuer's all the same
		return of
	}
	return of & points
}

// names tells whether a distribution point of the certificate names a CRL issuer.
func (c *Certificate) names(issuer Name) bool {
	for _, p := range c.points {
		for _, n := range p.issuers {
			if n.Same(issuer) {
				return true
			}
		}
	}
	return false
}

// isOf tells whether a list is that of a distribution point (RFC 5280, 6.3.3 (b)).
func (l *CRL) isOf(c *Certificate, p distributionPoint) bool {
	by := l.Issuer.Same(c.Issuer)
	if p.indirect {
		if by = false; !l.indirect {
			return false
		}
		for _, n := range p.issuers {
			by = by || n.Same(l.Issuer)
		}
	}
	if !by {
		return false
	}
	if l.point == nil {
		return true
	}
	if p.names == nil && p.relative == nil {
		// Then the point is the CRL issuer's name.
		for _, x := range l.point.full(l.Issuer.Raw) {
			for _, n := range p.issuerNames {
				if bytes.Equal(x, n) {
					return true
				}
			}
		}
		return !p.indirect
	}
	return samePoint(p, *l.point, l.Issuer.Raw)
}

// covers tells whether the CRL's scope takes in the certificate.
func (l *CRL) covers(c *Certificate) bool {
	if l.scope == usersOnly && c.IsCA || l.scope == authoritiesOnly && !c.IsCA {
		return false
	}
	own := l.Issuer.Same(c.Issuer)
	if own && l.point == nil && l.reasons == nil {
		return true
	}
	for _, p := range c.points {
		if l.isOf(c, p) {
			return true
		}
	}
	// A list for some reasons that is of no point is the issuer's own all the same.
	return own && l.point == nil && len(c.points) == 0
}

// entryKey names a certificate among entries: those of indirect lists are of several
// issuers.
func entryKey(issuer Name, serial []byte) string { return issuer.key + "\x00" + string(serial) }

// mayCRL: RFC 5280, 6.3.3 (f): if keyUsage is there, cRLSign must be set.
func mayCRL(c *Certificate) bool { return !c.HasKeyUsage || c.KeyUsage&CRLSign != 0 }
