package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

func signing(r *gatewaytest.Rig, by ...cades.Signer) asic.Sign {
	return func(content []byte) ([]byte, error) {
		return cades.Sign(rand.Reader, content, by, cades.SignOptions{Detached: true, At: r.Clock.Now()})
	}
}

func asicS(t testing.TB, r *gatewaytest.Rig, name string, content []byte, by ...cades.Signer) []byte {
	t.Helper()
	b, err := asic.WriteS(asic.File{Name: name, Content: content}, signing(r, by...), asic.WriteOptions{At: r.Clock.Now()})
	fatal(t, err)
	return b
}

// asicE makes an ASiC-E with a manifest and a signature for each signer.
func asicE(t testing.TB, r *gatewaytest.Rig, files []asic.File, by ...cades.Signer) []byte {
	t.Helper()
	var signatures []asic.Signature
	for _, s := range by {
		signatures = append(signatures, asic.Signature{Sign: signing(r, s)})
	}
	b, err := asic.WriteE(files, signatures, asic.WriteOptions{At: r.Clock.Now(), Open: asic.Options{Archives: true}})
	fatal(t, err)
	return b
}

// A document in an ASiC container is taken as in an attached CMS container: told by
// content, judged whole, named in the receipt, read by the processor.
func TestASiC(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	one := func(r *gatewaytest.Rig, name string) []asic.File {
		return []asic.File{{Name: name, Content: r.DBF(1, 2)}}
	}
	swap := func(r *gatewaytest.Rig) []byte { // the document of one container with the signature of another
		c, err := asic.Open(asicS(t, r, "P0001.DBF", r.DBF(3, 2), p.Head, p.Accountant), asic.Options{})
		fatal(t, err)
		b, err := asic.WriteS(asic.File{Name: "P0001.DBF", Content: r.DBF(1, 2)},
			func([]byte) ([]byte, error) { return c.Signatures[0].File.Content, nil }, asic.WriteOptions{At: r.Clock.Now()})
		fatal(t, err)
		return b
	}
	xades := func(r *gatewaytest.Rig) []byte {
		b := asicS(t, r, "P0001.DBF", r.DBF(1, 2), p.Head, p.Accountant)
		return bytes.ReplaceAll(b, []byte("META-INF/signature.p7s"), []byte("META-INF/signature.xml"))
	}
	for _, c := range []struct {
		name, file string
		content    func(*gatewaytest.Rig) []byte
		outcome    gateway.Outcome
		rules      []string
	}{
		{"ASiC-S", "P0001.DBF.asics", func(r *gatewaytest.Rig) []byte {
			return asicS(t, r, "P0001.DBF", r.DBF(1, 2), p.Head, p.Accountant)
		}, gateway.Accepted, nil},
		{"ASiC-E", "P0001.DBF.asice", func(r *gatewaytest.Rig) []byte { return asicE(t, r, one(r, "P0001.DBF"), p.Head, p.Accountant) }, gateway.Accepted, nil},
		{"another name outside", "Платіж.asice", func(r *gatewaytest.Rig) []byte { return asicE(t, r, one(r, "P0001.DBF"), p.Head, p.Accountant) }, gateway.Accepted, nil},
		{"named zip", "payment.zip", func(r *gatewaytest.Rig) []byte { return asicE(t, r, one(r, "P0001.DBF"), p.Head, p.Accountant) }, gateway.Accepted, nil},
		{"in a folder", "P.asice", func(r *gatewaytest.Rig) []byte {
			return asicE(t, r, one(r, "документи/P0001.DBF"), p.Head, p.Accountant)
		}, gateway.Accepted, nil},
		{"one of two", "P.asice", func(r *gatewaytest.Rig) []byte { return asicE(t, r, one(r, "P0001.DBF"), p.Head) }, gateway.Rejected, []string{"SIG-ROLE-MISSING"}},
		{"stranger", "P.asice", func(r *gatewaytest.Rig) []byte {
			return asicE(t, r, one(r, "P0001.DBF"), p.Head, p.Accountant, p.Stranger)
		}, gateway.Rejected, []string{"SIG-STRANGER"}},
		{"untrusted", "P.asice", func(r *gatewaytest.Rig) []byte {
			return asicE(t, r, one(r, "P0001.DBF"), p.Untrusted, p.Accountant)
		}, gateway.Rejected, []string{"SIG-INDETERMINATE"}},
		{"two documents", "P.asice", func(r *gatewaytest.Rig) []byte {
			return asicE(t, r, append(one(r, "P0001.DBF"), asic.File{Name: "P0002.DBF", Content: r.DBF(3, 1)}), p.Head, p.Accountant)
		}, gateway.Rejected, []string{"ASIC-FILES"}},
		{"program", "P.asice", func(r *gatewaytest.Rig) []byte { return asicE(t, r, one(r, "P0001.exe"), p.Head, p.Accountant) }, gateway.Rejected, []string{"ASIC-NAME"}},
		{"archive", "P.asice", func(r *gatewaytest.Rig) []byte {
			return asicE(t, r, []asic.File{{Name: "P.zip", Content: []byte("PK\x03\x04 and so on")}}, p.Head, p.Accountant)
		}, gateway.Rejected, []string{"ASIC-ARCHIVE"}},
		{"other document", "P.asics", swap, gateway.Rejected, []string{"SIG-FAILED"}},
		{"cut", "P.asics", func(r *gatewaytest.Rig) []byte {
			b := asicS(t, r, "P0001.DBF", r.DBF(1, 2), p.Head, p.Accountant)
			return b[:len(b)-40]
		}, gateway.Rejected, []string{"ASIC-FORMAT"}},
		{"XAdES", "P.asics", xades, gateway.Rejected, []string{"ASIC-XADES"}},
		{"a plain archive", "P.asice", func(*gatewaytest.Rig) []byte { return []byte("PK\x03\x04 and so on") }, gateway.Rejected, []string{"SIG-NOT-A-CONTAINER"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := stage(t)
			r.Send(c.file, c.content(r))
			got := r.Receipt(c.file, 1)
			expect(t, got, c.outcome, c.rules...)
			text := string(r.Read("/receipts/" + c.file + ".receipt1.txt"))
			leases := r.Lease(9)
			if c.outcome != gateway.Accepted {
				if len(leases) > 0 {
					t.Error("a lease of what was rejected")
				}
				return
			}
			if got.Container == nil || !strings.HasSuffix(got.Container.File, "P0001.DBF") || !strings.Contains(text, got.Container.Form) {
				t.Errorf("container %+v in\n%s", got.Container, text)
			}
			if len(leases) != 1 {
				t.Fatalf("%d leases", len(leases))
			}
			f, err := r.Gateway.OpenPart(r.Ctx(), leases[0].Submission.ID, "document")
			fatal(t, err)
			defer f.Close()
			b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(b, r.DBF(1, 2)) {
				t.Errorf("the processor reads %d bytes, %v", len(b), err)
			}
			// The same in another container is the same document.
			r.Send("again.asics", asicS(t, r, "P0001.DBF", r.DBF(1, 2), p.Head, p.Accountant))
			if again := r.Receipt("again.asics", 1); again.Outcome != gateway.Duplicate {
				t.Errorf("again: %s", again.Outcome)
			}
		})
	}
}

// An ASiC container within encryption is opened as another container is.
func TestASiCEncrypted(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	ours := decryptionKey(t, 9101)
	r := gatewaytest.New(t, gatewaytest.Setup{})
	r.Gateway.Keys = []enveloped.Key{ours}
	r.Send("P.asice.p7e", encryptedTo(t, asicE(t, r, []asic.File{{Name: "P0001.DBF", Content: r.DBF(1, 2)}}, p.Head, p.Accountant), ours))
	expect(t, r.Receipt("P.asice.p7e", 1), gateway.Accepted)
	// Of one that nobody of the client signed nothing is told.
	e := gatewaytest.Entry()
	e.ID, e.EDRPOU = "other", "00032129"
	e.Signatories = []client.Signatory{{Role: client.Head, Person: gatewaytest.StrangerCode, EDRPOU: e.EDRPOU}}
	piece, err := gateway.NewPiece("Q.p7e", sectionOf(encryptedTo(t, asicE(t, r, []asic.File{{Name: "Secret.DBF", Content: r.DBF(3, 2)}}, p.Head), ours)))
	fatal(t, err)
	v, _ := gateway.Examine(gateway.Case{
		Document: "Q.p7e", Pieces: []gateway.Piece{piece}, Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(),
		Trust: r.Trust.Snapshot(), Profiles: r.Gateway.Profiles(), Keys: r.Gateway.Keys,
	})
	if v.Outcome != gateway.Rejected || v.Container != nil || len(v.Findings) != 1 || v.Findings[0].Rule != "ENC-STRANGER" {
		t.Errorf("told: %s %+v %+v", v.Outcome, v.Container, v.Findings)
	}
}

// Another program that judges signatures is asked about what the container's
// signatures are over, and holds the document when it is away.
func TestASiCValidator(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	container := asicE(t, r, []asic.File{{Name: "P0001.DBF", Content: r.DBF(1, 2)}}, p.Head, p.Accountant)
	asked := 0
	e := gatewaytest.Entry()
	examine := func(validate gateway.Validator) gateway.Verdict {
		piece, err := gateway.NewPiece("P.asice", sectionOf(container))
		fatal(t, err)
		v, err := gateway.Examine(gateway.Case{
			Document: "P.asice", Pieces: []gateway.Piece{piece}, Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(),
			Trust: r.Trust.Snapshot(), Profiles: r.Gateway.Profiles(), Validate: validate,
		})
		fatal(t, err)
		return v
	}
	v := examine(func(in cades.Input, o cades.Options) (*cades.Report, error) {
		asked++
		b := make([]byte, in.Detached.Size())
		if _, err := in.Detached.ReadAt(b, 0); err != nil || !bytes.Contains(b, []byte("ASiCManifest")) {
			t.Errorf("asked over %q, %v", b, err)
		}
		return cades.Validate(in, o), nil
	})
	if v.Outcome != gateway.Accepted || asked != 2 {
		t.Errorf("%s, asked %d times: %+v", v.Outcome, asked, v.Findings)
	}
	v = examine(func(cades.Input, cades.Options) (*cades.Report, error) { return nil, errors.New("away") })
	if v.Outcome != gateway.Held || len(v.Findings) != 1 || v.Findings[0].Rule != "SIG-NOT-JUDGED" {
		t.Errorf("away: %s %+v", v.Outcome, v.Findings)
	}
}

// A client whose entry says so gets its statements in ASiC-S containers.
func TestASiCStatement(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.StatementContainer = "asic-s" }})
	it := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"})
	if again := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"}); again.ID != it.ID {
		t.Error("released twice")
	}
	put(r, gateway.Outgoing{Name: "повідомлення.txt", Content: strings.NewReader("notice")})
	put(r, gateway.Outgoing{Name: "повідомлення.txt", Content: strings.NewReader("another")})
	names := r.Names("/outbox")
	if len(names) != 5 || !slices.Contains(names, it.Name) || !slices.Contains(names, "повідомлення.2.txt.asics") {
		t.Errorf("%v, statement %s", names, it.Name)
	}
	for _, n := range names {
		rep := asic.Validate(r.Read("/outbox/"+n), asic.ValidateOptions{Options: cades.Options{
			At: r.Clock.Now(), Trust: pki.NewStore([]*pki.Certificate{r.SealCA.Certificate}, nil, nil), Tolerate: cades.Tolerances{cades.NoRevocation: true},
		}})
		if rep.Indication != cades.TotalPassed || rep.Container.Form != asic.S || n == it.Name && !bytes.Equal(rep.Content, canonical("7")) {
			t.Errorf("%s: %s %s", n, rep.Indication, rep.Detail)
		}
	}
}
