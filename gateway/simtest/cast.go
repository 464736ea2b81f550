package simtest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// Sizes of the scene.
const (
	clients   = 3
	numbers   = 3 // business numbers of a client, each with two contents
	quota     = 4 // unsettled files of the last client
	namesEach = 2 // names of documents
)

func clientID(c int) client.ID { return client.ID(fmt.Sprintf("c%d", c)) }

func documentName(n int) string { return fmt.Sprintf("P%d.DBF", n) }

// document is one content; bad: of no known layout.
type document struct {
	client, number, content int
	bad                     bool
	bytes                   []byte
}

// The signers.
const (
	head       = 'H'
	accountant = 'A'
	stranger   = 'S' // trusted, and in no entry of the register
	revoked    = 'R' // the head's, on every list
)

// piece is the content of a file that clients send.
type piece struct {
	role    spool.Role
	doc     *document
	signers string
	bytes   []byte
}

func (p *piece) String() string {
	return fmt.Sprintf("%s of %d/%d %s", p.role, p.doc.number, p.doc.content, p.signers)
}

// upload is a file under its name.
type upload struct {
	name string
	*piece
}

// What is known of revocation.
const (
	trustGood = iota
	trustNone // no list: nothing can be decided
	trustGone // the head's certificate is on the list
	trusts
)

type cast struct {
	seal    cades.Signer
	trust   [trusts]*pki.Store
	uploads [clients][][]upload // what a client may send, by document; likelier ones more than once
	entries []client.Entry

	mu    sync.Mutex
	known map[question]*cades.Report
}

// question is what a verdict on a signature depends on. Times within a history
// change nothing: the lists hold for 90 days.
type question struct {
	trust               *pki.Store
	container, document [sha256.Size]byte
	detached            bool
}

// validate is cades.Validate with a memory.
func (c *cast) validate(in cades.Input, o cades.Options) (*cades.Report, error) {
	q := question{trust: o.Trust, container: sha256.Sum256(in.Container), detached: in.Detached != nil}
	if in.Detached != nil {
		h := sha256.New()
		if _, err := io.Copy(h, in.Detached); err != nil {
			return nil, err
		}
		h.Sum(q.document[:0])
		if _, err := in.Detached.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.known[q]
	if r == nil {
		r = cades.Validate(in, o)
		c.known[q] = r
	}
	again := *r
	again.Signatures = append([]cades.Signature(nil), r.Signatures...)
	return &again, nil
}

// fixed is a key whose signatures are not worth anything, and cost nothing.
type fixed struct{ crypto.Signer }

var noSignature = []byte{0x30, 6, 2, 1, 1, 2, 1, 1}

func (fixed) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return noSignature, nil }

func payer(c int) sample.Payer {
	return sample.Payer{Name: fmt.Sprintf("Установа %d", c), EDRPOU: sample.EDRPOU(10 + c), IBAN: sample.Account("820172", 10+c)}
}

func entry(c int) client.Entry {
	p := payer(c)
	e := client.Entry{
		ID: clientID(c), Name: p.Name, EDRPOU: p.EDRPOU, Accounts: []string{p.IBAN},
		Kinds:       []string{string(formats.PaymentInstruction)},
		Policies:    map[string]client.Policy{string(formats.PaymentInstruction): {Roles: map[client.Role]int{client.Head: 1, client.Accountant: 1}}},
		Signatories: []client.Signatory{{Role: client.Head, Person: gatewaytest.HeadCode}, {Role: client.Accountant, Person: gatewaytest.AccountantCode}},
	}
	if c == clients-1 {
		e.Quota.Files = quota
	}
	return e
}

// theCast makes everything that histories are made of.
var theCast = sync.OnceValue(func() *cast {
	p := gatewaytest.Cast()
	c := &cast{known: map[question]*cades.Report{}}
	c.seal = cades.Signer{Key: fixed{p.Seal.Key}, Certificate: p.Seal.Certificate}
	gone, err := issue.CRL(rand.Reader, p.CA, issue.List{
		Number: big.NewInt(gatewaytest.Begin.Unix() + 1), ThisUpdate: gatewaytest.Begin.Add(-time.Hour), NextUpdate: gatewaytest.Begin.AddDate(0, 0, 90),
		Revoked: []issue.Revocation{
			{Serial: p.Revoked.Certificate.Serial, At: gatewaytest.Begin.Add(-2 * time.Hour), Reason: 1},
			{Serial: p.Head.Certificate.Serial, At: gatewaytest.Begin.Add(-2 * time.Hour), Reason: 1},
		},
	})
	must(err)
	c.trust = [trusts]*pki.Store{trustGood: p.Store(p.Fresh), trustNone: p.Store(), trustGone: p.Store(gone)}
	signers := map[rune]cades.Signer{head: p.Head, accountant: p.Accountant, stranger: p.Stranger, revoked: p.Revoked}
	sign := func(d *document, by string, detached bool) *piece {
		var all []cades.Signer
		for _, s := range by {
			all = append(all, signers[s])
		}
		b, err := cades.Sign(rand.Reader, d.bytes, all, cades.SignOptions{Detached: detached, At: gatewaytest.Begin})
		must(err)
		out := &piece{role: "container", doc: d, signers: by, bytes: b}
		if detached {
			out.role = "signature"
		}
		return out
	}
	for i := range clients {
		c.entries = append(c.entries, entry(i))
		orders := sample.Orders(payer(i), gatewaytest.Begin, 1, numbers)
		var docs []*document
		for n := range orders {
			for content := range 2 {
				o := orders[n]
				o.Record, o.Amount = 1, o.Amount+int64(content)
				docs = append(docs, &document{client: i, number: n + 1, content: content, bytes: sample.OshchadDBF(gatewaytest.Begin, append(orders[:0:0], o))})
			}
		}
		docs = append(docs, &document{client: i, bad: true, bytes: []byte("no document at all, of client " + string(clientID(i)) + "\n")})
		for _, d := range docs {
			doc := &piece{role: "document", doc: d, bytes: d.bytes}
			both, byHead, byAccountant := sign(d, "HA", true), sign(d, "H", true), sign(d, "A", true)
			box, few, lost := sign(d, "HA", false), sign(d, "H", false), sign(d, "AR", false)
			other := sign(d, "S", true)
			var of []upload
			for n := range namesEach {
				name := documentName(n)
				all := []upload{
					{name, doc},
					{name, doc},
					{name, doc},
					{name + ".p7s", both},
					{name + ".p7s", both},
					{name + ".head.p7s", byHead},
					{name + ".acc.p7s", byAccountant},
					{name + ".p7s", box},
					{name + ".p7s", box},
					{name + ".p7s", box},
					{name + ".p7s", box},
					{name + ".p7s", few},
				}
				if n == 0 {
					all = append(all, upload{name + ".p7s", lost}, upload{name + ".head.p7s", other})
				}
				of = append(of, all...)
			}
			c.uploads[i] = append(c.uploads[i], of)
		}
	}
	return c
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}
