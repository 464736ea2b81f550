package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// strict is a store that holds its caller to the contract of package spool: every
// change is run twice, the first time to be undone, as an engine may; bytes that
// are handed over in memory are small.
type strict struct{ spool.Store }

var errUndone = errors.New("undone by the test")

func (s strict) Update(ctx context.Context, change func(spool.Tx) error) error {
	err := s.Store.Update(ctx, func(tx spool.Tx) error {
		_ = change(strictTx{tx})
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		return err
	}
	return s.Store.Update(ctx, func(tx spool.Tx) error { return change(strictTx{tx}) })
}

type strictTx struct{ spool.Tx }

func (t strictTx) AddPart(id spool.ID, name string, role spool.Role, c spool.Content, at time.Time) error {
	if len(c.Inline) > 64<<10 {
		return fmt.Errorf("part %q: %d bytes in memory", name, len(c.Inline))
	}
	return t.Tx.AddPart(id, name, role, c, at)
}
