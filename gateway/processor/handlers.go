package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/socket"
	"github.com/brama-gateway/brama/spool"
)

// Requests and answers of the protocol; with those of package gateway they are
// the schemas of docs/processor.openapi.yaml.
type (
	// LeaseRequest asks for work.
	LeaseRequest struct {
		Max  int      `json:"max,omitempty"`  // 0: 1
		Wait Duration `json:"wait,omitempty"` // 0: answer at once
		TTL  Duration `json:"ttl,omitempty"`  // 0: 5 minutes
	}
	// LeaseResponse holds what there was, maybe nothing.
	LeaseResponse struct {
		Leases []gateway.Lease `json:"leases"`
	}
	// ExtendRequest makes a lease end TTL from now.
	ExtendRequest struct {
		TTL Duration `json:"ttl,omitempty"` // 0: 5 minutes
	}
	// ExtendResponse says when the lease ends now.
	ExtendResponse struct {
		Until time.Time `json:"until"`
	}
	// StatementResponse names the statement that was put.
	StatementResponse struct {
		ID spool.ID `json:"id"`
	}
)

// Duration is written as text ("30s", "5m") or as a number of seconds.
type Duration time.Duration

// MarshalJSON writes it as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

var errDuration = errors.New(`duration: want text as "30s" or a number of seconds, not negative`)

// UnmarshalJSON reads both spellings.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	var seconds float64
	switch {
	case json.Unmarshal(b, &text) == nil:
		v, err := time.ParseDuration(text)
		if err != nil || v < 0 {
			return errDuration
		}
		*d = Duration(v)
	case json.Unmarshal(b, &seconds) == nil && seconds >= 0 && seconds < 1e9:
		*d = Duration(seconds * float64(time.Second))
	default:
		return errDuration
	}
	return nil
}

// route is one operation; a test holds the list to the OpenAPI file.
type route struct {
	method, path string
	serve        func(*Server, http.ResponseWriter, *http.Request) error
}

var routes = []route{
	{"POST", "/v1/leases", (*Server).lease},
	{"POST", "/v1/leases/{lease}/extend", (*Server).extend},
	{"POST", "/v1/leases/{lease}/answer", (*Server).answer},
	{"GET", "/v1/submissions/{id}", (*Server).submission},
	{"GET", "/v1/submissions/{id}/parts/{name}", (*Server).part},
	{"POST", "/v1/clients/{id}/statements", (*Server).statement},
}

// Handler serves the protocol without looking at who asks: that is the socket's part.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	paths := map[string]string{}
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, s.wrap(r.serve))
		paths[r.path] += ", " + r.method
	}
	for path, methods := range paths {
		mux.Handle(path, s.wrap(func(_ *Server, w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", methods[2:])
			return &noMethod
		}))
	}
	mux.Handle("/", s.wrap(func(*Server, http.ResponseWriter, *http.Request) error { return &notFound }))
	return mux
}

func (s *Server) wrap(serve func(*Server, http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		err := serve(s, w, r)
		if err == nil {
			return
		}
		p, known := problemOf(err)
		if !known && r.Context().Err() == nil {
			s.log.Error("processor request", zap.String("method", r.Method), zap.String("pattern", r.Pattern), zap.Error(err))
		}
		writeProblem(w, p)
	})
}

// decode reads one JSON value of at most maxRequest bytes, strictly.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	err := socket.Decode(w, r, maxRequest, v)
	var size *http.MaxBytesError
	switch {
	case err == nil, errors.As(err, &size):
		return err
	case errors.Is(err, socket.ErrContentType):
		return wrongType.because(err.Error())
	}
	return malformed.because(err.Error())
}

func reply(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the peer is gone, or reads it
	return nil
}

func (s *Server) ttl(d Duration) (time.Duration, error) {
	ttl := time.Duration(d)
	if ttl == 0 {
		return min(defaultTTL, s.limits.TTL), nil
	}
	if ttl < minTTL || ttl > s.limits.TTL {
		return 0, invalid.because(fmt.Sprintf("ttl: want %v to %v", minTTL, s.limits.TTL))
	}
	return ttl, nil
}

func (s *Server) lease(w http.ResponseWriter, r *http.Request) error {
	var q LeaseRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	if q.Max == 0 {
		q.Max = 1
	}
	if q.Max < 0 || q.Max > s.limits.Leases {
		return invalid.because(fmt.Sprintf("max: want 1 to %d", s.limits.Leases))
	}
	if time.Duration(q.Wait) > s.limits.Wait {
		return invalid.because(fmt.Sprintf("wait: want at most %v", s.limits.Wait))
	}
	ttl, err := s.ttl(q.TTL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	if s.asked != nil {
		s.asked(r.Context())
	}
	leases, err := s.core.Lease(ctx, q.Max, time.Duration(q.Wait), ttl)
	if err != nil && s.stopping.Err() != nil {
		return &unavailable
	}
	if err != nil {
		return err
	}
	if leases == nil {
		leases = []gateway.Lease{}
	}
	return reply(w, http.StatusOK, LeaseResponse{leases})
}

func (s *Server) extend(w http.ResponseWriter, r *http.Request) error {
	var q ExtendRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	ttl, err := s.ttl(q.TTL)
	if err != nil {
		return err
	}
	until, err := s.core.Extend(r.Context(), r.PathValue("lease"), ttl)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, ExtendResponse{until.UTC()})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) error {
	var a gateway.Answer
	if err := decode(w, r, &a); err != nil {
		return err
	}
	if err := CheckAnswer(a); err != nil {
		return err
	}
	// Once it is asked for, an answer is not broken off by a peer that went.
	if err := s.core.Answer(context.WithoutCancel(r.Context()), r.PathValue("lease"), a); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// CheckAnswer refuses an answer that cannot become a receipt 2: another outcome,
// no reason where one is due, texts that are too long or hold control characters.
// The error is a *Problem.
func CheckAnswer(a gateway.Answer) error {
	switch a.Outcome {
	case gateway.Processed, gateway.Retry:
	case gateway.Returned, gateway.Dead:
		if strings.TrimSpace(a.Reason) == "" {
			return invalid.because("reason: required for returned and dead")
		}
	default:
		return invalid.because("outcome: want processed, returned, retry or dead")
	}
	if !plainText(a.Reason, maxReason, "\n\r\t") {
		return invalid.because(fmt.Sprintf("reason: want text of at most %d characters", maxReason))
	}
	if !plainText(a.Reference, maxRef, "") {
		return invalid.because(fmt.Sprintf("reference: want text of at most %d characters", maxRef))
	}
	return nil
}

func plainText(s string, most int, allowed string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) && !strings.ContainsRune(allowed, r)
	})
}

func pathID(r *http.Request) (spool.ID, error) {
	id, err := spool.ParseID(r.PathValue("id"))
	if err != nil {
		return 0, &notFound
	}
	return id, nil
}

func (s *Server) submission(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	sub, err := s.core.Submission(r.Context(), id)
	if err != nil {
		return err
	}
	if sub.Parts == nil {
		sub.Parts = []gateway.Part{}
	}
	return reply(w, http.StatusOK, sub)
}

func (s *Server) part(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	sub, err := s.core.Submission(r.Context(), id)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	parts := sub.Parts
	if name == "document" && sub.SHA256 != "" {
		// What was signed, also out of a container; a part of this very name goes before.
		parts = append(slices.Clone(parts), gateway.Part{Name: name, SHA256: sub.SHA256})
	}
	for _, p := range parts {
		if p.Name != name {
			continue
		}
		f, err := s.core.OpenPart(r.Context(), id, name)
		if err != nil {
			return err
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"`+p.SHA256+`"`)
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(f, 0, f.Size()))
		return nil
	}
	return &notFound
}

func (s *Server) statement(w http.ResponseWriter, r *http.Request) error {
	id := client.ID(r.PathValue("id"))
	q := r.URL.Query()
	for k, v := range q {
		if k != "name" && k != "kind" || len(v) != 1 {
			return malformed.because("query: only name and kind are known, once each")
		}
	}
	o := gateway.Outgoing{Name: q.Get("name"), Kind: formats.Statement, Key: r.Header.Get("Idempotency-Key")}
	if q.Has("kind") {
		if o.Kind = formats.Kind(q.Get("kind")); !o.Kind.Outgoing() {
			return invalid.because(fmt.Sprintf("kind: want one of %v", formats.OutgoingKinds()))
		}
	}
	if !plainText(o.Key, maxRef, "") {
		return invalid.because(fmt.Sprintf("Idempotency-Key: want text of at most %d characters", maxRef))
	}
	switch {
	case socket.IsType(r.Header, "application/json"):
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.limits.Statement))
		if err != nil {
			return err
		}
		if t := strings.TrimSpace(string(b[:min(len(b), 64)])); !json.Valid(b) || !strings.HasPrefix(t, "{") {
			return malformed.because("want one JSON object")
		}
		o.Statement = b
	case socket.IsType(r.Header, "application/octet-stream"):
		if o.Name == "" {
			return malformed.because("name: required for a ready file")
		}
		o.Content = http.MaxBytesReader(w, r.Body, s.limits.File)
	default:
		return wrongType.because("want application/json for a canonical statement, application/octet-stream for a ready file")
	}
	put, err := s.core.PutStatement(r.Context(), id, o)
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, StatementResponse{put})
}
