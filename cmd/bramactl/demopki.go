package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
)

// Who signs for sample.DemoPayer. The persons' codes have
// right check digits and are nobody's.
var demoPersons = []struct {
	file   string // in DIR/demo
	role   client.Role
	person string // RNOKPP; none for the seal
	name   string
}{
	{"head", client.Head, "1234567899", "Перевірко Керівник"},
	{"accountant", client.Accountant, "9876543215", "Перевірко Бухгалтер"},
	{"orgseal", client.Seal, "", ""},
}

// demo adds a client whose keys all lie in DIR/demo: for trying out, for tests,
// never for a gateway that is used.
func (l layout) demo(ctx context.Context, cfg *config.Config, now time.Time) error {
	for _, dir := range []string{
		l.path("demo", "samples"),
		l.path("clients", "demo", "inbox"), l.path("clients", "demo", "outbox"), l.path("clients", "demo", "receipts"),
		l.path("clients", "demo", "status"), l.path("clients", "demo", "archive"),
	} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if err := writeSSHKey(l.path("demo", "client_ed25519"), key, "demo"); err != nil {
		return err
	}

	ca, err := newAuthority("Brama Demo CA", now, 5)
	if err != nil {
		return err
	}
	crl, err := issue.CRL(rand.Reader, ca, issue.List{Number: big.NewInt(1), ThisUpdate: now.Add(-slack), NextUpdate: now.AddDate(1, 0, 0)})
	if err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	crlPEM := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl.Raw})
	// This authority's key is kept, so that one can try what a revoked or an expired
	// certificate does.
	err = errors.Join(
		writeKey(l.path("demo", "ca.key"), ca.Key),
		writeCertificate(l.path("demo", "ca.pem"), ca.Certificate),
		writeCertificate(l.path("trust", "anchors", "demo-ca.pem"), ca.Certificate),
		writeNew(l.path("demo", "crl.pem"), crlPEM, 0o644),
		writeNew(l.path("trust", "material", "demo-crl.pem"), crlPEM, 0o644),
	)
	if err != nil {
		return err
	}
	payer := sample.DemoPayer()
	for _, p := range demoPersons {
		key, cert, err := newSignatory(ca, issue.Subject{
			Country: "UA", Organization: payer.Name, EDRPOU: payer.EDRPOU, Person: p.person, CommonName: cmp.Or(p.name, payer.Name),
		}, now, 2)
		if err != nil {
			return err
		}
		if err := errors.Join(writeKey(l.path("demo", p.file+".key"), key), writeCertificate(l.path("demo", p.file+".pem"), cert)); err != nil {
			return err
		}
	}
	if err := l.demoSamples(payer, now); err != nil {
		return err
	}
	entry, err := demoEntry(payer, key)
	if err != nil {
		return err
	}
	return l.seedRegister(ctx, cfg, "demo.yaml", entry)
}

// seedRegister puts a register file into the register of a gateway that has not run
// yet, and keeps it in clients.d as the operator's own copy.
func (l layout) seedRegister(ctx context.Context, cfg *config.Config, name string, text []byte) error {
	if err := writeNew(l.path("clients.d", name), text, 0o640); err != nil {
		return err
	}
	op, done, err := openOffline(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	_, err = op.ApplyClients(ctx, []admin.File{{Name: name, Text: string(text)}}, false)
	return err
}

// demoEntry is the register entry of the client.
func demoEntry(payer sample.Payer, key ed25519.PrivateKey) ([]byte, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("demo key: %w", err)
	}
	e := client.Entry{
		ID: "demo", Name: payer.Name, EDRPOU: payer.EDRPOU, Accounts: []string{payer.IBAN},
		SSHKeys: []string{string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public))) + " demo"},
		Folder:  true, Language: "uk",
		Kinds: []string{string(formats.PaymentInstruction), string(formats.SupportingDocument)},
		Policies: map[string]client.Policy{
			string(formats.PaymentInstruction): {Roles: map[client.Role]int{client.Head: 1, client.Accountant: 1}},
			string(formats.SupportingDocument): {Roles: map[client.Role]int{client.Head: 1}},
		},
	}
	for _, p := range demoPersons {
		e.Signatories = append(e.Signatories, client.Signatory{Role: p.role, Person: p.person, EDRPOU: payer.EDRPOU})
	}
	return client.Marshal(e)
}

// demoSamples writes unsigned documents that the demo client may send today. Their
// numbers begin anew each time, so a gateway that has accepted one knows it.
func (l layout) demoSamples(payer sample.Payer, now time.Time) error {
	orders := func(first, count int) []payment.Order { return sample.Orders(payer, now, first, count) }
	for _, s := range []struct {
		name    string
		content []byte
	}{
		{"P0001.DBF", sample.OshchadDBF(now, orders(1, 3))},
		{"P0002.DBF", sample.OshchadDBF(now, orders(11, 2))},
		{"pain001.xml", sample.Pain001("DEMO-"+now.UTC().Format("20060102"), now, orders(21, 2))},
		{"contract.pdf", sample.PDF("Brama demo " + now.UTC().Format(time.DateOnly))},
	} {
		if err := writeNew(l.path("demo", "samples", s.name), s.content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
