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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// core is a fake with documents, leases and statements.
type core struct {
	now      func() time.Time
	subs     map[spool.ID]*gateway.Submission
	parts    map[string]string // by name
	lease    map[string]spool.ID
	until    map[string]time.Time
	answers  map[spool.ID]gateway.Answer
	attempts int
	extended int
	put      []string
	keys     map[string]spool.ID
	fail     error // of PutStatement
	late     func()
	slow     error // of Answer
}

func (c *core) add(id spool.ID) {
	c.subs[id] = &gateway.Submission{ID: id, Client: "demo", Document: "P.DBF", State: "accepted", Received: c.now()}
	for _, p := range [][2]string{{"P.DBF", "document"}, {"P.DBF.p7s", "signature"}, {"../x.p7s", "container"}, {"c", "canonical"}, {"r", "receipt"}} {
		text := c.parts[p[0]]
		sum := sha256.Sum256([]byte(text))
		c.subs[id].Parts = append(c.subs[id].Parts, gateway.Part{Name: p[0], Role: p[1], Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
}

func (c *core) Lease(_ context.Context, max int, _, ttl time.Duration) (out []gateway.Lease, err error) {
	for id, s := range c.subs {
		if s.State == "accepted" && len(out) < max {
			c.attempts++
			tok := fmt.Sprint("tok", c.attempts)
			s.State = "leased"
			c.lease[tok], c.until[tok] = id, c.now().Add(ttl)
			out = append(out, gateway.Lease{Token: tok, Until: c.until[tok], Submission: *s})
		}
	}
	return out, nil
}

func (c *core) alive(token string) bool { return c.until[token].After(c.now()) }

// expire ends all leases, as time would.
func (c *core) expire() {
	for tok, id := range c.lease {
		c.until[tok] = time.Time{}
		if c.subs[id].State == "leased" {
			c.subs[id].State = "accepted"
		}
	}
}

func (c *core) Extend(_ context.Context, token string, ttl time.Duration) (time.Time, error) {
	if !c.alive(token) {
		return time.Time{}, gateway.ErrLease
	}
	c.extended++
	c.until[token] = c.now().Add(ttl)
	return c.until[token], nil
}

func (c *core) Answer(_ context.Context, token string, a gateway.Answer) error {
	id := c.lease[token]
	if old, ok := c.answers[id]; ok {
		if old == a {
			return c.slow
		}
		return gateway.ErrAnswer
	}
	if !c.alive(token) {
		return gateway.ErrLease
	}
	if a.Outcome == gateway.Retry {
		c.subs[id].State, c.until[token] = "resting", time.Time{}
		return nil
	}
	c.answers[id] = a
	c.subs[id].State = spool.State(a.Outcome)
	return c.slow
}

func (c *core) Submission(_ context.Context, id spool.ID) (gateway.Submission, error) {
	if s := c.subs[id]; s != nil {
		return *s, nil
	}
	return gateway.Submission{}, spool.ErrNotFound
}

type reading struct{ *bytes.Reader }

func (reading) Close() error       { return nil }
func (reading) ModTime() time.Time { return time.Time{} }

func (c *core) OpenPart(_ context.Context, _ spool.ID, name string) (gateway.Reading, error) {
	return reading{bytes.NewReader([]byte(c.parts[name]))}, nil
}

func (c *core) PutStatement(_ context.Context, id client.ID, o gateway.Outgoing) (spool.ID, error) {
	if id != "demo" {
		return 0, spool.ErrNotFound
	}
	if c.fail != nil {
		return 0, c.fail
	}
	if got, ok := c.keys[o.Key]; ok {
		return got, nil
	}
	text := string(o.Statement)
	if o.Content != nil {
		b, err := io.ReadAll(o.Content)
		if err != nil {
			return 0, err
		}
		text = string(b)
	}
	c.put = append(c.put, o.Name+"="+text)
	c.keys[o.Key] = spool.ID(len(c.put))
	if c.late != nil {
		c.late()
	}
	return spool.ID(len(c.put)), nil
}

type rig struct {
	t    *testing.T
	core *core
	h    *Handoff
	dir  string
	now  time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: time.Now()}
	r.core = &core{
		now: func() time.Time { return r.now }, subs: map[spool.ID]*gateway.Submission{},
		parts: map[string]string{"P.DBF": "document", "P.DBF.p7s": "sig", "../x.p7s": "container", "c": "{}", "r": "receipt"},
		lease: map[string]spool.ID{}, until: map[string]time.Time{}, answers: map[spool.ID]gateway.Answer{}, keys: map[string]spool.ID{},
	}
	r.restart()
	return r
}

func (r *rig) restart() {
	h, err := New(Options{Core: r.core, Dir: r.dir, Now: func() time.Time { return r.now }})
	if err != nil {
		r.t.Fatal(err)
	}
	r.h = h
}

func (r *rig) pass() {
	r.t.Helper()
	if err := r.h.pass(r.t.Context(), 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) step(d time.Duration) { r.t.Helper(); r.now = r.now.Add(d); r.pass() }

func (r *rig) path(parts ...string) string {
	return filepath.Join(append([]string{r.dir}, parts...)...)
}

func (r *rig) here(parts ...string) bool {
	_, err := os.Lstat(r.path(parts...))
	return err == nil
}

func (r *rig) move(id spool.ID, to string) {
	r.t.Helper()
	if err := os.Rename(r.path(ready, id.String()), r.path(to, id.String())); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) file(text string, parts ...string) {
	r.t.Helper()
	os.MkdirAll(filepath.Dir(r.path(parts...)), 0o770)
	if err := os.WriteFile(r.path(parts...), []byte(text), 0o640); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(parts ...string) string {
	b, err := os.ReadFile(r.path(parts...))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

const doc = spool.ID(12345678)

func TestReadyThenDone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.pass()
	id := doc.String()
	for file, text := range map[string]string{
		"document": "document", "signatures/P.DBF.p7s": "sig", "signatures/%2E.%2Fx.p7s": "container", "canonical.json": "{}",
	} {
		if got := r.read(ready, id, file); got != text {
			t.Errorf("%s: %s", file, got)
		}
	}
	var env Envelope
	if err := json.Unmarshal([]byte(r.read(ready, id, "envelope.json")), &env); err != nil || env.Submission.ID != doc ||
		env.Files["document"] != "P.DBF" || env.Files["signatures/%2E.%2Fx.p7s"] != "../x.p7s" || len(env.Files) != 4 {
		t.Errorf("%v %+v", err, env)
	}
	if strings.Contains(r.read(ready, id, "envelope.json"), "tok") {
		t.Error("the lease lies open")
	}
	if st, _ := os.Stat(r.path(ready, id)); st.Mode().Perm() != 0o770 {
		t.Error(st.Mode())
	}
	// It is kept alive while it lies there.
	for range 20 {
		r.step(time.Minute)
	}
	if r.core.extended < 5 || !r.here(ready, id) {
		t.Errorf("extended %d times", r.core.extended)
	}
	r.file(" EK-77 \r\n", ready, id, "reference.txt")
	r.move(doc, done)
	r.pass()
	if a := r.core.answers[doc]; a.Outcome != gateway.Processed || a.Reference != "EK-77" {
		t.Errorf("%+v", a)
	}
	if r.here(done, id) || r.here(leases, id) {
		t.Error("an answered document stays")
	}
	r.pass()
}

func TestReturned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"utf-8":        {"\ufeffНемає коштів\r\nна рахунку\r\n", "Немає коштів\nна рахунку"},
		"windows-1251": {"\xcd\xe5\xec\xe0\xba \xea\xee\xf8\xf2\xb3\xe2", "Немає коштів"},
		"absent":       {"", NoReason},
		"blank":        {" \n ", NoReason},
		"control":      {"a\x07b\u202ec", "abc"},
		"long":         {strings.Repeat("я", 3000), strings.Repeat("я", maxReason-1) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.core.add(doc)
			r.pass()
			r.move(doc, returned)
			r.step(time.Second)
			r.step(time.Second)
			if _, ok := r.core.answers[doc]; ok {
				t.Fatal("answered before the reason could be written")
			}
			if c.file != "" {
				r.file(c.file, returned, doc.String(), "reason.txt")
			}
			for range 12 {
				r.step(time.Second)
			}
			if a := r.core.answers[doc]; a.Outcome != gateway.Returned || a.Reason != c.want {
				t.Errorf("%+v", a)
			}
			if r.here(returned, doc.String()) {
				t.Error("stays")
			}
		})
	}
}

func TestReasonThatIsALink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.pass()
	r.file("secret of the host", "secret")
	os.Symlink(r.path("secret"), r.path(ready, doc.String(), "reason.txt"))
	r.move(doc, returned)
	for range 12 {
		r.step(time.Second)
	}
	if a := r.core.answers[doc]; a.Reason != NoReason {
		t.Errorf("%+v", a)
	}
	if r.read("secret") != "secret of the host" {
		t.Error("a link was followed on removal")
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	t.Run("still ready", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.restart()
		r.pass()
		if r.core.attempts != 1 || !r.here(ready, doc.String()) {
			t.Error("not adopted")
		}
	})
	t.Run("moved meanwhile", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.restart()
		r.move(doc, done)
		r.pass()
		if r.core.answers[doc].Outcome != gateway.Processed || r.here(done, doc.String()) {
			t.Error("not answered")
		}
	})
	t.Run("answered, not removed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.move(doc, done)
		r.core.slow = errors.New("the answer was lost on its way back")
		if r.h.pass(t.Context(), 0) == nil {
			t.Error("no error")
		}
		r.core.slow = nil
		r.restart()
		r.pass()
		if r.here(done, doc.String()) || r.here(leases, doc.String()) {
			t.Error("stays")
		}
	})
	t.Run("lease taken over", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.core.expire()
		r.core.subs[doc].State = "leased" // by another
		r.restart()
		r.step(4 * time.Minute)
		if r.here(ready, doc.String()) || r.here(leases, doc.String()) {
			t.Error("a document of another processor lies in ready")
		}
	})
	t.Run("done while the lease was lost", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.move(doc, done)
		r.core.expire()
		r.core.subs[doc].State = "leased" // by another, for now
		r.restart()
		r.pass()
		if !r.here(done, doc.String()) || len(r.core.answers) != 0 {
			t.Fatal("the processor's work is lost")
		}
		r.core.subs[doc].State = "accepted"
		r.pass() // leased again, not laid out again
		if r.here(ready, doc.String()) {
			t.Error("given out a second time")
		}
		r.pass()
		if r.core.answers[doc].Outcome != gateway.Processed || r.here(done, doc.String()) {
			t.Error("not answered")
		}
	})
	t.Run("another gave the other answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.core.add(doc)
		r.pass()
		r.move(doc, done)
		r.core.answers[doc] = gateway.Answer{Outcome: gateway.Returned, Reason: "x"}
		r.core.subs[doc].State = "returned"
		r.pass()
		if !r.here(conflict, doc.String(), "document") || r.here(done, doc.String()) {
			t.Error("not in conflict")
		}
	})
	t.Run("half made", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.file("half", ready, ".brama-new-"+doc.String(), "document")
		r.file("whole, its lease is not known", ready, doc.String(), "document")
		r.file("not ours", ready, "notes.txt")
		r.file("{", leases, spool.ID(99).String())
		r.pass()
		if r.here(ready, ".brama-new-"+doc.String()) || r.here(ready, doc.String()) || !r.here(ready, "notes.txt") {
			t.Error("left-overs")
		}
	})
}

func TestLeftWithoutAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.pass()
	os.RemoveAll(r.path(ready, doc.String()))
	r.pass()
	r.step(9 * time.Second)
	if r.core.subs[doc].State != "leased" {
		t.Fatal("given back while it may be on its way")
	}
	r.step(time.Second)
	if r.core.subs[doc].State != "resting" || r.here(leases, doc.String()) {
		t.Error(r.core.subs[doc].State)
	}
}

func TestBadPartIsGivenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.core.parts["P.DBF"] = "Document"
	if r.h.pass(t.Context(), 0) == nil {
		t.Error("no error")
	}
	if left, _ := os.ReadDir(r.path(ready)); len(left) != 0 || r.core.subs[doc].State != "resting" {
		t.Error(left, r.core.subs[doc].State)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.h.o.Max = 3
	for i := range 10 {
		r.core.add(doc + spool.ID(i))
	}
	for range 3 {
		r.pass()
	}
	if left, _ := os.ReadDir(r.path(ready)); len(left) != 3 {
		t.Error(left)
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pass()
	r.file("ready file", statements, "demo", "s.txt")
	r.file(`{"a":1}`, statements, "demo", "c.json")
	r.file("x", statements, "demo", ".temp")
	r.file("x", statements, "who", "s.txt")
	r.file("secret", "secret")
	os.Symlink(r.path("secret"), r.path(statements, "demo", "link.txt"))
	os.Link(r.path("secret"), r.path(statements, "demo", "hard.txt"))
	unix.Mkfifo(r.path(statements, "demo", "pipe.txt"), 0o666)
	os.Symlink(t.TempDir(), r.path(statements, "linked"))
	r.pass()
	if len(r.core.put) != 0 {
		t.Fatal("taken before it lay still")
	}
	r.step(time.Second)
	if got := strings.Join(r.core.put, " "); got != `c={"a":1} s.txt=ready file` {
		t.Fatal(got)
	}
	if r.here(statements, "demo", "s.txt") || r.here(statements, "demo", "c.json") || !r.here(statements, "demo", ".temp") {
		t.Error("left-overs")
	}
	if !strings.Contains(r.read(statements, "who", "refused", "s.txt.reason.txt"), "немає в реєстрі") || r.read(statements, "who", "refused", "s.txt") != "x" {
		t.Error("no reason for an unknown client")
	}
	r.step(time.Minute)
	if len(r.core.put) != 2 {
		t.Error(r.core.put)
	}
}

func TestRefusedStatement(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.fail = fmt.Errorf("put: %w", &gateway.RefusedError{Findings: []formats.Finding{
		{Rule: "ST-001", Record: 2, Field: "SUM", Message: formats.Text{UK: "Сума від'ємна", EN: "The sum is negative"}},
	}})
	for range 2 {
		r.file("x", statements, "demo", "s.txt")
		r.pass()
		r.step(time.Second)
	}
	for _, n := range []string{"s.txt", "s.txt.2"} {
		why := r.read(statements, "demo", "refused", n+".reason.txt")
		if !r.here(statements, "demo", "refused", n) || !strings.Contains(why, "ST-001 [2] SUM") || !strings.Contains(why, "Сума") {
			t.Errorf("%s: %s", n, why)
		}
	}
}

func TestStatementsWaitWhileStopping(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.fail = gateway.ErrStopping
	r.file("x", statements, "demo", "s.txt")
	r.pass()
	r.step(time.Second)
	r.core.fail = nil
	r.step(time.Second)
	if len(r.core.put) != 0 || !r.here(statements, "demo", "s.txt") {
		t.Error("not left alone")
	}
	r.step(5 * time.Second)
	r.step(5 * time.Second)
	if len(r.core.put) != 1 {
		t.Error(r.core.put)
	}
}

func TestStatementCrash(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.file("x", statements, "demo", "s.txt")
	r.pass()
	// The process dies after the hand-over, before the removal: the file is there
	// again for the next one. A second name stands for the lost removal.
	saved := r.path("saved")
	r.core.late = func() { os.Rename(r.path(statements, "demo", "s.txt"), saved) }
	r.step(time.Second)
	if len(r.core.put) != 1 {
		t.Fatal(r.core.put)
	}
	r.core.late = nil
	for key := range r.core.keys { // a rename changed the time that is in the key
		r.core.keys["old"] = r.core.keys[key]
	}
	var st unix.Stat_t
	unix.Stat(saved, &st)
	r.restart()
	// Half way through the removal.
	taken := fmt.Sprintf(".taken-%x-%x-s.txt", st.Ctim.Nano(), st.Ino)
	sum := sha256.Sum256([]byte("x"))
	key := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %x", st.Ino, st.Ctim.Nano(), "s.txt", sum))
	r.core.keys["handoff-"+hex.EncodeToString(key[:16])] = 1
	if err := os.Rename(saved, r.path(statements, "demo", taken)); err != nil {
		t.Fatal(err)
	}
	r.pass()
	r.step(time.Second)
	if len(r.core.put) != 1 || r.here(statements, "demo", taken) {
		t.Error(r.core.put)
	}
}

func TestStatementThatChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.file("1", statements, "demo", "s.txt")
	r.pass()
	r.step(500 * time.Millisecond)
	r.file("12", statements, "demo", "s.txt")
	r.step(500 * time.Millisecond)
	r.step(500 * time.Millisecond)
	if len(r.core.put) != 0 {
		t.Fatal(r.core.put)
	}
	r.step(500 * time.Millisecond)
	if len(r.core.put) != 1 || r.core.put[0] != "s.txt=12" {
		t.Error(r.core.put)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	h, err := New(Options{Core: r.core, Dir: r.dir, Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	for end := time.Now().Add(10 * time.Second); !r.here(ready, doc.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never ready")
		}
	}
	r.move(doc, done)
	for end := time.Now().Add(10 * time.Second); r.here(done, doc.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never answered")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("zero options accepted")
	}
}
