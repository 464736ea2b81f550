package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
	"github.com/brama-gateway/brama/gateway/provider"
)

// TestSignStamped: --format cades-t puts the authority's time-stamp in, verify believes
// it; without an authority, or with one that lies, there is no file.
func TestSignStamped(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := pkitest.NewAt(t, now)
	by, head := p.Authority(), p.Person("Head", "00013480", "2222222222")
	lies := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q, err := tsp.ParseRequest(raw)
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(der.Sequence(der.Sequence(der.Int(0)), p.Stamp(by, nil, func(s *pkitest.Stamp) {
			if !lies {
				s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(q.ImprintAlgorithm.OID.Encode()), der.OctetString(q.Imprint))
			}
			s.Info = append(s.Info, der.Integer(q.Nonce))
			s.Certificates = [][]byte{by.Certificate.Raw}
		})))
	}))
	defer server.Close()

	dir := t.TempDir()
	write := func(name, kind string, blocks ...[]byte) string {
		path := filepath.Join(dir, name)
		var b []byte
		for _, x := range blocks {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: x})...)
		}
		if kind == "" {
			b = blocks[0]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, err := x509.MarshalPKCS8PrivateKey(head.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, cert := write("head.key", "PRIVATE KEY", private), write("head.pem", "CERTIFICATE", head.Certificate.Raw, p.CA.Certificate.Raw)
	root := write("root.pem", "CERTIFICATE", p.Root.Certificate.Raw)
	var lists [][]byte
	for _, l := range p.CRLs() {
		lists = append(lists, l.Raw)
	}
	material := filepath.Dir(write("lists.pem", "X509 CRL", lists...))
	doc := write("doc", "", []byte("document"))
	bramactl := func(args ...string) (int, string) {
		var out, bad bytes.Buffer
		code := run(context.Background(), args, func(string) string { return "" }, strings.NewReader(""), &out, &bad)
		return code, out.String() + bad.String()
	}
	sign := []string{"sign", "--key", key, "--cert", cert, "--format", "cades-t"}
	if code, text := bramactl(append(sign, "--tsa", server.URL, doc)...); code != exitYes {
		t.Fatal(code, text)
	}
	code, text := bramactl("verify", "--json", "--anchor", root, "--material", material, doc+".p7s")
	var r provider.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err, text)
	}
	if code != exitYes || len(r.Signatures) != 1 || len(r.Signatures[0].TimeStamps) != 1 || !r.Signatures[0].TimeStamps[0].Valid || r.Signatures[0].ProvedTime == nil {
		t.Errorf("%d %s", code, text)
	}
	if _, text := bramactl("--lang", "en", "verify", "--anchor", root, "--material", material, doc+".p7s"); !strings.Contains(text, "existed at the latest: ") || !strings.Contains(text, "signature time-stamp: ") {
		t.Error(text)
	}

	if err := os.Remove(doc + ".p7s"); err != nil {
		t.Fatal(err)
	}
	lies = true
	for name, args := range map[string][]string{
		"an authority that lies": append(sign[:len(sign):len(sign)], "--tsa", server.URL, doc),
		"no authority":           append(sign[:len(sign):len(sign)], doc),
		"no address":             append(sign[:len(sign):len(sign)], "--tsa", "somewhere", doc),
		"another format":         {"sign", "--key", key, "--cert", cert, "--tsa", server.URL, doc},
	} {
		if code, text := bramactl(args...); code == exitYes {
			t.Errorf("%s: %s", name, text)
		}
		if _, err := os.Stat(doc + ".p7s"); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
}
