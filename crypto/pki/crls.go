package pki

import "time"

// CRLs is evidence from a set of lists, of any issuers.
type CRLs []*CRL

// Revocation finds the status in full CRLs that the certificate's issuer signed
// with the key that signed the certificate, or with another key of the same name
// under the same anchor (RFC 5280, 6.3.3 (f)). A listed certificate is revoked
// even if the list has expired; that a certificate is good, or held, only a
// fresh list proves. Delta CRLs only add revocations and holds: a hold that one
// lifts stays until the next full list.
func (s CRLs) Revocation(q Question) Answer {
	best := Answer{Detail: "no CRL of the issuer"}
	var newest time.Time
	var alternates []*Certificate
	asked := false
	for _, l := range s {
		if !l.Issuer.Same(q.Certificate.Issuer) {
			continue
		}
		note := func(why string) {
			if best.Status == Unknown {
				best.Detail = why
			}
		}
		if l.unusable != "" {
			note(l.unusable)
			continue
		}
		if !l.covers(q.Certificate) {
			note("CRL of another scope")
			continue
		}
		if l.ThisUpdate.After(q.Until()) {
			note("CRL from the future")
			continue
		}
		if !mayCRL(q.Issuer) || l.signedBy(q.Issuer) != nil {
			if !asked && q.Alternates != nil {
				alternates, asked = q.Alternates(), true
			}
			found := false
			for _, c := range alternates {
				if mayCRL(c) && l.signedBy(c) == nil {
					found = true
					break
				}
			}
			if !found {
				note("CRL is not signed by the issuer")
				continue
			}
		}
		ref := EvidenceRef{Kind: "crl", SHA256: l.sum, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate}
		entry, listed := l.entries[string(q.Certificate.RawSerial)]
		held := listed && (entry.reason == reasonCertificateHold || entry.reason == reasonRemoveFromCRL)
		later := l.ThisUpdate.After(q.At)
		if later && listed && entry.at.After(q.At) {
			listed, held = false, false // it was in force still
		}
		if listed && !held {
			return Answer{Status: Revoked, RevokedAt: entry.at, Reason: entry.reason, Used: []EvidenceRef{ref}}
		}
		if l.NextUpdate.IsZero() || l.NextUpdate.Before(q.At) {
			note("CRL has expired")
			continue
		}
		if q.Freshness.Age > 0 && q.At.Sub(l.ThisUpdate) > q.Freshness.Age {
			note("CRL is too old")
			continue
		}
		if later && l.ThisUpdate.After(q.Certificate.NotAfter) {
			note("CRL is of a time when the certificate had expired")
			continue
		}
		if l.delta && !held {
			note("delta CRL without its base")
			continue
		}
		if best.Status != Unknown && !l.ThisUpdate.After(newest) {
			continue
		}
		newest = l.ThisUpdate
		best = Answer{Status: Good, Used: []EvidenceRef{ref}}
		if held {
			best.Status, best.RevokedAt, best.Reason = OnHold, entry.at, entry.reason
		}
	}
	return best
}

// mayCRL: RFC 5280, 6.3.3 (f): if keyUsage is there, cRLSign must be set.
func mayCRL(c *Certificate) bool { return !c.HasKeyUsage || c.KeyUsage&CRLSign != 0 }
