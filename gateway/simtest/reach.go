package simtest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/spool"
)

// Reach counts what histories have come to.
type Reach struct {
	Histories, Steps int
	Acts             [kinds]int
	Moves            map[string]int // "from -> to"
	States           map[spool.State]int
	Records          map[string]int // by kind
	Crashes          int
	Kept, Resumed    int
	Renamed, Retired int
	Again, Old       int // answers repeated; given under a lease that is over
	Ended            int // histories that were brought to their end
}

func newReach() *Reach {
	return &Reach{Moves: map[string]int{}, States: map[spool.State]int{}, Records: map[string]int{}}
}

func (r *Reach) move(from, to spool.State) {
	if from != to {
		r.Moves[fmt.Sprintf("%s -> %s", from, to)]++
	}
}

func (r *Reach) add(o *Reach) {
	for k, n := range o.Acts {
		r.Acts[k] += n
	}
	for _, m := range []struct{ to, from map[string]int }{{r.Moves, o.Moves}, {r.Records, o.Records}} {
		for k, n := range m.from {
			m.to[k] += n
		}
	}
	for k, n := range o.States {
		r.States[k] += n
	}
	for to, n := range map[*int]int{
		&r.Histories: o.Histories, &r.Steps: o.Steps, &r.Crashes: o.Crashes, &r.Kept: o.Kept, &r.Resumed: o.Resumed, &r.Renamed: o.Renamed,
		&r.Retired: o.Retired, &r.Again: o.Again, &r.Old: o.Old, &r.Ended: o.Ended,
	} {
		*to += n
	}
}

// counts are all of them under their names.
func (r *Reach) counts() map[string]int {
	out := map[string]int{
		"crashes": r.Crashes, "unfinished files": r.Kept, "files resumed": r.Resumed, "files renamed": r.Renamed, "papers put away": r.Retired,
		"answers again": r.Again, "answers under an old lease": r.Old, "histories brought to their end": r.Ended,
	}
	for k := range kinds {
		out["act "+k.String()] = r.Acts[k]
	}
	for from, all := range allowed {
		for to := range strings.FieldsSeq(all) {
			k := fmt.Sprintf("%s -> %s", from, to)
			out["move "+k] = r.Moves[k]
		}
	}
	for k, n := range r.Moves {
		out["move "+k] = n
	}
	for k, n := range r.States {
		out["state "+string(k)] = n
	}
	for k, n := range r.Records {
		out["record "+k] = n
	}
	return out
}

// Rare names what was reached less than least times.
func (r *Reach) Rare(least int) (names []string) {
	all := r.counts()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] < least {
			names = append(names, fmt.Sprintf("%s: %d", name, all[name]))
		}
	}
	return names
}

// Print writes all counts.
func (r *Reach) Print(w io.Writer) {
	fmt.Fprintf(w, "%d histories, %d acts\n", r.Histories, r.Steps)
	all := r.counts()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(w, "%12d  %s\n", all[name], name)
	}
}
