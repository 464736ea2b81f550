package spool

import "fmt"

// Sort is a sort of damage.
type Sort string

// The sorts of damage that an engine's Integrity tells apart.
const (
	DatabaseDamaged Sort = "DATABASE-DAMAGED" // the database's own check
	RowDangling     Sort = "ROW-DANGLING"     // a row refers to one that is not there
	TallyWrong      Sort = "TALLY-WRONG"      // the count of a state is not the number of its items
	LineWrong       Sort = "LINE-WRONG"       // an item stands in the line of claims and should not, or does not and should
	HistoryGap      Sort = "HISTORY-GAP"      // numbers of the history are left out
	ContentMissing  Sort = "CONTENT-MISSING"  // the bytes of a content are not there
	ContentDamaged  Sort = "CONTENT-DAMAGED"  // they are of another size, or do not have the hash
)

// Problem is one damage.
type Problem struct {
	Sort   Sort   `json:"sort"`
	Object string `json:"object,omitempty"` // a table, a queue and state, the hash of a content
	Detail string `json:"detail"`
}

func (p Problem) String() string {
	if p.Object == "" {
		return fmt.Sprintf("%s: %s", p.Sort, p.Detail)
	}
	return fmt.Sprintf("%s %s: %s", p.Sort, p.Object, p.Detail)
}
