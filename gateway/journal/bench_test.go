package journal_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"syscall"
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

// cpu reports the processor's time of each op besides the clock's: it tells the same
// on a busy machine as on an idle one. Call it before the loop; what it gives, after.
func cpu(b *testing.B) func() {
	runtime.LockOSThread()
	spent := func() time.Duration {
		var u syscall.Rusage
		const thread = 1 // RUSAGE_THREAD
		if err := syscall.Getrusage(thread, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	return func() {
		b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

// Append is a row read, hashed and written to hashes.bin, with a checkpoint signed and
// made durable for each so many rows, as there is one a minute: at most 10 us a row.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name             string
		minute, together int64 // rows of a minute; rows that come at once
	}{
		{"10000 rows a minute", 10_000, 1000},
		{"10000 rows a minute, ten at once", 10_000, 10},
		{"1000 rows a minute", 1000, 1000},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := &rows{}
			j := r.journal(b)
			ctx := context.Background()
			done := cpu(b)
			b.ResetTimer()
			for signed := int64(0); r.n < int64(b.N); {
				r.n = min(r.n+c.together, int64(b.N))
				if err := j.Follow(ctx); err != nil {
					b.Fatal(err)
				}
				if r.n-signed >= c.minute {
					if _, err := j.Checkpoint(ctx); err != nil {
						b.Fatal(err)
					}
					signed = r.n
				}
			}
			b.StopTimer()
			done()
			if _, err := j.Checkpoint(ctx); err != nil {
				b.Fatal(err)
			}
		})
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

// ProofCheck is the whole check of a proof as it lies in a receipts folder: text read,
// signature of its checkpoint, way through a tree of 1,000,000 rows: under 50 us. Cold
// the checkpoint is one that the key has not seen; warm it is that of the proof before,
// as for all receipts of one minute.
func BenchmarkProofCheck(b *testing.B) {
	r, j, key, one := proofOf(b)
	r.n++
	if err := j.Follow(context.Background()); err != nil {
		b.Fatal(err)
	}
	if _, err := j.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	other, err := j.Prove(r.row(654_321))
	if err != nil {
		b.Fatal(err)
	}
	texts := [2][]byte{one.Text(), other.Text()}
	for _, c := range []struct {
		name  string
		turns int
	}{{"cold", 2}, {"warm", 1}} {
		b.Run(c.name, func(b *testing.B) {
			done := cpu(b)
			n := 0
			for b.Loop() {
				n++
				p, err := journal.ParseProof(texts[n%c.turns])
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.Check(key); err != nil {
					b.Fatal(err)
				}
			}
			done()
			b.ReportMetric(float64(len(texts[0])), "B/proof")
		})
	}
}

// ProofParts are the parts of it: the text, the signature alone, the checkpoint, the way
// through the tree.
func BenchmarkProofParts(b *testing.B) {
	_, _, key, p := proofOf(b)
	text := p.Text()
	c, err := key.Open(p.Checkpoint)
	if err != nil {
		b.Fatal(err)
	}
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signature := ed25519.Sign(secret, p.Checkpoint)
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"text", func() error { _, err := journal.ParseProof(text); return err }},
		{"signature", func() error {
			if !ed25519.Verify(public, p.Checkpoint, signature) {
				return errors.New("not verified")
			}
			return nil
		}},
		{"tree", func() error { return p.In(c) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			done := cpu(b)
			for b.Loop() {
				if err := part.do(); err != nil {
					b.Fatal(err)
				}
			}
			done()
		})
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
