package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// past has the gateway of a site that does not run take documents at a moment that
// is long over: one that is rejected, and one statement.
func (s *site) past(at time.Time) {
	s.t.Helper()
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	ctx := context.Background()
	seal, err := keys.Seal(s.path("keys", "seal.key"), "", s.path("keys", "seal.pem"), []string{s.path("keys", "seal-ca.pem")})
	must(err)
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: s.path("state")})
	must(err)
	defer store.Close()
	trust := emptyTrust{pki.NewStore(nil, nil, nil)}
	g, err := gateway.New(ctx, gateway.Options{
		Store: store, Trust: trust, Profiles: profile.Builtin, Seal: seal, Now: func() time.Time { return at }, Rand: rand.Reader, Log: zap.NewNop(),
	})
	must(err)
	up, err := g.Desk(gateway.Origin{Client: "demo", Entrance: "sftp", Session: "s"}).Create(ctx, "/inbox/old.DBF.p7s", gateway.Mode{})
	must(err)
	_, err = up.WriteAt([]byte("no container at all"), 0)
	must(errors.Join(err, up.Close(ctx)))
	must(g.Work(ctx))
	_, err = g.PutStatement(ctx, "demo", gateway.Outgoing{Name: "OLD.txt", Content: strings.NewReader("an old statement")})
	must(err)
	r, err := g.Desk(gateway.Origin{Client: "demo"}).Open(ctx, "/outbox/OLD.txt")
	must(err)
	_, err = r.ReadAt(make([]byte, r.Size()), 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	must(errors.Join(err, r.Close()))
}

type emptyTrust struct{ *pki.Store }

func (t emptyTrust) Snapshot() *pki.Store { return t.Store }

// The daemon puts an old month away by its schedule; its client reads it over SFTP,
// the operator finds it, takes it out and proves it, with the daemon and without.
func TestArchive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure(`
limits: {free_disk: 1MiB}
keep: {outbox: 1h}
archive: {after: 31d}
schedule: {checkpoints: "@every 1s", retention: "@every 1s", archive: "@every 1s"}
log: {level: warn}
`)
	p := s.start(nil)
	s.register()
	if code := p.stop(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, p.said())
	}
	at := time.Now().AddDate(0, 0, -100)
	s.past(at)
	p = s.start(nil)
	name := "archive-" + at.In(gateway.Kyiv).Format("2006-01") + "-1"
	file := s.path("state", "archive", name+".brama")
	await(t, 3*soon, "an archive that is closed", func() bool {
		var rows []struct {
			State string
			Moved int64
		}
		err := json.Unmarshal([]byte(s.ctl("archive", "list", "--json")), &rows)
		return err == nil && len(rows) == 1 && rows[0].State == "closed" && rows[0].Moved == 2
	})
	c := s.client(p)
	day := "/archive/" + at.In(gateway.Kyiv).Format("2006/01/02/")
	for name, want := range map[string]string{"old.DBF.p7s": "no container at all", "OLD.txt": "an old statement", "old.DBF.p7s.receipt1.json": `"rejected"`} {
		f, err := c.Open(day + name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	found := func(args ...string) string {
		var list []struct{ ID string }
		if err := json.Unmarshal([]byte(s.ctl(append([]string{"archive", "search", "--json"}, args...)...)), &list); err != nil || len(list) != 1 {
			t.Fatalf("%q finds %d, %v", args, len(list), err)
		}
		return list[0].ID
	}
	id := found("--document", "old.DBF*")
	if other := found("--client", "demo", "--state", "archived", "--file", file); other == id {
		t.Error("the statement is the document")
	}
	for _, args := range [][]string{{"archive", "show", id}, {"spool", "show", id}} {
		if out := s.ctl(args...); !strings.Contains(out, "old.DBF.p7s.receipt1.proof") {
			t.Errorf("%q:\n%s", args, out)
		}
	}
	s.ctl("archive", "export", id, "-o", s.path("out"))
	s.ctl("receipt", "verify", s.path("out", "old.DBF.p7s.receipt1.json"), "--proof", s.path("out", "old.DBF.p7s.receipt1.proof"))
	for _, args := range [][]string{{"archive", "verify", name}, {"archive", "verify", file, "--anchor", s.path("keys", "seal-ca.pem")}} {
		if out := s.ctl(args...); !strings.Contains(out, "TOTAL-PASSED") {
			t.Errorf("%q:\n%s", args, out)
		}
	}
	s.ctl("integrity", "--deep")
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	s.ctl("journal", "verify")

	refused := func(code int, args ...string) {
		t.Helper()
		out, err := exec.Command(program(t, "bramactl"), append([]string{"--config", s.path("brama.yaml")}, args...)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code {
			t.Errorf("%q: %v, want %d\n%s", args, err, code, out)
		}
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte{}, good...)
	bad[len(bad)/3] ^= 1
	s.write(file, string(bad))
	refused(1, "archive", "verify", name)
	refused(1, "journal", "verify")
	refused(1, "integrity", "--deep")
	if err := os.Rename(file, filepath.Join(s.dir, "away")); err != nil {
		t.Fatal(err)
	}
	refused(2, "journal", "verify")
	refused(1, "integrity")
	s.write(file, string(good))
	s.ctl("journal", "verify")
}
