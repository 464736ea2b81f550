package gateway_test

import (
	"crypto"
	"crypto/rand"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/keys"
)

// dstuAuthority is a root of m = 431 whose signatories have m = 257, with their
// keys and certificates in files.
type dstuAuthority struct {
	t    *testing.T
	dir  string
	root issue.Issuer
	next int64
}

func newDSTUAuthority(t *testing.T) *dstuAuthority {
	t.Helper()
	a := &dstuAuthority{t: t, dir: t.TempDir(), next: 1}
	key, err := dstu4145.GenerateKey(dstu4145.DSTU431(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := issue.SelfSigned(rand.Reader, key, issue.Authority(issue.Subject{Country: "UA", CommonName: "DSTU CA"}, big.NewInt(1),
		gatewaytest.Begin.AddDate(-5, 0, 0), gatewaytest.Begin.AddDate(5, 0, 0), 0))
	if err != nil {
		t.Fatal(err)
	}
	a.root = issue.Issuer{Key: key, Certificate: c}
	return a
}

// signer makes a key, writes it and its certificate to files, and reads them as the
// gateway reads its own. A key in PEM or in DER is the same.
func (a *dstuAuthority) signer(person string, asPEM bool) cades.Signer {
	a.t.Helper()
	key, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	payer := sample.DemoPayer()
	a.next++
	c, err := issue.Certificate(rand.Reader, a.root, crypto.PublicKey(key.Public()), issue.Signatory(issue.Subject{
		Country: "UA", Organization: payer.Name, EDRPOU: payer.EDRPOU, Person: person, CommonName: "DSTU",
	}, big.NewInt(a.next), gatewaytest.Begin.AddDate(0, -1, 0), gatewaytest.Begin.AddDate(1, 0, 0)))
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := keyfile.MarshalDSTU(key)
	if err != nil {
		a.t.Fatal(err)
	}
	if asPEM {
		private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	}
	keyFile, certFile := filepath.Join(a.dir, person+".key"), filepath.Join(a.dir, person+".cer")
	for name, b := range map[string][]byte{keyFile: private, certFile: c.Raw} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	s, err := keys.Seal(keyFile, "", certFile, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

func (a *dstuAuthority) store() *pki.Store {
	a.t.Helper()
	l, err := issue.CRL(rand.Reader, a.root, issue.List{
		Number: big.NewInt(1), ThisUpdate: gatewaytest.Begin.Add(-time.Hour), NextUpdate: gatewaytest.Begin.AddDate(0, 0, 90),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return pki.NewStore([]*pki.Certificate{a.root.Certificate}, nil, []*pki.CRL{l})
}

// A payment signed with DSTU 4145 goes the whole way, in one container and as a
// document with signatures beside it, and the receipt is sealed with DSTU 4145.
func TestDSTU(t *testing.T) {
	t.Parallel()
	a := newDSTUAuthority(t)
	head, accountant := a.signer(gatewaytest.HeadCode, true), a.signer(gatewaytest.AccountantCode, false)
	seal := a.signer("", true)
	stage := func(t *testing.T) *gatewaytest.Rig {
		r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) { o.Seal = seal }})
		r.Trust.Store(a.store())
		return r
	}
	finish := func(t *testing.T, r *gatewaytest.Rig, name string) {
		t.Helper()
		expect(t, r.Receipt(name, 1), gateway.Accepted)
		l := r.LeaseOne()
		r.Answer(l, gateway.Answer{Outcome: gateway.Processed})
		if got := r.Receipt(name, 2); got.Outcome == gateway.Rejected {
			t.Errorf("receipt 2: %s", got.Outcome)
		}
		receipt := r.Read("/receipts/" + name + ".receipt1.json")
		in := cades.Input{Container: r.Read("/receipts/" + name + ".receipt1.json.p7s"), Detached: sectionOf(receipt)}
		if v := cades.Validate(in, cades.Options{At: r.Clock.Now(), Trust: a.store()}); v.Indication != cades.TotalPassed {
			t.Errorf("seal: %s %s", v.SubIndication, v.Detail)
		}
	}
	t.Run("container", func(t *testing.T) {
		r := stage(t)
		r.Send("P0001.DBF.p7s", r.Attached(r.DBF(1, 2), head, accountant))
		finish(t, r, "P0001.DBF.p7s")
	})
	t.Run("beside", func(t *testing.T) {
		r := stage(t)
		content := r.Pain001("M1", 1, 2)
		r.Send("P.xml.head.p7s", r.Detached(content, head))
		r.Send("P.xml", content)
		r.Send("P.xml.acc.p7s", r.Detached(content, accountant))
		finish(t, r, "P.xml")
	})
	t.Run("changed", func(t *testing.T) {
		r := stage(t)
		b := r.Attached(r.DBF(1, 2), head, accountant)
		b[len(b)/2] ^= 1
		r.Send("P0001.DBF.p7s", b)
		if got := r.Receipt("P0001.DBF.p7s", 1); got.Outcome != gateway.Rejected {
			t.Errorf("changed: %s", got.Outcome)
		}
	})
}
