package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// maxRequest bounds the JSON of one call: the largest register.
const maxRequest = 32 << 20

// Server answers on the operator's socket.
type Server struct {
	Operator Operator
	Log      *zap.Logger // nil: no log

	MaxStatement int64 // bytes of a statement that is put; 0: 64 MiB
}

// Run serves until ctx ends, then lets calls in progress end.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	server := &http.Server{
		Handler:           s.handler(uint32(os.Getuid())),
		ConnContext:       withPeer,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(s.Log),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("operator's socket: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		server.Close()
	}
	<-done
	return nil
}

// handler lets in root and the user self.
func (s *Server) handler(self uint32) http.Handler {
	mux := http.NewServeMux()
	op := s.Operator
	maxStatement := s.MaxStatement
	if maxStatement == 0 {
		maxStatement = 64 << 20
	}
	handle := func(pattern string, answer func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, max(maxRequest, maxStatement))
			result, err := answer(r)
			if err != nil {
				s.refuse(w, r, err)
				return
			}
			write(w, http.StatusOK, result)
		})
	}
	handle("GET /v1/status", func(r *http.Request) (any, error) { return op.Status(r.Context()) })
	handle("POST /v1/reload", func(r *http.Request) (any, error) { return nothing{}, op.Reload(r.Context()) })

	handle("GET /v1/clients", func(r *http.Request) (any, error) { return list(op.Clients(r.Context())) })
	handle("GET /v1/clients/{id}", func(r *http.Request) (any, error) {
		text, err := op.Client(r.Context(), client.ID(r.PathValue("id")))
		return yamlText{text}, err
	})
	handle("GET /v1/register", func(r *http.Request) (any, error) {
		text, err := op.ExportClients(r.Context())
		return yamlText{text}, err
	})
	handle("POST /v1/register", func(r *http.Request) (any, error) {
		var in applyRequest
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return list(op.ApplyClients(r.Context(), in.Files, in.DryRun))
	})
	handle("GET /v1/clients/{id}/ledger", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return op.Ask(r.Context(), client.ID(r.PathValue("id")), q.Get("document") == "true", q.Get("name"))
	})
	handle("POST /v1/clients/{id}/disable", func(r *http.Request) (any, error) {
		var in reasonRequest
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return nothing{}, op.DisableClient(r.Context(), client.ID(r.PathValue("id")), in.Reason)
	})
	handle("POST /v1/clients/{id}/statements", func(r *http.Request) (any, error) {
		content, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxStatement))
		if err != nil {
			return nil, tooLarge(err)
		}
		id, err := op.PutStatement(r.Context(), client.ID(r.PathValue("id")), r.URL.Query().Get("name"), formats.Kind(r.URL.Query().Get("kind")), content)
		return idAnswer{id}, err
	})

	handle("GET /v1/classifiers", func(r *http.Request) (any, error) { return list(op.Classifiers(r.Context())) })
	handle("GET /v1/classifiers/{name}", func(r *http.Request) (any, error) {
		return list(op.Classifier(r.Context(), r.PathValue("name")))
	})
	handle("POST /v1/classifiers/{name}", func(r *http.Request) (any, error) {
		var in classifierRequest
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return op.ImportClassifier(r.Context(), r.PathValue("name"), in.Entries, in.From)
	})

	handle("GET /v1/day", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return op.Day(r.Context(), q.Get("day"), q.Get("closed") == "true")
	})
	handle("GET /v1/spool", func(r *http.Request) (any, error) {
		f, err := parseFilter(r.URL.Query())
		if err != nil {
			return nil, err
		}
		return list(op.SpoolList(r.Context(), f))
	})
	handle("GET /v1/spool/{id}", func(r *http.Request) (any, error) {
		id, err := itemID(r)
		if err != nil {
			return nil, err
		}
		return op.SpoolShow(r.Context(), id)
	})
	handle("GET /v1/spool/{id}/evidence", func(r *http.Request) (any, error) {
		id, err := itemID(r)
		if err != nil {
			return nil, err
		}
		b, err := op.Evidence(r.Context(), id)
		return map[string][]byte{"package": b}, err
	})
	for verb, act := range map[string]func(context.Context, spool.ID, string) error{
		"retry": op.SpoolRetry, "bury": op.SpoolBury, "release": op.SpoolRelease,
	} {
		handle("POST /v1/spool/{id}/"+verb, func(r *http.Request) (any, error) {
			id, err := itemID(r)
			if err != nil {
				return nil, err
			}
			var in reasonRequest
			if err := read(r, &in); err != nil {
				return nil, err
			}
			return nothing{}, act(r.Context(), id, in.Reason)
		})
	}

	handle("POST /v1/archives/{name}/remove", func(r *http.Request) (any, error) {
		var in reasonRequest
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return nothing{}, op.RemoveArchive(r.Context(), r.PathValue("name"), in.Reason)
	})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := PeerOf(r.Context())
		if !mayOperate(peer, known, self) {
			s.log().Warn("operator refused", zap.Uint32("uid", peer.UID), zap.Int32("pid", peer.PID))
			write(w, http.StatusForbidden, errorAnswer{"forbidden", fmt.Sprintf("user %d is not the operator: use root or the user that bramad runs as", peer.UID)})
			return
		}
		// A browser never opens a Unix socket; a proxy that somebody put in front
		// would send its Origin. Nothing is served to pages.
		if r.Header.Get("Origin") != "" {
			write(w, http.StatusForbidden, errorAnswer{"forbidden", "not for web pages"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) log() *zap.Logger {
	if s.Log == nil {
		return zap.NewNop()
	}
	return s.Log
}

// The bodies of requests and answers.
type (
	nothing      struct{}
	yamlText     struct{ YAML string }
	idAnswer     struct{ ID spool.ID }
	applyRequest struct {
		Files  []File `json:"files"`
		DryRun bool   `json:"dryRun"`
	}
	reasonRequest struct {
		Reason string `json:"reason"`
	}
	errorAnswer struct {
		Code    string `json:"code"`
		Message string `json:"error"`
	}
)

// list makes an empty list of no list, so that JSON has [] and never null.
func list[T any](rows []T, err error) (any, error) {
	if rows == nil {
		rows = []T{}
	}
	return rows, err
}

func itemID(r *http.Request) (spool.ID, error) {
	id, err := spool.ParseID(r.PathValue("id"))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return id, nil
}

func read(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: request: more than one value", ErrInvalid)
	}
	return nil
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return fmt.Errorf("%w: more than %d bytes", spool.ErrTooLarge, limit.Limit)
	}
	return err
}

// codes are the errors that keep their identity over the socket.
var codes = []struct {
	err    error
	code   string
	status int
}{
	{ErrInvalid, "invalid", http.StatusUnprocessableEntity},
	{spool.ErrNotFound, "not-found", http.StatusNotFound},
	{spool.ErrConflict, "conflict", http.StatusConflict},
	{spool.ErrExists, "exists", http.StatusConflict},
	{spool.ErrTooLarge, "too-large", http.StatusRequestEntityTooLarge},
	{spool.ErrFull, "full", http.StatusInsufficientStorage},
	{spool.ErrStopped, "stopped", http.StatusServiceUnavailable},
	{spool.ErrAway, "away", http.StatusServiceUnavailable},
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			write(w, c.status, errorAnswer{c.code, err.Error()})
			return
		}
	}
	s.log().Error("operator's call", zap.String("call", r.Method+" "+r.URL.Path), zap.Error(err))
	write(w, http.StatusInternalServerError, errorAnswer{"internal", err.Error()})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the peer went away: nobody is left to tell
}

// values is the filter as a query string, parseFilter its inverse.
func (f Filter) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("queue", string(f.Queue))
	set("client", string(f.Client))
	for _, s := range f.States {
		v.Add("state", string(s))
	}
	set("kind", string(f.Kind))
	set("document", f.Document)
	if !f.From.IsZero() {
		set("from", f.From.Format(time.RFC3339Nano))
	}
	if !f.To.IsZero() {
		set("to", f.To.Format(time.RFC3339Nano))
	}
	if f.Before != 0 {
		set("before", f.Before.String())
	}
	if f.Limit != 0 {
		set("limit", strconv.Itoa(f.Limit))
	}
	return v
}

func parseFilter(v url.Values) (Filter, error) {
	f := Filter{
		Queue:    spool.Queue(v.Get("queue")),
		Client:   client.ID(v.Get("client")),
		Kind:     formats.Kind(v.Get("kind")),
		Document: v.Get("document"),
	}
	for _, s := range v["state"] {
		f.States = append(f.States, spool.State(s))
	}
	var problems []string
	parse := func(name string, into func(string) error) {
		if s := v.Get(name); s != "" {
			if err := into(s); err != nil {
				problems = append(problems, name+": "+err.Error())
			}
		}
	}
	parse("from", func(s string) (err error) { f.From, err = time.Parse(time.RFC3339Nano, s); return })
	parse("to", func(s string) (err error) { f.To, err = time.Parse(time.RFC3339Nano, s); return })
	parse("before", func(s string) (err error) { f.Before, err = spool.ParseID(s); return })
	parse("limit", func(s string) (err error) {
		f.Limit, err = strconv.Atoi(s)
		if err == nil && (f.Limit < 0 || f.Limit > 100_000) {
			err = errors.New("want 0 to 100000")
		}
		return
	})
	if len(problems) > 0 {
		return Filter{}, fmt.Errorf("%w: %s", ErrInvalid, strings.Join(problems, "; "))
	}
	return f, nil
}
