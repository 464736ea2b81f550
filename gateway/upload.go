package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// upload is a file being written, from Create to the moment it is taken, kept
// or forgotten. Gateway.mu guards all but draft, which is set once before the
// upload is handed out.
type upload struct {
	g      *Gateway
	origin Origin
	draft  spool.Draft

	kept    string // under which the store may have an unfinished file that this one goes on with, or replaces
	name    string // may change while it is open
	modTime time.Time
	over    bool // closed, interrupted or removed

	spoilt atomic.Pointer[error] // a write that was refused
}

// create begins an upload, or goes on with one that was interrupted.
func (g *Gateway) create(ctx context.Context, o Origin, name string, mode Mode) (Upload, error) {
	if _, temporary := Temporary(name, g.Settings().Temporary); !temporary {
		if _, err := CleanName(name); err != nil {
			return nil, err
		}
	}
	entry := g.Register().ByID(o.Client)
	if entry == nil || entry.Disabled {
		return nil, fs.ErrPermission
	}
	limits := g.limitsOf(entry)
	if err := g.withinQuota(ctx, o, name, limits); err != nil {
		return nil, err
	}

	u := &upload{g: g, origin: o, kept: name, name: name, modTime: g.Now()}
	key := fileKey{o.Client, name}
	g.mu.Lock()
	switch {
	case g.draining:
		g.mu.Unlock()
		return nil, ErrStopping
	case g.open[key] != nil:
		g.mu.Unlock()
		return nil, ErrBusy
	}
	g.open[key] = u
	g.mu.Unlock()

	draft, err := u.begin(ctx, name, mode, limits.File)
	g.mu.Lock()
	u.draft = draft
	g.mu.Unlock()
	if err != nil {
		g.closeUpload(u)
		if errors.Is(err, spool.ErrFull) {
			err = fmt.Errorf("%w: %w", ErrStopping, err)
		}
		return nil, err
	}
	return u, nil
}

func (u *upload) begin(ctx context.Context, name string, mode Mode, limit int64) (spool.Draft, error) {
	if mode.Exclusive {
		if _, found, err := u.g.unfinished(ctx, u.origin.Client, name); err != nil {
			return nil, err
		} else if found {
			return nil, fs.ErrExist
		}
	}
	if !mode.Truncate {
		draft, err := u.g.Store.Resume(ctx, string(u.origin.Client), name, limit)
		if !errors.Is(err, spool.ErrNotFound) {
			return draft, err
		}
	}
	return u.g.Store.NewDraft(ctx, limit)
}

// unfinished finds the client's unfinished file of a name.
func (g *Gateway) unfinished(ctx context.Context, of client.ID, name string) (k spool.Kept, found bool, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) error {
		kept, err := r.Kept(string(of))
		for _, one := range kept {
			if one.Name == name {
				k, found = one, true
			}
		}
		return err
	})
	return k, found, err
}

func (g *Gateway) closeUpload(u *upload) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if key := (fileKey{u.origin.Client, u.name}); g.open[key] == u {
		delete(g.open, key)
	}
}

// WriteAt remembers a failure: a client that goes on and closes must not hear
// that its file was taken when a piece of it was refused.
func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	n, err := u.draft.WriteAt(p, off)
	if err != nil {
		u.spoilt.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (u *upload) ReadAt(p []byte, off int64) (int, error) { return u.draft.ReadAt(p, off) }
func (u *upload) Size() int64                             { return u.draft.Size() }
func (u *upload) Truncate(size int64) error               { return u.draft.Truncate(size) }

func (u *upload) SetModTime(t time.Time) {
	u.g.mu.Lock()
	u.modTime = t
	u.g.mu.Unlock()
}

// end marks the upload as over, once; its name cannot change any more.
func (u *upload) end() (name string, modTime time.Time, first bool) {
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	first = !u.over
	u.over = true
	return u.name, u.modTime, first
}

func (u *upload) Close(ctx context.Context) error {
	name, modTime, first := u.end()
	if !first {
		return nil
	}
	defer u.g.closeUpload(u)
	if cause := u.spoilt.Load(); cause != nil {
		u.g.Log.Warn("upload not taken: a write of it was refused", zap.String("client", string(u.origin.Client)),
			zap.String("session", u.origin.Session), zap.String("name", name), zap.Error(*cause))
		return errors.Join(fmt.Errorf("a write was refused: %w", *cause), u.draft.Discard())
	}
	if _, temporary := Temporary(name, u.g.Settings().Temporary); temporary {
		// Durable too: a client that has seen its temporary file closed may rename it tomorrow.
		return errors.Join(u.draft.Keep(ctx, string(u.origin.Client), name, modTime), u.draft.Discard())
	}
	_, err := u.g.take(ctx, u.origin, u.kept, name, modTime, u.draft)
	if err != nil {
		u.g.Log.Warn("upload not taken", zap.String("client", string(u.origin.Client)),
			zap.String("session", u.origin.Session), zap.String("name", name), zap.Error(err))
		return errors.Join(err, u.draft.Discard())
	}
	return nil
}

func (u *upload) Interrupt(cause error) {
	name, modTime, first := u.end()
	if !first {
		return
	}
	defer u.g.closeUpload(u)
	u.g.Log.Info("upload interrupted", zap.String("client", string(u.origin.Client)),
		zap.String("session", u.origin.Session), zap.String("name", name), zap.Int64("bytes", u.draft.Size()), zap.Error(cause))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := errors.Join(u.draft.Keep(ctx, string(u.origin.Client), name, modTime), u.draft.Discard())
	if err != nil {
		u.g.Log.Warn("interrupted upload not kept", zap.String("name", name), zap.Error(err))
	}
}
