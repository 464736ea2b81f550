package gateway_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/transport"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

// decryptionKey makes a P-256 key of key agreement.
func decryptionKey(t testing.TB, serial int64) enveloped.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	return certified(t, private, serial)
}

// gostKey makes a key of DSTU 4145, whose containers have no integrity.
func gostKey(t testing.TB, serial int64) enveloped.Key {
	t.Helper()
	private, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	fatal(t, err)
	return certified(t, private, serial)
}

func certified(t testing.TB, private crypto.Signer, serial int64) enveloped.Key {
	t.Helper()
	c, err := issue.Certificate(rand.Reader, gatewaytest.Cast().CA, private.Public(), issue.Template{
		Subject: issue.Subject{Country: "UA", CommonName: "Шифрування"}, Serial: big.NewInt(serial),
		NotBefore: gatewaytest.Begin.AddDate(0, -1, 0), NotAfter: gatewaytest.Begin.AddDate(1, 0, 0), KeyUsage: pki.KeyAgreement,
	})
	fatal(t, err)
	k, err := enveloped.NewKey(c, private)
	fatal(t, err)
	return k
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func encryptedTo(t testing.TB, content []byte, k enveloped.Key) []byte {
	t.Helper()
	b, err := enveloped.Encrypt(rand.Reader, content, []*pki.Certificate{k.Certificate()}, enveloped.Options{})
	fatal(t, err)
	return b
}

func inSection(label string, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(label+"\x00"), uint32(len(body))), body...)
}

// What comes encrypted is opened and judged as what is inside; what is not a
// signed container of the client's own people is refused, and the answer tells
// nothing that its sender need not know.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	ours, gost, other := decryptionKey(t, 9001), gostKey(t, 9004), decryptionKey(t, 9002)
	keys := []enveloped.Key{ours, gost}
	r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) { o.Keys = keys }})
	doc := r.DBF(1, 2)
	signed := r.Signed(doc)
	altered := bytes.Clone(encryptedTo(t, signed, gost))
	altered[len(altered)-200] ^= 1
	tampered := bytes.Clone(encryptedTo(t, signed, ours))
	tampered[len(tampered)-200] ^= 1
	sandwich := inSection("UA1_SIGN", r.Attached(inSection("UA1_CRYPT", encryptedTo(t, inSection("UA1_SIGN", signed), gost)), r.Head))
	badSeal := inSection("UA1_SIGN", r.Attached(inSection("UA1_CRYPT", encryptedTo(t, inSection("UA1_SIGN", signed), gost)), r.Untrusted))
	own, tolerant, strangers := gatewaytest.Entry(), gatewaytest.Entry(), gatewaytest.Entry()
	tolerant.Tolerate = []string{string(cades.TransportWrapper)}
	strangers.ID, strangers.EDRPOU = "other", "00032129"
	strangers.Signatories = []client.Signatory{{Role: client.Head, Person: gatewaytest.StrangerCode, EDRPOU: "00032129"}}
	for _, c := range []struct {
		name  string
		in    []byte
		entry client.Entry
		keys  []enveloped.Key
		want  string // the outcome, or the only finding of a rejection
	}{
		{"EC", encryptedTo(t, signed, ours), own, keys, "accepted"},
		{"DSTU", encryptedTo(t, signed, gost), own, keys, "accepted"},
		{"twice", encryptedTo(t, encryptedTo(t, signed, gost), ours), own, keys, "accepted"},
		{"PEM", pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: encryptedTo(t, signed, ours)}), own, keys, "accepted"},
		{"one signature", encryptedTo(t, r.Attached(doc, r.Head), ours), own, keys, "SIG-ROLE-MISSING"},
		{"no keys", encryptedTo(t, signed, ours), own, nil, "ENC-NOT-ACCEPTED"},
		{"not for us", encryptedTo(t, signed, other), own, keys, "ENC-NOT-FOR-US"},
		{"unsigned", encryptedTo(t, doc, ours), own, keys, "ENC-CONTENT"},
		{"unsigned DSTU", encryptedTo(t, doc, gost), own, keys, "ENC-CONTENT"},
		{"detached", encryptedTo(t, r.Detached(doc, r.Head, r.Accountant), ours), own, keys, "ENC-CONTENT"},
		{"altered CFB", altered, own, keys, "ENC-CONTENT"},
		{"tampered GCM", tampered, own, keys, "ENC-CONTENT"},
		{"cut", encryptedTo(t, signed, ours)[:300], own, keys, "ENC-FORMAT"},
		{"another's", encryptedTo(t, signed, ours), strangers, keys, "ENC-STRANGER"},
		{"another's DSTU", encryptedTo(t, signed, gost), strangers, keys, "ENC-STRANGER"},
		{"wrapped", inSection("UA1_CRYPT", encryptedTo(t, signed, gost)), tolerant, keys, "accepted"},
		{"wrapped, not tolerated", inSection("UA1_CRYPT", encryptedTo(t, signed, gost)), own, keys, "SIG-FORMAT_FAILURE"},
		{"sandwich", sandwich, tolerant, keys, "accepted"},
		{"sandwich, not tolerated", sandwich, own, keys, "SIG-FORMAT_FAILURE"},
		{"sandwich, outer signature bad", badSeal, tolerant, keys, "SIG-NO_CERTIFICATE_CHAIN_FOUND"},
		{"wrapped within", encryptedTo(t, inSection("UA1_SIGN", signed), ours), tolerant, keys, "accepted"},
	} {
		p, err := gateway.NewPiece("P0001.DBF.p7s.p7e", sectionOf(c.in))
		fatal(t, err)
		k := gateway.Case{
			Document: "P0001.DBF.p7s.p7e", Pieces: []gateway.Piece{p}, Entry: &c.entry, Received: r.Clock.Now(), At: r.Clock.Now(),
			Trust: r.Trust.Snapshot(), Profiles: r.Gateway.Profiles(), Keys: c.keys,
		}
		// Another program that judges decides the same, and need not know what lies
		// around a container.
		asked := 0
		for who, validate := range map[string]gateway.Validator{"we": nil, "another": func(in cades.Input, o cades.Options) (*cades.Report, error) {
			asked++
			if transport.Is(in.Container) || cades.Sniff(in.Container) == cades.Enveloped {
				t.Errorf("%s: asked about what is around the container", c.name)
			}
			return cades.Validate(in, o), nil
		}} {
			k.Validate = validate
			v, _ := gateway.Examine(k)
			if c.want == "accepted" {
				if v.Outcome != gateway.Accepted || v.SHA256 != hash(doc) {
					t.Errorf("%s, %s: %s %+v", c.name, who, v.Outcome, v.Findings)
				}
				continue
			}
			if v.Outcome != gateway.Rejected || len(v.Findings) != 1 || v.Findings[0].Rule != c.want {
				t.Errorf("%s, %s: %s %+v", c.name, who, v.Outcome, v.Findings)
			}
			if strings.HasPrefix(c.want, "ENC-") && (v.SHA256 != "" || v.Kind != "" || len(v.Entries)+len(v.Signatures)+len(v.Persons) > 0) {
				t.Errorf("%s, %s: the answer tells of the document: %+v", c.name, who, v)
			}
		}
		if c.want == "accepted" && asked == 0 {
			t.Errorf("%s: accepted without being judged", c.name)
		}
		// And while it is away, what it would judge waits, and nothing of it is told.
		k.Validate = func(cades.Input, cades.Options) (*cades.Report, error) { return nil, errors.New("away") }
		v, _ := gateway.Examine(k)
		if asked > 0 && (v.Outcome != gateway.Held || len(v.Findings) != 1 || v.Findings[0].Rule != "SIG-NOT-JUDGED") || asked == 0 && v.Outcome != gateway.Rejected {
			t.Errorf("%s, away: %s %+v", c.name, v.Outcome, v.Findings)
		}
		if v.SHA256 != "" || len(v.Persons)+len(v.Signers) > 1 {
			t.Errorf("%s, away: the notice tells of the document: %+v", c.name, v)
		}
	}
}

// An encrypted document goes the whole way: taken, accepted, its receipt with the
// hash of what was signed, the processor reads it decrypted.
func TestEncryptedWay(t *testing.T) {
	t.Parallel()
	k := gostKey(t, 9005)
	keys := []enveloped.Key{k}
	r := gatewaytest.New(t, gatewaytest.Setup{
		Options: func(o *gateway.Options) { o.Keys = keys },
		Entry:   func(e *client.Entry) { e.Tolerate = []string{string(cades.TransportWrapper)} },
	})
	doc := r.DBF(1, 2)
	r.Send("P0001.DBF.p7e", encryptedTo(t, inSection("UA1_SIGN", r.Signed(doc)), k))
	rec := r.Receipt("P0001.DBF.p7e", 1)
	if rec.Outcome != gateway.Accepted || rec.SHA256 != hash(doc) {
		t.Fatalf("%+v", rec)
	}
	for _, s := range rec.Signatures {
		if !slices.Contains(s.Tolerances, string(cades.TransportWrapper)) {
			t.Errorf("%+v", s)
		}
	}
	// A later gateway may not have the key any more.
	keys = nil
	r.Restart()
	l := r.LeaseOne()
	for _, p := range l.Submission.Parts {
		if strings.HasPrefix(p.Name, ".") {
			t.Errorf("the processor sees %+v", p)
		}
	}
	in, err := r.Gateway.OpenPart(r.Ctx(), l.Submission.ID, "document")
	fatal(t, err)
	got, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	fatal(t, err)
	if !bytes.Equal(got, doc) {
		t.Errorf("the processor reads %d octets", len(got))
	}
	// The same document unencrypted is a duplicate: its content and signers are.
	r.Send("AGAIN.DBF.p7s", r.Signed(doc))
	if rec := r.Receipt("AGAIN.DBF.p7s", 1); rec.Outcome != gateway.Duplicate {
		t.Errorf("%+v", rec)
	}
}

// A statement to a client with a certificate for encryption is in its outbox once,
// encrypted, with the seal inside.
func TestEncryptedStatement(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]enveloped.Key{"EC": decryptionKey(t, 9003), "DSTU": gostKey(t, 9006)} {
		t.Run(name, func(t *testing.T) { testEncryptedStatement(t, k) })
	}
}

func testEncryptedStatement(t *testing.T, k enveloped.Key) {
	t.Parallel()
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate().Raw}))
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Encrypt = text }})
	it := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"})
	if again := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"}); again.ID != it.ID {
		t.Error("released twice")
	}
	put(r, gateway.Outgoing{Name: "notice.txt", Content: strings.NewReader("notice")})
	names := r.Names("/outbox")
	if len(names) != 4 || !slices.Contains(names, it.Name) || !slices.Contains(names, "notice.txt.p7e") {
		t.Errorf("%v, statement %s", names, it.Name)
	}
	for _, n := range names {
		o, err := enveloped.Decrypt(r.Read("/outbox/"+n), []enveloped.Key{k})
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		rep := cades.Validate(cades.Input{Container: o.Content}, cades.Options{
			At: r.Clock.Now(), Trust: pki.NewStore([]*pki.Certificate{r.SealCA.Certificate}, nil, nil), Tolerate: cades.Tolerances{cades.NoRevocation: true},
		})
		if rep.Indication != cades.TotalPassed || n == it.Name && !bytes.Equal(rep.Content, canonical("7")) {
			t.Errorf("%s: %s %s", n, rep.Indication, rep.Detail)
		}
	}
	// With the certificate over nothing goes out in the clear.
	r.Advance(400 * 24 * 60 * 60 * 1e9)
	var refused *gateway.RefusedError
	if _, err := r.Gateway.PutStatement(r.Ctx(), r.Client, gateway.Outgoing{Name: "late.txt", Content: strings.NewReader("late")}); !errors.As(err, &refused) || refused.Findings[0].Rule != "OUT-ENCRYPT" {
		t.Error(err)
	}
}
