package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

func server(t *testing.T, f *fake) *Server {
	t.Helper()
	s, err := New(Options{Core: f, Socket: filepath.Join(t.TempDir(), "p.sock"), Limits: Limits{Statement: 100, File: 100}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRequests(t *testing.T) {
	t.Parallel()
	doc := openapi(t)
	id := spool.ID(12345).String()
	const js, oct = "application/json", "application/octet-stream"
	long := strings.Repeat("я", maxReason+1)
	for _, c := range []struct {
		name               string
		method, path, url  string
		contentType, body  string
		change             func(*fake)
		status             int
		inBody, wantHeader string
	}{
		{"lease", "POST", "/v1/leases", "/v1/leases", js, `{"max":2,"wait":"30s","ttl":60}`, nil, 200, `"lease":"tok"`, ""},
		{"defaults", "POST", "/v1/leases", "/v1/leases", js, `{}`, nil, 200, `"until":"2026-01-02T03:09:05Z"`, ""},
		{"charset", "POST", "/v1/leases", "/v1/leases", js + "; charset=utf-8", `{}`, nil, 200, `"lease"`, ""},
		{"none", "POST", "/v1/leases", "/v1/leases", js, `{}`, func(f *fake) { f.lease = "" }, 200, `{"leases":[]}`, ""},
		{"unknown field", "POST", "/v1/leases", "/v1/leases", js, `{"maxx":1}`, nil, 400, "maxx", ""},
		{"two values", "POST", "/v1/leases", "/v1/leases", js, `{}{}`, nil, 400, "", ""},
		{"cut", "POST", "/v1/leases", "/v1/leases", js, `{"max":`, nil, 400, "", ""},
		{"empty", "POST", "/v1/leases", "/v1/leases", js, ``, nil, 400, "", ""},
		{"wrong type", "POST", "/v1/leases", "/v1/leases", js, `{"max":"1"}`, nil, 400, "", ""},
		{"negative wait", "POST", "/v1/leases", "/v1/leases", js, `{"wait":-1}`, nil, 400, "", ""},
		{"odd wait", "POST", "/v1/leases", "/v1/leases", js, `{"wait":"soon"}`, nil, 400, "", ""},
		{"long wait", "POST", "/v1/leases", "/v1/leases", js, `{"wait":"2m"}`, nil, 422, "wait", ""},
		{"too many", "POST", "/v1/leases", "/v1/leases", js, `{"max":101}`, nil, 422, "max", ""},
		{"short ttl", "POST", "/v1/leases", "/v1/leases", js, `{"ttl":1}`, nil, 422, "ttl", ""},
		{"huge", "POST", "/v1/leases", "/v1/leases", js, `{"max":` + strings.Repeat(" ", maxRequest) + `1}`, nil, 413, "", ""},
		{"form", "POST", "/v1/leases", "/v1/leases", "text/plain", `{}`, nil, 415, "", ""},
		{"part out of reach", "GET", "/v1/submissions/{id}/parts/{name}", "/v1/submissions/" + id + "/parts/P%201.DBF", "", "", func(f *fake) { f.err = spool.ErrAway }, 503, "Шлюз", "Retry-After"},
		{"stopping", "POST", "/v1/leases", "/v1/leases", js, `{}`, func(f *fake) { f.err = gateway.ErrStopping }, 503, "Шлюз", "Retry-After"},
		{"secret of an error", "POST", "/v1/leases", "/v1/leases", js, `{}`, func(f *fake) { f.err = errors.New("disk at /x") }, 500, "internal", ""},

		{"extend", "POST", "/v1/leases/{lease}/extend", "/v1/leases/tok/extend", js, `{"ttl":"1h"}`, nil, 200, `{"until":"2026-01-02T04:04:05Z"}`, ""},
		{"extend over", "POST", "/v1/leases/{lease}/extend", "/v1/leases/x/extend", js, `{}`, nil, 409, "problem:lease", ""},

		{"answer", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"processed","reference":"№ 5"}`, nil, 204, "", ""},
		{"returned", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"returned","reason":"Немає коштів\r\nна рахунку"}`, nil, 204, "", ""},
		{"no reason", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"returned","reason":" "}`, nil, 422, "reason", ""},
		{"long reason", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"returned","reason":"` + long + `"}`, nil, 422, "reason", ""},
		{"control", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"returned","reason":"a\u0007"}`, nil, 422, "reason", ""},
		{"accepted", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"accepted"}`, nil, 422, "outcome", ""},
		{"no outcome", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{}`, nil, 422, "outcome", ""},
		{
			"other answer", "POST", "/v1/leases/{lease}/answer", "/v1/leases/tok/answer", js, `{"outcome":"processed"}`,
			func(f *fake) { f.answer = &gateway.Answer{Outcome: gateway.Returned, Reason: "x"} }, 409, "problem:answer", "",
		},
		{"lease over", "POST", "/v1/leases/{lease}/answer", "/v1/leases/x/answer", js, `{"outcome":"processed"}`, nil, 409, "problem:lease", ""},

		{"submission", "GET", "/v1/submissions/{id}", "/v1/submissions/" + id, "", "", nil, 200, `"document":"P 1.DBF"`, ""},
		{"unknown submission", "GET", "/v1/submissions/{id}", "/v1/submissions/" + spool.ID(1).String(), "", "", nil, 404, "", ""},
		{"no id", "GET", "/v1/submissions/{id}", "/v1/submissions/..%2f..%2fetc", "", "", nil, 404, "", ""},
		{"part", "GET", "/v1/submissions/{id}/parts/{name}", "/v1/submissions/" + id + "/parts/P%201.DBF", "", "", nil, 200, "0123456789", "Etag"},
		{"unknown part", "GET", "/v1/submissions/{id}/parts/{name}", "/v1/submissions/" + id + "/parts/x", "", "", nil, 404, "", ""},
		{"part that fails", "GET", "/v1/submissions/{id}/parts/{name}", "/v1/submissions/" + id + "/parts/P%201.DBF", "", "", func(f *fake) { f.err = errors.New("x") }, 500, "", ""},

		{"statement", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", js, ` {"a":1}`, nil, 201, spool.ID(777).String(), ""},
		{"statement list", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", js, `[1]`, nil, 400, "", ""},
		{"statement cut", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", js, `{"a":`, nil, 400, "", ""},
		{"statement huge", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", js, `{"a":"` + strings.Repeat("x", 100) + `"}`, nil, 413, "", ""},
		{"ready file", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements?name=a.txt", oct, "x", nil, 201, "", ""},
		{"ready file huge", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements?name=a.txt", oct, strings.Repeat("x", 101), nil, 413, "", ""},
		{"ready file without a name", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", oct, "x", nil, 400, "name", ""},
		{"odd query", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements?nam=a", oct, "x", nil, 400, "name", ""},
		{"xml", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", "text/xml", "x", nil, 415, "", ""},
		{"no client", "POST", "/v1/clients/{id}/statements", "/v1/clients/who/statements", js, `{}`, nil, 404, "", ""},
		{"refused", "POST", "/v1/clients/{id}/statements", "/v1/clients/demo/statements", js, `{}`, func(f *fake) {
			f.err = fmt.Errorf("put: %w", &gateway.RefusedError{Findings: []formats.Finding{{Rule: "ST-1", Message: formats.Text{UK: "ні", EN: "no"}}}})
		}, 422, "ST-1", ""},
		{"wrong method", "GET", "", "/v1/leases", "", "", nil, 405, "method", "Allow"},
		{"elsewhere", "GET", "", "/metrics", "", "", nil, 404, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			if c.change != nil {
				c.change(f)
			}
			r := httptest.NewRequest(c.method, c.url, strings.NewReader(c.body))
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			w := httptest.NewRecorder()
			server(t, f).Handler().ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != c.status || !strings.Contains(body, c.inBody) {
				t.Fatalf("%d %s", w.Code, body)
			}
			if c.wantHeader != "" && w.Header().Get(c.wantHeader) == "" {
				t.Errorf("no header %s", c.wantHeader)
			}
			if strings.Contains(body, "/x") {
				t.Error("the answer tells of the inside")
			}
			if c.status >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Error(w.Header())
			}
			if c.path != "" {
				if err := doc.Answered(c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestPartRangesAndETag(t *testing.T) {
	t.Parallel()
	h := server(t, newFake()).Handler()
	url := "/v1/submissions/" + spool.ID(12345).String() + "/parts/P%201.DBF"
	r := httptest.NewRequest("GET", url, nil)
	r.Header.Set("Range", "bytes=3-5")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 206 || w.Body.String() != "345" || w.Header().Get("Etag") != `"ab"` {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	r = httptest.NewRequest("GET", url, nil)
	r.Header.Set("If-None-Match", `"ab"`)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 304 {
		t.Error(w.Code)
	}
}

func TestWhatReachesTheCore(t *testing.T) {
	t.Parallel()
	f := newFake()
	h := server(t, f).Handler()
	do := func(url, typ, body string) int {
		r := httptest.NewRequest("POST", url, strings.NewReader(body))
		r.Header.Set("Content-Type", typ)
		r.Header.Set("Idempotency-Key", "k1")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	do("/v1/leases", "application/json", `{"max":7,"wait":"1.5s","ttl":90}`)
	if f.asked.max != 7 || f.asked.wait != 1500*time.Millisecond || f.asked.ttl != 90*time.Second {
		t.Errorf("%+v", f.asked)
	}
	do("/v1/clients/demo/statements?name=S%201.txt", "application/octet-stream", "bytes")
	do("/v1/clients/demo/statements", "application/json", `{"a":1}`)
	if len(f.put) != 2 || f.put[0].Name != "S 1.txt" || string(f.bytes) != "bytes" || f.put[0].Kind != formats.Statement ||
		string(f.put[1].Statement) != `{"a":1}` || f.put[1].Content != nil || f.put[1].Key != "k1" {
		t.Errorf("%+v", f.put)
	}
	for range 2 {
		if c := do("/v1/leases/tok/answer", "application/json", `{"outcome":"dead","reason":"x"}`); c != 204 {
			t.Error(c)
		}
	}
}

func dialed(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := server(t, f)
	// A dead socket is replaced.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(s.socket); st.Mode().Perm() != 0o660 {
		t.Error(st.Mode())
	}
	if _, err := s.Listen(); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Error("a living socket was replaced:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, l) }()
	c := dialed(s.socket)
	res, err := c.Get("http://brama/v1/submissions/" + f.sub.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	var got gateway.Submission
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.ID != f.sub.ID {
		t.Error(err, got)
	}
	res.Body.Close()

	// A wait for work ends when the gateway stops.
	f.block = true
	status := make(chan int)
	go func() {
		res, err := c.Post("http://brama/v1/leases", "application/json", strings.NewReader(`{"wait":"60s"}`))
		if err != nil {
			status <- 0
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		status <- res.StatusCode
	}()
	time.Sleep(50 * time.Millisecond)
	cancel()
	if got := <-status; got != 503 {
		t.Error(got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.socket); err == nil {
		t.Error("the socket stays")
	}
}

func TestSocketPathThatIsAFile(t *testing.T) {
	t.Parallel()
	s := server(t, newFake())
	os.WriteFile(s.socket, []byte("precious"), 0o600)
	if _, err := s.Listen(); err == nil {
		t.Error("a file was replaced")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("zero options accepted")
	}
}
