package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	l := &admin.Local{Core: r.Gateway}
	ctx := context.Background()

	r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	r.Send("W.DBF", r.DBF(2, 1))
	rows, err := l.SpoolList(ctx, admin.Filter{Client: "demo"})
	if err != nil || len(rows) != 2 || rows[0].Document != "W.DBF" || rows[0].Deadline == nil || rows[1].Number == "" {
		t.Fatalf("%+v %v", rows, err)
	}
	id := rows[1].ID
	it, err := l.SpoolShow(ctx, id)
	if err != nil || it.Label != "P.DBF.p7s" || len(it.History) != 2 || !strings.Contains(string(it.Receipt), `"accepted"`) {
		t.Errorf("%+v %v", it, err)
	}
	if _, err := l.SpoolShow(ctx, 1); !errors.Is(err, spool.ErrNotFound) {
		t.Error(err)
	}
	if err := l.SpoolRetry(ctx, id, "why"); !errors.Is(err, admin.ErrInvalid) {
		t.Error(err)
	}
	if err := l.SpoolBury(ctx, id, "why"); err != nil {
		t.Error(err)
	}
	s, err := l.Status(ctx)
	if err != nil || s.Counts[gateway.Submissions][gateway.StateDead] != 1 || s.Oldest == nil || s.Clients != 1 || len(s.Warnings) == 0 || s.Warnings[0].Code != "DEAD" {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := l.PutStatement(ctx, "demo", "V.txt", "", []byte("v")); err != nil {
		t.Error(err)
	}
	for name, content := range map[string]string{"../V": "v", "E.txt": ""} {
		if _, err := l.PutStatement(ctx, "demo", name, "", []byte(content)); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}

	text, err := l.ExportClients(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.ApplyClients(ctx, []admin.File{{Name: "all.yaml", Text: text}}, false)
	if err != nil || len(again) != 1 || again[0].Op != admin.Unchanged {
		t.Errorf("what was exported changes something: %+v %v", again, err)
	}
	if _, err := l.ApplyClients(ctx, []admin.File{{Name: "all.yaml", Text: text}, {Name: "bad.yaml", Text: "id: [\n"}}, false); !errors.Is(err, admin.ErrInvalid) {
		t.Error(err)
	}
	_, err = l.ApplyClients(ctx, []admin.File{{Name: "all.yaml", Text: text}, {Name: "more.yaml", Text: text}}, true)
	if !errors.Is(err, admin.ErrInvalid) || !strings.Contains(err.Error(), `more.yaml: id: "demo" is also in all.yaml`) {
		t.Errorf("a client in two files: %v", err)
	}
	if err := l.DisableClient(ctx, "demo", "помилка"); err != nil || !r.Gateway.Register().ByID(client.ID("demo")).Disabled {
		t.Error(err)
	}
	if err := l.DisableClient(ctx, "nobody", "why"); !errors.Is(err, spool.ErrNotFound) {
		t.Error(err)
	}
}
