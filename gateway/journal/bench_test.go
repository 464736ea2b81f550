package journal_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// rows is a store of nothing but rows, as many as are asked for.
type rows struct {
	spool.Reader
	n int64
}

func (r *rows) View(_ context.Context, read func(spool.Reader) error) error { return read(r) }

func (r *rows) Events(after int64, limit int) ([]spool.Event, error) {
	out := make([]spool.Event, 0, min(int64(limit), r.n-after))
	for seq := after + 1; seq <= r.n && len(out) < limit; seq++ {
		out = append(out, r.row(seq))
	}
	return out, nil
}

func (r *rows) row(seq int64) spool.Event {
	return spool.Event{
		Seq: seq, ID: spool.ID(seq) << 20, Item: spool.ID(seq/3) << 20, At: time.Unix(1_800_000_000+seq, 0), Kind: "decided",
		Record: fmt.Appendf(nil, `{"name":"P%09d.DBF.p7s","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","from":"received","to":"accepted","outcome":"accepted","profile":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","receipt":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`, seq),
	}
}

func (r *rows) journal(b testing.TB) *journal.Journal {
	j, err := journal.Open(journal.Options{
		Dir: b.TempDir(), Store: r, Now: time.Now, Rand: rand.Reader, Log: zap.NewNop(),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { j.Close() })
	return j
}

// Append is a row read, hashed and written to hashes.bin: at most 10 us.
func BenchmarkAppend(b *testing.B) {
	r := &rows{}
	j := r.journal(b)
	b.ResetTimer()
	for r.n < int64(b.N) {
		r.n = min(r.n+10_000, int64(b.N))
		if err := j.Follow(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if _, err := j.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// AppendFew is the same when rows come ten at a time.
func BenchmarkAppendFew(b *testing.B) {
	r := &rows{}
	j := r.journal(b)
	b.ResetTimer()
	for r.n < int64(b.N) {
		r.n = min(r.n+10, int64(b.N))
		if err := j.Follow(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func proofOf(b *testing.B) (*rows, *journal.Journal, journal.Key, *journal.Proof) {
	r := &rows{n: 1_000_000}
	dir := b.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, Store: r, Now: time.Now, Rand: rand.Reader, Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { j.Close() })
	if _, err := j.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	text, err := journal.PublicKey(dir)
	if err != nil {
		b.Fatal(err)
	}
	key, err := journal.ParseKey(text)
	if err != nil {
		b.Fatal(err)
	}
	p, err := j.Prove(r.row(654_321))
	if err != nil {
		b.Fatal(err)
	}
	return r, j, key, p
}

// ProofInTree is the check of a proof against a checkpoint that was opened
// before: under 50 us. BenchmarkProofAlone verifies the signature too.
func BenchmarkProofInTree(b *testing.B) {
	_, _, key, p := proofOf(b)
	c, err := key.Open(p.Checkpoint)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(p.Text())), "B/proof")
	for b.Loop() {
		if err := p.In(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProofAlone(b *testing.B) {
	_, _, key, p := proofOf(b)
	text := p.Text()
	for b.Loop() {
		p, err := journal.ParseProof(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Check(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	r, j, _, _ := proofOf(b)
	seq := int64(1)
	for b.Loop() {
		if _, err := j.Prove(r.row(seq)); err != nil {
			b.Fatal(err)
		}
		seq = seq%999_000 + 1
	}
}
