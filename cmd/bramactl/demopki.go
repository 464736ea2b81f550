package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"text/template"
	"time"

	"golang.org/x/crypto/ssh"
)

// The persons of the demo. The codes have right check digits and are nobody's.
const demoEDRPOU = "12345678"

var demoPersons = []struct {
	file string
	person
}{
	{"head", person{name: "Керівник Демонстраційний", surname: "Керівник", given: "Демонстраційний", code: "1234567899", organization: "Демонстраційна установа", edrpou: demoEDRPOU}},
	{"accountant", person{name: "Бухгалтер Демонстраційна", surname: "Бухгалтер", given: "Демонстраційна", code: "9876543215", organization: "Демонстраційна установа", edrpou: demoEDRPOU}},
	{"orgseal", person{name: "Демонстраційна установа", organization: "Демонстраційна установа", edrpou: demoEDRPOU}},
}

// demo adds a client whose keys all lie in DIR/demo: for trying out, for tests,
// never for a gateway that is used.
func (l layout) demo(c *call, now time.Time) error {
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
	crl, err := ca.crl(now)
	if err != nil {
		return err
	}
	crlPEM := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})
	// This authority's key is kept, so that one can try what a revoked or an expired
	// certificate does.
	err = errors.Join(
		writeKey(l.path("demo", "ca.key"), ca.key),
		writeCertificate(l.path("demo", "ca.pem"), ca.certificate),
		writeCertificate(l.path("trust", "anchors", "demo-ca.pem"), ca.certificate),
		writeNew(l.path("demo", "crl.pem"), crlPEM, 0o644),
		writeNew(l.path("trust", "material", "demo-crl.pem"), crlPEM, 0o644),
	)
	if err != nil {
		return err
	}
	for _, p := range demoPersons {
		key, cert, err := ca.issue(p.person, now, 2)
		if err != nil {
			return err
		}
		if err := errors.Join(writeKey(l.path("demo", p.file+".key"), key), writeCertificate(l.path("demo", p.file+".pem"), cert)); err != nil {
			return err
		}
	}
	if err := l.demoSamples(now); err != nil {
		return err
	}
	entry, err := demoEntry(key)
	if err != nil {
		return err
	}
	return l.seedRegister(c, "demo.yaml", entry)
}

// seedRegister makes the entries of a register file known to a gateway that has
// not run yet.
func (l layout) seedRegister(_ context.Context, name string, text []byte) error {
	return writeNew(l.path("clients.d", name), text, 0o640)
}

var demoEntryText = template.Must(template.New("").Parse(`# The client of the demo: its keys lie in the folder demo beside brama.yaml.
id: demo
name: Демонстраційна установа
edrpou: "{{.EDRPOU}}"
ssh_keys:
  - {{.SSHKey}}
folder: true
language: uk
kinds: [payment_instruction, supporting_document]
signatories:
{{- range .Persons}}
{{- if .Code}}
  - role: {{.Role}}
    person: "{{.Code}}"
    edrpou: "{{$.EDRPOU}}"
{{- else}}
  - role: {{.Role}}
    edrpou: "{{$.EDRPOU}}"
{{- end}}
{{- end}}
policies:
  payment_instruction:
    roles: {head: 1, accountant: 1}
  supporting_document:
    roles: {head: 1}
`))

func demoEntry(key ed25519.PrivateKey) ([]byte, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("demo key: %w", err)
	}
	type row struct{ Role, Code string }
	var persons []row
	for _, p := range demoPersons {
		role := p.file
		if role == "orgseal" {
			role = "seal"
		}
		persons = append(persons, row{role, p.code})
	}
	var b bytes.Buffer
	err = demoEntryText.Execute(&b, map[string]any{
		"EDRPOU":  demoEDRPOU,
		"SSHKey":  string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public))) + " demo",
		"Persons": persons,
	})
	return b.Bytes(), err
}

// demoSamples writes unsigned documents that the demo client may send today.
func (l layout) demoSamples(now time.Time) error { return nil }
