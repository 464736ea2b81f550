// Package gateway is the core: it takes an upload, examines it, settles it, and
// releases statements. The way of a document (DESIGN 5) is, step by step:
//
//	take     upload.go (bytes as they come), take.go (an upload becomes a
//	         submission, durably), join.go (a document and its signatures meet)
//	examine  examine.go (container, signatures, format, rules, policy: a pure
//	         verdict), asic.go, decrypt.go, findings.go; seek.go (evidence that
//	         is missing is fetched, and the document examined again)
//	settle   settle.go (verdict, sealed receipt and journal record in one
//	         transaction), duplicate.go, ledger.go (what was accepted before
//	         bounds what is accepted now), receipt.go, points.go
//	queue    processing.go (the processor claims, extends, answers; receipt 2)
//	         with the types of lease.go
//	tell     statement.go and release.go (what goes out: checked, rendered,
//	         sealed once, committed, released), letters.go, proof.go, desk.go
//	         and view.go (what a client sees of all this), status.go
//	prove    evidence.go (what proves an accepted document years later is
//	         gathered after its receipt, never before)
//
// Beside the way stand states.go (the table of allowed moves), due.go (what
// falls due by the clock), closing.go (each day is reconciled), archiving.go (old
// months move into files of their own), operate.go (what an
// operator may do), register.go, classifiers.go, settings.go and quota.go.
package gateway
