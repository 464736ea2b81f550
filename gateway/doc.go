// Package gateway is the core: it takes an upload, examines it, settles it, and
// releases statements. The way of a document (DESIGN 5) is, file by file:
//
//	take.go      an upload becomes a submission, durably
//	examine.go   container, signatures, format, rules, policy: a pure verdict
//	settle.go    verdict, sealed receipt and journal record in one transaction
//	lease.go     the processor's side: claim, extend, answer, receipt 2
//	statement.go what goes out: sealed once, committed, released
//	desk.go      what a client sees of all this
//	states.go    the table of allowed moves
package gateway
