package main

import (
	"context"
	"io"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/outbox"
)

// mail lets the outbox bring what the core has released.
type mail struct{ core *gateway.Gateway }

func (m mail) Untold(ctx context.Context, id client.ID, limit int) ([]outbox.Letter, error) {
	return m.letters(m.core.Untold(ctx, id, limit))
}

func (m mail) ListTold(ctx context.Context, id client.ID, box, after string, limit int) ([]outbox.Letter, error) {
	return m.letters(m.core.ListTold(ctx, id, box, after, limit))
}

func (m mail) letters(in []gateway.Letter, err error) ([]outbox.Letter, error) {
	out := make([]outbox.Letter, len(in))
	for i, l := range in {
		out[i] = outbox.Letter{
			Client: l.Client, Box: l.Box, Name: l.Name, Size: l.Size, SHA256: l.SHA256, At: l.At, Withdrawn: l.Withdrawn,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				r, err := m.core.OpenLetter(ctx, l)
				if err != nil {
					return nil, err
				}
				return struct {
					io.Reader
					io.Closer
				}{io.NewSectionReader(r, 0, r.Size()), r}, nil
			},
		}
	}
	return out, err
}

func (m mail) Told(ctx context.Context, l outbox.Letter) error { return m.core.Told(ctx, letter(l)) }

func (m mail) Acknowledge(ctx context.Context, l outbox.Letter) error {
	return m.core.AcknowledgeLetter(ctx, letter(l))
}

func letter(l outbox.Letter) gateway.Letter {
	return gateway.Letter{Client: l.Client, Box: l.Box, Name: l.Name, Size: l.Size, SHA256: l.SHA256, At: l.At, Withdrawn: l.Withdrawn}
}
