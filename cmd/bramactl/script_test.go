package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bramactl": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The program from outside. `daemon` answers on run/admin.sock until the script ends;
// `exits N command...` wants an exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LC_ALL", "C.UTF-8")
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon": startDaemon,
			"exits":  exits,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = "?"
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = strconv.Itoa(exit.ExitCode())
		}
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if err := os.MkdirAll(ts.MkAbs("run"), 0o750); err != nil {
		ts.Fatalf("%v", err)
	}
	l, err := admin.Listen(ts.MkAbs("run/admin.sock"))
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&admin.Server{Operator: playedDaemon{}}).Run(ctx, l) }()
	ts.Defer(func() {
		cancel()
		<-done
	})
}

// playedDaemon has one client and one dead document.
type playedDaemon struct{}

var playedRow = admin.Row{
	ID: 0x123456789abcdef, Queue: "submissions", Client: "demo", Document: "P0001\x1b[31m.DBF",
	Kind: "payment_instruction", State: "dead", Received: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Size: 10,
}

func (playedDaemon) Status(context.Context) (admin.Status, error) {
	now := time.Date(2026, 3, 4, 6, 0, 0, 0, time.UTC)
	s := admin.Status{
		Version: "v0.1.0", Started: now.Add(-time.Hour), Now: now, SFTP: "127.0.0.1:2022", Taking: true,
		Counts: map[spool.Queue]map[spool.State]int64{"submissions": {"dead": 1}},
	}
	s.Warnings = []admin.Warning{{Code: "DEAD"}}
	s.Warnings[0].Text.UK, s.Warnings[0].Text.EN = "є мертві документи", "there are dead documents"
	return s, nil
}

func (playedDaemon) Reload(context.Context) error { return nil }

func (playedDaemon) Ask(context.Context, client.ID, bool, string) (gateway.Standing, error) {
	return gateway.Standing{}, nil
}

func (playedDaemon) Day(_ context.Context, day string, _ bool) (*gateway.DayReport, error) {
	if day == "2026-03-04" {
		return &gateway.DayReport{Day: day, Received: 2, States: map[spool.State]int{gateway.StateProcessed: 2}, Clients: []gateway.ClientDay{}}, nil
	}
	return &gateway.DayReport{Day: "2026-03-05", Received: 1, Released: 3, States: map[spool.State]int{gateway.StateAccepted: 1}, Clients: []gateway.ClientDay{{
		Client: "demo", Received: 1, States: map[spool.State]int{gateway.StateAccepted: 1}, Released: 3, First: 7, Last: 10, Missing: []int64{8},
		Open: []gateway.OpenRow{{Submission: 1, Document: "P.DBF", State: gateway.StateAccepted}},
	}}}, nil
}

func (playedDaemon) Clients(context.Context) ([]admin.ClientRow, error) {
	return []admin.ClientRow{{ID: "demo", Name: "Установа", EDRPOU: "12345678", Keys: 1, Signatories: 3}}, nil
}

func (d playedDaemon) Client(_ context.Context, id client.ID) (string, error) {
	if id != "demo" {
		return "", refused{"client " + string(id) + ": not found", spool.ErrNotFound}
	}
	return "id: demo\n", nil
}

func (playedDaemon) Classifiers(context.Context) ([]admin.ClassifierRow, error) {
	return []admin.ClassifierRow{{Name: "kekv", Entries: 2, InForce: 1, SHA256: "00"}}, nil
}

func (playedDaemon) Classifier(_ context.Context, name string) ([]classifier.Entry, error) {
	if name != "kekv" {
		return nil, refused{"classifier " + name + ": not found", spool.ErrNotFound}
	}
	return []classifier.Entry{{Code: "2111", Until: "2026-01-01", Name: "old\x1b[31m"}, {Code: "2273"}}, nil
}

func (playedDaemon) ImportClassifier(_ context.Context, name string, entries []classifier.Entry, from string) (admin.ClassifierRow, error) {
	if from != "" && from < "2000" {
		return admin.ClassifierRow{}, refused{"from: too early", admin.ErrInvalid}
	}
	return admin.ClassifierRow{Name: name, Entries: len(entries), InForce: len(entries)}, nil
}

func (playedDaemon) ExportClients(context.Context) (string, error) { return "id: demo\n", nil }

func (playedDaemon) ApplyClients(_ context.Context, files []admin.File, dryRun bool) ([]admin.Change, error) {
	var out []admin.Change
	for _, f := range files {
		entries, err := client.Parse(f.Name, []byte(f.Text))
		if err != nil {
			return nil, refused{err.Error(), admin.ErrInvalid}
		}
		for _, e := range entries {
			out = append(out, admin.Change{Client: e.ID, Op: admin.Changed, Fields: []admin.FieldChange{{Key: "name", Old: "a", New: e.Name}}})
		}
	}
	return out, nil
}

func (playedDaemon) DisableClient(context.Context, client.ID, string) error { return nil }

func (playedDaemon) SpoolList(context.Context, admin.Filter) ([]admin.Row, error) {
	return []admin.Row{playedRow}, nil
}

func (playedDaemon) SpoolShow(_ context.Context, id spool.ID) (admin.Item, error) {
	if id != playedRow.ID {
		return admin.Item{}, spool.ErrNotFound
	}
	return admin.Item{
		Row: playedRow, Reason: "processor: no such account",
		Parts:   []gateway.Part{{Name: "P0001.DBF", Role: "document", Size: 10}},
		History: []admin.Event{{Seq: 1, At: playedRow.Received, Kind: "received"}},
	}, nil
}

func (playedDaemon) SpoolRetry(context.Context, spool.ID, string) error { return nil }

func (playedDaemon) SpoolBury(context.Context, spool.ID, string) error {
	return refused{"dead: cannot be buried", admin.ErrInvalid}
}

func (playedDaemon) RemoveArchive(context.Context, string, string) error { return spool.ErrConflict }

func (playedDaemon) SpoolRelease(context.Context, spool.ID, string) error { return spool.ErrConflict }

func (playedDaemon) PutStatement(_ context.Context, id client.ID, name string, _ formats.Kind, content []byte) (spool.ID, error) {
	if name != "виписка.txt" || string(content) != "text\n" {
		return 0, refused{name + " " + string(content), admin.ErrInvalid}
	}
	return 77, nil
}

type refused struct {
	text string
	kind error
}

func (r refused) Error() string { return r.text }
func (r refused) Unwrap() error { return r.kind }

func (playedDaemon) Evidence(context.Context, spool.ID) ([]byte, error) {
	return nil, spool.ErrNotFound
}
