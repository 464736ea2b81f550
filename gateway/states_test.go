package gateway

import (
	"errors"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/spool"
)

// Every move that DESIGN 5 names, and no other.
func TestMoves(t *testing.T) {
	t.Parallel()
	allowed := map[[2]spool.State]bool{}
	for _, m := range [][2]spool.State{
		{StateReceived, StateHeld},
		{StateHeld, StateReceived},
		{StateReceived, StateRejected},
		{StateReceived, StateDuplicate},
		{StateReceived, StateAccepted},
		{StateAccepted, StateLeased},
		{StateLeased, StateProcessed},
		{StateLeased, StateReturned},
		{StateLeased, StateDead},
		{StateLeased, StateAccepted},
		{StateAccepted, StateDead},
		{StateDead, StateAccepted},
	} {
		allowed[m] = true
	}
	submission := []spool.State{StateReceived, StateHeld, StateRejected, StateDuplicate, StateAccepted, StateLeased, StateProcessed, StateReturned, StateDead}
	statement := []spool.State{StateAvailable, StateDelivered, StateAcknowledged, StateArchived}
	if !slices.Equal(States(Submissions), submission) || !slices.Equal(States(Statements), statement) || States("else") != nil {
		t.Error("States gives others")
	}
	every := slices.Concat(submission, statement, []spool.State{"", "else"})
	for _, from := range every {
		for _, to := range every {
			it := spool.Item{Queue: Submissions, State: from}
			err := move(&it, to)
			if (err == nil) != allowed[[2]spool.State{from, to}] || err != nil && (!errors.Is(err, ErrMove) || it.State != from) {
				t.Errorf("submission %s to %s: %v", from, to, err)
			}
			if Final(from) && err == nil {
				t.Errorf("%s is final", from)
			}
			it = spool.Item{Queue: Statements, State: from}
			i, j := slices.Index(statement, from), slices.Index(statement, to)
			// What nobody has read or put away is not archived: it waits for its client.
			if err := move(&it, to); (err == nil) != (i >= 0 && i < j && (from != StateAvailable || to != StateArchived)) {
				t.Errorf("statement %s to %s: %v", from, to, err)
			}
			it = spool.Item{Queue: "else", State: from}
			if move(&it, to) == nil {
				t.Errorf("an unknown queue moves from %s to %s", from, to)
			}
		}
	}
}
