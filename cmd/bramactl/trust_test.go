package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/trustlist/trustlisttest"
	"github.com/brama-gateway/brama/gateway/trust"
)

// tool runs bramactl in this process.
func tool(t *testing.T, want int, args ...string) (stdout string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(context.Background(), args, func(string) string { return "" }, strings.NewReader(""), &out, &errs); got != want {
		t.Fatalf("bramactl %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &errs)
	}
	return out.String()
}

// A list of trusted services comes from a server, is shown with its reasons, is
// renewed, never goes back, and goes.
func TestTrustList(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gate")
	tool(t, exitYes, "init", "--dir", dir)
	cfg := filepath.Join(dir, "brama.yaml")
	now := time.Now()
	p := pkitest.NewAt(t, now)
	key := pkitest.Key(t)
	operator, err := issue.SelfSigned(rand.Reader, key, issue.Signatory(issue.Subject{CommonName: "Operator"}, big.NewInt(5), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	pin := operator.SHA256()
	list := trustlisttest.List{
		Sequence: 5, Issued: now.AddDate(0, 0, -1), NextUpdate: now.AddDate(0, 3, 0),
		Services: []trustlisttest.Service{{
			Provider: "Provider", Name: "Service", Type: trustlisttest.CAQC, Certificates: []*pki.Certificate{p.CA.Certificate},
			Statuses: []trustlisttest.Status{{URI: trustlisttest.Granted, From: now.AddDate(0, -2, 0)}},
		}},
	}
	content := list.Signed(t, key, operator)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(content) }))
	defer server.Close()

	tool(t, exitCouldNot, "--config", cfg, "trust", "add", "--list", server.URL)
	tool(t, exitCouldNot, "--config", cfg, "trust", "add", "--list", server.URL, "--signer-sha256", "12")
	tool(t, exitCouldNot, "--config", cfg, "trust", "add", "--list", server.URL, "--signer-sha256", strings.Repeat("00", 32))
	if out := tool(t, exitYes, "--config", cfg, "trust", "add", "--list", server.URL, "--signer-sha256", strings.ToUpper(hex.EncodeToString(pin[:]))); !strings.Contains(out, "No 5, granted services: 1") {
		t.Errorf("%s", out)
	}
	if out := tool(t, exitYes, "--config", cfg, "trust", "list"); !strings.Contains(out, "No 5: Service of Provider granted since") {
		t.Errorf("%s", out)
	}
	tool(t, exitYes, "--config", cfg, "trust", "update")
	list.Sequence = 4
	content = list.Signed(t, key, operator)
	tool(t, exitCouldNot, "--config", cfg, "trust", "update")
	list.Sequence, list.Services[0].Statuses[0].URI = 6, trustlisttest.Withdrawn
	content = list.Signed(t, key, operator)
	tool(t, exitYes, "--config", cfg, "trust", "update")
	var lists []trust.List
	if err := json.Unmarshal([]byte(tool(t, exitYes, "--config", cfg, "trust", "list", "--lists", "--json")), &lists); err != nil || len(lists) != 1 || lists[0].Sequence != 6 || lists[0].Granted != 0 {
		t.Fatalf("%+v, %v", lists, err)
	}
	tool(t, exitYes, "--config", cfg, "trust", "remove", lists[0].Name)
	tool(t, exitCouldNot, "--config", cfg, "trust", "remove", lists[0].Name)
	if out := tool(t, exitYes, "--config", cfg, "trust", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("%s", out)
	}

	bundle := filepath.Join(dir, "CAs.json")
	if err := os.WriteFile(bundle, []byte(`[{"issuerCNs":["x"],"ocspAccessPointAddress":"ca.example/ocsp"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, exitCouldNot, "--config", cfg, "trust", "add", "--bundle", bundle, "--sha256", strings.Repeat("00", 32))
	tool(t, exitCouldNot, "--config", cfg, "trust", "add", "--bundle", bundle)
	tool(t, exitYes, "--config", cfg, "trust", "add", "--bundle", bundle, "--sha256", "a7e84e980c60ad391acafd23a91786b9043e88a87caf446afc0a3ee6f95bb9ef")
}
