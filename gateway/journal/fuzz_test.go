package journal_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// A proof has one spelling, and reading one never panics.
func FuzzParseProof(f *testing.F) {
	p := &journal.Proof{Row: spool.Event{Seq: 1, ID: 5, At: time.Unix(0, 0), Kind: "decided", Record: []byte(`{"to":"accepted"}`)}, Checkpoint: []byte("o\n1\nx\n")}
	f.Add(p.Text())
	p.Hashes = append(p.Hashes, [32]byte{1})
	f.Add(p.Text())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := journal.ParseProof(b)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Text(), b) {
			t.Errorf("read as %q", p.Text())
		}
		if _, err := p.Check(journal.Key{}); err == nil {
			t.Error("proved by no key")
		}
	})
}
