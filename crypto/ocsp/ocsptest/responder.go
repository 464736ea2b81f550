package ocsptest

import (
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Responder answers over HTTP on loopback. Its clock is the machine's.
type Responder struct {
	*httptest.Server

	mu      sync.Mutex
	by      Party
	revoked map[string][]byte // CertStatus by serial number
	change  func(*Answer)
	status  int // an OCSPResponseStatus; 0: answers
	code    int // an HTTP status; 0: 200
	delay   time.Duration
	ahead   time.Duration // its clock
	asked   int
}

// NewResponder starts one that answers with by's key. It ends with the test.
func NewResponder(t testing.TB, by Party) *Responder {
	t.Helper()
	r := &Responder{by: by, revoked: make(map[string][]byte)}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

// Set changes how it behaves from now on, under its lock.
func (r *Responder) Set(f func(*Behaviour)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := Behaviour{By: r.by, Change: r.change, Status: r.status, Code: r.code, Delay: r.delay, Ahead: r.ahead}
	f(&b)
	r.by, r.change, r.status, r.code, r.delay, r.ahead = b.By, b.Change, b.Status, b.Code, b.Delay, b.Ahead
}

// Behaviour of a responder. The zero value is honest, but for By.
type Behaviour struct {
	By     Party
	Change func(*Answer) // alters each answer before it is signed
	Status int           // OCSPResponseStatus instead of an answer
	Code   int           // HTTP status instead of an answer
	Delay  time.Duration // before each answer
	Ahead  time.Duration // of its clock before the machine's
}

// Revoke answers revoked for a serial number from now on.
func (r *Responder) Revoke(serial *big.Int, at time.Time, reason int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[serial.String()] = Revoked(at, reason)
}

// Asked is how many requests have come.
func (r *Responder) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *Responder) serve(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	r.mu.Lock()
	r.asked++
	by, change, status, code, delay, ahead := r.by, r.change, r.status, r.code, r.delay, r.ahead
	r.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-req.Context().Done():
			return
		}
	}
	if code != 0 {
		http.Error(w, "no", code)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	if status != 0 {
		w.Write(Error(status))
		return
	}
	q, e := ReadQuestion(raw)
	if err != nil || e != nil || req.Method != http.MethodPost {
		w.Write(Error(1))
		return
	}
	r.mu.Lock()
	certStatus := r.revoked[q.Serial.String()]
	r.mu.Unlock()
	a := Answer{ID: q.ID, Status: certStatus, This: time.Now().Add(ahead), Nonce: q.Nonce, By: by}
	if change != nil {
		change(&a)
	}
	out, err := a.Whole()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(out)
}
