package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/disktest"
)

// TestCrash kills bramad at random moments, with both entrances, the processor
// and its statements at work, and starts it again on what is left. The peers
// behave as peers do: what was not answered they send again. In the end what was
// answered OK must be there, once, with one answer each (DESIGN 2).
//
// BRAMA_CRASH_ROUNDS is the number of kills (make test-crash: 200),
// BRAMA_CRASH_SEED repeats the moments and the documents of a run, as far as two
// processes can be made to repeat anything.
func TestCrash(t *testing.T) {
	rounds, seed := number("BRAMA_CRASH_ROUNDS", 4), uint64(number("BRAMA_CRASH_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("%d kills; BRAMA_CRASH_SEED=%d repeats them", rounds, seed)
	crash(t, rounds, seed, "", nil)
}

// crash is TestCrash with a configuration of the store and somebody who may do a
// round's harm in place of a kill, and then says so.
func crash(t *testing.T, rounds int, seed uint64, store string, instead func(round int) bool) {
	s := newSite(t)
	s.configure(store + `
intake: {stable: 50ms}
limits: {client_connections: 50, free_disk: 1MiB}
schedule: {checkpoints: "@every 1s"}
journal: {copy: elsewhere}
log: {level: warn}
`)
	first := s.start(nil)
	s.register()
	if code := first.stop(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, first.said())
	}

	l := newLoad(s, seed)
	l.failing = instead != nil
	if rounds <= 20 {
		l.ttl = "1m" // the end of the test need not wait for leases that run out
	}
	l.begin()
	moments := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		p, ready, err := s.spawn(nil)
		if err != nil {
			t.Fatal(err)
		}
		if moments.IntN(8) == 0 { // while it starts
			time.Sleep(time.Duration(moments.IntN(60)) * time.Millisecond)
		} else {
			select {
			case addr := <-ready:
				if addr == "" {
					t.Fatalf("kill %d: bramad did not start again\n%s", round, p.said())
				}
				l.addr.Store(&addr)
			case <-time.After(30 * time.Second):
				t.Fatalf("kill %d: bramad is not ready after 30s\n%s", round, p.said())
			}
			time.Sleep(time.Duration(10+moments.IntN(900)) * time.Millisecond)
		}
		harmed := instead != nil && instead(round)
		p.kill()
		l.addr.Store(new(string))
		for line := range strings.Lines(p.said()) {
			if strings.Contains(line, `"error"`) && !harmed || strings.Contains(line, "panic") || strings.Contains(line, "fatal") {
				t.Errorf("kill %d: %s", round, line)
			}
		}
		if (round+1)%20 == 0 {
			t.Logf("after %d kills: %s", round+1, l.figures())
		}
	}

	p := s.start(nil)
	l.addr.Store(&p.addr)
	l.finish()
	drained := l.drain()
	l.mirrored()
	t.Logf("drained in %v: %s", drained.Round(time.Millisecond), l.figures())
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.said())
	}
	audit(t, l).tell(t)
}

func number(variable string, otherwise int) int {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}

// paper is a document and what its sender knows of it.
type paper struct {
	name     string // of the document
	sum      string // SHA-256 of it
	large    bool   // its content is a file
	refused  bool   // lacks a signature
	folder   bool   // goes through the watched folder
	ending   string // of its files' names until they are renamed; empty: they are not
	files    []sent
	answered int // how many of its files were answered OK, sent one after the other
	resent   int // how often a file of it was sent again
}

// sent is one file of a submission.
type sent struct {
	name    string
	sum     string
	content []byte
}

// load is everybody who works with the gateway, and what they were told.
type load struct {
	s          *site
	seed       uint64
	ttl        string
	head, acct cades.Signer
	addr       atomic.Pointer[string] // of the daemon; empty while there is none

	number  atomic.Int64
	ending  chan struct{} // closed: finish what was begun
	senders sync.WaitGroup

	working   context.CancelFunc
	processor sync.WaitGroup

	mu         sync.Mutex
	papers     map[string]*paper            // answered OK, every file of it; by sum
	all        map[string]*paper            // begun
	answers    map[spool.ID]gateway.Outcome // of the processor, confirmed
	statements map[string]spool.ID          // confirmed, by name
	seen       map[string]string            // SHA-256 of what was fetched from a box, by box and name
	copied     int64                        // bytes of the copy of the checkpoints
	removed    map[string]bool              // from the outbox over SFTP; the folder keeps its copy
	complaints []string

	failing bool          // its disk fails: refusals are right
	given   chan struct{} // closed: given up, there will be no daemon again

	position func() disktest.Position // of the disk; nil: it is not recorded
	notes    []note                   // what the peers were told, when it is recorded
}

// A note is something that a peer did or was told, and where the disk was then.
type note struct {
	at    disktest.Position
	large bool // about a large document
	apply func(*load)
}

// note writes down what somebody was told. With a disk that is recorded it can be
// told to another load again.
func (l *load) note(apply func(*load)) { l.noteOf(nil, apply) }

func (l *load) noteOf(p *paper, apply func(*load)) {
	var at disktest.Position
	if l.position != nil {
		at = l.position()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	apply(l)
	if l.position != nil {
		l.notes = append(l.notes, note{at, p != nil && p.large, apply})
	}
}

func newLoad(s *site, seed uint64) *load {
	l := &load{
		s: s, seed: seed, ttl: "5s", head: s.signer("head"), acct: s.signer("accountant"),
		ending: make(chan struct{}), papers: map[string]*paper{}, all: map[string]*paper{},
		answers: map[spool.ID]gateway.Outcome{}, statements: map[string]spool.ID{}, seen: map[string]string{}, given: make(chan struct{}),
		removed: map[string]bool{},
	}
	l.addr.Store(new(string))
	return l
}

func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.complaints) < 50 {
		l.complaints = append(l.complaints, fmt.Sprintf(format, args...))
	}
}

// refused complains of a daemon that runs and says no, unless its disk is made to fail.
func (l *load) refused(format string, args ...any) {
	if !l.failing {
		l.complain(format, args...)
	}
}

func (l *load) figures() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	resent := 0
	for _, p := range l.papers {
		resent += p.resent
	}
	return fmt.Sprintf("%d documents answered OK, %d files sent again, %d processor's answers, %d statements", len(l.papers), resent, len(l.answers), len(l.statements))
}

func (l *load) begin() {
	for i := range 4 {
		l.senders.Go(func() { l.sftp(rand.New(rand.NewPCG(l.seed, uint64(10+i)))) })
	}
	for i := range 2 {
		l.senders.Go(func() { l.folder(rand.New(rand.NewPCG(l.seed, uint64(20+i)))) })
	}
	l.senders.Go(l.release)
	l.work()
}

// work starts the processor.
func (l *load) work() {
	ctx, cancel := context.WithCancel(context.Background())
	l.working = cancel
	for range 2 {
		l.processor.Go(func() { l.process(ctx) })
	}
}

// finish lets the senders end what they have begun.
func (l *load) finish() {
	close(l.ending)
	l.senders.Wait()
}

// drain waits until every submission has its last answer. A lease whose token
// was lost with its connection is taken away by the operator.
func (l *load) drain() time.Duration {
	t := l.s.t
	a := l.s.admin()
	defer a.Close()
	begun := time.Now()
	for tries := 0; ; tries++ {
		status, err := a.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := status.Counts[gateway.Submissions]
		open := c[gateway.StateReceived] + c[gateway.StateHeld] + c[gateway.StateAccepted] + c[gateway.StateLeased] + c[gateway.StateDead]
		if open == 0 {
			break
		}
		late := time.Since(begun) > 4*time.Minute
		select {
		case <-l.given:
			late = true
		default:
		}
		if late {
			t.Errorf("not drained: %v", c)
			break
		}
		if c[gateway.StateAccepted] == 0 && c[gateway.StateLeased] > 0 && tries%10 == 9 {
			l.working()
			l.processor.Wait()
			rows, err := a.SpoolList(t.Context(), admin.Filter{States: []spool.State{gateway.StateLeased}, Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if err := a.SpoolRelease(t.Context(), r.ID, "its processor was cut off"); err != nil && !errors.Is(err, admin.ErrInvalid) {
					t.Error(err)
				}
			}
			l.work()
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.working()
	l.processor.Wait()
	return time.Since(begun)
}

// mirrored waits until the client's folder has what its boxes show over SFTP, and
// no more: it follows them, and no answer depends on it.
func (l *load) mirrored() {
	c := l.connect()
	defer c.Close()
	for _, box := range []string{"receipts", "outbox"} {
		for begun := time.Now(); ; time.Sleep(300 * time.Millisecond) {
			want, err := c.ReadDir("/" + box) // everything is answered, but proofs still come
			if err != nil {
				l.s.t.Fatal(err)
			}
			files, err := os.ReadDir(l.s.path("clients", "demo", box))
			if err != nil {
				l.s.t.Fatal(err)
			}
			files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return strings.HasPrefix(f.Name(), ".") })
			if len(files) == len(want) {
				break
			}
			if time.Since(begun) > 3*time.Minute {
				l.complain("%s: %d files in the folder, %d over SFTP", box, len(files), len(want))
				break
			}
		}
	}
}

func (l *load) over() bool {
	select {
	case <-l.ending:
		return true
	default:
		return false
	}
}

// paper makes a document that nobody has sent yet, and its signatures.
func (l *load) paper(r *rand.Rand, folder bool) *paper {
	n := int(l.number.Add(1))
	now := time.Now()
	p := &paper{folder: folder, ending: []string{"", "", "", ".part", ".filepart", ".tmp"}[r.IntN(6)]}
	signers := []cades.Signer{l.head, l.acct}
	var doc []byte
	switch n % 6 {
	case 0:
		p.name, doc = fmt.Sprintf("P%06d.DBF", n), sample.OshchadDBF(now, sample.Orders(sample.DemoPayer(), now, n*10, 1+r.IntN(3)))
	case 1: // small, in the database
		p.name, doc, signers = fmt.Sprintf("scan%06d.pdf", n), sample.PDF(fmt.Sprintf("contract %d", n)), signers[:1]
	case 2: // large, in a file
		p.large = true
		p.name, doc, signers = fmt.Sprintf("big%06d.pdf", n), sample.PDF(fmt.Sprintf("contract %d ", n)+strings.Repeat("lorem ipsum ", 6000+r.IntN(20000))), signers[:1]
	default:
		p.name, doc = fmt.Sprintf("pain%06d.xml", n), sample.Pain001(fmt.Sprintf("C%d", n), now, sample.Orders(sample.DemoPayer(), now, n*10, 1+r.IntN(3)))
	}
	p.sum = hexSum(doc)
	add := func(name string, content []byte) { p.files = append(p.files, sent{name, hexSum(content), content}) }
	switch {
	case len(signers) == 2 && r.IntN(8) == 0:
		p.refused = true
		add(p.name+".p7s", sign(l.s.t, doc, false, signers[0]))
	case r.IntN(2) == 0:
		add(p.name+".p7s", sign(l.s.t, doc, false, signers...))
	case r.IntN(2) == 0 || len(signers) == 1:
		add(p.name, doc)
		add(p.name+".p7s", sign(l.s.t, doc, true, signers...))
	default:
		add(p.name, doc)
		add(p.name+".head.p7s", sign(l.s.t, doc, true, signers[0]))
		add(p.name+".accountant.p7s", sign(l.s.t, doc, true, signers[1]))
	}
	if r.IntN(3) == 0 { // the signatures first
		slices.Reverse(p.files)
	}
	begun := *p
	l.note(func(l *load) {
		p := begun
		l.all[p.sum] = &p
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[p.sum]
}

// done writes down that every file of a submission was answered OK.
func (l *load) done(p *paper) {
	sum := p.sum
	l.noteOf(p, func(l *load) { l.papers[sum] = l.all[sum] })
}

// sftp is a client that uploads, one file after the other.
func (l *load) sftp(r *rand.Rand) {
	var c *sftp.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for !l.over() {
		p := l.paper(r, false)
		if !l.send(&c, p, false) {
			return
		}
		l.done(p)
	}
}

// send uploads the files of a submission that were not answered yet; again is a
// client that was cut off while it did.
func (l *load) send(conn **sftp.Client, p *paper, again bool) bool {
	tries := 0
	repeat := func() {
		tries++
		p.resent++
		if p.answered < len(p.files) && p.files[p.answered].name == p.name {
			p.answered = 0 // a document by itself would wait for signatures: they come again too
		}
	}
	if again {
		repeat()
	}
	for p.answered < len(p.files) {
		f := p.files[p.answered]
		if *conn == nil {
			if *conn = l.connect(); *conn == nil {
				return false
			}
		}
		var err error
		if p.ending != "" {
			err = upload(*conn, f, p.ending, tries > 0)
		} else {
			err = put(*conn, "/inbox/"+f.name, f.content)
		}
		if err == nil {
			sum := p.sum
			l.noteOf(p, func(l *load) { l.all[sum].answered++ })
			continue
		}
		repeat()
		var status *sftp.StatusError
		if errors.As(err, &status) && status.FxCode() != sftp.ErrSSHFxConnectionLost {
			l.refused("%s, try %d: %v", f.name, tries, err)
			time.Sleep(50 * time.Millisecond)
		}
		if tries > 1000 {
			l.complain("%s: given up: %v", f.name, err)
			return false
		}
		(*conn).Close()
		*conn = nil
	}
	return true
}

// connect waits for the daemon; nil: there will be none.
func (l *load) connect() *sftp.Client {
	for {
		if addr := *l.addr.Load(); addr != "" {
			if c, err := l.s.dial(addr); err == nil {
				return c
			}
		}
		select {
		case <-l.given:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// upload is a client that renames. It looks first whether only the rename is missing.
func upload(c *sftp.Client, f sent, ending string, again bool) error {
	temporary, final := "/inbox/"+f.name+ending, "/inbox/"+f.name
	if again {
		if info, err := c.Stat(temporary); err == nil && info.Size() == int64(len(f.content)) {
			return c.PosixRename(temporary, final)
		}
	}
	if err := put(c, temporary, f.content); err != nil {
		return err
	}
	return c.PosixRename(temporary, final)
}

// folder is an accountant's program: it moves finished files into the inbox and
// takes for an answer that they go away.
func (l *load) folder(r *rand.Rand) {
	stage := l.stage(r)
	for !l.over() && stage != "" {
		p := l.paper(r, true)
		if !l.move(stage, p) {
			return
		}
		l.done(p)
	}
}

func (l *load) stage(r *rand.Rand) string {
	stage := l.s.path(fmt.Sprintf("stage%d", r.Uint32()))
	if err := os.Mkdir(stage, 0o700); err != nil {
		l.complain("%v", err)
		return ""
	}
	return stage
}

// move brings the files of a submission into the inbox and waits until they are
// taken. They are flushed first: what a power cut leaves of them in the inbox is whole.
func (l *load) move(stage string, p *paper) bool {
	inbox := l.s.path("clients", "demo", "inbox")
	for _, f := range p.files {
		from := filepath.Join(stage, f.name)
		if err := errors.Join(writeFlushed(from, f.content), os.Rename(from, filepath.Join(inbox, f.name))); err != nil {
			l.complain("%v", err)
			return false
		}
	}
	for _, f := range p.files {
		for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Lstat(filepath.Join(inbox, f.name)); err != nil {
				break
			}
			if time.Since(begun) > time.Minute {
				l.complain("%s lies in the inbox for a minute", f.name)
				return false
			}
			select {
			case <-l.given:
				return false
			default:
			}
		}
	}
	return true
}

func writeFlushed(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// returned says which documents the processor returns. It must say the same of
// the same document: a returned one may be sent, and accepted, again.
func returned(sum string) bool { return sum[0] == 'f' }

// process is the treasury's processor: it leases, reads, answers, and repeats an
// answer that was not confirmed.
func (l *load) process(ctx context.Context) {
	c := l.s.processorClient()
	defer c.CloseIdleConnections()
	for ctx.Err() == nil {
		var given struct{ Leases []gateway.Lease }
		code, err := l.post(ctx, c, "/v1/leases", "", map[string]any{"max": 5, "wait": "500ms", "ttl": l.ttl}, &given)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if code != http.StatusOK {
			l.refused("leases: %d", code)
			time.Sleep(50 * time.Millisecond)
		}
		for _, lease := range given.Leases {
			l.answer(ctx, c, lease)
		}
	}
}

func (l *load) answer(ctx context.Context, c *http.Client, lease gateway.Lease) {
	sub := lease.Submission
	l.mu.Lock()
	p := l.all[sub.SHA256]
	before, twice := l.answers[sub.ID]
	l.mu.Unlock()
	switch {
	case p == nil:
		l.complain("leased %s, which nobody sent", sub.ID)
		return
	case p.refused:
		l.complain("leased %s, which lacks a signature", sub.ID)
	case twice:
		l.complain("leased %s, which was answered %s", sub.ID, before)
	}
	answer := gateway.Answer{Outcome: gateway.Processed, Reference: "R" + sub.ID.String()}
	if returned(sub.SHA256) {
		answer = gateway.Answer{Outcome: gateway.Returned, Reason: "Недостатньо асигнувань"}
	}
	for read := false; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if !read {
			sum, err := l.document(ctx, c, sub.ID)
			if err != nil {
				continue
			}
			if sum != sub.SHA256 {
				l.complain("%s: %s was leased and %s was read", sub.ID, sub.SHA256, sum)
			}
			read = true
		}
		code, err := l.post(ctx, c, "/v1/leases/"+lease.Token+"/answer", "", answer, nil)
		switch {
		case err != nil:
			continue
		case code == http.StatusNoContent:
			l.note(func(l *load) { l.answers[sub.ID] = answer.Outcome })
		case code == http.StatusConflict && time.Now().After(lease.Until): // ran out meanwhile
		default:
			l.refused("answer to %s: %d", sub.ID, code)
		}
		return
	}
}

// document hashes the document of a submission.
func (l *load) document(ctx context.Context, c *http.Client, id spool.ID) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://processor/v1/submissions/"+id.String()+"/parts/document", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		if l.failing && resp.StatusCode == http.StatusServiceUnavailable {
			return "", errors.New(resp.Status) // asked again
		}
		return resp.Status, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// release hands statements over, one after the other, each until it is confirmed.
func (l *load) release() {
	c := l.s.processorClient()
	defer c.CloseIdleConnections()
	for n := 1; !l.over() && l.statement(c, n); n++ {
		time.Sleep(30 * time.Millisecond)
	}
}

func (l *load) statement(c *http.Client, n int) bool {
	name := fmt.Sprintf("statement%05d.txt", n)
	for {
		var given struct{ ID spool.ID }
		code, err := l.post(context.Background(), c, "/v1/clients/demo/statements?name="+name, "statement "+name, []byte("виписка "+name), &given)
		if err == nil && code == http.StatusCreated {
			l.note(func(l *load) { l.statements[name] = given.ID })
			return true
		}
		if err == nil {
			l.refused("%s: %d", name, code)
		}
		select {
		case <-l.given:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *load) post(ctx context.Context, c *http.Client, path, key string, body, into any) (int, error) {
	content, ready := body.([]byte)
	kind := "application/octet-stream"
	if !ready {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return 0, err
		}
		kind = "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://processor"+path, bytes.NewReader(content))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", kind)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || into == nil || resp.StatusCode >= 300 {
		return resp.StatusCode, err
	}
	return resp.StatusCode, json.Unmarshal(b, into)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
