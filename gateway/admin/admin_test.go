package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// fake records the calls and answers with what it was given.
type fake struct {
	calls []string
	peer  Peer
	err   error

	status  Status
	rows    []Row
	item    Item
	changes []Change
}

func (f *fake) call(ctx context.Context, format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	f.peer, _ = PeerOf(ctx)
	return f.err
}

func (f *fake) Status(ctx context.Context) (Status, error) { return f.status, f.call(ctx, "status") }
func (f *fake) Reload(ctx context.Context) error           { return f.call(ctx, "reload") }
func (f *fake) Clients(ctx context.Context) ([]ClientRow, error) {
	return nil, f.call(ctx, "clients")
}

func (f *fake) Client(ctx context.Context, id client.ID) (string, error) {
	return "id: " + string(id) + "\n", f.call(ctx, "client %s", id)
}

func (f *fake) ExportClients(ctx context.Context) (string, error) {
	return "---\n", f.call(ctx, "export")
}

func (f *fake) ApplyClients(ctx context.Context, files []File, dryRun bool) ([]Change, error) {
	return f.changes, f.call(ctx, "apply %v %v", files, dryRun)
}

func (f *fake) DisableClient(ctx context.Context, id client.ID, reason string) error {
	return f.call(ctx, "disable %s %q", id, reason)
}

func (f *fake) Ask(ctx context.Context, id client.ID, document bool, name string) (gateway.Standing, error) {
	return gateway.Standing{OK: true, Open: 5}, f.call(ctx, "ask %s %v %q", id, document, name)
}

func (f *fake) Day(ctx context.Context, day string, closed bool) (*gateway.DayReport, error) {
	return &gateway.DayReport{Day: day}, f.call(ctx, "day %s %v", day, closed)
}

func (f *fake) Classifiers(ctx context.Context) ([]ClassifierRow, error) {
	return nil, f.call(ctx, "classifiers")
}

func (f *fake) Classifier(ctx context.Context, name string) ([]classifier.Entry, error) {
	return []classifier.Entry{{Code: "2273"}}, f.call(ctx, "classifier %s", name)
}

func (f *fake) ImportClassifier(ctx context.Context, name string, entries []classifier.Entry, from string) (ClassifierRow, error) {
	return ClassifierRow{Name: name, Entries: len(entries)}, f.call(ctx, "import %s %+v %s", name, entries, from)
}

func (f *fake) SpoolList(ctx context.Context, filter Filter) ([]Row, error) {
	return f.rows, f.call(ctx, "list %+v", filter)
}

func (f *fake) SpoolShow(ctx context.Context, id spool.ID) (Item, error) {
	return f.item, f.call(ctx, "show %s", id)
}

func (f *fake) SpoolRetry(ctx context.Context, id spool.ID, reason string) error {
	return f.call(ctx, "retry %s %q", id, reason)
}

func (f *fake) SpoolBury(ctx context.Context, id spool.ID, reason string) error {
	return f.call(ctx, "bury %s %q", id, reason)
}

func (f *fake) RemoveArchive(ctx context.Context, name, reason string) error {
	return f.call(ctx, "remove %s %q", name, reason)
}

func (f *fake) SpoolRelease(ctx context.Context, id spool.ID, reason string) error {
	return f.call(ctx, "release %s %q", id, reason)
}

func (f *fake) PutStatement(ctx context.Context, id client.ID, name string, kind formats.Kind, content []byte) (spool.ID, error) {
	return 42, f.call(ctx, "statement %s %q %s %q", id, name, kind, content)
}

func (f *fake) Evidence(ctx context.Context, id spool.ID) ([]byte, error) {
	return []byte("PK"), f.call(ctx, "evidence %s", id)
}

// serve runs a Server on a socket for the length of the test.
func serve(t *testing.T, op Operator) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&Server{Operator: op}).Run(ctx, l) }()
	c := NewClient(path)
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// Every method of Operator, there and back.
func TestCalls(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 800, time.UTC)
	row := Row{ID: 7, Queue: "submissions", Client: "demo", Document: "П 1.DBF", Kind: formats.PaymentInstruction, State: "held", Received: at, Deadline: &at, Size: 5}
	f := &fake{
		status:  Status{Version: "v1", Started: at, Now: at, Taking: true, Counts: map[spool.Queue]map[spool.State]int64{"submissions": {"held": 1}}, Warnings: []Warning{{"CERT-ENDS", formats.Text{UK: "сертифікат", EN: "certificate"}}}},
		rows:    []Row{row},
		item:    Item{Row: row, Receipt: json.RawMessage(`{"receipt":1}`), Parts: []gateway.Part{{Name: "a", Role: "document", Size: 5}}, History: []Event{{Seq: 1, At: at, Kind: "received"}}},
		changes: []Change{{Client: "demo", Op: Changed, Fields: []FieldChange{{"name", "a", "b"}}}},
	}
	c := serve(t, f)
	ctx := context.Background()

	check := func(wantCall string, err error, got, want any) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if last := f.calls[len(f.calls)-1]; last != wantCall {
			t.Errorf("called %s, want %s", last, wantCall)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	status, err := c.Status(ctx)
	check("status", err, status, f.status)
	check("reload", c.Reload(ctx), nil, nil)
	lists, err := c.Classifiers(ctx)
	check("classifiers", err, lists, []ClassifierRow{})
	codes, err := c.Classifier(ctx, "kekv")
	check("classifier kekv", err, codes, []classifier.Entry{{Code: "2273"}})
	imported, err := c.ImportClassifier(ctx, "kekv", codes, "2026-01-01")
	check("import kekv [{Code:2273 Name: From: Until:}] 2026-01-01", err, imported, ClassifierRow{Name: "kekv", Entries: 1})
	clients, err := c.Clients(ctx)
	check("clients", err, clients, []ClientRow{})
	text, err := c.Client(ctx, "demo")
	check("client demo", err, text, "id: demo\n")
	text, err = c.ExportClients(ctx)
	check("export", err, text, "---\n")
	changes, err := c.ApplyClients(ctx, []File{{"a.yaml", "id: x"}}, true)
	check("apply [{a.yaml id: x}] true", err, changes, f.changes)
	check(`disable demo "left"`, c.DisableClient(ctx, "demo", "left"), nil, nil)
	filter := Filter{Queue: "submissions", Client: "demo", States: []spool.State{"held", "dead"}, Kind: formats.Statement, Document: "a b&c", From: at, To: at.Add(1), Before: 9, Limit: 5}
	rows, err := c.SpoolList(ctx, filter)
	check(fmt.Sprintf("list %+v", filter), err, rows, f.rows)
	item, err := c.SpoolShow(ctx, 7)
	check("show 0000000000007", err, item, f.item)
	check(`retry 0000000000007 "r"`, c.SpoolRetry(ctx, 7, "r"), nil, nil)
	check(`bury 0000000000007 "b"`, c.SpoolBury(ctx, 7, "b"), nil, nil)
	check(`release 0000000000007 "l"`, c.SpoolRelease(ctx, 7, "l"), nil, nil)
	check(`remove archive-2026-03-1 "law"`, c.RemoveArchive(ctx, "archive-2026-03-1", "law"), nil, nil)
	pkg, err := c.Evidence(ctx, 7)
	check("evidence 0000000000007", err, string(pkg), "PK")
	if s, err := c.Ask(ctx, "demo", false, "commitment/1 &2"); err != nil || !s.OK || s.Open != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	day, err := c.Day(ctx, "2026-03-04", true)
	check("day 2026-03-04 true", err, day, &gateway.DayReport{Day: "2026-03-04"})
	id, err := c.PutStatement(ctx, "demo", "виписка 1.txt", formats.Notice, []byte("x"))
	check(`statement demo "виписка 1.txt" notice "x"`, err, id, spool.ID(42))

	if f.peer.UID != uint32(os.Getuid()) || f.peer.PID != int32(os.Getpid()) {
		t.Errorf("peer %+v", f.peer)
	}
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := serve(t, f)
	for _, kept := range codes {
		f.err = fmt.Errorf("item x: %w", kept.err)
		_, err := c.SpoolShow(context.Background(), 7)
		if !errors.Is(err, kept.err) || err.Error() != f.err.Error() {
			t.Errorf("%v came as %v", f.err, err)
		}
	}
	f.err = errors.New("disk on fire")
	if _, err := c.Status(context.Background()); err == nil || err.Error() != "disk on fire" {
		t.Errorf("got %v", err)
	}
}

// Wrong requests, as something else than our client might send them.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h := (&Server{Operator: f, MaxStatement: 1000}).handler(1000)
	as := func(uid uint32) context.Context {
		return context.WithValue(context.Background(), peerKey{}, Peer{UID: uid})
	}
	for _, c := range []struct {
		name         string
		ctx          context.Context
		method, path string
		body         string
		want         int
	}{
		{"root", as(0), "GET", "/v1/status", "", 200},
		{"the daemon's user", as(1000), "GET", "/v1/status", "", 200},
		{"another user", as(1001), "GET", "/v1/status", "", 403},
		{"nobody knows who", context.Background(), "GET", "/v1/status", "", 403},
		{"no such call", as(0), "GET", "/v2/status", "", 404},
		{"wrong method", as(0), "GET", "/v1/reload", "", 405},
		{"not an id", as(0), "GET", "/v1/spool/..%2f", "", 422},
		{"not JSON", as(0), "POST", "/v1/register", "id: x", 422},
		{"unknown field", as(0), "POST", "/v1/register", `{"file":[]}`, 422},
		{"two values", as(0), "POST", "/v1/register", `{} {}`, 422},
		{"no body", as(0), "POST", "/v1/spool/0000000000007/bury", ``, 422},
		{"not a time", as(0), "GET", "/v1/spool?from=yesterday", "", 422},
		{"not a number", as(0), "GET", "/v1/spool?limit=-1", "", 422},
		{"too large", as(0), "POST", "/v1/clients/demo/statements?name=x", strings.Repeat("x", 1001), 413},
	} {
		f.calls = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(c.ctx, c.method, c.path, bytes.NewBufferString(c.body)))
		if w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
		if c.want != 200 && len(f.calls) > 0 {
			t.Errorf("%s: reached the core: %v", c.name, f.calls)
		}
	}
	page := httptest.NewRequestWithContext(as(0), "POST", "/v1/reload", nil)
	page.Header.Set("Origin", "http://example.com")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, page)
	if w.Code != http.StatusForbidden || len(f.calls) > 0 {
		t.Errorf("a page was served: %d", w.Code)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "admin.sock")

	c := NewClient(path)
	if _, err := c.Status(context.Background()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("no socket: %v", err)
	}
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("two daemons on one socket: %v", err)
	}
	// A killed daemon leaves its socket behind.
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	if _, err := c.Status(context.Background()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("dead socket: %v", err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("a plain file was replaced")
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		t.Error("a plain file was removed")
	}
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("long path: %v", err)
	}
}
