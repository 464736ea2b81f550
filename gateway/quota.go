package gateway

import (
	"context"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// limitsOf are the client's own, or the gateway's.
func (g *Gateway) limitsOf(e *client.Entry) Limits {
	l := g.Settings().Limits
	if e.Quota.File > 0 {
		l.File = e.Quota.File
	}
	if e.Quota.Files > 0 {
		l.Files = e.Quota.Files
	}
	if e.Quota.Bytes > 0 {
		l.Bytes = e.Quota.Bytes
	}
	return l
}

// withinQuota refuses a client that has left too much here unfinished or unsettled.
// What it goes on with, or replaces, does not count.
func (g *Gateway) withinQuota(ctx context.Context, o Origin, name string, l Limits) error {
	var files int
	var size int64
	writing := g.writing(o.Client)
	g.mu.Lock()
	files = g.backlog[o.Client]
	g.mu.Unlock()
	for _, f := range writing {
		files++
		size += f.Size
	}
	err := g.Store.View(ctx, func(r spool.Reader) error {
		kept, err := r.Kept(string(o.Client))
		for _, k := range kept {
			if k.Name != name {
				files++
				size += k.Size
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if files >= l.Files || size >= l.Bytes {
		g.Log.Warn("quota exceeded", zap.String("client", string(o.Client)), zap.Int("files", files), zap.Int64("bytes", size))
		return ErrQuota
	}
	return nil
}

// writing are the client's files that are being written now. A draft may be
// busy with the disk: it is asked for its size without the lock.
func (g *Gateway) writing(of client.ID) []File {
	var files []File
	var drafts []spool.Draft
	g.mu.Lock()
	for k, u := range g.open {
		if k.client == of && u.draft != nil {
			files = append(files, File{Name: k.name, ModTime: u.modTime, Writable: true})
			drafts = append(drafts, u.draft)
		}
	}
	g.mu.Unlock()
	for i := range files {
		files[i].Size = drafts[i].Size()
	}
	return files
}

// count keeps the number of a client's unsettled files near the truth between
// two recounts.
func (g *Gateway) count(c client.ID, by int) {
	g.mu.Lock()
	g.backlog[c] = max(0, g.backlog[c]+by)
	g.mu.Unlock()
}

// Recount reads how many submissions of each client are not settled. The gateway does it
// by itself when it begins to work, and each minute.
func (g *Gateway) Recount(ctx context.Context) error {
	backlog := map[client.ID]int{}
	err := g.Store.View(ctx, func(r spool.Reader) error {
		q := unsettled("", 1000)
		for {
			items, err := r.Items(q)
			if err != nil {
				return err
			}
			for _, it := range items {
				backlog[client.ID(it.Owner)]++
				q.After = it.ID
			}
			if len(items) < q.Limit {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.backlog = backlog
	g.mu.Unlock()
	return nil
}

func unsettled(c client.ID, limit int) spool.Query {
	return spool.Query{Queue: Submissions, Owner: string(c), States: []spool.State{StateReceived, StateHeld}, Limit: limit}
}
