package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/spooltest"
)

// TestPlans holds that what runs often follows an index in the order it needs:
// no scan of a table, no sorting.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Dir: t.TempDir()})
	items := func(q spool.Query) string { return itemsTexts(q)[0].text }
	posts := func(q spool.PostQuery) string { text, _ := postsText(q); return text }
	for _, c := range []struct{ name, text, index string }{
		{"ripen", sqlRipen, "item_late"},
		{"turn", sqlTurn, "turn_next"},
		{"pick", sqlPick, "item_work"},
		{"any", sqlAny, "item_work"},
		{"state", items(spool.Query{Queue: "q", States: []spool.State{"s"}}), "item_state"},
		{"newest of a state", items(spool.Query{Queue: "q", States: []spool.State{"s"}, Newest: true, Before: 7}), "item_state"},
		{"owner", items(spool.Query{Owner: "o", Newest: true}), "item_owner"},
		{"name", items(spool.Query{Owner: "o", Name: "n"}), "item_name"},
		{"label", items(spool.Query{Owner: "o", Label: "n"}), "item_label"},
		{"label that is the name", itemsTexts(spool.Query{Owner: "o", Label: "n"})[1].text, "item_name"},
		{"lease", items(spool.Query{Lease: "l"}), "item_lease"},
		{"box", posts(spool.PostQuery{Owner: "o", Box: "b"}), "post_open"},
		{"page of a box", posts(spool.PostQuery{Owner: "o", Box: "b", After: "n"}), "post_open"},
		{"untold", posts(spool.PostQuery{Untold: true}), "post_untold"},
		{"untold of an owner", posts(spool.PostQuery{Owner: "o", Untold: true}), "post_untold"},
	} {
		plan := explain(t, s, c.text)
		if !strings.Contains(plan, c.index) || strings.Contains(plan, "TEMP B-TREE") && c.name != "lease" {
			t.Errorf("%s: want %s without sorting:\n%s", c.name, c.index, plan)
		}
	}
	for name, text := range map[string]string{
		"due":           items(spool.Query{DueBefore: noon}),
		"posts of item": posts(spool.PostQuery{Item: 1}),
		"received":      items(spool.Query{From: noon, To: noon.Add(time.Hour)}),
	} {
		if plan := explain(t, s, text); !strings.Contains(plan, "USING") {
			t.Errorf("%s: reads the whole table:\n%s", name, plan)
		}
	}
}

func explain(t *testing.T, s *Store, text string) (plan string) {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	for i := range args {
		args[i] = 1
	}
	err := s.View(t.Context(), func(r spool.Reader) error {
		return r.(*reader).s.rows(`EXPLAIN QUERY PLAN `+text, args, func(scan func(...any) error) error {
			var a, b, c int
			var line string
			err := scan(&a, &b, &c, &line)
			plan += line + "\n"
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// fill inserts items that are as many as a busy store holds.
func fill(t testing.TB, s *Store, first, n int, state spool.State) {
	t.Helper()
	for i := first; i < first+n; {
		err := s.Update(context.Background(), func(tx spool.Tx) error {
			for range 5000 {
				if i == first+n {
					break
				}
				owner := "owner " + strconv.Itoa(i%2000)
				if err := tx.Insert(spool.Item{ID: spool.ID(i), Queue: "in", Owner: owner, State: state, Name: "n", Received: noon, Priority: i % 3}); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var claimOne = spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: noon, TTL: time.Minute, Max: 1, Token: func() string { return "t" }}

// BenchmarkClaim claims with 100,000 waiting and, unless -short, a million finished.
func BenchmarkClaim(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir()})
	if !testing.Short() {
		fill(b, s, 1, 1_000_000, "processed")
	}
	fill(b, s, 2_000_000, 100_000, "accepted")
	for b.Loop() {
		err := s.Update(context.Background(), func(tx spool.Tx) error {
			got, err := tx.Claim(claimOne)
			if len(got) != 1 {
				return errors.Join(err, fmt.Errorf("claimed %d", len(got)))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAccept accepts documents of 4 KiB; make bench-spool sets the rate beside the disk's.
func BenchmarkAccept(b *testing.B) {
	for _, producers := range []int{1, 64} {
		b.Run(fmt.Sprint("producers=", producers), func(b *testing.B) {
			load := spooltest.Load{Store: open(b, Options{Dir: b.TempDir()}), Clients: 500, Size: 4096}
			next := make(chan struct{}, producers)
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime()
			for range producers {
				all.Go(func() {
					for range next {
						if err := load.Accept(b.Context()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for range b.N {
				next <- struct{}{}
			}
			close(next)
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}
