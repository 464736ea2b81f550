package sftpd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/gateway"
)

// code is the SFTP status of an error that the client of pkg/sftp gave.
func code(err error) (uint32, string) {
	var s *sftp.StatusError
	switch {
	case err == nil:
		return 0, ""
	case errors.Is(err, os.ErrNotExist):
		return 2, ""
	case errors.Is(err, os.ErrPermission):
		return 3, ""
	case errors.As(err, &s):
		return s.Code, s.Error()
	}
	return 99, err.Error()
}

func expect(t *testing.T, what string, err error, want uint32) {
	t.Helper()
	if got, text := code(err); got != want {
		t.Errorf("%s: status %d %s, not %d", what, got, text, want)
	}
}

func put(f *sftp.Client, name, text string) error {
	w, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(text))
	return errors.Join(err, w.Close())
}

func get(t *testing.T, f *sftp.Client, name string) string {
	t.Helper()
	r, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTree(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	desk := e.counter("alpha")

	if wd, err := f.Getwd(); wd != "/" || err != nil {
		t.Error(wd, err)
	}
	for in, want := range map[string]string{".": "/", "": "/", "inbox": "/inbox", "../../etc": "/etc", "/inbox/../nothing/x": "/nothing/x", "/inbox/": "/inbox"} {
		if got, err := f.RealPath(in); got != want || err != nil {
			t.Errorf("realpath %q: %q %v", in, got, err)
		}
	}
	list, err := f.ReadDir("/")
	names := ""
	for _, i := range list {
		names += i.Name() + " "
	}
	if names != "archive inbox outbox receipts status " || err != nil {
		t.Errorf("%q %v", names, err)
	}
	for _, dir := range []string{"/inbox", "/inbox/.", "inbox"} {
		if i, err := f.Stat(dir); err != nil || !i.IsDir() || i.Mode().Perm() != 0o755 {
			t.Error(dir, i, err)
		}
	}
	if i, err := f.Lstat("/outbox"); err != nil || i.Mode().Perm() != 0o555 {
		t.Error(i, err)
	}
	_, err = f.Stat("/nothing")
	expect(t, "stat", err, 2)
	_, err = f.ReadDir("/nothing")
	expect(t, "opendir", err, 2)
	_, err = f.ReadDir("/outbox/statement.csv")
	expect(t, "opendir of a file", err, 4)
	_, err = f.Stat("/inbox/" + strings.Repeat("a", 5000))
	expect(t, "stat of a long path", err, 3)
	_, err = f.Stat("/inbox/a\x00b")
	expect(t, "stat with NUL", err, 3)

	if err := put(f, "/inbox/P0001.DBF", "payment"); err != nil {
		t.Fatal(err)
	}
	if i, err := f.Stat("/inbox/P0001.DBF"); err != nil || i.Size() != 7 {
		t.Error("stat after close", i, err)
	}
	at := time.Unix(1600000000, 0)
	if err := f.Chtimes("/inbox/P0001.DBF", at, at); err != nil {
		t.Error(err)
	}
	if i, _ := f.Stat("/inbox/P0001.DBF"); !i.ModTime().Equal(at) {
		t.Error(i.ModTime())
	}
	expect(t, "chmod", f.Chmod("/inbox/P0001.DBF", 0o600), 0)
	expect(t, "chown", f.Chown("/inbox/P0001.DBF", 1, 1), 0)
	expect(t, "chmod in outbox", f.Chmod("/outbox/statement.csv", 0o600), 0)
	expect(t, "chtimes in outbox", f.Chtimes("/outbox/statement.csv", at, at), 0)
	expect(t, "chmod of nothing", f.Chmod("/inbox/nothing", 0o600), 2)
	expect(t, "truncate of what was taken", f.Truncate("/inbox/P0001.DBF", 1), 3)
	expect(t, "truncate to the size it has", f.Truncate("/inbox/P0001.DBF", 7), 0)
	_, err = f.Open("/inbox/P0001.DBF")
	expect(t, "read what was taken", err, 3)
	expect(t, "remove what was taken", f.Remove("/inbox/P0001.DBF"), 3)

	expect(t, "mkdir of what exists", f.Mkdir("/inbox"), 4)
	expect(t, "mkdir", f.Mkdir("/inbox/new"), 3)
	expect(t, "rmdir", f.RemoveDirectory("/inbox"), 3)
	expect(t, "rmdir of nothing", f.RemoveDirectory("/nothing"), 2)
	expect(t, "symlink", f.Symlink("/etc/passwd", "/inbox/x"), 8)
	if err := f.Link("/outbox/statement.csv", "/inbox/x"); err == nil {
		t.Error("hard link")
	}
	_, err = f.ReadLink("/outbox/statement.csv")
	expect(t, "readlink", err, 8)
	expect(t, "rename in outbox", f.Rename("/outbox/statement.csv", "/inbox/s.csv"), 3)
	expect(t, "write to outbox", put(f, "/outbox/x.txt", "x"), 3)
	expect(t, "write to a folder", put(f, "/inbox", "x"), 3)
	expect(t, "write elsewhere", put(f, "/etc/cron.d/x", "x"), 2)
	_, err = f.OpenFile("/outbox/statement.csv", os.O_RDWR)
	expect(t, "open outbox for both", err, 3)
	_, err = f.OpenFile("/inbox/none.txt", os.O_WRONLY)
	expect(t, "open without create", err, 2)

	if v, err := f.StatVFS("/inbox"); err != nil || v.FreeSpace() == 0 || v.TotalSpace() < v.FreeSpace() {
		t.Error(v, err)
	}
	if got := get(t, f, "/outbox/statement.csv"); got != "1;2;3\n" {
		t.Errorf("%q", got)
	}
	expect(t, "acknowledge", f.Remove("/outbox/statement.csv"), 0)
	if got := desk.happened(); !slices.Equal(got, []string{"delivered /outbox/statement.csv", "removed /outbox/statement.csv"}) {
		t.Errorf("%q", got)
	}
	if got := desk.takenFiles(); !slices.Equal(got, []string{"P0001.DBF:payment"}) {
		t.Errorf("%q", got)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	desk := e.counter("alpha")
	for _, n := range []string{"a.xml.filepart", "b.part", "c.part", "d.part"} {
		expect(t, n, put(f, "/inbox/"+n, n), 0)
	}
	expect(t, "rename to the final name", f.Rename("/inbox/a.xml.filepart", "/inbox/a.xml"), 0)
	expect(t, "setstat after it was taken", f.Chtimes("/inbox/a.xml", time.Now(), time.Now()), 0)
	expect(t, "rename onto what was taken", f.Rename("/inbox/b.part", "/inbox/a.xml"), 4)
	expect(t, "posix-rename onto what was taken", f.PosixRename("/inbox/b.part", "/inbox/a.xml"), 4)
	expect(t, "rename onto what is unfinished", f.Rename("/inbox/b.part", "/inbox/c.part"), 4)
	expect(t, "posix-rename onto what is unfinished", f.PosixRename("/inbox/b.part", "/inbox/c.part"), 0)
	expect(t, "rename of nothing", f.Rename("/inbox/b.part", "/inbox/e.part"), 2)
	expect(t, "rename to a bad name", f.Rename("/inbox/c.part", "/inbox/x.xml.exe"), 3)
	expect(t, "rename out of the inbox", f.Rename("/inbox/c.part", "/outbox/c.xml"), 3)
	expect(t, "remove own", f.Remove("/inbox/d.part"), 0)
	if got := desk.takenFiles(); !slices.Equal(got, []string{"a.xml:a.xml.filepart"}) {
		t.Errorf("%q", got)
	}

	// renamed while open: the handle goes on, FSTAT and FSETSTAT of the library
	// come by the old name
	w, err := f.Create("/inbox/open.part")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	expect(t, "rename while open", f.Rename("/inbox/open.part", "/inbox/open2.part"), 0)
	if i, err := w.Stat(); err != nil || i.Size() != 3 {
		t.Error(i, err)
	}
	expect(t, "fsetstat", w.Chmod(0o600), 0)
	expect(t, "close", w.Close(), 0)
}

func TestResumeAndPartialAccess(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	desk := e.counter("alpha")

	expect(t, "first half", put(f, "/inbox/r.part", "hello "), 0)
	w, err := f.OpenFile("/inbox/r.part", os.O_WRONLY|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := w.Stat(); err != nil || i.Size() != 6 {
		t.Error("resume begins anew", i, err)
	}
	if _, err := w.WriteAt([]byte("world"), 6); err != nil {
		t.Error(err)
	}
	expect(t, "close", w.Close(), 0)

	a, err := f.OpenFile("/inbox/r.part", os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.WriteAt([]byte("!"), 11); err != nil {
		t.Error(err)
	}
	expect(t, "close", a.Close(), 0)

	// libssh2 counts from nought (curl -a)
	expect(t, "start", put(f, "/inbox/n.part", strings.Repeat("a", 1000)), 0)
	if a, err = f.OpenFile("/inbox/n.part", os.O_WRONLY|os.O_CREATE|os.O_APPEND); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ReadFrom(bytes.NewReader(bytes.Repeat([]byte("b"), 200_000))); err != nil {
		t.Error(err)
	}
	expect(t, "close", a.Close(), 0)
	if got := get(t, f, "/inbox/n.part"); got != strings.Repeat("a", 1000)+strings.Repeat("b", 200_000) {
		t.Errorf("%d bytes", len(got))
	}

	rw, err := f.OpenFile("/inbox/r.part", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := rw.ReadAt(buf, 6); err != nil || string(buf) != "world" {
		t.Errorf("%q %v", buf, err)
	}
	expect(t, "ftruncate", rw.Truncate(11), 0)
	if _, err := rw.WriteAt([]byte("W"), 6); err != nil {
		t.Error(err)
	}
	expect(t, "close", rw.Close(), 0)
	expect(t, "truncate by name", f.Truncate("/inbox/r.part", 10), 0)
	if got := get(t, f, "/inbox/r.part"); got != "hello Worl" {
		t.Errorf("%q", got)
	}
	_, err = f.OpenFile("/inbox/r.part", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	expect(t, "exclusive", err, 4)
	expect(t, "finish", f.Rename("/inbox/r.part", "/inbox/r.txt"), 0)
	expect(t, "again under the name", put(f, "/inbox/r.txt", "second"), 0)
	expect(t, "empty", put(f, "/inbox/empty.txt", ""), 0)
	if got := desk.takenFiles(); !slices.Equal(got, []string{"r.txt:hello Worl", "r.txt:second", "empty.txt:"}) {
		t.Errorf("%q", got)
	}

	for _, off := range []int64{1 << 62, -1, -1 << 63, 5 << 30} {
		w, err := f.Create("/inbox/far.part")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.WriteAt([]byte("x"), off)
		if off >= 0 {
			expect(t, fmt.Sprint("write at ", off), err, 4)
		}
		expect(t, "size 2^60", w.Truncate(1<<60), 4)
		expect(t, "close after a refused write", w.Close(), 4)
		expect(t, "size 2^60 by name", f.Truncate("/inbox/far.part", 1<<60), 4)
	}

	// parallel reads at offsets, and a download that resumes
	r, err := f.Open("/outbox/big.bin")
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			part := make([]byte, len(want)/8)
			if _, err := r.ReadAt(part, int64(i*len(part))); err != nil || !bytes.Equal(part, want[i*len(part):][:len(part)]) {
				t.Error("part", i, err)
			}
		})
	}
	readers.Wait()
	if n, err := r.ReadAt(make([]byte, 10), int64(len(want))); n != 0 || !errors.Is(err, io.EOF) {
		t.Error(n, err)
	}
	expect(t, "close", r.Close(), 0)
}

func TestCloseErrorIsTheStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code uint32
	}{{gateway.ErrQuota, 4}, {gateway.ErrStopping, 4}, {gateway.ErrBusy, 4}, {gateway.ErrName, 3}, {errors.New("disk /var/lib/brama: i/o error"), 4}} {
		e := begin(t, nil)
		e.counter("alpha").closeErr = c.err
		f := e.sftp()
		err := put(f, "/inbox/x.txt", "x")
		expect(t, c.err.Error(), err, c.code)
		if err == nil || strings.Contains(err.Error(), "brama") {
			t.Errorf("%v: %v", c.err, err)
		}
		if n := len(e.counter("alpha").takenFiles()); n != 0 {
			t.Error("taken")
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]error{
		os.ErrNotExist: sftp.ErrSSHFxNoSuchFile, os.ErrPermission: sftp.ErrSSHFxPermissionDenied, gateway.ErrName: sftp.ErrSSHFxPermissionDenied,
		os.ErrExist: sftp.ErrSSHFxFailure, gateway.ErrQuota: sftp.ErrSSHFxFailure, gateway.ErrStopping: sftp.ErrSSHFxFailure,
		gateway.ErrBusy: sftp.ErrSSHFxFailure, errors.New("/var/lib"): sftp.ErrSSHFxFailure, context.Canceled: sftp.ErrSSHFxFailure,
		errUnsupported: sftp.ErrSSHFxOpUnsupported, io.ErrUnexpectedEOF: sftp.ErrSSHFxFailure, io.EOF: io.EOF,
	} {
		if got := statusOf(fmt.Errorf("item /x: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if statusOf(nil) != nil {
		t.Error("nil")
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(shared(t, "data", "relsec", "names", "HOSTILE_NAMES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	e := begin(t, nil)
	f := e.sftp()
	rows := 0
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
		col := strings.Split(line, "\t")
		raw, err := base64.StdEncoding.DecodeString(col[0])
		if err != nil {
			t.Fatal(err)
		}
		rows++
		name := string(raw)
		_, cleanErr := gateway.CleanName(name)
		before := len(e.counter("alpha").takenFiles())
		err = put(f, "/inbox/"+name, "x")
		after := len(e.counter("alpha").takenFiles())
		if clean := cleanErr == nil; clean != (after > before) {
			// "/inbox//etc/x" and "..": cleaned as a path, and elsewhere then
			t.Errorf("row %d %q: %v, taken %d", i+2, name, err, after-before)
		}
		if col[len(col)-2] == "refuse" && after > before {
			t.Errorf("row %d %q was taken", i+2, name)
		}
		// no other request may fall over either
		_, _ = f.Stat("/inbox/" + name)
		_, _ = f.Lstat(name)
		_, _ = f.ReadDir("/inbox/" + name)
		_, _ = f.RealPath(name)
		_ = f.Chmod("/inbox/"+name, 0o600)
		_ = f.Mkdir("/inbox/" + name)
		_ = f.Symlink(name, name)
		_ = f.Link(name, name)
		_, _ = f.ReadLink(name)
		_ = f.Rename("/inbox/"+name, name)
		_ = f.PosixRename(name, "/inbox/"+name)
		_ = f.Truncate("/inbox/"+name, 3)
		_ = f.RemoveDirectory("/inbox/" + name)
		_ = f.Remove("/inbox/" + name)
	}
	if rows != 77 {
		t.Errorf("%d rows", rows)
	}
	if _, err := f.Stat("/inbox"); err != nil {
		t.Error("session did not survive:", err)
	}
	for _, l := range e.logs.All() {
		for _, v := range l.ContextMap() {
			if s, ok := v.(string); ok && strings.ContainsAny(s, "\n\r\x1b\x00\u202e") {
				t.Errorf("log carries %q", s)
			}
		}
	}
}

// shared is a file of the common test data, or the test is skipped.
func shared(t *testing.T, name ...string) string {
	t.Helper()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	p := filepath.Join(append([]string{root}, name...)...)
	if _, err := os.Stat(p); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	return p
}
