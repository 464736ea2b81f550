package provider_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/openapitest"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/gateway/provider/providertest"
	"github.com/brama-gateway/brama/gateway/socket"
)

var document = []byte("квитанція № 1")

func openapi(t *testing.T) openapitest.Spec {
	t.Helper()
	return openapitest.Read(t, "../../docs/provider.openapi.yaml")
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := openapi(t)
	s.Paths(t, provider.Operations())
	s.References(t)
	s.Schemas(t, map[string]any{
		"Health": provider.Health{}, "KeyList": provider.KeyList{}, "KeyView": provider.KeyView{},
		"SignRequest": provider.SignRequest{}, "DocumentRequest": provider.DocumentRequest{}, "SignResponse": provider.SignResponse{},
		"VerifyRequest": provider.VerifyRequest{}, "TrustMaterial": provider.TrustMaterial{}, "VerifyResponse": provider.VerifyResponse{},
		"SignerDetail": provider.SignerDetail{}, "EvidenceRow": provider.EvidenceRow{}, "Report": provider.Report{},
		"SignatureRow": provider.SignatureRow{}, "TimeStampRow": provider.TimeStampRow{}, "SignerRow": provider.SignerRow{}, "Text": formats.Text{}, "Problem": provider.Problem{},
	})
}

// scene is a provider with one seal.
type scene struct {
	*providertest.Provider
	pki  *pkitest.PKI
	seal pkitest.Signatory
	c    *provider.Client
}

func newScene(t *testing.T, limits provider.Limits) *scene {
	t.Helper()
	p := pkitest.New(t)
	seal := p.Seal("Treasury", "37567646")
	s := &scene{pki: p, seal: seal, Provider: providertest.Start(t, limits, provider.Key{ID: "seal", Signer: cades.Signer{
		Key: seal.Key, Certificate: seal.Certificate, Chain: []*pki.Certificate{p.CA.Certificate},
	}})}
	s.Trust = p.Store()
	s.c = provider.NewClient(s.Socket)
	s.c.Again = 0
	t.Cleanup(s.c.Close)
	return s
}

func (s *scene) signer(t *testing.T) cades.Signer {
	t.Helper()
	signer, err := s.c.Signer(t.Context(), "seal", s.seal.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func sealed(s cades.Signer) ([]byte, error) {
	return cades.Sign(rand.Reader, document, []cades.Signer{s}, cades.SignOptions{Detached: true, At: pkitest.At})
}

func TestSeal(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{})
	h, err := s.c.Health(t.Context())
	if err != nil || fmt.Sprint(h.Operations) != "[keys sign verify]" {
		t.Error(h, err)
	}
	signer := s.signer(t)
	container, err := sealed(signer)
	if err != nil {
		t.Fatal(err)
	}
	in := cades.Input{Container: container, Detached: io.NewSectionReader(bytes.NewReader(document), 0, int64(len(document)))}
	if r := cades.Validate(in, cades.Options{At: pkitest.At, Trust: s.Trust}); r.Indication != cades.TotalPassed {
		t.Error(r.Indication, r.SubIndication, r.Detail)
	}
	if _, err := signer.Key.Sign(rand.Reader, make([]byte, 32), nil); !errors.Is(err, provider.ErrRaw) {
		t.Errorf("a bare digest: %v", err)
	}
	// Wrong names and certificates.
	if _, err := s.c.Signer(t.Context(), "other", nil); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Error(err)
	}
	if _, err := s.c.Signer(t.Context(), "seal", s.pki.Seal("Treasury", "37567646").Certificate); !errors.Is(err, provider.ErrUntrue) {
		t.Error(err)
	}
}

// Every kind of key that can seal.
func TestKeys(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	key := func(id string) provider.Key {
		var k provider.Key
		k.ID = id
		switch id {
		case "rsa":
			r, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			k.Key = r
		case "p384":
			k.Key, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		case "p521":
			k.Key, _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		}
		c, err := issue.Certificate(rand.Reader, p.CA, k.Key.Public(), issue.Signatory(
			issue.Subject{CommonName: id, EDRPOU: "37567646"}, big.NewInt(77), pkitest.At.Add(-time.Hour), pkitest.At.Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		k.Certificate = c
		return k
	}
	s := providertest.Start(t, provider.Limits{}, key("rsa"), key("p384"), key("p521"))
	c := provider.NewClient(s.Socket)
	defer c.Close()
	for _, id := range []string{"rsa", "p384", "p521"} {
		signer, err := c.Signer(t.Context(), id, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		container, err := cades.Sign(rand.Reader, document, []cades.Signer{signer}, cades.SignOptions{At: pkitest.At})
		if err != nil {
			t.Error(id, err)
			continue
		}
		if r := cades.Validate(cades.Input{Container: container}, cades.Options{At: pkitest.At, Trust: p.Store()}); r.Indication != cades.TotalPassed {
			t.Error(id, r.Indication, r.SubIndication, r.Detail)
		}
	}
}

// A provider that is away is an error that may be tried again, and is found again
// when it is back.
func TestAway(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{Sign: 50 * time.Millisecond, Concurrent: 1})
	signer := s.signer(t)
	away := func(what string) {
		t.Helper()
		if _, err := sealed(signer); !errors.Is(err, provider.ErrAway) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := s.c.Health(t.Context()); !errors.Is(err, provider.ErrAway) {
			t.Errorf("%s: health: %v", what, err)
		}
	}
	back := func(what string) {
		t.Helper()
		if _, err := sealed(signer); err != nil {
			t.Errorf("back after %s: %v", what, err)
		}
		if _, err := s.c.Health(t.Context()); err != nil {
			t.Errorf("back after %s: health: %v", what, err)
		}
	}
	s.Stop()
	away("stopped")
	s.Start()
	back("stopped")

	broken := errors.New("the token is not there")
	s.Fail.Store(&broken)
	away("broken")
	s.Fail.Store(nil)
	back("broken")

	// A slow one: the wait ends, and the place of the operation is free when it ends.
	const slow = 2 * time.Second // far above the client's patience, whatever else the machine does
	s.Slow.Store(int64(slow))
	begun := time.Now()
	away("slow")
	if took := time.Since(begun); took > slow-100*time.Millisecond {
		t.Errorf("slow: waited %v", took)
	}
	s.Slow.Store(0)
	time.Sleep(slow + 100*time.Millisecond)
	back("slow")

	// A socket that nobody serves any more, one that never answers, and none.
	s.Stop()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	s.c.Sign = 50 * time.Millisecond
	away("silent")
	dead.Close()
	away("stale")
	s.c.Sign = 5 * time.Second
	s.Start() // which replaces the stale one
	back("stale")
}

// One that was away is left alone for a moment.
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{})
	s.c.Again = 100 * time.Millisecond
	signer := s.signer(t)
	broken := errors.New("the token is not there")
	s.Fail.Store(&broken)
	before := s.Asked.Load()
	for range 5 {
		if _, err := sealed(signer); !errors.Is(err, provider.ErrAway) {
			t.Error(err)
		}
		if _, err := s.c.Validate(t.Context(), cades.Input{Container: document}, cades.Options{At: pkitest.At}); err == nil {
			t.Error("a verdict of nobody")
		}
	}
	if asked := s.Asked.Load() - before; asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	ready := signer.Key.(interface{ Ready() error })
	if err := ready.Ready(); !errors.Is(err, provider.ErrAway) {
		t.Error(err)
	}
	s.Fail.Store(nil)
	time.Sleep(120 * time.Millisecond)
	if err := ready.Ready(); err != nil {
		t.Error(err)
	}
	if _, err := sealed(signer); err != nil {
		t.Error(err)
	}
}

// What a provider says is checked.
func TestUntrue(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{})
	signer := s.signer(t)
	lie := ""
	liar := between(t, s.Socket, func(a *provider.SignResponse) {
		switch lie {
		case "signature":
			a.Signature[8] ^= 1
		case "attributes":
			a.Attributes = attributes(t, s.seal.Certificate)
		}
	})
	liars, err := liar.Signer(t.Context(), "seal", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, lie = range []string{"signature", "attributes"} {
		if _, err := cades.Sign(rand.Reader, []byte("another"), []cades.Signer{liars}, cades.SignOptions{At: pkitest.At}); !errors.Is(err, provider.ErrUntrue) {
			t.Error(lie, err)
		}
		if _, err := liar.Signer(t.Context(), "seal", nil); !errors.Is(err, provider.ErrUntrue) {
			t.Error(lie, err)
		}
	}

	container, err := cades.Sign(rand.Reader, document, []cades.Signer{signer}, cades.SignOptions{At: pkitest.At})
	if err != nil {
		t.Fatal(err)
	}
	in, o := cades.Input{Container: container}, cades.Options{At: pkitest.At}
	for name, twist := range map[string]func(*cades.Report){
		"passed without a signature": func(r *cades.Report) { r.Signatures = nil },
		"passed, one did not":        func(r *cades.Report) { r.Signatures[0].Indication = cades.Indeterminate },
		"passed without certificate": func(r *cades.Report) { r.Signatures[0].Signer = nil },
		"passed with a doubt":        func(r *cades.Report) { r.SubIndication = cades.TryLater },
		"passed, doubt within":       func(r *cades.Report) { r.Signatures[0].SubIndication = cades.Revoked },
		"passed without content":     func(r *cades.Report) { r.Content = nil },
		"passed as detached":         func(r *cades.Report) { r.Attached = false },
		"passed, no container":       func(r *cades.Report) { r.NotContainer = true },
		"failed, all passed":         func(r *cades.Report) { r.Indication = cades.TotalFailed },
	} {
		s.Twist.Store(&twist)
		if r, err := s.c.Validate(t.Context(), in, o); !errors.Is(err, provider.ErrUntrue) {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	s.Twist.Store(nil)
	if r, err := s.c.Validate(t.Context(), in, o); err != nil || r.Indication != cades.TotalPassed {
		t.Error(r, err)
	}
}

// between puts somebody between provider and client who changes signatures.
func between(t *testing.T, path string, change func(*provider.SignResponse)) *provider.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "prov")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "provider"}) },
		Transport: socket.Transport(path),
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasSuffix(r.Request.URL.Path, "/sign") {
				return nil
			}
			var a provider.SignResponse
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
				return err
			}
			change(&a)
			b, err := json.Marshal(a)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			r.Header.Set("Content-Length", strconv.Itoa(len(b)))
			return err
		},
	}
	s := &http.Server{Handler: proxy}
	go s.Serve(l)
	c := provider.NewClient(filepath.Join(dir, "s"))
	t.Cleanup(func() {
		c.Close()
		s.Close()
		os.RemoveAll(dir)
	})
	return c
}

// The verdict over the socket is the verdict.
func TestValidate(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{})
	head := s.pki.Person("Керівник", "00013480", "2222222222")
	sign := func(detached bool) []byte {
		b, err := cades.Sign(rand.Reader, document, []cades.Signer{{Key: head.Key, Certificate: head.Certificate}}, cades.SignOptions{Detached: detached, At: pkitest.At})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	section := func(b []byte) *io.SectionReader { return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))) }
	stranger := pkitest.New(t).Store()
	for name, c := range map[string]struct {
		in    cades.Input
		trust *pki.Store
		want  string
	}{
		"attached":                   {cades.Input{Container: sign(false)}, nil, "TOTAL-PASSED"},
		"detached":                   {cades.Input{Container: sign(true), Detached: section(document)}, nil, "TOTAL-PASSED"},
		"of another document":        {cades.Input{Container: sign(true), Detached: section([]byte("another"))}, nil, "TOTAL-FAILED"},
		"no document":                {cades.Input{Container: sign(true)}, nil, "INDETERMINATE"},
		"trust of the asking":        {cades.Input{Container: sign(false)}, s.pki.Store(), "TOTAL-PASSED"},
		"another trust":              {cades.Input{Container: sign(false)}, stranger, "INDETERMINATE"},
		"no trust":                   {cades.Input{Container: sign(false)}, pki.NewStore(nil, nil, nil), "INDETERMINATE"},
		"no container":               {cades.Input{Container: []byte("hello")}, nil, "TOTAL-FAILED"},
		"content inside and outside": {cades.Input{Container: sign(false), Detached: section(document)}, nil, "TOTAL-FAILED"},
	} {
		got, err := s.c.Validate(t.Context(), c.in, cades.Options{At: pkitest.At, Trust: c.trust, Tolerate: cades.Tolerances{cades.AttrsAsStored: true}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		trust := c.trust
		if trust == nil {
			trust = s.Trust
		}
		want := cades.Validate(c.in, cades.Options{At: pkitest.At, Trust: trust})
		if got.Indication.String() != c.want {
			t.Errorf("%s: %s", name, got.Indication)
		}
		if a, b := plain(got), plain(want); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: over the socket\n%+v\nhere\n%+v", name, a, b)
		}
	}
}

// A row of the report begins as a signature in a receipt does.
func TestReportIsAsReceipts(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := p.Issue(issue.Subject{Country: "UA", CommonName: "Ім\u202eя", EDRPOU: "00013480", Person: "2222222222"}, func(t *issue.Template) { t.Serial = big.NewInt(1 << 40) })
	b, err := cades.Sign(rand.Reader, document, []cades.Signer{{Key: head.Key, Certificate: head.Certificate}}, cades.SignOptions{At: pkitest.At})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []cades.Options{{At: pkitest.At, Trust: p.Store()}, {At: pkitest.At}, {At: pkitest.At, Trust: p.Store(), Tolerate: cades.Tolerances{cades.NestedSignedData: true}}} {
		r := cades.Validate(cades.Input{Container: b}, o)
		var row, view map[string]any
		for v, into := range map[any]*map[string]any{&provider.NewReport("a", o.At, r).Signatures[0]: &row, ptr(gateway.ViewSignature(r.Signatures[0])): &view} {
			text, err := json.Marshal(v)
			if err == nil {
				err = json.Unmarshal(text, into)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for k, want := range view {
			if !reflect.DeepEqual(row[k], want) {
				t.Errorf("%s: %v, in a receipt %v", k, row[k], want)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// plain is a report with certificates as bytes, which can be compared.
func plain(r *cades.Report) any {
	type row struct {
		S     cades.Signature
		Certs [][]byte
	}
	out := *r
	var rows []row
	for _, s := range r.Signatures {
		x := row{S: s}
		for _, c := range append([]*pki.Certificate{s.Signer}, s.Chain...) {
			if c != nil {
				x.Certs = append(x.Certs, c.Raw)
			}
		}
		x.S.Signer, x.S.Chain = nil, nil
		rows = append(rows, x)
	}
	out.Signatures = nil
	return []any{out, rows}
}

// Many at once get each their own answer.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{})
	signer := s.signer(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := sealed(signer); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Requests as they come, and the answers as the OpenAPI file has them.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := newScene(t, provider.Limits{Verify: 64 << 10})
	doc := openapi(t)
	h := &http.Client{Transport: socket.Transport(s.Socket)}
	defer h.CloseIdleConnections()
	sum := sha256.Sum256(document)
	good := attributes(t, s.seal.Certificate)
	other := attributes(t, s.pki.Seal("Treasury", "37567646").Certificate)
	b64 := base64.StdEncoding.EncodeToString
	container, err := cades.Sign(rand.Reader, document, []cades.Signer{{Key: s.seal.Key, Certificate: s.seal.Certificate}}, cades.SignOptions{At: pkitest.At})
	if err != nil {
		t.Fatal(err)
	}
	const sign, verify = "/v1/keys/seal/sign", "/v1/verify"
	const at = `,"at":"2026-06-01T10:00:00Z"`
	for _, c := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"health", "GET", "/v1/health", "", 200},
		{"keys", "GET", "/v1/keys", "", 200},
		{"health by POST", "POST", "/v1/health", "{}", 405},
		{"nothing there", "GET", "/v2", "", 404},
		{"attributes", "POST", sign, `{"digest":"sha256","attributes":"` + b64(good) + `"}`, 200},
		{"a document's digest", "POST", sign, `{"digest":"sha256","document":{"messageDigest":"` + b64(sum[:]) + `","signingTime":"2026-06-01T10:00:00.5Z"}}`, 200},
		{"an unknown key", "POST", "/v1/keys/other/sign", `{"digest":"sha256","attributes":"` + b64(good) + `"}`, 404},
		{"another's certificate", "POST", sign, `{"digest":"sha256","attributes":"` + b64(other) + `"}`, 422},
		{"raw bytes", "POST", sign, `{"digest":"sha256","attributes":"` + b64(document) + `"}`, 422},
		{"a bare digest", "POST", sign, `{"digest":"sha256","attributes":"` + b64(sum[:]) + `"}`, 422},
		{"a certificate", "POST", sign, `{"digest":"sha256","attributes":"` + b64(s.seal.Certificate.Raw) + `"}`, 422},
		{"no bytes", "POST", sign, `{"digest":"sha256","attributes":""}`, 422},
		{"another digest", "POST", sign, `{"digest":"sha512","attributes":"` + b64(good) + `"}`, 422},
		{"a weak digest", "POST", sign, `{"digest":"sha1","attributes":"` + b64(good) + `"}`, 422},
		{"no digest", "POST", sign, `{"attributes":"` + b64(good) + `"}`, 422},
		{"a short digest of the document", "POST", sign, `{"digest":"sha256","document":{"messageDigest":"` + b64(sum[:31]) + `","signingTime":"2026-06-01T10:00:00Z"}}`, 422},
		{"no signing time", "POST", sign, `{"digest":"sha256","document":{"messageDigest":"` + b64(sum[:]) + `"}}`, 422},
		{"neither", "POST", sign, `{"digest":"sha256"}`, 400},
		{"both", "POST", sign, `{"digest":"sha256","attributes":"` + b64(good) + `","document":{"messageDigest":"` + b64(sum[:]) + `","signingTime":"2026-06-01T10:00:00Z"}}`, 400},
		{"raw mode", "POST", sign, `{"digest":"sha256","raw":"` + b64(sum[:]) + `"}`, 400},
		{"an unknown field", "POST", sign, `{"digest":"sha256","attributes":"` + b64(good) + `","padding":"pss"}`, 400},
		{"not base64", "POST", sign, `{"digest":"sha256","attributes":"!"}`, 400},
		{"something after it", "POST", sign, `{"digest":"sha256","attributes":"` + b64(good) + `"}{}`, 400},
		{"not JSON", "POST", sign, `digest=sha256`, 400},
		{"too long", "POST", sign, `{"digest":"sha256","attributes":"` + strings.Repeat("A", 70<<10) + `"}`, 413},
		{"by GET", "GET", sign, "", 405},
		{"a container", "POST", verify, `{"name":"a.p7s","container":"` + b64(container) + `"` + at + `,"content":true}`, 200},
		{"not a container", "POST", verify, `{"container":"` + b64(document) + `"` + at + `}`, 200},
		{"no container", "POST", verify, `{"at":"2026-06-01T10:00:00Z"}`, 422},
		{"no time", "POST", verify, `{"container":"` + b64(container) + `"}`, 422},
		{"an unknown digest", "POST", verify, `{"container":"` + b64(container) + `"` + at + `,"digests":{"sha1":"` + b64(sum[:20]) + `"}}`, 422},
		{"a digest of another length", "POST", verify, `{"container":"` + b64(container) + `"` + at + `,"digests":{"sha512":"` + b64(sum[:]) + `"}}`, 422},
		{"document and digests", "POST", verify, `{"container":"` + b64(container) + `"` + at + `,"document":"AAAA","digests":{"sha256":"` + b64(sum[:]) + `"}}`, 400},
		{"an unknown tolerance", "POST", verify, `{"container":"` + b64(container) + `"` + at + `,"tolerate":["everything"]}`, 422},
		{"unreadable trust", "POST", verify, `{"container":"` + b64(container) + `"` + at + `,"trust":{"anchors":["AAAA"]}}`, 422},
		{"a long name", "POST", verify, `{"name":"` + strings.Repeat("a", 300) + `","container":"` + b64(container) + `"` + at + `}`, 422},
		{"a large container", "POST", verify, `{"container":"` + strings.Repeat("A", 70<<10) + `"` + at + `}`, 413},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://provider"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		before := s.Asked.Load()
		res, err := h.Do(req)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, res.StatusCode, c.want, body)
		}
		if c.want != 200 && s.Asked.Load() != before {
			t.Errorf("%s: the key or the verifier was asked", c.name)
		}
		path := strings.Replace(c.path, "/seal/", "/{key}/", 1)
		if path == "/v2" || strings.Contains(path, "other") || c.want == 405 {
			continue
		}
		if err := doc.Answered(c.method, path, res.StatusCode, res.Header.Get("Content-Type"), body); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	res, err := h.Post("http://provider"+sign, "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 415 {
		t.Errorf("text/plain: %d", res.StatusCode)
	}
}

// attributes are those that a certificate's key may sign.
func attributes(t *testing.T, c *pki.Certificate) []byte {
	t.Helper()
	sum := sha256.Sum256(document)
	d := provider.DigestOf(c)
	return cades.SignedAttributes{MessageDigest: sum[:], SigningTime: pkitest.At}.Encode(d, c)
}

// A provider without a verifier, or without keys, says so.
func TestNotOffered(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "prov")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := pkitest.New(t)
	seal := p.Seal("Treasury", "37567646")
	s, err := provider.NewServer(provider.Options{Socket: filepath.Join(dir, "s"), Keys: []provider.Key{{ID: "seal", Signer: cades.Signer{Key: seal.Key, Certificate: seal.Certificate}}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	c := provider.NewClient(filepath.Join(dir, "s"))
	_, err = c.Validate(t.Context(), cades.Input{Container: []byte{1}}, cades.Options{At: pkitest.At})
	if problem := (*provider.Problem)(nil); !errors.As(err, &problem) || problem.Status != 501 || errors.Is(err, provider.ErrAway) {
		t.Error(err)
	}
	c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNewServerRefuses(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	a, b := p.Seal("A", "37567646"), p.Seal("B", "37567646")
	key := func(id string, s cades.Signer) provider.Key { return provider.Key{ID: id, Signer: s} }
	good := cades.Signer{Key: a.Key, Certificate: a.Certificate}
	for name, o := range map[string]provider.Options{
		"nothing":                        {},
		"no socket":                      {Keys: []provider.Key{key("a", good)}},
		"no keys":                        {Socket: "s"},
		"a bad name":                     {Socket: "s", Keys: []provider.Key{key("a/b", good)}},
		"dots":                           {Socket: "s", Keys: []provider.Key{key("..", good)}},
		"a name twice":                   {Socket: "s", Keys: []provider.Key{key("a", good), key("a", good)}},
		"no certificate":                 {Socket: "s", Keys: []provider.Key{key("a", cades.Signer{Key: a.Key})}},
		"the certificate of another key": {Socket: "s", Keys: []provider.Key{key("a", cades.Signer{Key: a.Key, Certificate: b.Certificate})}},
	} {
		if _, err := provider.NewServer(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzVerifyResponse: whatever a provider answers, TOTAL-PASSED has signatures that
// all passed, by certificates that can be read.
func FuzzVerifyResponse(f *testing.F) {
	f.Add([]byte(`{"report":{"file":"","indication":"TOTAL-PASSED","attached":true,"at":"2026-06-01T10:00:00Z","signatures":[]},"signers":[]}`))
	f.Add([]byte(`{"report":{"file":"","indication":"TOTAL-PASSED","attached":true,"at":"2026-06-01T10:00:00Z","signatures":[{"signer":{"name":"","serial":"","issuer":""},"indication":"TOTAL-PASSED"}]},"signers":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v provider.VerifyResponse
		if json.Unmarshal(b, &v) != nil {
			return
		}
		r, err := v.Cades()
		if err != nil || r.Indication != cades.TotalPassed {
			return
		}
		if len(r.Signatures) == 0 {
			t.Fatal("passed without a signature")
		}
		for _, s := range r.Signatures {
			if s.Indication != cades.TotalPassed || s.Signer == nil {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// What is said of time-stamps goes over the socket and comes back, and must not
// contradict the verdict.
func TestTimeStampsOverTheSocket(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := p.Person("Head", "00013480", "2222222222")
	good := cades.TimeStamp{Kind: cades.ContentTimeStamp, Valid: true, Time: pkitest.At, Authority: "TSA"}
	bad := cades.TimeStamp{Kind: cades.SignatureTimeStamp, SubIndication: cades.HashFailure, Detail: "the imprint is of other bytes"}
	answer := func(stamps ...cades.TimeStamp) (*cades.Report, error) {
		r := &cades.Report{Indication: cades.TotalPassed, Signatures: []cades.Signature{{
			Indication: cades.TotalPassed, Signer: head.Certificate, TimeStamps: stamps,
		}}}
		text, err := json.Marshal(provider.NewReport("a", pkitest.At, r))
		if err != nil {
			t.Fatal(err)
		}
		v := provider.VerifyResponse{Signers: []provider.SignerDetail{{Certificate: head.Certificate.Raw}}}
		if err := json.Unmarshal(text, &v.Report); err != nil {
			t.Fatal(err)
		}
		return v.Cades()
	}
	r, err := answer(good, bad)
	if err != nil || !reflect.DeepEqual(r.Signatures[0].TimeStamps, []cades.TimeStamp{good, bad}) {
		t.Errorf("%+v, %v", r, err)
	}
	failed, doubted, strange := bad, good, good
	failed.Kind, doubted.SubIndication, strange.Kind = cades.ContentTimeStamp, cades.TryLater, "archive-time-stamp"
	for name, s := range map[string]cades.TimeStamp{"failed and passed": failed, "valid with a doubt": doubted, "of another kind": strange} {
		if _, err := answer(s); err == nil {
			t.Errorf("%s: believed", name)
		}
	}
}
