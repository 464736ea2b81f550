package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/cmd/bramad/internal/faulttest"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/postgres/pgtest"
)

// A way is by which doors a document comes and goes.
type way struct {
	name    string
	folder  bool // into the client's watched folder; else over SFTP
	handoff bool // to a processor that knows files; else to one on the socket
	large   bool // its content is a file of the spool's; else it lies in the database
}

var (
	bySFTP   = way{name: "SFTP, socket"}
	byFolder = way{name: "folder, hand-off", folder: true, handoff: true}
	byLarge  = way{name: "SFTP, socket, large", large: true}
)

// A stage is a gateway that is put back as it was before each life.
type stage struct {
	*site
	way      way
	template string
	server   *pgtest.Server // of its store; nil: it has none
	reset    func() error   // the store that is not in the site's folder; nil: there is none
}

// life is that of one document, and of everybody who has to do with it: upload with a
// detached signature, receipt 1, lease, answer, receipt 2, a statement, its
// acknowledgement, stop, and after the next start the receipts' proofs. Peers repeat
// what was not confirmed, as they do.
type life struct {
	stage   *stage
	l       *load // what the peers were told
	paper   *paper
	counter *faulttest.Counter
	p       *process
	c       *sftp.Client
	anew    int       // how often the daemon was started anew after the fault
	fresh   time.Time // when it was started last, or the fault came
	struck  bool      // seen
}

// errYet says that something has not come yet: nobody was refused anything.
var errYet = errors.New("not yet")

// patience is how long a daemon that a call failed in may take to go on by itself
// before the operator starts it anew, impatience how long a step may take in all.
const (
	patience   = 1500 * time.Millisecond
	impatience = 20 * time.Second
)

// live lives a life under the counter, and audits what is left of it.
func (st *stage) live(t *testing.T, counter *faulttest.Counter) (*life, *found) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(st.dir), copyTree(st.template, st.dir)); err != nil {
		t.Fatal(err)
	}
	if st.reset != nil {
		if err := st.reset(); err != nil {
			t.Fatal(err)
		}
	}
	st.site.t = t
	counter.Root = st.dir + "/"
	v := &life{stage: st, l: newLoad(st.site, 1), counter: counter}
	v.l.failing = true // complaints are judged here
	v.write()
	defer func() {
		if v.c != nil {
			v.c.Close()
		}
		if v.p != nil {
			v.p.kill()
		}
	}()
	v.start(counter)
	v.way()
	return v, audit(t, v.l)
}

// way is the whole of it.
func (v *life) way() {
	if v.stage.way.folder {
		v.drop()
	} else {
		v.upload()
	}
	v.receipts(1)
	if v.stage.way.handoff {
		v.handedOff()
	} else {
		v.answer()
	}
	v.receipts(2)
	v.statement()
	if !v.stage.way.folder {
		v.acknowledge()
	}
	if v.hit() {
		v.step("settled", v.settled)
	}
	clean := v.stop("stop")
	if clean && !v.struck {
		v.begin("start")
		v.step("proofs", v.proofs)
		if v.hit() {
			v.step("settled again", v.settled)
		}
		clean = v.stop("second stop")
	}
	if !clean {
		v.anew++
		v.begin("start once more")
		v.step("settled in the end", v.settled)
		if !v.stop("last stop") {
			v.l.complain("the daemon does not stop cleanly after the fault")
		}
	}
}

// start starts the daemon, under the counter or, after the fault, by itself.
func (v *life) start(counter *faulttest.Counter) {
	s := v.stage.site
	s.counter = counter
	p, ready, err := s.spawn(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	v.p, v.fresh = p, time.Now()
	select {
	case p.addr = <-ready: // empty where it ended
	case <-time.After(impatience):
		v.l.complain("not ready after %v\n%s", impatience, p.said())
		p.kill()
	}
}

// begin starts it in a phase of its own, again where the fault ends it.
func (v *life) begin(phase string) {
	v.phase(phase)
	counter := v.counter
	if v.struck {
		counter = nil
	}
	v.start(counter)
	for v.p.addr == "" {
		if !v.hit() || counter == nil {
			v.l.complain("%s: the daemon does not start\n%s", phase, v.p.said())
			return
		}
		v.again()
		counter = nil
	}
}

// again starts the daemon anew after the fault, which is over then.
func (v *life) again() {
	if v.c != nil {
		v.c.Close()
		v.c = nil
	}
	v.p.kill()
	v.anew++
	v.start(nil)
}

// hit says whether the fault has come, and keeps when that was seen first.
func (v *life) hit() bool {
	if !v.struck && v.counter.Struck() != nil {
		v.struck, v.fresh = true, time.Now()
	}
	return v.struck
}

func (v *life) phase(name string) { v.counter.Phase(name) }

func (v *life) gone() bool {
	select {
	case <-v.p.ended:
		return true
	default:
		return false
	}
}

// step repeats what a peer does until it is confirmed. A daemon that the fault has
// ended, or that does not get over it, is started anew; whatever goes wrong without
// that is complained of.
func (v *life) step(phase string, do func() error) bool {
	v.phase(phase)
	for begun := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		err := do()
		if err == nil {
			return true
		}
		hit := v.hit()
		explained := errors.Is(err, errYet) || hit && v.anew == 0
		switch {
		case !v.gone():
		case hit && v.anew == 0:
			v.again()
			continue
		default:
			v.l.complain("%s: the daemon ended by itself: %v\n%s", phase, v.p.err, v.p.said())
			return false
		}
		if hit && v.anew == 0 && time.Since(v.fresh) > patience && time.Since(begun) > patience {
			v.again()
			continue
		}
		var status *sftp.StatusError
		if errors.As(err, &status) && !explained {
			v.l.complain("%s: refused without a reason: %v", phase, err)
		}
		if !errors.As(err, &status) && v.c != nil && !errors.Is(err, errYet) {
			v.c.Close() // the connection is gone
			v.c = nil
		}
		if time.Since(begun) > impatience {
			v.l.complain("%s: not done after %v: %v\n%s", phase, impatience, err, v.p.said())
			return false
		}
	}
}

// stop lets the daemon drain, and says whether it ended as it should.
func (v *life) stop(phase string) bool {
	v.phase(phase)
	if v.c != nil {
		v.c.Close()
		v.c = nil
	}
	before := v.hit()
	if err := v.p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		v.l.complain("%s: %v", phase, err)
	}
	select {
	case <-v.p.ended:
	case <-time.After(impatience):
		_ = v.p.cmd.Process.Signal(syscall.SIGQUIT) // where does it hang?
		<-v.p.ended
		v.l.complain("%s: not ended after %v\n%s", phase, impatience, v.p.said())
	}
	during := v.hit() && (!before || v.anew == 0) // in this very process
	if v.p.code == exitOK && !(during && strings.Contains(v.p.said(), `"error"`)) {
		v.p = nil
		return true
	}
	if !during {
		v.l.complain("%s: exit code %d\n%s", phase, v.p.code, v.p.said())
	}
	v.p = nil
	return false
}

// write makes the document and its signature.
func (v *life) write() {
	now := time.Now()
	n := int(now.UnixMilli() % 1_000_000)
	signers := []cades.Signer{v.l.head, v.l.acct}
	name, doc := "pain.xml", sample.Pain001(fmt.Sprintf("L%d", n), now, sample.Orders(sample.DemoPayer(), now, 10+n%1000*10, 2))
	if v.stage.way.large {
		name, doc, signers = "contract.pdf", sample.PDF(fmt.Sprintf("contract %d ", n)+strings.Repeat("lorem ipsum ", 20_000)), signers[:1]
	}
	sig := sign(v.stage.t, doc, true, signers...)
	v.paper = &paper{name: name, sum: hexSum(doc), files: []sent{{name, hexSum(doc), doc}, {name + ".p7s", hexSum(sig), sig}}}
	v.l.all[v.paper.sum] = v.paper
}

// sftp is the client's session.
func (v *life) sftp() (*sftp.Client, error) {
	if v.c == nil {
		c, err := v.stage.dial(v.p.addr)
		if err != nil {
			return nil, err
		}
		v.c = c
	}
	return v.c, nil
}

func (v *life) upload() {
	for i := 0; i < len(v.paper.files); i++ {
		f := v.paper.files[i]
		first := true
		v.step([]string{"document", "signature"}[i], func() error {
			c, err := v.sftp()
			if err != nil {
				return err
			}
			if !first {
				v.paper.resent++
			}
			first = false
			return put(c, "/inbox/"+f.name, f.content)
		})
	}
	v.l.done(v.paper)
}

// drop moves the files into the client's folder, and waits until they are taken.
func (v *life) drop() {
	inbox := v.stage.path("clients", "demo", "inbox")
	for _, f := range v.paper.files {
		from := v.stage.path("stage-" + f.name)
		if err := errors.Join(os.WriteFile(from, f.content, 0o600), os.Rename(from, filepath.Join(inbox, f.name))); err != nil {
			v.l.complain("%v", err)
		}
	}
	v.step("folder", func() error {
		for _, f := range v.paper.files {
			if _, err := os.Lstat(filepath.Join(inbox, f.name)); err == nil {
				return errYet
			}
		}
		return nil
	})
	v.l.done(v.paper)
}

// lies says whether files lie in the client's folder.
func (v *life) lies(box string, names ...string) error {
	for _, name := range names {
		if _, err := os.Lstat(v.stage.path("clients", "demo", box, name)); err != nil {
			return errYet
		}
	}
	return nil
}

func (v *life) receipts(n int) {
	base := fmt.Sprintf("%s.receipt%d", v.paper.name, n)
	v.step(fmt.Sprintf("receipt %d", n), func() error {
		return v.lies("receipts", base+".json", base+".json.p7s", base+".txt")
	})
}

// answer is the processor on the socket.
func (v *life) answer() {
	t, s := v.stage.t, v.stage.site
	client := s.processorClient()
	defer client.CloseIdleConnections()
	var lease *gateway.Lease
	cut := time.Time{} // when a lease may have been lost with its connection
	v.step("claim", func() error {
		var given struct{ Leases []gateway.Lease }
		code, err := v.l.post(t.Context(), client, "/v1/leases", "", map[string]any{"max": 1, "wait": "100ms", "ttl": "1m"}, &given)
		switch {
		case err != nil || code != http.StatusOK:
			cut = time.Now()
			return refusal(v, "lease", code, err)
		case len(given.Leases) == 0:
			if !cut.IsZero() {
				v.release()
			}
			return errYet
		}
		lease = &given.Leases[0]
		return nil
	})
	if lease == nil {
		return
	}
	sub := lease.Submission
	v.step("read", func() error {
		sum, err := v.l.document(t.Context(), client, sub.ID)
		if err == nil && sum != sub.SHA256 {
			return refusal(v, "document "+sum, 0, nil)
		}
		return err
	})
	answer := gateway.Answer{Outcome: gateway.Processed, Reference: "R" + sub.ID.String()}
	v.step("answer", func() error {
		code, err := v.l.post(t.Context(), client, "/v1/leases/"+lease.Token+"/answer", "", answer, nil)
		if err != nil || code != http.StatusNoContent {
			return refusal(v, "answer", code, err)
		}
		v.l.answers[sub.ID] = answer.Outcome
		return nil
	})
}

// refusal complains of a daemon that says no for no reason.
func refusal(v *life, what string, code int, err error) error {
	if err != nil {
		return err
	}
	if v.hit() && v.anew == 0 {
		return fmt.Errorf("%s: %d", what, code)
	}
	v.l.complain("%s: refused without a reason: %d", what, code)
	return fmt.Errorf("%s: %d", what, code)
}

// release takes away leases whose token was lost with its connection.
func (v *life) release() {
	a := v.stage.admin()
	defer a.Close()
	ctx, cancel := context.WithTimeout(v.stage.t.Context(), 5*time.Second)
	defer cancel()
	rows, err := a.SpoolList(ctx, admin.Filter{States: []spool.State{gateway.StateLeased}, Limit: 10})
	if err != nil {
		return // asked again
	}
	for _, r := range rows {
		_ = a.SpoolRelease(ctx, r.ID, "its processor was cut off") // asked again
	}
}

// handedOff is the processor that knows files.
func (v *life) handedOff() {
	s := v.stage
	var id string
	begun := time.Now()
	v.step("hand-off", func() error {
		names, err := os.ReadDir(s.path("handoff", "ready"))
		if err != nil {
			return errYet
		}
		for _, n := range names {
			if _, err := spool.ParseID(n.Name()); err == nil {
				id = n.Name()
				return nil
			}
		}
		if v.anew > 0 && time.Since(v.fresh) > 2*time.Second && time.Since(begun) > 3*time.Second {
			v.release()
			begun = time.Now()
		}
		return errYet
	})
	if id == "" {
		return
	}
	document, err := os.ReadFile(s.path("handoff", "ready", id, "document"))
	if err != nil || hexSum(document) != v.paper.sum {
		v.l.complain("hand-off: not the document: %v", err)
	}
	if err := os.WriteFile(s.path("handoff", "ready", id, "reference.txt"), []byte("R"+id), 0o600); err != nil {
		v.l.complain("hand-off: %v", err)
	}
	if err := os.Rename(s.path("handoff", "ready", id), s.path("handoff", "done", id)); err != nil {
		v.l.complain("hand-off: %v", err)
	}
	v.step("hand-off answered", func() error {
		if _, err := os.Lstat(s.path("handoff", "done", id)); err == nil {
			return errYet
		}
		return nil
	})
	if n, err := spool.ParseID(id); err == nil {
		v.l.answers[n] = gateway.Processed
	}
}

func (v *life) statement() {
	s, name := v.stage, "statement.txt"
	if v.stage.way.handoff {
		to := s.path("handoff", "statements", "demo")
		if err := errors.Join(os.MkdirAll(to, 0o770), os.WriteFile(s.path("staged"), []byte("виписка"), 0o600), os.Rename(s.path("staged"), filepath.Join(to, name))); err != nil {
			v.l.complain("%v", err)
		}
		v.step("statement handed over", func() error {
			if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
				return errYet
			}
			return nil
		})
		v.l.statements[name] = 0 // nobody was told its id
	} else {
		client := s.processorClient()
		defer client.CloseIdleConnections()
		v.step("statement", func() error {
			var given struct{ ID spool.ID }
			code, err := v.l.post(s.t.Context(), client, "/v1/clients/demo/statements?name="+name, "statement 1", []byte("виписка"), &given)
			if err != nil || code != http.StatusCreated {
				return refusal(v, "statement", code, err)
			}
			v.l.statements[name] = given.ID
			return nil
		})
	}
	v.step("outbox", func() error { return v.lies("outbox", name, name+".p7s") })
}

// acknowledge is the client that removes the statement's seal.
func (v *life) acknowledge() {
	v.step("acknowledgement", func() error {
		c, err := v.sftp()
		if err != nil {
			return err
		}
		if err := c.Remove("/outbox/statement.txt.p7s"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		v.l.removed["statement.txt.p7s"] = true
		return nil
	})
}

func (v *life) proofs() error {
	return v.lies("receipts", v.paper.name+".receipt1.proof", v.paper.name+".receipt2.proof")
}

// settled: everything has its last answer, and the folder shows what the boxes show.
func (v *life) settled() error {
	a := v.stage.admin()
	defer a.Close()
	ctx, cancel := context.WithTimeout(v.stage.t.Context(), 5*time.Second)
	defer cancel()
	status, err := a.Status(ctx)
	if err != nil {
		return err
	}
	counts := status.Counts[gateway.Submissions]
	for _, st := range []spool.State{gateway.StateReceived, gateway.StateHeld, gateway.StateAccepted, gateway.StateLeased, gateway.StateDead} {
		if counts[st] > 0 {
			return fmt.Errorf("%d are %s: %w", counts[st], st, errYet)
		}
	}
	c, err := v.sftp()
	if err != nil {
		return err
	}
	for _, box := range []string{"receipts", "outbox"} {
		want, err := c.ReadDir("/" + box)
		if err != nil {
			return err
		}
		files, err := os.ReadDir(v.stage.path("clients", "demo", box))
		if err != nil {
			return err
		}
		files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return strings.HasPrefix(f.Name(), ".") || v.l.removed[f.Name()] })
		if len(files) != len(want) {
			return fmt.Errorf("%s: %d files in the folder, %d over SFTP: %w", box, len(files), len(want), errYet)
		}
	}
	return nil
}
