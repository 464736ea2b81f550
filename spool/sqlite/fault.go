package sqlite

// A Point is a place where the engine is about to make something durable, or
// just has. Tests use them to fail a step or to kill the process between two.
type Point string

// The points, in the order in which one large document meets them.
const (
	DraftWrite   Point = "draft write"         // before bytes go to a draft's file
	BeforeSync   Point = "before content sync" // of a finished or kept file
	AfterSync    Point = "after content sync"
	BeforePlace  Point = "before rename" // of a finished file into content/
	AfterPlace   Point = "after rename"
	BeforeFolder Point = "before folder sync"
	AfterFolder  Point = "after folder sync"
	BeforeCommit Point = "before commit" // of a group of changes
	AfterCommit  Point = "after commit"  // durable, nobody told yet
	Checkpoint   Point = "before checkpoint"
	BeforeUnlink Point = "before unlink" // of a file nobody refers to
)

// Points lists all of them.
var Points = []Point{
	DraftWrite, BeforeSync, AfterSync, BeforePlace, AfterPlace, BeforeFolder, AfterFolder,
	BeforeCommit, AfterCommit, Checkpoint, BeforeUnlink,
}

// Faults is called at every point; an error it returns takes the place of the
// step's own. It is nil outside tests.
type Faults func(Point) error

func (f Faults) at(p Point) error {
	if f == nil {
		return nil
	}
	return f(p)
}
