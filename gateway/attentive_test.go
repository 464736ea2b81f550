package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// dim is a store whose disk fails at one read of content.
type dim struct {
	spool.Store
	at *atomic.Int64 // reads until then; it does not fail below 0
}

func (d dim) Open(ctx context.Context, sum string) (spool.Blob, error) {
	b, err := d.Store.Open(ctx, sum)
	return dimBlob{b, d.at}, err
}

type dimBlob struct {
	spool.Blob
	at *atomic.Int64
}

func (b dimBlob) ReadAt(p []byte, off int64) (int, error) {
	if b.at.Add(-1) == 0 {
		return 0, syscall.EIO
	}
	return b.Blob.ReadAt(p, off)
}

// TestUnreadableIsNoVerdict: whichever read of a sound document fails, nobody is told
// that the document is wrong; it is examined again.
func TestUnreadableIsNoVerdict(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	var at atomic.Int64
	r.Gateway.Store = dim{r.Gateway.Store, &at}
	pdf := func(n int) []byte { // it lies in a file, and is read in pieces
		return sample.PDF(fmt.Sprintf("contract %d ", n) + strings.Repeat("lorem ipsum ", 20_000))
	}
	for _, c := range []struct {
		name string
		doc  func(n int) []byte
	}{
		{"P%d.DBF", func(n int) []byte { return r.DBF(n, 2) }},
		{"P%d.XML", func(n int) []byte { return r.Pain001(fmt.Sprint("M", n), 50_000+n, 2) }},
		{"C%d.pdf", pdf},
	} {
		for n := 0; ; n++ {
			name, content := fmt.Sprintf(c.name, n), c.doc(1000+10*n)
			at.Store(-1)
			r.Upload(name, content)
			r.Upload(name+".p7s", r.Detached(content, r.Head, r.Accountant))
			at.Store(int64(n)) // none fails of the first
			_ = r.Gateway.Work(r.Ctx())
			failed := n > 0 && at.Load() <= 0
			at.Store(-1)
			r.Advance(2 * time.Minute)
			r.Settle()
			got := r.Receipt(name, 1)
			if got.Outcome != gateway.Accepted {
				t.Errorf("%s, read %d failed: %s %+v", name, n, got.Outcome, got.Findings)
			}
			if n > 0 && !failed {
				if n < 4 {
					t.Errorf("%s: only %d reads", c.name, n)
				}
				break
			}
		}
	}
}
