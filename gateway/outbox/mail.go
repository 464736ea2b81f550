package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/folder"
)

// boxMark is the hidden file by which a box is known to be the one that letters
// were laid into.
const boxMark = folder.HiddenPrefix + "box"

const page = 500 // letters asked for at once

var (
	errLetter  = errors.New("letter has a box or a name that cannot be")
	errContent = errors.New("content is not what the letter says")
)

// mail lays, removes and, with acks, acknowledges letters.
func (l *lane) mail(ctx context.Context, dir *folder.Dir, acks bool) error {
	boxes := map[string]*folder.Dir{}
	for _, box := range []string{folder.Outbox, folder.Receipts} {
		b, err := dir.Sub(box)
		if err != nil {
			return err
		}
		defer b.Close()
		boxes[box] = b
		if !l.swept {
			if err := b.Sweep(); err != nil {
				return err
			}
		}
		if err := l.claim(ctx, box, b); err != nil {
			return err
		}
	}
	l.swept = true
	err := l.untold(ctx, boxes)
	if acks {
		for box, b := range boxes {
			err = errors.Join(err, l.acknowledged(ctx, box, b))
		}
	}
	return err
}

// claim makes sure that the box is marked as ours. In one that is not, all that
// was told is laid again before it gets its mark.
func (l *lane) claim(ctx context.Context, box string, b *folder.Dir) error {
	if marked(b) {
		return nil
	}
	told, err := l.told(ctx, box)
	if err != nil {
		return err
	}
	if len(told) > 0 {
		l.o.log.Warn("folder is a new one, what lay in the old is laid again",
			zap.String("client", string(l.c.ID)), zap.String("box", box), zap.Int("letters", len(told)))
	}
	for _, letter := range told {
		if err := l.lay(ctx, b, letter); err != nil {
			return err
		}
	}
	// The letters first, then the mark that vouches for them.
	if err := b.Sync(); err != nil {
		return err
	}
	err = b.Write(boxMark, 0o640, time.Time{}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s\n", l.c.ID, box)
		return err
	})
	if err != nil {
		return err
	}
	return b.Sync()
}

func marked(b *folder.Dir) bool {
	m, err := b.Stat(boxMark)
	return err == nil && b.Plain(m)
}

func (l *lane) told(ctx context.Context, box string) ([]Letter, error) {
	var all []Letter
	for after := ""; ; {
		some, err := l.o.o.Mail.ListTold(ctx, l.c.ID, box, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page {
			return all, nil
		}
		after = some[len(some)-1].Name
	}
}

// untold lays letters page by page, until none is left or a whole page fails.
func (l *lane) untold(ctx context.Context, boxes map[string]*folder.Dir) error {
	for {
		letters, err := l.o.o.Mail.Untold(ctx, l.c.ID, page)
		if err != nil {
			return err
		}
		errs := together(letters, func(letter Letter) error {
			b := boxes[letter.Box]
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case b == nil || letter.Client != l.c.ID:
				return fmt.Errorf("%s/%s: %w", letter.Box, folder.Escape(letter.Name), errLetter)
			case letter.Withdrawn:
				return withdraw(b, letter)
			}
			return l.lay(ctx, b, letter)
		})
		var done []Letter
		used := map[string]bool{}
		for i, letter := range letters {
			if errs[i] == nil { // the others need not wait for one that cannot be laid
				used[letter.Box] = true
				done = append(done, letter)
			}
		}
		for box := range used {
			if err := boxes[box].Sync(); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
		told := together(done, func(letter Letter) error { return l.o.o.Mail.Told(ctx, letter) })
		if err := errors.Join(told...); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if len(letters) < page || len(done) == 0 {
			return errors.Join(errs...)
		}
	}
}

// atOnce is how many letters of a client are worked on at the same time: each
// waits for the disk, and the core commits what waits together.
const atOnce = 8

// together does the same for every letter, a few at a time, and gives each one's error.
func together(letters []Letter, do func(Letter) error) []error {
	errs := make([]error, len(letters))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, letter := range letters {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(letter)
		})
	}
	wait.Wait()
	return errs
}

// lay puts a letter under its name; durable after Sync.
func (l *lane) lay(ctx context.Context, b *folder.Dir, letter Letter) error {
	if letter.Name == "" || letter.Name[0] == '.' || letter.Open == nil {
		return fmt.Errorf("%s: %w", folder.Escape(letter.Name), errLetter)
	}
	old, err := b.Stat(letter.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case b.Plain(old) && old.Size == letter.Size && same(b, letter):
		return nil
	case old.Regular() && old.Ours():
		// An earlier letter of the name; Write replaces it.
	default:
		if err := aside(b, letter.Name); err != nil {
			return err
		}
	}
	return b.Write(letter.Name, 0o640, letter.At, func(w io.Writer) error {
		r, err := letter.Open(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, letter.Size+1))
		if err == nil && (n != letter.Size || hex.EncodeToString(h.Sum(nil)) != letter.SHA256) {
			err = fmt.Errorf("%s: %w", folder.Escape(letter.Name), errContent)
		}
		return err
	})
}

func same(b *folder.Dir, letter Letter) bool {
	f, _, err := b.File(letter.Name)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(f, letter.Size+1))
	return err == nil && hex.EncodeToString(h.Sum(nil)) == letter.SHA256
}

// aside gives what a client put in the way another name: it is the client's own.
func aside(b *folder.Dir, name string) error {
	to := name + ".old"
	for i := 2; ; i++ {
		err := b.Rename(name, b, to)
		if !errors.Is(err, fs.ErrExist) || i > 100 {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		to = name + ".old" + strconv.Itoa(i)
	}
}

// withdraw removes a letter of ours; what a client laid under its name stays.
func withdraw(b *folder.Dir, letter Letter) error {
	m, err := b.Stat(letter.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !(m.Regular() && m.Ours()) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := b.Remove(letter.Name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// looked remembers a look for acknowledgements. Many clients never delete, and
// asking for all their letters every few seconds would cost more than the work
// itself: a box that stayed as it was is not looked at again.
type looked struct {
	mark  folder.Mark // of the box
	since time.Time   // first seen
	at    time.Time   // last looked
}

const (
	boxGrain  = 2 * time.Second  // coarser than the times of any file system
	lookAgain = 10 * time.Minute // network shares may lie about times
)

// stayed says whether there is nothing to look for, and notes the look else.
func (l *lane) stayed(box string, b *folder.Dir) bool {
	m, err := b.Mark()
	if err != nil {
		return false
	}
	now, last := l.o.o.now(), l.looked[box]
	if last.mark != m {
		last = looked{mark: m, since: now}
	} else if last.at.Sub(last.since) >= boxGrain && now.Sub(last.at) < lookAgain {
		return true
	}
	last.at = now
	l.looked[box] = last
	return false
}

// acknowledged finds what the client removed.
func (l *lane) acknowledged(ctx context.Context, box string, b *folder.Dir) (err error) {
	if l.stayed(box, b) {
		return nil
	}
	defer func() {
		if err != nil {
			delete(l.looked, box)
		}
	}()
	told, err := l.told(ctx, box) // first: what is told later is not missed here
	if err != nil || len(told) == 0 {
		return err
	}
	names, err := b.Names()
	if err != nil {
		return err
	}
	if len(names) == folder.MaxNames {
		return nil // the rest of the names is not known
	}
	there := make(map[string]bool, len(names))
	for _, n := range names {
		there[n] = true
	}
	// Looked at last: a folder that was just removed lists as empty.
	if !there[boxMark] || !marked(b) {
		return nil
	}
	for _, letter := range told {
		if there[letter.Name] {
			continue
		}
		if err := l.o.o.Mail.Acknowledge(ctx, letter); err != nil {
			return err
		}
		l.o.log.Info("acknowledged by removal", zap.String("client", string(l.c.ID)),
			zap.String("box", box), zap.String("name", strings.ToValidUTF8(letter.Name, "?")))
	}
	return nil
}
