package handoff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/folder"
	"github.com/brama-gateway/brama/spool"
)

const refusedDir = "refused"

var errChanged = errors.New("statement changed while it was read")

// sight is what is remembered of a dropped file between looks.
type sight struct {
	mark      folder.Mark
	since     time.Time
	tries     int
	notBefore time.Time
}

// statements takes what was dropped and lies still.
func (h *Handoff) statements(ctx context.Context, r *root) error {
	if h.quiet.After(h.o.Now()) {
		return nil
	}
	clients, err := r.statements.Names()
	if err != nil {
		return err
	}
	slices.Sort(clients)
	here := map[string]*sight{}
	for _, c := range clients {
		if strings.HasPrefix(c, ".") || !lies(r.statements, c) {
			continue
		}
		if err := h.statementsOf(ctx, r, c, here); err != nil {
			h.once("statements "+c+err.Error(), "statements of a client", zap.String("client", folder.Escape(c)), zap.Error(err))
		}
	}
	h.seen = here
	return nil
}

func (h *Handoff) statementsOf(ctx context.Context, r *root, c string, here map[string]*sight) error {
	dir, err := r.statements.Sub(c)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	now := h.o.Now()
	for _, name := range names {
		key := c + "/" + name
		was, taken := folder.ParseTaken(name)
		if name == refusedDir || !taken && (strings.HasPrefix(name, folder.HiddenPrefix) || h.o.Temporary(name)) {
			continue
		}
		m, err := dir.Stat(name)
		if err != nil {
			continue
		}
		if !dir.Plain(m) {
			h.once(key+fmt.Sprint(m.Ino), "not a plain file, left where it is",
				zap.String("client", folder.Escape(c)), zap.String("name", folder.Escape(name)), zap.String("is", m.Kind()))
			continue
		}
		s := h.seen[key]
		if s == nil || s.mark != m {
			s = &sight{mark: m, since: now}
		}
		here[key] = s
		if now.Sub(s.since) < h.o.Stable && !taken || s.notBefore.After(now) {
			continue
		}
		if taken {
			err = h.again(ctx, dir, c, name, was, m)
		} else {
			err = h.put(ctx, dir, c, name, m, s)
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		log := logStatement(h.log, c, name)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errChanged), errors.Is(err, folder.ErrChanged), errors.Is(err, folder.ErrIrregular):
			continue // the next look sees what it has become
		case errors.Is(err, gateway.ErrStopping), errors.Is(err, spool.ErrFull), errors.Is(err, spool.ErrStopped):
			h.quiet = now.Add(5 * time.Second)
			log.Warn("no statements are taken now, tried again later", zap.Error(err))
			return nil
		}
		s.notBefore = now.Add(min(time.Second<<min(s.tries, 6), time.Minute))
		s.tries++
		if s.tries&(s.tries-1) == 0 {
			log.Warn("statement not taken, tried again later", zap.Error(err), zap.Int("tries", s.tries))
		}
	}
	return nil
}

// put hands one statement over and removes the file when that is durable.
func (h *Handoff) put(ctx context.Context, dir *folder.Dir, c, name string, m folder.Mark, s *sight) error {
	if m.Size > h.o.Statement {
		return h.refuse(dir, c, name, m, spool.ErrTooLarge)
	}
	f, opened, err := dir.File(name)
	if err != nil {
		return err
	}
	if open, known := folder.Writer(f); open && known && h.o.Now().Sub(s.since) < 20*h.o.Stable {
		f.Close()
		return nil
	}
	b, err := read(f, opened)
	if err != nil {
		return err
	}
	if opened != m {
		return errChanged
	}
	err = h.hand(ctx, c, name, b, m.Ino, m.Changed())
	if final(err) {
		return h.refuse(dir, c, name, m, err)
	}
	if err != nil {
		return err
	}
	return dir.Take(name, m)
}

// again ends what a crash broke off between the hand-over and the removal: the
// same key makes the second hand-over the first.
func (h *Handoff) again(ctx context.Context, dir *folder.Dir, c, taken string, was folder.Taken, m folder.Mark) error {
	if m.Ino == was.Ino && m.Size <= h.o.Statement {
		f, opened, err := dir.File(taken)
		if err != nil {
			return err
		}
		b, err := read(f, opened)
		if err != nil {
			return err
		}
		err = h.hand(ctx, c, was.Name, b, was.Ino, was.Changed)
		if err == nil {
			if now, err := dir.Stat(taken); err != nil || now != opened {
				return errChanged
			}
			return dir.Remove(taken)
		}
		if !final(err) {
			return err
		}
	}
	if err := dir.Rename(taken, dir, was.Name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (h *Handoff) hand(ctx context.Context, c, name string, b []byte, ino uint64, changed time.Time) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %x", ino, changed.UnixNano(), name, sha256.Sum256(b)))
	o := gateway.Outgoing{Name: name, Kind: formats.Statement, Key: "handoff-" + hex.EncodeToString(sum[:16])}
	if base, ok := strings.CutSuffix(name, ".json"); ok && json.Valid(b) {
		o.Name, o.Statement = base, b
	} else {
		o.Content = bytes.NewReader(b)
	}
	id, err := h.o.Core.PutStatement(ctx, client.ID(c), o)
	if err == nil {
		logStatement(h.log, c, name).Info("statement taken", zap.Stringer("id", id))
	}
	return err
}

// read reads a whole file and proves that it stayed as it was.
func read(f *os.File, m folder.Mark) ([]byte, error) {
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, m.Size+1))
	if err != nil {
		return nil, err
	}
	if now, err := folder.MarkFile(f); err != nil || now != m || int64(len(b)) != m.Size {
		return nil, errChanged
	}
	return b, nil
}

// final: no later try can succeed.
func final(err error) bool {
	var not *gateway.RefusedError
	return errors.As(err, &not) || errors.Is(err, spool.ErrNotFound) || errors.Is(err, gateway.ErrName) || errors.Is(err, spool.ErrTooLarge)
}

// refuse moves a statement to refused and says why beside it.
func (h *Handoff) refuse(dir *folder.Dir, c, name string, m folder.Mark, why error) error {
	out, err := dir.Make(refusedDir, rootPerm)
	if err != nil {
		return err
	}
	defer out.Close()
	to := folder.Escape(name)
	err = dir.Rename(name, out, to)
	for i := 2; errors.Is(err, fs.ErrExist) && i < 1000; i++ {
		to = fmt.Sprintf("%s.%d", folder.Escape(name), i)
		err = dir.Rename(name, out, to)
	}
	if err != nil {
		return err
	}
	if now, err := out.Stat(to); err == nil && !now.Same(m) {
		return out.Rename(to, dir, name) // a newer file, not yet looked at
	}
	if err := write(out, to+".reason.txt", filePerm, []byte(explain(c, why))); err != nil {
		return err
	}
	logStatement(h.log, c, name).Warn("statement refused", zap.Error(why))
	return errors.Join(out.Sync(), dir.Sync())
}

// explain is the text of NAME.reason.txt.
func explain(c string, why error) string {
	var b strings.Builder
	say := func(t formats.Text) { fmt.Fprintf(&b, "%s\r\n%s\r\n", t.UK, t.EN) }
	var not *gateway.RefusedError
	switch {
	case errors.As(why, &not):
		say(formats.Text{UK: "Виписку не прийнято:", EN: "The statement was not taken:"})
		for _, f := range not.Findings {
			place := ""
			if f.Record > 0 {
				place += fmt.Sprintf(" [%d]", f.Record)
			}
			if at := f.Field + f.Path; at != "" {
				place += " " + at
			}
			fmt.Fprintf(&b, "\r\n%s%s\r\n", f.Rule, place)
			say(f.Message)
		}
	case errors.Is(why, spool.ErrNotFound):
		say(formats.Text{
			UK: "Клієнта «" + folder.Escape(c) + "» немає в реєстрі. Перевірте назву теки.",
			EN: "There is no client \"" + folder.Escape(c) + "\" in the register. Check the name of the folder.",
		})
	case errors.Is(why, gateway.ErrName):
		say(formats.Text{
			UK: "Ім'я файлу не дозволене: літери, цифри, крапка, дефіс і підкреслення, не довше ніж 120 байтів.",
			EN: "The name of the file is not allowed: letters, digits, dot, hyphen and underscore, at most 120 bytes.",
		})
	default:
		say(formats.Text{UK: "Файл більший, ніж дозволено.", EN: "The file is larger than allowed."})
	}
	return b.String()
}

// logStatement keeps the fields of such lines in one place.
func logStatement(log *zap.Logger, client, name string) *zap.Logger {
	return log.With(zap.String("client", folder.Escape(client)), zap.String("name", folder.Escape(name)))
}
