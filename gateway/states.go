package gateway

import (
	"fmt"
	"slices"

	"github.com/brama-gateway/brama/spool"
)

// The two queues of the spool.
const (
	Submissions spool.Queue = "submission"
	Statements  spool.Queue = "statement"
)

// States of a submission. Rejected, duplicate, processed and returned are
// final; dead waits for the operator and is an alert, never an end.
const (
	StateReceived  spool.State = "received"
	StateHeld      spool.State = "held"
	StateRejected  spool.State = "rejected"
	StateDuplicate spool.State = "duplicate"
	StateAccepted  spool.State = "accepted"
	StateLeased    spool.State = "leased"
	StateProcessed spool.State = "processed"
	StateReturned  spool.State = "returned"
	StateDead      spool.State = "dead"
)

// States of a statement.
const (
	StateAvailable    spool.State = "available"
	StateDelivered    spool.State = "delivered"
	StateAcknowledged spool.State = "acknowledged"
	StateArchived     spool.State = "archived"
)

// moves is the table of allowed moves (DESIGN 5). What is not here does not
// happen: move refuses it, whoever asks.
//
// A statement is inserted as available: it was checked and sealed before the
// transaction that stores it, so "submitted" has no moment of its own.
var moves = map[spool.Queue]map[spool.State][]spool.State{
	Submissions: {
		StateReceived: {StateHeld, StateRejected, StateDuplicate, StateAccepted},
		StateHeld:     {StateReceived},
		StateAccepted: {StateLeased, StateDead},
		StateLeased:   {StateProcessed, StateReturned, StateDead, StateAccepted},
		StateDead:     {StateAccepted},
	},
	Statements: {
		StateAvailable:    {StateDelivered, StateAcknowledged},
		StateDelivered:    {StateAcknowledged, StateArchived},
		StateAcknowledged: {StateArchived},
	},
}

// States gives the states of a queue in the order in which an item meets them; none
// for a queue that is not.
func States(q spool.Queue) []spool.State {
	switch q {
	case Submissions:
		return []spool.State{
			StateReceived, StateHeld, StateRejected, StateDuplicate, StateAccepted, StateLeased, StateProcessed, StateReturned, StateDead,
		}
	case Statements:
		return []spool.State{StateAvailable, StateDelivered, StateAcknowledged, StateArchived}
	}
	return nil
}

// Final says whether a submission in this state has its last answer.
func Final(s spool.State) bool {
	switch s {
	case StateRejected, StateDuplicate, StateProcessed, StateReturned:
		return true
	}
	return false
}

// move changes the state of an item in memory, if the table allows it.
func move(it *spool.Item, to spool.State) error {
	if !slices.Contains(moves[it.Queue][it.State], to) {
		return fmt.Errorf("%s %s: from %s to %s is not an allowed move: %w", it.Queue, it.ID, it.State, to, ErrMove)
	}
	it.State = to
	return nil
}
