package trust

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Bounds of the fetcher's memory.
const (
	maxLists   = 1000
	maxAnswers = 100_000
	maxWanted  = 10_000
	forgotten  = 24 * time.Hour // what was wanted, by then
)

// Fetcher keeps revocation evidence fresh beside a trust folder: OCSP answers about
// certificates that examinations missed, and the CRLs that they name. It asks only
// addresses out of certificates whose path is trusted. What it has is in its Snapshot;
// nothing there is believed unless package pki finds it good.
//
// One certificate is asked about by one request at a time, however many documents
// wait, and its answer serves until it is older than FetchOptions.Freshness allows. A CRL
// is asked for every Refresh, so that who was revoked a minute ago is known a minute
// after the list is out. What fails is tried again after a growing pause as long as
// somebody waits for it.
type Fetcher struct {
	dir  *Dir
	o    FetchOptions
	wire *wire
	now  func() time.Time
	log  *zap.Logger

	mu      sync.Mutex
	wanted  map[wantedKey]*wanted
	lists   map[string]*list // by address
	broken  map[string]*failure
	answers map[wantedKey]*answer
	set     *ocsp.Responses
	store   *pki.Store
	under   *pki.Store // that store was made of
	dirty   bool       // lists have changed since
	wake    chan struct{}
	started bool
	flights map[string]*flight
	work    sync.WaitGroup
}

type wantedKey struct{ certificate, issuer [32]byte }

// wanted is a certificate of which nothing fresh is known.
type wanted struct {
	pki.Missing
	failures int
	next     time.Time // of the next try
	running  bool
	waiting  map[string]func()
	since    time.Time
	had      time.Time // when evidence came last; asking on at once would be in vain
	reason   string
}

// answer is an OCSP answer that serves until a time; then a newer one is wanted.
type answer struct {
	*ocsp.Response
	of    pki.Missing
	until time.Time
	in    bool // in the set
	gone  bool // it says revoked, and stays
}

type failure struct {
	count int
	next  time.Time
	err   error
}

type flight struct {
	done chan struct{}
	err  error
}

// NewFetcher opens the cache; Run starts the work. Without Run nothing is fetched.
func NewFetcher(d *Dir, o FetchOptions, now func() time.Time, log *zap.Logger) (*Fetcher, error) {
	o = o.withDefaults()
	w, err := newWire(o)
	if err != nil {
		return nil, err
	}
	f := &Fetcher{
		dir: d, o: o, wire: w, now: now, log: log,
		wanted: map[wantedKey]*wanted{}, lists: map[string]*list{}, broken: map[string]*failure{},
		answers: map[wantedKey]*answer{}, set: ocsp.NewResponses(), wake: make(chan struct{}, 1), flights: map[string]*flight{},
	}
	return f, f.load()
}

// Snapshot gives the folder's store with what was fetched.
func (f *Fetcher) Snapshot() *pki.Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot()
}

func (f *Fetcher) snapshot() *pki.Store {
	under := f.dir.Snapshot()
	if f.store == nil || f.under != under || f.dirty {
		var crls []*pki.CRL
		for _, address := range slices.Sorted(maps.Keys(f.lists)) {
			crls = append(crls, f.lists[address].crl, f.lists[address].before)
		}
		f.store = under.With(nil, crls).WithEvidence(f.set)
		f.under, f.dirty = under, false
	}
	return f.store
}

// Seek asks for evidence of certificates that an examination missed. It says whether
// it is being fetched now: then again is called once that has ended, whatever came of
// it. Otherwise again is called once evidence has come, if ever. key names who waits:
// asking anew takes the place of asking before.
func (f *Fetcher) Seek(key string, missing []pki.Missing, again func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		return false
	}
	now, soon := f.now(), false
	for _, m := range missing {
		if m.Certificate == nil || m.Issuer == nil {
			continue
		}
		s := m.Certificate.Sources()
		if len(f.wire.usable(s.OCSP))+len(f.wire.usable(s.CRL))+len(f.wire.usable(s.Delta)) == 0 {
			continue
		}
		k := wantedKey{m.Certificate.SHA256(), m.Issuer.SHA256()}
		w := f.wanted[k]
		if w == nil {
			if len(f.wanted) >= maxWanted {
				continue
			}
			w = &wanted{Missing: m, waiting: map[string]func(){}, next: now, since: now}
			f.wanted[k] = w
		}
		if !w.had.IsZero() {
			w.failures, w.next, w.since = 0, now, now
			if pause := w.had.Add(f.o.Retry); now.Before(pause) {
				w.failures, w.next = 1, pause // what came did not help
			}
			w.had = time.Time{}
		}
		w.waiting[key] = again
		soon = soon || w.failures == 0
	}
	if soon {
		f.poke()
	}
	return soon
}

func (f *Fetcher) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run fetches until ctx ends.
func (f *Fetcher) Run(ctx context.Context) error {
	f.mu.Lock()
	f.started = true
	f.mu.Unlock()
	defer f.work.Wait()
	for {
		wait := f.begin(ctx)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			f.mu.Lock()
			f.started = false
			f.mu.Unlock()
			return nil
		case <-f.wake:
			t.Stop()
		case <-t.C:
		}
	}
}

// begin starts what is due, and says when more may be.
func (f *Fetcher) begin(ctx context.Context) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	wait := time.Second
	for k, w := range f.wanted {
		if w.running || len(w.waiting) == 0 {
			if !w.running && len(w.waiting) == 0 && now.Sub(w.had) > f.o.Retry {
				delete(f.wanted, k)
			}
			continue
		}
		if now.Sub(w.since) > forgotten {
			delete(f.wanted, k) // who waits still asks anew
			continue
		}
		if d := w.next.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		w.running = true
		f.work.Go(func() { f.satisfy(ctx, k, w) })
	}
	for k, a := range f.answers {
		if a.in && !a.gone && now.After(a.until) {
			// Stays at hand in case that nobody answers; but a newer one is asked for first.
			f.set.Remove(a.Response)
			a.in = false
		}
		if _, next := a.Update(); !a.in && (next.IsZero() || now.After(next)) {
			delete(f.answers, k)
		}
	}
	for address, l := range f.lists {
		if f.flights[address] != nil {
			continue
		}
		if b := f.broken[address]; b != nil && now.Before(b.next) {
			wait = min(wait, b.next.Sub(now))
			continue
		}
		every := f.o.Refresh
		if l.ETag == "" && l.Modified == "" && l.size > 64<<10 {
			every *= 10 // it comes whole each time
		}
		if d := every - now.Sub(l.Fetched); d > 0 {
			wait = min(wait, d)
			continue
		}
		f.work.Go(func() {
			if changed, err := f.renew(ctx, address, every); err == nil && changed {
				f.tell()
			}
			f.poke()
		})
	}
	return wait
}

// satisfy looks for evidence of one certificate: an OCSP answer, else a CRL.
func (f *Fetcher) satisfy(ctx context.Context, k wantedKey, w *wanted) {
	err := f.fetch(ctx, k, w.Missing)
	f.mu.Lock()
	w.running = false
	var call []func()
	for _, again := range w.waiting {
		call = append(call, again)
	}
	first := w.failures == 0
	if err == nil {
		w.had, w.waiting = f.now(), map[string]func(){}
	} else {
		w.failures++
		w.reason = err.Error()
		w.next = f.now().Add(f.pause(w.failures))
		if !first {
			call = nil // those who wait have been told, and go on waiting
		}
	}
	f.mu.Unlock()
	if err != nil && ctx.Err() == nil && first {
		f.log.Warn("no revocation evidence; it is tried again", zap.String("serial", w.Certificate.Serial.Text(16)),
			zap.String("issuer", w.Issuer.Subject.String()), zap.Error(err))
	}
	for _, again := range call {
		again()
	}
	if err != nil {
		f.poke() // the next attempt may be due before Run looks again
	}
}

func (f *Fetcher) pause(failures int) time.Duration {
	return min(f.o.Retry<<min(failures-1, 10), 30*f.o.Retry)
}

// fetch gives nil if there is evidence of the certificate afterwards.
func (f *Fetcher) fetch(ctx context.Context, k wantedKey, m pki.Missing) error {
	s := m.Certificate.Sources()
	var errs []error
	for _, address := range f.wire.usable(s.OCSP) {
		err := f.askOCSP(ctx, address, k, m)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	for _, address := range f.wire.usable(append(slices.Clone(s.CRL), s.Delta...)) {
		if _, err := f.renew(ctx, address, 2*time.Second); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
		}
	}
	a := f.Snapshot().Ask(m, f.options())
	if a.Status == pki.Unknown && f.keep(k) {
		return nil
	}
	if a.Status != pki.Unknown {
		return nil
	}
	return errors.Join(append(errs, errors.New(a.Detail))...)
}

func (f *Fetcher) options() pki.PathOptions {
	return pki.PathOptions{At: f.now(), Freshness: f.o.Freshness}
}

// keep lets an older answer serve on, where it says itself that it may.
func (f *Fetcher) keep(k wantedKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.answers[k]
	if a == nil {
		return false
	}
	o := f.options()
	o.Evidence = []pki.Evidence{a.Response}
	if f.snapshot().Ask(a.of, o).Status == pki.Unknown {
		return false
	}
	f.set.Add(a.Response)
	a.in, a.until = true, f.now().Add(f.o.Freshness.AnswerAge())
	return true
}

func (f *Fetcher) askOCSP(ctx context.Context, address string, k wantedKey, m pki.Missing) error {
	r, err := f.wire.ask(ctx, address, m, f.now())
	if err != nil {
		return err
	}
	o := f.options()
	o.Evidence = []pki.Evidence{r}
	rests := func(a pki.Answer) bool {
		return slices.ContainsFunc(a.Used, func(e pki.EvidenceRef) bool { return e.SHA256 == r.SHA256() })
	}
	a := f.Snapshot().Ask(m, o)
	if !rests(a) {
		// Perhaps for want of a CRL of its responder's certificate.
		for _, c := range r.Certificates {
			if !slices.Contains(c.ExtendedKeyUsage, ocsp.Signing) {
				continue
			}
			for _, list := range f.wire.usable(c.Sources().CRL) {
				if _, err := f.renew(ctx, list, f.o.Refresh); err != nil {
					return fmt.Errorf("CRL of the responder: %w", err)
				}
			}
		}
		if a = f.Snapshot().Ask(m, o); !rests(a) {
			if only := r.Revocation(pki.Question{Certificate: m.Certificate, Issuer: m.Issuer, At: o.At, Freshness: o.Freshness}); a.Status != pki.Unknown && only.Detail != "" {
				return errors.New(only.Detail)
			}
			return errors.New(a.Detail)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) >= maxAnswers {
		return errors.New("too many answers are kept")
	}
	if old := f.answers[k]; old != nil && !old.gone {
		f.set.Remove(old.Response)
	}
	f.set.Add(r)
	f.answers[k] = &answer{Response: r, of: m, in: true, gone: a.Status == pki.Revoked, until: f.now().Add(f.o.Freshness.AnswerAge() - time.Minute)}
	return f.saveAnswer(r)
}

// renew fetches a CRL unless that was done within a time, once at a time; changed
// says that it is another than before.
func (f *Fetcher) renew(ctx context.Context, address string, within time.Duration) (changed bool, err error) {
	f.mu.Lock()
	if fl := f.flights[address]; fl != nil {
		f.mu.Unlock()
		select {
		case <-fl.done:
			return false, fl.err
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	before := f.lists[address]
	if before != nil && f.now().Sub(before.Fetched) < within {
		f.mu.Unlock()
		return false, nil
	}
	if before == nil && len(f.lists) >= maxLists {
		f.mu.Unlock()
		return false, errors.New("too many CRLs are kept")
	}
	fl := &flight{done: make(chan struct{})}
	f.flights[address] = fl
	f.mu.Unlock()

	next, err := f.wire.get(ctx, address, before, f.now())
	if err == nil && before != nil && next.crl != before.crl && next.crl.Issuer.Same(before.crl.Issuer) && next.crl.ThisUpdate.Before(before.crl.ThisUpdate) {
		err = errors.New("the CRL is older than the one at hand")
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flights, address)
	fl.err = err
	close(fl.done)
	if err != nil {
		b := f.broken[address]
		if b == nil {
			b = &failure{}
			f.broken[address] = b
		}
		b.count++
		b.err, b.next = err, f.now().Add(f.pause(b.count))
		return false, err
	}
	delete(f.broken, address)
	if before != nil && next.crl != before.crl {
		next.before = before.crl // whoever sends rubbish does not take away what was good
	}
	f.lists[address] = next
	if before != nil && next.crl == before.crl {
		return false, nil
	}
	f.dirty = true
	return true, f.saveList(next)
}

// tell has all who wait examined once more: a list has changed.
func (f *Fetcher) tell() {
	f.mu.Lock()
	call := map[string]func(){}
	for _, w := range f.wanted {
		if !w.running {
			maps.Copy(call, w.waiting)
		}
	}
	f.mu.Unlock()
	for _, again := range call {
		again()
	}
}

// Trouble is what an operator should see to.
type Trouble struct {
	What  string    // an address, or an authority
	Until time.Time // when the evidence runs out, or has; zero if there is none
	Err   error     // why it could not be fetched; nil: it was not asked for
}

// Troubles tells of lists that run out within a time, newest of each authority, and of
// what could not be fetched three times in a row.
func (f *Fetcher) Troubles(within time.Duration) (out []Trouble) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for address, b := range f.broken {
		if b.count < 3 {
			continue
		}
		t := Trouble{What: address, Err: b.err}
		if l := f.lists[address]; l != nil {
			t.Until = l.crl.NextUpdate
		}
		out = append(out, t)
	}
	newest := map[string]time.Time{}
	for _, l := range f.snapshot().CRLs() {
		name := l.Issuer.String()
		if l.Usable() == "" && l.NextUpdate.After(newest[name]) {
			newest[name] = l.NextUpdate
		}
	}
	for name, until := range newest {
		if until.Sub(now) < within {
			out = append(out, Trouble{What: name, Until: until})
		}
	}
	waiting := 0
	for _, w := range f.wanted {
		if w.failures >= 3 && len(w.waiting) > 0 {
			if waiting++; waiting <= 3 {
				out = append(out, Trouble{What: w.Issuer.Subject.String(), Err: errors.New(w.reason)})
			}
		}
	}
	slices.SortFunc(out, func(a, b Trouble) int { return compare(a, b) })
	return out
}

func compare(a, b Trouble) int {
	switch {
	case a.What < b.What:
		return -1
	case a.What > b.What:
		return 1
	}
	return a.Until.Compare(b.Until)
}
