// Package simtest is a seeded simulator of the core: short random histories of a few
// clients, a processor, an operator and a clock that stands until it is told to go.
// It drives the real gateway, and after every act compares what can be seen with a
// model that was written from the design: the state of each submission, its one final
// answer, what lies in the boxes, who holds a lease, who is served next, the numbers of
// statements, the counts of states, and a journal record for each move and no other.
//
//	act.go      the acts of a history, and how one is chosen by its seed
//	cast.go     documents and signatures, made once; verdicts on signatures are
//	            real ones, remembered by their bytes
//	stage.go    a gateway on a store that can fail, and its restart
//	play.go     acts are carried out
//	model.go    the model: submissions, statements, who may be served
//	joining.go  the model: where an upload goes
//	follow.go   the model: what the journal may say
//	compare.go  the model beside what is there
//	run.go      many histories; a failing one is made short
//	reach.go    what was reached how often
//
// Signatures are judged by cades once for each container, document and trust store. The
// gateway's own seal is not computed (a fixed value stands in its place): nothing
// here reads it, and other tests do.
package simtest
