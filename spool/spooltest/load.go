package spooltest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// A Load is what a gateway asks of its spool, for measurements: documents that
// are accepted, claimed and answered, each with what the journal keeps of it.
type Load struct {
	Store   spool.Store
	Clients int // owners of the documents
	Size    int // bytes of a document

	ids  spool.IDs
	next atomic.Uint64
	once sync.Once
	run  uint64 // tells runs apart
}

const record = 300 // bytes of a journal record, about what the gateway writes

// document makes bytes that no other document has, of this run or another.
func (l *Load) document(n uint64) []byte {
	l.once.Do(func() { l.run = uint64(time.Now().UnixNano()) })
	p := make([]byte, l.Size)
	binary.BigEndian.PutUint64(p, n)
	binary.BigEndian.PutUint64(p[8:], l.run)
	return p
}

// keysOf are what the n-th document is recognised by.
func keysOf(sha256sum string) [2]spool.Key {
	sum := sha256.Sum256([]byte(sha256sum))
	return [2]spool.Key{spool.Key(sum[:16]), spool.Key(sum[16:])}
}

// Seen looks for one key of each of some documents of those that were taken.
func (l *Load) Seen(ctx context.Context, among []uint64) error {
	return l.Store.View(ctx, func(r spool.Reader) error {
		for _, n := range among {
			sum := sha256.Sum256(l.document(n))
			if _, found, err := r.Seen(keysOf(hex.EncodeToString(sum[:]))[0]); err != nil || !found {
				return errors.Join(err, fmt.Errorf("document %d: seen: %v", n, found))
			}
		}
		return nil
	})
}

// Accept takes one document: a draft is written and finished; item, part with
// its content, two keys of what was seen and a journal record are one change.
func (l *Load) Accept(ctx context.Context) error {
	n := l.next.Add(1)
	p := l.document(n)
	d, err := l.Store.NewDraft(ctx, int64(l.Size))
	if err != nil {
		return err
	}
	defer d.Discard()
	if _, err := d.WriteAt(p, 0); err != nil {
		return err
	}
	c, err := d.Finish(ctx)
	if err != nil {
		return err
	}
	return l.Store.Update(ctx, func(tx spool.Tx) error { return l.accept(tx, n, c) })
}

func (l *Load) accept(tx spool.Tx, n uint64, c spool.Content) error {
	now := time.Now()
	name := fmt.Sprintf("P%06d.DBF.p7s", n%1_000_000)
	id := l.ids.New(now)
	err := tx.Insert(spool.Item{
		ID: id, Queue: "in", Owner: fmt.Sprintf("client-%04d", n%uint64(l.Clients)), State: "accepted", Name: name, Label: name,
		Kind: "payment_order", Number: fmt.Sprint(n), Date: "2026-02-03", SHA256: c.SHA256, Size: c.Size, Received: now, Decided: now,
		Note: []byte(`{"origin":{"entrance":"sftp","session":"7f3a5c","address":"10.1.2.3:50123"}}`),
	})
	if err != nil {
		return err
	}
	if err := tx.AddPart(id, name, "container", c, now); err != nil {
		return err
	}
	for _, key := range keysOf(c.SHA256) {
		if _, err := tx.See(key, id); err != nil {
			return err
		}
	}
	return l.journal(tx, id, now, "decided")
}

func (l *Load) journal(tx spool.Tx, id spool.ID, at time.Time, kind string) error {
	_, err := tx.Append(spool.Event{ID: l.ids.New(at), Item: id, At: at, Kind: kind, Record: make([]byte, record)})
	return err
}

// Fill stores n documents in changes of at most so many: the state is that of an
// accepted one if unfinished, else that of an answered one.
func (l *Load) Fill(ctx context.Context, n, change int, state spool.State) error {
	for n > 0 {
		m := min(n, change)
		n -= m
		err := l.Store.Update(ctx, func(tx spool.Tx) error {
			for range m {
				i := l.next.Add(1)
				p := l.document(i)
				sum := sha256.Sum256(p)
				if err := l.accept(stated{tx, state}, i, spool.Content{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(p)), Inline: p}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stated inserts items in another state.
type stated struct {
	spool.Tx
	state spool.State
}

func (s stated) Insert(it spool.Item) error {
	it.State = s.state
	return s.Tx.Insert(it)
}

// Process claims up to batch documents in one change and answers them in
// another, each with its journal records, as the processor's door does. It says
// how many there were.
func (l *Load) Process(ctx context.Context, batch int) (int, error) {
	var items []spool.Item
	now := time.Now()
	err := l.Store.Update(ctx, func(tx spool.Tx) error {
		var err error
		items, err = tx.Claim(spool.Claim{
			Queue: "in", From: "accepted", To: "leased", Now: now, TTL: time.Minute, Max: batch,
			Token: func() string { return l.ids.New(now).String() },
		})
		for _, it := range items {
			err = errors.Join(err, l.journal(tx, it.ID, now, "leased"))
		}
		return err
	})
	if err != nil || len(items) == 0 {
		return 0, err
	}
	now = time.Now()
	return len(items), l.Store.Update(ctx, func(tx spool.Tx) error {
		for _, it := range items {
			got, err := tx.Items(spool.Query{Queue: "in", Lease: it.Lease, Limit: 1})
			if err != nil || len(got) != 1 {
				return errors.Join(err, fmt.Errorf("lease %s holds %d", it.Lease, len(got)))
			}
			it := got[0]
			it.State, it.Lease, it.LeaseUntil = "processed", "", time.Time{}
			if err := errors.Join(tx.Put(it), l.journal(tx, it.ID, now, "answered")); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rate lets producers call work for a while and tells how much was done a second.
func Rate(producers int, during time.Duration, work func() (int, error)) (float64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begun := time.Now()
	for range producers {
		all.Go(func() {
			for time.Since(begun) < during && failed.Load() == nil {
				n, err := work()
				if err != nil {
					failed.Store(&err)
				}
				done.Add(int64(n))
			}
		})
	}
	all.Wait()
	rate := float64(done.Load()) / time.Since(begun).Seconds()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return rate, nil
}
