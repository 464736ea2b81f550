package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/folder"
	"github.com/brama-gateway/brama/spool"
)

var (
	errChanged = errors.New("file changed while it was read")
	errOpen    = errors.New("file is open for writing")
)

// take makes the file the gateway's own and removes it. Every step may be
// repeated after a crash.
func (l *lane) take(ctx context.Context, in *folder.Dir, name string, s *sight) error {
	if l.c.Max > 0 && s.mark.Size > l.c.Max {
		return spool.ErrTooLarge
	}
	f, mark, err := in.File(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if mark != s.mark {
		return errChanged
	}
	if open, known := folder.Writer(f); open && known &&
		l.w.o.Now().Sub(s.since) < writerPatience*l.w.o.Stable {
		return errOpen
	}

	if s.sum == "" { // else a try before this one has read it
		if s.sum, err = l.hash(ctx, f, mark.Size); err != nil {
			return err
		}
	}
	known, err := l.w.o.Known.Known(ctx, l.c.ID, name, s.sum, mark.Size, mark.Changed())
	if err != nil {
		return fmt.Errorf("taken already or not: %w", err)
	}
	if !known {
		if err := l.upload(ctx, f, name, mark, s.sum); err != nil {
			if errors.Is(err, errChanged) {
				s.sum = ""
			}
			return err
		}
	} else if now, err := folder.MarkFile(f); err != nil || now != mark {
		return errChanged
	}
	return in.Take(name, mark)
}

// upload hands the file over. When it returns nil the document will outlive a
// power cut.
func (l *lane) upload(ctx context.Context, f *os.File, name string, mark folder.Mark, sum string) error {
	desk, path := l.w.o.Desk(l.c.ID), "/inbox/"+name
	up, err := desk.Create(ctx, path, gateway.Mode{Truncate: true})
	if err != nil {
		return err
	}
	err = l.copy(ctx, up, f, mark, sum)
	if err == nil {
		up.SetModTime(mark.Modified())
		return up.Close(ctx)
	}
	up.Interrupt(err)
	// What was copied is of no use to anybody: the next try begins anew, and the
	// client may never let us have one.
	_ = desk.Remove(context.WithoutCancel(ctx), path)
	return err
}

// copy writes the file and proves that it is the one that was hashed: same bytes
// read twice, same mark before and after. A writer through a memory map changes
// bytes without touching the times; only the second hash sees it.
func (l *lane) copy(ctx context.Context, up gateway.Upload, f *os.File, mark folder.Mark, sum string) error {
	h := sha256.New()
	buf := make([]byte, min(mark.Size, l.w.o.chunk))
	for off := int64(0); off < mark.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(buf[:min(int64(len(buf)), mark.Size-off)], off)
		if err == io.EOF && n == 0 {
			return errChanged
		}
		if err != nil && err != io.EOF {
			return err
		}
		h.Write(buf[:n])
		if _, err := up.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	after, err := folder.MarkFile(f)
	if err != nil {
		return err
	}
	if after != mark || hex.EncodeToString(h.Sum(nil)) != sum {
		return errChanged
	}
	return nil
}

func (l *lane) hash(ctx context.Context, f *os.File, size int64) (string, error) {
	h := sha256.New()
	buf := make([]byte, min(size, l.w.o.chunk))
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err == io.EOF && n == 0 {
			return "", errChanged
		}
		if err != nil && err != io.EOF {
			return "", err
		}
		h.Write(buf[:n])
		off += int64(n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// refusal is the text for a file that will never be taken as it is; nil for
// every other error.
func refusal(err error) *formats.Text {
	switch {
	case errors.Is(err, gateway.ErrName):
		return &formats.Text{
			UK: "Файл не прийнято: таке ім'я файлу не дозволене. Перейменуйте файл: літери, цифри, крапка, дефіс і підкреслення, не довше ніж 120 байтів (60 українських літер). Після перейменування його буде прийнято автоматично.",
			EN: "The file was not taken: its name is not allowed. Rename it: letters, digits, dot, hyphen and underscore, at most 120 bytes. After that it is taken by itself.",
		}
	case errors.Is(err, spool.ErrTooLarge):
		return &formats.Text{
			UK: "Файл не прийнято: він більший, ніж дозволено. Поділіть документ на менші або зверніться до адміністратора шлюзу.",
			EN: "The file was not taken: it is larger than allowed. Split the document or ask the administrator of the gateway.",
		}
	}
	return nil
}

// forbidden is the text for a file that the gateway may not read, or not take
// from this client.
var forbidden = formats.Text{
	UK: "Файл ще не прийнято: шлюз не може його прочитати, або ваш доступ призупинено. Зверніться до казначейства; якщо доступ є, перевірте права на файл (група шлюзу повинна мати право читання). Шлюз пробуватиме далі.",
	EN: "The file is not taken yet: the gateway cannot read it, or your access is suspended. Ask the treasury; if you have access, check the permissions of the file (the gateway's group must be able to read it). The gateway goes on trying.",
}

// stopping: the gateway takes nothing from anybody now.
func stopping(err error) bool {
	return errors.Is(err, gateway.ErrStopping) || errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrStopped)
}

// note answers a file that is refused, beside the receipts. The same note is not
// written twice.
// refusedNote is the ending of a note about a file that was not taken.
const refusedNote = ".refused.txt"

// unnote takes back the note about a file that has been taken after all.
func (l *lane) unnote(name string) error {
	dir, err := folder.Open(l.c.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	out, err := dir.Sub(folder.Receipts)
	if err != nil {
		return err
	}
	defer out.Close()
	to := folder.Escape(name) + refusedNote
	if m, err := out.Stat(to); err != nil || !m.Regular() || !m.Ours() {
		return nil // none, or none of ours
	}
	if err := out.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return out.Sync()
}

func (l *lane) note(name string, m folder.Mark, why *formats.Text) error {
	dir, err := folder.Open(l.c.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	out, err := dir.Sub(folder.Receipts)
	if err != nil {
		return err
	}
	defer out.Close()
	shown := folder.Escape(name)
	text := strings.NewReplacer("\n", "\r\n").Replace(fmt.Sprintf(
		"%s\n\nФайл: %s\nРозмір: %d байтів\nЗмінено: %s UTC\n\n%s\n\nFile: %s\nSize: %d bytes\nModified: %s UTC\n",
		why.UK, shown, m.Size, m.Modified().UTC().Format("2006-01-02 15:04:05"),
		why.EN, shown, m.Size, m.Modified().UTC().Format("2006-01-02 15:04:05")))
	to := shown + refusedNote
	if f, old, err := out.File(to); err == nil {
		b, rerr := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
		f.Close()
		if rerr == nil && string(b) == text && old.Ours() {
			return nil
		}
	}
	err = out.Write(to, 0o640, time.Time{}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return err
	}
	return out.Sync()
}
