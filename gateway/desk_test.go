package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

func TestTree(t *testing.T) {
	r := stage(t)
	d, ctx := r.Desk(), r.Ctx()
	accept(r, "P.DBF.p7s", 1)
	if got := r.Names("/"); !slices.Equal(got, []string{"archive", "inbox", "outbox", "receipts", "status"}) {
		t.Errorf("%v", got)
	}
	for _, dir := range []string{"/", "/inbox", "/outbox", "/receipts", "/status", "/archive", "/archive/2026", "/archive/2026/03", "/archive/2026/03/04"} {
		f, err := d.Stat(ctx, dir)
		if err != nil || !f.Dir || f.Writable != (dir == "/inbox") {
			t.Errorf("%s: %+v %v", dir, f, err)
		}
		if _, err := d.Open(ctx, dir); err == nil {
			t.Errorf("%s opens", dir)
		}
		if err := d.Remove(ctx, dir); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("remove %s: %v", dir, err)
		}
	}
	for _, file := range []string{"/inbox/P.DBF.p7s", "/receipts/P.DBF.p7s.receipt1.txt", "/status/today.csv", "/status/today.json", "/status/2026-03-04.csv", "/archive/2026/03/04/P.DBF.p7s"} {
		f, err := d.Stat(ctx, file)
		if err != nil || f.Dir || f.Size == 0 || f.Writable || f.ModTime.IsZero() {
			t.Errorf("%s: %+v %v", file, f, err)
		}
		if _, err := d.List(ctx, file); err == nil {
			t.Errorf("%s lists", file)
		}
		if _, err := d.Create(ctx, file, gateway.Mode{}); err == nil && !strings.HasPrefix(file, "/inbox") {
			t.Errorf("%s is created", file)
		}
	}
	if err := d.Remove(ctx, "/status/today.csv"); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if err := d.Remove(ctx, "/archive/2026/03/04/P.DBF.p7s"); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "inbox", "/etc/passwd", "/inbox/../outbox", "/inbox/./x", "/inbox//x", "/inbox/", "/../etc", "/inbox/x/y", "/receipts/x", "/status/x", "/status/today",
		"/status/today.csv/x", "/status/2026-03-05.csv", "/status/2019-01-01.csv", "/status/today.txt", "/status/..csv", "/archive/2025", "/archive/2026/3", "/archive/2026/13",
		"/archive/2026/03/04/x", "/archive/x", "/archive/2026/03/04/P.DBF.p7s/x", "/outbox/\x00", "/inbox/\xff", "/receipts/.verdict", "/archive/2026/03/04/.verdict",
		"/inbox/" + strings.Repeat("x", 1000),
	} {
		if f, err := d.Stat(ctx, bad); err == nil {
			t.Errorf("stat %q: %+v", bad, f)
		}
		if f, err := d.Open(ctx, bad); err == nil {
			t.Errorf("open %q: %v", bad, f)
		}
		if f, err := d.List(ctx, bad); err == nil && bad != "/archive/2026/13" {
			t.Errorf("list %q: %v", bad, f)
		}
		if err := d.Remove(ctx, bad); err == nil {
			t.Errorf("remove %q", bad)
		}
		if err := d.SetModTime(ctx, bad, time.Now()); err == nil {
			t.Errorf("set times of %q", bad)
		}
		if err := d.Rename(ctx, bad, "/inbox/y", false); err == nil {
			t.Errorf("rename %q", bad)
		}
		if up, err := d.Create(ctx, bad, gateway.Mode{}); err == nil {
			t.Errorf("create %q: %v", bad, up)
		}
	}
}

func TestResidue(t *testing.T) {
	r := stage(t)
	d, ctx := r.Desk(), r.Ctx()
	b := r.Signed(r.DBF(1, 1))
	r.Send("P.DBF.p7s", b)
	set := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := d.SetModTime(ctx, "/inbox/P.DBF.p7s", set); err != nil {
		t.Fatal(err)
	}
	f, err := r.Desk().Stat(ctx, "/inbox/P.DBF.p7s") // another session
	if err != nil || f.Size != int64(len(b)) || !f.ModTime.Equal(set) {
		t.Errorf("%+v %v", f, err)
	}
	if err := d.Rename(ctx, "/inbox/P.DBF.p7s", "/inbox/Q.DBF.p7s", false); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what was taken is renamed: %v", err)
	}
	if _, err := d.Open(ctx, "/inbox/P.DBF.p7s"); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if err := d.Remove(ctx, "/inbox/P.DBF.p7s"); err != nil {
		t.Error(err)
	}
	if r.Has("/inbox/P.DBF.p7s") {
		t.Error("removed, and there")
	}
	doc := r.DBF(2, 1)
	r.Send("W.DBF", doc) // held: stays for as long as it waits
	if err := d.Remove(ctx, "/inbox/W.DBF"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what waits is removed: %v", err)
	}
	r.Restart()
	if !r.Has("/inbox/W.DBF") {
		t.Error("what waits is not seen after a restart")
	}
}

func TestTemporaryNames(t *testing.T) {
	r := stage(t)
	b := r.Signed(r.DBF(1, 1))
	r.Send("P.DBF.p7s.filepart", b[:100])
	r.Restart()
	d, ctx := r.Desk(), r.Ctx()
	f, err := d.Stat(ctx, "/inbox/P.DBF.p7s.filepart")
	if err != nil || f.Size != 100 || !f.Writable {
		t.Fatalf("%+v %v", f, err)
	}
	if _, err := d.Create(ctx, "/inbox/P.DBF.p7s.filepart", gateway.Mode{Exclusive: true, Truncate: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive: %v", err)
	}
	up, err := d.Create(ctx, "/inbox/P.DBF.p7s.filepart", gateway.Mode{}) // resume
	if err != nil || up.Size() != 100 {
		t.Fatal(up, err)
	}
	if _, err := r.Desk().Create(ctx, "/inbox/P.DBF.p7s.filepart", gateway.Mode{}); !errors.Is(err, gateway.ErrBusy) {
		t.Errorf("two write one file: %v", err)
	}
	if err := r.Desk().Remove(ctx, "/inbox/P.DBF.p7s.filepart"); !errors.Is(err, gateway.ErrBusy) {
		t.Errorf("an open file is removed: %v", err)
	}
	if _, err := up.WriteAt(b[100:], 100); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	if len(r.Items("P.DBF.p7s")) != 0 {
		t.Fatal("taken under its temporary name")
	}
	r.Upload("other.part", []byte("x"))
	for _, c := range []struct{ from, to string }{{"P.DBF.p7s.filepart", "other.part"}} {
		if err := d.Rename(ctx, "/inbox/"+c.from, "/inbox/"+c.to, false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, bad := range []string{"/outbox/P", "/inbox/a/b", "/inbox/x.exe", "/inbox/..", "/receipts/P"} {
		if err := d.Rename(ctx, "/inbox/P.DBF.p7s.filepart", bad, true); err == nil {
			t.Errorf("renamed to %s", bad)
		}
	}
	if err := d.Rename(ctx, "/inbox/P.DBF.p7s.filepart", "/inbox/other.part", true); err != nil {
		t.Fatal(err)
	}
	if err := d.Rename(ctx, "/inbox/other.part", "/inbox/P.DBF.p7s", false); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	expect(t, r.Receipt("P.DBF.p7s", 1), gateway.Accepted)
	if got := r.Names("/inbox"); !slices.Equal(got, []string{"P.DBF.p7s"}) {
		t.Errorf("left over: %v", got)
	}
	if err := d.Rename(ctx, "/inbox/other.part", "/inbox/Q.DBF.p7s", false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Renamed while it is open, as lftp and some scripts do: it is taken at the
// close, and nothing is left of the name it had.
func TestRenameOfAnOpenFile(t *testing.T) {
	r := stage(t)
	d, ctx := r.Desk(), r.Ctx()
	b := r.Signed(r.DBF(1, 1))
	r.Upload("P.DBF.p7s.part", b[:50])
	up, err := d.Create(ctx, "/inbox/P.DBF.p7s.part", gateway.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt(b[50:], 50); err != nil {
		t.Fatal(err)
	}
	if err := d.Rename(ctx, "/inbox/P.DBF.p7s.part", "/inbox/P.DBF.p7s", false); err != nil {
		t.Fatal(err)
	}
	if got := r.Names("/inbox"); !slices.Contains(got, "P.DBF.p7s") {
		t.Errorf("%v", got)
	}
	if err := up.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	expect(t, r.Receipt("P.DBF.p7s", 1), gateway.Accepted)
	if got := r.Names("/inbox"); !slices.Equal(got, []string{"P.DBF.p7s"}) {
		t.Errorf("%v", got)
	}
}

func TestInterrupted(t *testing.T) {
	r := stage(t)
	d, ctx := r.Desk(), r.Ctx()
	b := r.Signed(r.DBF(1, 1))
	r.Send("P.DBF.p7s", b) // there is a residue of this name
	b = r.Signed(r.DBF(2, 1))
	up, err := d.Create(ctx, "/inbox/P.DBF.p7s", gateway.Mode{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt(b[:70], 0); err != nil {
		t.Fatal(err)
	}
	up.Interrupt(io.ErrUnexpectedEOF)
	if err := up.Close(ctx); err != nil {
		t.Error(err)
	}
	r.Settle()
	if len(r.Items("P.DBF.p7s")) != 1 {
		t.Fatal("an interrupted file was taken")
	}
	if f, err := d.Stat(ctx, "/inbox/P.DBF.p7s"); err != nil || f.Size != 70 || !f.Writable {
		t.Errorf("where to resume: %+v %v", f, err)
	}
	up, err = d.Create(ctx, "/inbox/P.DBF.p7s", gateway.Mode{})
	if err != nil || up.Size() != 70 {
		t.Fatal(up.Size(), err)
	}
	if _, err := up.WriteAt(b[70:], 70); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	expect(t, r.Receipt("P.DBF.p7s.2", 1), gateway.Accepted)

	up, err = d.Create(ctx, "/inbox/hole.DBF", gateway.Mode{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt([]byte("end"), 1000); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(ctx); !errors.Is(err, spool.ErrHole) {
		t.Errorf("a hole was taken: %v", err)
	}
}

// Files that wait count for the quota after a restart too, once Run has counted them.
func TestQuotaAfterRestart(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Quota = client.Quota{Files: 2} }})
	r.Send("A.DBF", r.DBF(1, 1))
	r.Send("B.DBF", r.DBF(2, 1))
	r.Restart()
	defer r.Run()()
	r.Await("the quota", func() bool {
		err := r.TryUpload("c.part", nil)
		if err == nil {
			err = r.Desk().Remove(r.Ctx(), "/inbox/c.part")
		}
		return errors.Is(err, gateway.ErrQuota)
	})
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Quota = client.Quota{Files: 3, File: 1 << 20, Bytes: 4000} }})
	if err := r.TryUpload("big.pdf", make([]byte, 1<<20+1)); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if err := r.Desk().Remove(r.Ctx(), "/inbox/big.pdf"); err != nil { // unfinished, of no bytes
		t.Error(err)
	}
	doc := r.DBF(1, 1)
	r.Send("A.DBF", doc)
	r.Send("A.DBF", doc) // the same once more is not another
	r.Upload("b.part", make([]byte, 1000))
	r.Upload("b.part", make([]byte, 2000)) // takes the place of the other
	r.Upload("c.part", make([]byte, 1000))
	if err := r.TryUpload("D.DBF", doc); !errors.Is(err, gateway.ErrQuota) {
		t.Errorf("files: %v", err)
	}
	r.Upload("c.part", make([]byte, 2500)) // what is begun may be finished
	if err := r.Desk().Remove(r.Ctx(), "/inbox/b.part"); err != nil {
		t.Fatal(err)
	}
	r.Upload("e.part", make([]byte, 1500))
	if err := r.Desk().Remove(r.Ctx(), "/inbox/e.part"); err != nil {
		t.Fatal(err)
	}
	r.Upload("A.DBF.p7s", r.Detached(doc, r.Head, r.Accountant))
	r.Settle()
	if r.State("A.DBF") != gateway.StateAccepted {
		t.Error(r.State("A.DBF"))
	}
	r.Upload("f.part", make([]byte, 1500))
	if err := r.TryUpload("g.part", nil); !errors.Is(err, gateway.ErrQuota) {
		t.Errorf("bytes: %v", err)
	}
}

func TestDraining(t *testing.T) {
	r := stage(t)
	b := r.Signed(r.DBF(1, 1))
	up, err := r.Desk().Create(r.Ctx(), "/inbox/P.DBF.p7s", gateway.Mode{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	r.Gateway.Drain()
	if err := r.TryUpload("Q.DBF.p7s", b); !errors.Is(err, gateway.ErrStopping) || r.Gateway.Taking() {
		t.Errorf("%v", err)
	}
	if _, err := up.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(r.Ctx()); err != nil {
		t.Error(err)
	}
	r.Settle()
	expect(t, r.Receipt("P.DBF.p7s", 1), gateway.Accepted)
}

func TestStatus(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.CodePage = "windows-1251"; e.ReceiptsInOutbox = true }})
	accept(r, "P.DBF.p7s", 1)
	r.Send("W.DBF", r.DBF(2, 1))
	r.Answer(r.LeaseOne(), gateway.Answer{Outcome: gateway.Returned, Reason: "=cmd|'/c calc'!A0", Reference: "@x"})
	csv, err := windows1251(r.Read("/status/today.csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(csv), "\r\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "документ;") || !strings.Contains(lines[1], "повернуто") || !strings.Contains(lines[2], "очікує") {
		t.Errorf("%s", csv)
	}
	if strings.Contains(csv, ";=") || strings.Contains(csv, ";@") {
		t.Errorf("a formula: %s", csv)
	}
	if !bytes.Equal(r.Read("/status/today.json"), r.Read("/status/2026-03-04.json")) {
		t.Error("two truths")
	}
	if f, err := r.Desk().Stat(r.Ctx(), "/status/today.csv"); err != nil || f.Size != int64(len(r.Read("/status/today.csv"))) {
		t.Errorf("%+v %v", f, err)
	}
	r.Advance(16 * time.Hour) // past midnight in Kyiv: 22:00 UTC is the next day
	if got := string(r.Read("/status/today.json")); got != "[]\n" {
		t.Errorf("today: %s", got)
	}
	if got := r.Names("/status"); !slices.Contains(got, "2026-03-04.csv") || !slices.Contains(got, "2026-03-05.csv") || !slices.Contains(got, "today.csv") {
		t.Errorf("%v", got)
	}
}

func TestArchive(t *testing.T) {
	r := stage(t)
	r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	r.Send("P.DBF.p7s", r.Signed(r.DBF(2, 1)))
	r.Send("W.DBF", r.DBF(3, 1))
	r.Advance(15 * time.Hour) // 01:00 of the 5th in Kyiv, the 4th in UTC
	r.Send("N.DBF.p7s", r.Signed(r.DBF(4, 1)))
	want := sorted([]string{
		"P.DBF.p7s", "P.DBF.p7s.receipt1.json", "P.DBF.p7s.receipt1.json.p7s", "P.DBF.p7s.receipt1.txt",
		"P.DBF.p7s.2", "P.DBF.p7s.2.receipt1.json", "P.DBF.p7s.2.receipt1.json.p7s", "P.DBF.p7s.2.receipt1.txt",
	})
	if got := sorted(r.Names("/archive/2026/03/04")); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := r.Names("/archive/2026/03/05"); !slices.Contains(got, "N.DBF.p7s") || slices.Contains(got, "P.DBF.p7s") {
		t.Errorf("%v", got)
	}
	if got := r.Names("/archive/2026/03"); !slices.Equal(got, []string{"04", "05"}) {
		t.Errorf("%v", got)
	}
	if !bytes.Equal(r.Read("/archive/2026/03/04/P.DBF.p7s.receipt1.json"), r.Read("/receipts/P.DBF.p7s.receipt1.json")) {
		t.Error("another receipt")
	}
	if err := r.Desk().Remove(r.Ctx(), "/receipts/P.DBF.p7s.receipt1.json"); err != nil {
		t.Fatal(err)
	}
	if r.Has("/receipts/P.DBF.p7s.receipt1.json") || !r.Has("/archive/2026/03/04/P.DBF.p7s.receipt1.json") {
		t.Error("acknowledged, and gone from the archive")
	}
	if err := r.Desk().Remove(r.Ctx(), "/receipts/P.DBF.p7s.receipt1.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestKnown(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	sig := r.Detached(doc, r.Head)
	r.Upload("P.DBF", doc)
	r.Upload("P.DBF.head.p7s", sig)
	pdf := sample.PDF("x")
	r.Upload("c.pdf.p7s", r.Attached(pdf, r.Head))
	known := func(name string, b []byte, since time.Time) bool {
		t.Helper()
		k, err := r.Gateway.Known(r.Ctx(), "demo", name, hash(b), int64(len(b)), since)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	before := r.Clock.Now().Add(-time.Minute)
	if !known("P.DBF", doc, before) || !known("P.DBF.head.p7s", sig, before) {
		t.Error("not known")
	}
	if known("P.DBF", sig, before) || known("Q.DBF", doc, before) || known("P.DBF", doc, r.Clock.Now().Add(time.Second)) {
		t.Error("known")
	}
}
