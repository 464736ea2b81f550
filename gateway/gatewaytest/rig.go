// Package gatewaytest is a stage for scenario tests: a whole core in a temporary
// folder, with people who sign, a clock that stands until it is told to go, and
// acts that read as a play. Acts end the test when they fail; those that begin
// with Try return the error instead.
package gatewaytest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// Clock is the time on the stage.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time on the stage.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Trust is a trust store that can be exchanged.
type Trust struct{ atomic.Pointer[pki.Store] }

// Snapshot implements gateway.Trust.
func (t *Trust) Snapshot() *pki.Store { return t.Load() }

// Setup changes what the stage is made of. Nil fields change nothing.
type Setup struct {
	Options func(*gateway.Options)
	Entry   func(*client.Entry)
	Store   func(*sqlite.Options)
}

// Rig is the stage.
type Rig struct {
	testing.TB
	*People
	Gateway *gateway.Gateway
	Store   *sqlite.Store
	Trust   *Trust
	Clock   *Clock
	Client  client.ID // who acts

	dir   string
	setup Setup
}

// New opens a core on an empty store, with the client "demo" in its register.
func New(t testing.TB, setup Setup) *Rig {
	t.Helper()
	r := &Rig{TB: t, People: Cast(), Trust: &Trust{}, Clock: &Clock{now: Begin}, Client: "demo", setup: setup, dir: folder(t)}
	r.Trust.Store(r.People.Store(r.Fresh))
	r.open()
	t.Cleanup(func() { _ = r.Store.Close() })
	e := Entry()
	if setup.Entry != nil {
		setup.Entry(&e)
	}
	r.Apply(e)
	return r
}

// folder is in memory where it can be: these tests are not about the disk.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "brama")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (r *Rig) open() {
	r.Helper()
	so := sqlite.Options{Dir: r.dir}
	if r.setup.Store != nil {
		r.setup.Store(&so)
	}
	var err error
	r.Store, err = sqlite.Open(context.Background(), so)
	r.must(err)
	o := gateway.Options{
		Store: strict{r.Store}, Trust: r.Trust, Profiles: profile.Builtin, Seal: r.People.Seal,
		Now: r.Clock.Now, Rand: rand.Reader, Log: zaptest.NewLogger(r, zaptest.Level(zap.WarnLevel)), Workers: 2,
	}
	if r.setup.Options != nil {
		r.setup.Options(&o)
	}
	r.Gateway, err = gateway.New(context.Background(), o)
	r.must(err)
}

// Restart ends the core and opens another one on the same store.
func (r *Rig) Restart() {
	r.Helper()
	r.must(r.Store.Close())
	r.open()
}

// Entry is the register entry of the client "demo": head and accountant sign
// payments, the head alone what goes with them.
func Entry() client.Entry {
	payer := sample.DemoPayer()
	return client.Entry{
		ID: "demo", Name: payer.Name, EDRPOU: payer.EDRPOU, Accounts: []string{payer.IBAN},
		Kinds: []string{string(formats.PaymentInstruction), string(formats.SupportingDocument)},
		Policies: map[string]client.Policy{
			string(formats.PaymentInstruction): {Roles: map[client.Role]int{client.Head: 1, client.Accountant: 1}},
			string(formats.SupportingDocument): {Roles: map[client.Role]int{client.Head: 1}},
		},
		Signatories: []client.Signatory{
			{Role: client.Head, Person: HeadCode, EDRPOU: payer.EDRPOU},
			{Role: client.Accountant, Person: AccountantCode, EDRPOU: payer.EDRPOU},
		},
	}
}

func (r *Rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// Ctx is a context that ends with the test.
func (r *Rig) Ctx() context.Context { return r.Context() }

// Apply brings entries into the register.
func (r *Rig) Apply(entries ...client.Entry) {
	r.Helper()
	_, err := r.Gateway.Apply(r.Ctx(), entries, "test", false)
	r.must(err)
}

// Advance lets time pass.
func (r *Rig) Advance(d time.Duration) {
	r.Clock.mu.Lock()
	r.Clock.now = r.Clock.now.Add(d)
	r.Clock.mu.Unlock()
}

// Desk is the acting client's side of the counter.
func (r *Rig) Desk() gateway.Desk {
	return r.Gateway.Desk(gateway.Origin{Client: r.Client, Entrance: "sftp", Session: "s1", Peer: "192.0.2.7:2222", Key: "SHA256:test"})
}

// DBF is a payment file of count payments that may be sent today, numbered from first.
func (r *Rig) DBF(first, count int) []byte {
	return sample.OshchadDBF(r.Clock.Now(), sample.Orders(sample.DemoPayer(), r.Clock.Now(), first, count))
}

// Pain001 is the same as XML.
func (r *Rig) Pain001(id string, first, count int) []byte {
	return sample.Pain001(id, r.Clock.Now(), sample.Orders(sample.DemoPayer(), r.Clock.Now(), first, count))
}

// Attached signs content into a container that carries it.
func (r *Rig) Attached(content []byte, by ...cades.Signer) []byte {
	r.Helper()
	return r.sign(content, false, by)
}

// Detached makes a signature file over content.
func (r *Rig) Detached(content []byte, by ...cades.Signer) []byte {
	r.Helper()
	return r.sign(content, true, by)
}

func (r *Rig) sign(content []byte, detached bool, by []cades.Signer) []byte {
	r.Helper()
	b, err := cades.Sign(rand.Reader, content, by, cades.SignOptions{Detached: detached, At: r.Clock.Now()})
	r.must(err)
	return b
}

// Signed is an attached container by head and accountant.
func (r *Rig) Signed(content []byte) []byte {
	r.Helper()
	return r.Attached(content, r.Head, r.Accountant)
}

// TryUpload sends a file.
func (r *Rig) TryUpload(name string, content []byte) error {
	up, err := r.Desk().Create(r.Ctx(), "/inbox/"+name, gateway.Mode{Truncate: true})
	if err != nil {
		return err
	}
	if _, err := up.WriteAt(content, 0); err != nil {
		up.Interrupt(err)
		return err
	}
	return up.Close(r.Ctx())
}

// Upload sends a file and is told yes.
func (r *Rig) Upload(name string, content []byte) {
	r.Helper()
	r.must(r.TryUpload(name, content))
}

// Settle examines what can be examined now.
func (r *Rig) Settle() {
	r.Helper()
	r.must(r.Gateway.Work(r.Ctx()))
}

// Send is Upload and Settle.
func (r *Rig) Send(name string, content []byte) {
	r.Helper()
	r.Upload(name, content)
	r.Settle()
}

// Run lets the core run by itself until the test ends or stop is called.
func (r *Rig) Run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Gateway.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.Errorf("run: %v", err)
			}
		})
	}
	r.Cleanup(stop)
	return stop
}

// Await waits, without sleeping, until something holds of a core that runs.
func (r *Rig) Await(what string, holds func() bool) {
	r.Helper()
	end := time.After(20 * time.Second)
	for {
		changes := r.Gateway.Changes()
		if holds() {
			return
		}
		select {
		case <-changes:
		case <-time.After(50 * time.Millisecond): // not every state has a change of its own
		case <-end:
			r.Fatalf("in vain: %s", what)
		}
	}
}

// Has says whether the client sees a file.
func (r *Rig) Has(path string) bool {
	r.Helper()
	_, err := r.Desk().Stat(r.Ctx(), path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Fatalf("%s: %v", path, err)
	}
	return err == nil
}

// Read reads a file of the client's tree to its end.
func (r *Rig) Read(path string) []byte {
	r.Helper()
	f, err := r.Desk().Open(r.Ctx(), path)
	if err != nil {
		r.Fatalf("%s: %v", path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	r.must(err)
	return b
}

// Names lists a folder of the client's tree.
func (r *Rig) Names(dir string) []string {
	r.Helper()
	files, err := r.Desk().List(r.Ctx(), dir)
	r.must(err)
	names := []string{}
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

// Receipt is the JSON of NAME.receipt1 or, after an answer, NAME.receipt2.
func (r *Rig) Receipt(name string, n int) gateway.Receipt {
	r.Helper()
	return r.receipt("/receipts/" + name + ".receipt" + string(rune('0'+n)) + ".json")
}

// Notice is the JSON of NAME.held.
func (r *Rig) Notice(name string) gateway.Receipt {
	r.Helper()
	return r.receipt("/receipts/" + name + ".held.json")
}

func (r *Rig) receipt(path string) gateway.Receipt {
	r.Helper()
	var out gateway.Receipt
	r.must(json.Unmarshal(r.Read(path), &out))
	return out
}

// Items are the client's submissions of a name, oldest first.
func (r *Rig) Items(name string) []spool.Item {
	r.Helper()
	items, err := r.Gateway.Items(r.Ctx(), spool.Query{Queue: gateway.Submissions, Owner: string(r.Client), Name: name})
	r.must(err)
	return items
}

// State is that of the newest submission of a name.
func (r *Rig) State(name string) spool.State {
	r.Helper()
	items := r.Items(name)
	if len(items) == 0 {
		return ""
	}
	return items[len(items)-1].State
}

// Lease takes the next documents, without waiting.
func (r *Rig) Lease(n int) []gateway.Lease {
	r.Helper()
	leases, err := r.Gateway.Lease(r.Ctx(), n, 0, time.Minute)
	r.must(err)
	return leases
}

// LeaseOne takes the one document that there must be.
func (r *Rig) LeaseOne() gateway.Lease {
	r.Helper()
	leases := r.Lease(1)
	if len(leases) != 1 {
		r.Fatalf("leases: %d, want 1", len(leases))
	}
	return leases[0]
}

// Answer answers a lease.
func (r *Rig) Answer(l gateway.Lease, a gateway.Answer) {
	r.Helper()
	r.must(r.Gateway.Answer(r.Ctx(), l.Token, a))
}

// Kinds are the kinds of the journal records of one item, in order.
func (r *Rig) Kinds(id spool.ID) []string {
	r.Helper()
	d, err := r.Gateway.Show(r.Ctx(), id)
	r.must(err)
	var out []string
	for _, e := range d.History {
		out = append(out, e.Kind)
	}
	return out
}
