package processor

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// fake is a core with one submission.
type fake struct {
	mu      sync.Mutex
	sub     gateway.Submission
	content []byte
	lease   string
	answer  *gateway.Answer
	put     []gateway.Outgoing
	bytes   []byte
	err     error
	asked   struct {
		max       int
		wait, ttl time.Duration
	}
	block bool
}

func newFake() *fake {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &fake{content: []byte("0123456789"), lease: "tok", sub: gateway.Submission{
		ID: 12345, Client: "demo", EDRPOU: "12345678", Document: "P 1.DBF", SHA256: "ab", Size: 10,
		Kind: formats.PaymentInstruction, Profile: formats.ProfileRef{Name: "p", SHA256: "cd"}, State: "leased",
		Received: at, Decided: &at, Attempts: 1,
		Entries: []formats.Entry{{Record: 1, Number: "7", Date: "2026-01-02", Amount: 100}},
		Signers: []gateway.SignatureView{{Signer: gateway.SignerView{Name: "N"}, Indication: "TOTAL-PASSED", Time: &at}},
		Parts:   []gateway.Part{{Name: "P 1.DBF", Role: "document", Size: 10, SHA256: "ab"}},
	}}
}

func (f *fake) Lease(ctx context.Context, max int, wait, ttl time.Duration) ([]gateway.Lease, error) {
	f.asked.max, f.asked.wait, f.asked.ttl = max, wait, ttl
	if f.block {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.err != nil || f.lease == "" {
		return nil, f.err
	}
	return []gateway.Lease{{Token: f.lease, Until: f.sub.Received.Add(ttl), Submission: f.sub}}, nil
}

func (f *fake) Extend(_ context.Context, token string, ttl time.Duration) (time.Time, error) {
	if token != f.lease {
		return time.Time{}, gateway.ErrLease
	}
	return f.sub.Received.Add(ttl), f.err
}

func (f *fake) Answer(_ context.Context, token string, a gateway.Answer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if token != f.lease {
		return gateway.ErrLease
	}
	if f.answer != nil && *f.answer != a {
		return gateway.ErrAnswer
	}
	f.answer = &a
	return f.err
}

func (f *fake) Submission(_ context.Context, id spool.ID) (gateway.Submission, error) {
	if id != f.sub.ID {
		return gateway.Submission{}, spool.ErrNotFound
	}
	return f.sub, f.err
}

type reading struct{ *bytes.Reader }

func (reading) Close() error       { return nil }
func (reading) ModTime() time.Time { return time.Time{} }

func (f *fake) OpenPart(_ context.Context, id spool.ID, name string) (gateway.Reading, error) {
	return reading{bytes.NewReader(f.content)}, f.err
}

func (f *fake) PutStatement(_ context.Context, id client.ID, o gateway.Outgoing) (spool.ID, error) {
	if id != "demo" {
		return 0, spool.ErrNotFound
	}
	if o.Content != nil {
		b, err := io.ReadAll(o.Content)
		if err != nil {
			return 0, err
		}
		f.bytes = b
	}
	f.put = append(f.put, o)
	return 777, f.err
}
