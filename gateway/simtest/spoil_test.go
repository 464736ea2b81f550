package simtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

// A fault is what a spoilt store does wrong. Nil functions do nothing wrong.
type fault struct {
	see    func(tx spool.Tx, k spool.Key, id spool.ID) (spool.ID, error)
	append func(tx spool.Tx, e spool.Event) (int64, error)
	put    func(it *spool.Item)
	post   func(p *spool.Post) bool // false: it is lost
	next   func(tx spool.Tx, counter string) (int64, error)
	items  func(r spool.Reader, q spool.Query) ([]spool.Item, error)
	counts func(map[spool.State]int64)
	unkeep func(tx spool.Tx, owner, name string) error
	part   func(role spool.Role) bool // false: it is lost
	forget bool                       // keys are never forgotten
}

type spoiltStore struct {
	spool.Store
	f *fault
}

func (s spoiltStore) Update(ctx context.Context, change func(spool.Tx) error) error {
	return s.Store.Update(ctx, func(tx spool.Tx) error { return change(spoiltTx{tx, s.f}) })
}

func (s spoiltStore) View(ctx context.Context, read func(spool.Reader) error) error {
	return s.Store.View(ctx, func(r spool.Reader) error { return read(spoiltReader{r, s.f}) })
}

type spoiltReader struct {
	spool.Reader
	f *fault
}

func (r spoiltReader) Counts(q spool.Queue) (map[spool.State]int64, error) {
	n, err := r.Reader.Counts(q)
	if r.f.counts != nil {
		r.f.counts(n)
	}
	return n, err
}

func (r spoiltReader) Items(q spool.Query) ([]spool.Item, error) {
	if r.f.items != nil {
		return r.f.items(r.Reader, q)
	}
	return r.Reader.Items(q)
}

type spoiltTx struct {
	spool.Tx
	f *fault
}

func (t spoiltTx) Items(q spool.Query) ([]spool.Item, error) {
	return spoiltReader{t.Tx, t.f}.Items(q)
}

func (t spoiltTx) See(k spool.Key, id spool.ID) (spool.ID, error) {
	if t.f.see != nil {
		return t.f.see(t.Tx, k, id)
	}
	return t.Tx.See(k, id)
}

func (t spoiltTx) Append(e spool.Event) (int64, error) {
	if t.f.append != nil {
		return t.f.append(t.Tx, e)
	}
	return t.Tx.Append(e)
}

func (t spoiltTx) Put(it spool.Item) error {
	if t.f.put != nil {
		t.f.put(&it)
	}
	return t.Tx.Put(it)
}

func (t spoiltTx) PutPost(p spool.Post) error {
	if t.f.post != nil && !t.f.post(&p) {
		return nil
	}
	return t.Tx.PutPost(p)
}

func (t spoiltTx) Next(counter string) (int64, error) {
	if t.f.next != nil {
		return t.f.next(t.Tx, counter)
	}
	return t.Tx.Next(counter)
}

func (t spoiltTx) Unkeep(owner, name string) error {
	if t.f.unkeep != nil {
		return t.f.unkeep(t.Tx, owner, name)
	}
	return t.Tx.Unkeep(owner, name)
}

func (t spoiltTx) Forget(id spool.ID) error {
	if t.f.forget {
		return nil
	}
	return t.Tx.Forget(id)
}

func (t spoiltTx) AddPart(id spool.ID, name string, role spool.Role, c spool.Content, at time.Time) error {
	if t.f.part != nil && !t.f.part(role) {
		return nil
	}
	return t.Tx.AddPart(id, name, role, c, at)
}

// drop is a store that loses the rows of one kind of record.
func drop(kind string) func() *fault {
	return func() *fault {
		return &fault{append: func(tx spool.Tx, e spool.Event) (int64, error) {
			if e.Kind == kind {
				return 0, nil
			}
			return tx.Append(e)
		}}
	}
}

// near are seeds from which on it does not take long until something rare happens;
// for all else it is 1.
var near = map[string]uint64{
	"keys stay": 30, "accepted -> dead": 50, "dead -> accepted": 92, "delivered -> acknowledged": 47, "the newest is claimed first": 55,
	"no record of a burial": 50, "a final state is left": 30, "states are miscounted": 50, "no record of a signature that is joined": 102,
	"a number is left out": 69, "leased -> returned": 30, "leased -> dead": 92, "available -> delivered": 33, "delivered -> archived": 33,
}

// Every fault that is planted between gateway and store is noticed. want is part of
// what the simulator says.
func TestNotices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func() *fault
		want  string
	}{
		"a key is lost": {func() *fault {
			return &fault{see: func(_ spool.Tx, _ spool.Key, id spool.ID) (spool.ID, error) { return id, nil }}
		}, "want duplicate"},
		"keys stay": {func() *fault { return &fault{forget: true} }, "want accepted"},
		"a lease is given twice": {func() *fault {
			return &fault{put: func(it *spool.Item) {
				if it.State == gateway.StateLeased {
					it.State = gateway.StateAccepted
				}
			}}
		}, "want leased"},
		"an old lease is taken for the new one": {func() *fault {
			return &fault{items: func(r spool.Reader, q spool.Query) ([]spool.Item, error) {
				items, err := r.Items(q)
				if q.Lease != "" && len(items) == 0 {
					q.Lease = ""
					return r.Items(q)
				}
				return items, err
			}}
		}, "want lease unknown or over"},
		"the newest is claimed first": {func() *fault {
			return &fault{put: func(it *spool.Item) { it.Priority = int(it.Received.UnixMilli() % 1_000_000_000) }}
		}, "out of turn"},
		"a number is left out": {func() *fault {
			return &fault{next: func(tx spool.Tx, counter string) (int64, error) {
				n, err := tx.Next(counter)
				if strings.HasPrefix(counter, "statement/") && n == 2 {
					return tx.Next(counter)
				}
				return n, err
			}}
		}, "number 000003, want 000002"},
		"states are miscounted": {func() *fault {
			return &fault{counts: func(n map[spool.State]int64) {
				if n[gateway.StateDead] > 0 {
					n[gateway.StateDead]++
				}
			}}
		}, "counted"},
		"a receipt does not reach the box": {func() *fault {
			return &fault{post: func(p *spool.Post) bool { return !strings.HasSuffix(p.Name, ".receipt2.txt") }}
		}, "has no P"},
		"a signature is lost": {func() *fault {
			return &fault{part: func(role spool.Role) bool { return role != gateway.RoleSignature }}
		}, "files, want"},
		"a deadline is lost": {func() *fault {
			return &fault{put: func(it *spool.Item) {
				if it.State == gateway.StateHeld {
					it.Deadline = time.Time{}
				}
			}}
		}, "deadline"},
		"a lease never ends": {func() *fault {
			return &fault{put: func(it *spool.Item) {
				if it.State == gateway.StateLeased {
					it.LeaseUntil = it.LeaseUntil.Add(time.Hour)
				}
			}}
		}, "lease"},
		"an unfinished file stays": {func() *fault {
			return &fault{unkeep: func(tx spool.Tx, owner, name string) error {
				if kept, err := tx.Kept(owner); err != nil || len(kept) > 0 {
					return err
				}
				return tx.Unkeep(owner, name)
			}}
		}, "unfinished"},
		"a final state is left": {func() *fault {
			return &fault{put: func(it *spool.Item) {
				if it.State == gateway.StateReturned {
					it.State = gateway.StateAccepted
				}
			}}
		}, "want returned"},
		"no record of a verdict":                  {drop("decided"), "is not examined"},
		"no record of a lease":                    {drop("leased"), "no record of the lease"},
		"no record of an answer":                  {drop("answered"), `no record "answered"`},
		"no record of a burial":                   {drop("buried"), `no record "buried"`},
		"no record of a statement":                {drop("released"), "statements, want"},
		"no record of a delivery":                 {drop("delivered"), `no record "delivered"`},
		"no record of a signature that is joined": {drop("joined"), "records, want"},
		"no record of what joined":                {drop("added"), "records, want"},
		"no record of a lease over":               {drop("lease over"), "is leased still"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failed := Run(Config{Seed: max(1, near[name]), Histories: 2000, long: true, Spoil: func(s spool.Store) spool.Store { return spoiltStore{s, c.fault()} }})
			if failed == nil {
				t.Fatal("not noticed")
			}
			if !strings.Contains(failed.Err.Error(), c.want) {
				t.Errorf("noticed as: %v\nwant: %s", failed, c.want)
			}
		})
	}
}

// A gateway whose table has one move more than the design is noticed, whichever.
func TestNoticesMoves(t *testing.T) {
	t.Parallel()
	for from, all := range allowed {
		for to := range strings.FieldsSeq(all) {
			move := string(from) + " -> " + to
			t.Run(move, func(t *testing.T) {
				t.Parallel()
				_, failed := Run(Config{Seed: max(1, near[move]), Histories: 2000, long: true, forbid: move})
				if failed == nil {
					t.Fatal("not noticed")
				}
			})
		}
	}
}

// What fails is made short, and fails so again.
func TestShortens(t *testing.T) {
	t.Parallel()
	c := Config{Seed: 8, Histories: 1, Spoil: func(s spool.Store) spool.Store {
		return spoiltStore{s, &fault{see: func(_ spool.Tx, _ spool.Key, id spool.ID) (spool.ID, error) { return id, nil }}}
	}}
	_, failed := Run(c)
	if failed == nil || len(failed.History.Acts) > 3 || failed.Acts < 10 {
		t.Fatalf("got %v, want two uploads of one document", failed)
	}
	if err := c.play(failed.History, newReach()); err == nil || !strings.Contains(err.Error(), "want duplicate") {
		t.Errorf("played again: %v", err)
	}
}
