package main

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/gateway/provider/providertest"
)

// A daemon whose seal and verification are in providers: its own folder has no key
// (THREATS E05). While they are away work waits, and nothing is lost.
func TestProviders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	seal, err := keys.Seal(s.path("keys", "seal.key"), "", s.path("keys", "seal.pem"), []string{s.path("keys", "seal-ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.path("keys", "seal.key")); err != nil {
		t.Fatal(err)
	}
	sealer := providertest.Start(t, provider.Limits{}, provider.Key{ID: "seal", Signer: seal})
	judge := providertest.Start(t, provider.Limits{})
	configure := func(certificate string) {
		s.write(s.path("brama.yaml"), strings.NewReplacer("DIR", s.dir, "SEALER", sealer.Socket, "JUDGE", judge.Socket, "CERTIFICATE", certificate).Replace(`listen: {sftp: "127.0.0.1:0"}
ssh: {host_keys: [DIR/keys/ssh_host_ed25519_key]}
state: DIR/state
run: DIR/run
seal: {certificate: DIR/keys/CERTIFICATE, provider: {socket: SEALER, key: seal}}
provider: {verify: {socket: JUDGE, trust: true}}
trust: {dir: DIR/trust}
schedule: {deadlines: "@every 1s"}
limits: {free_disk: 1MiB}
`))
	}
	configure("seal-ca.pem")
	if code, said := s.refusesToStart(); code != exitFailed || !strings.Contains(said, "not the configured one") {
		t.Errorf("another certificate: exit code %d\n%s", code, said)
	}
	configure("seal.pem")

	// The daemon waits for its seal.
	sealer.Stop()
	p, ready, err := s.spawn(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	await(t, soon, "the daemon to wait", func() bool { return strings.Contains(p.said(), "waiting for the crypto provider") })
	sealer.Start()
	if p.addr = <-ready; p.addr == "" {
		t.Fatal(p.said())
	}
	s.register()
	c := s.client(p)
	warned := func(code string) func() bool {
		a := s.admin()
		t.Cleanup(a.Close)
		return func() bool {
			st, err := a.Status(t.Context())
			return err == nil && slices.ContainsFunc(st.Warnings, func(w admin.Warning) bool { return w.Code == code })
		}
	}

	if err := put(c, "/inbox/one.pdf.p7s", s.signedPDF("one")); err != nil {
		t.Fatal(err)
	}
	if r := s.receipt(c, "one.pdf.p7s"); r.Outcome != gateway.Accepted {
		t.Errorf("%+v", r)
	}
	body, err := fetch(c, "/receipts/one.pdf.p7s.receipt1.json")
	if err != nil {
		t.Fatal(err)
	}
	container, err := fetch(c, "/receipts/one.pdf.p7s.receipt1.json.p7s")
	if err != nil {
		t.Fatal(err)
	}
	trust := pki.NewStore(seal.Chain, nil, nil)
	if r := cades.Validate(cades.Input{Container: container, Detached: io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body)))},
		cades.Options{At: time.Now(), Trust: trust, Tolerate: cades.Tolerances{cades.NoRevocation: true}}); r.Indication != cades.TotalPassed {
		t.Errorf("%s %s: %s", r.Indication, r.SubIndication, r.Detail)
	}

	// THREATS E05: what is public of the seal is in the daemon's memory, its key is not.
	private, ok := seal.Key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("%T", seal.Key)
	}
	secret, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if found, err := holds(p.cmd.Process.Pid, seal.Certificate.RawSubject, secret); err != nil {
		t.Logf("the daemon's memory cannot be read here: %v", err)
	} else if !found[0] || found[1] {
		t.Errorf("in the daemon's memory: certificate %v, private key %v", found[0], found[1])
	}

	// The seal is away: what is put is taken, and waits.
	sealer.Stop()
	if err := put(c, "/inbox/two.pdf.p7s", s.signedPDF("two")); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "the warning about the seal", warned("SEAL-AWAY"))
	if _, err := fetch(c, "/receipts/two.pdf.p7s.receipt1.json"); err == nil {
		t.Error("a receipt without a seal")
	}
	pc := s.processorClient()
	defer pc.CloseIdleConnections()
	statement := func() int {
		resp, err := pc.Post("http://processor/v1/clients/demo/statements?name=s.txt", "application/octet-stream", strings.NewReader("statement"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := statement(); got != http.StatusServiceUnavailable {
		t.Errorf("a statement without a seal: %d", got)
	}
	sealer.Start()
	s.receipt(c, "two.pdf.p7s")
	if got := statement(); got != http.StatusCreated {
		t.Errorf("a statement with the seal back: %d", got)
	}
	await(t, 20*time.Second, "the warning to end", func() bool { return !warned("SEAL-AWAY")() })

	// Who verifies is away: the document is held and not passed.
	judge.Stop()
	if err := put(c, "/inbox/three.pdf.p7s", s.signedPDF("three")); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "the notice of a held document", func() bool {
		b, err := fetch(c, "/receipts/three.pdf.p7s.held.json")
		return err == nil && bytes.Contains(b, []byte("SIG-NOT-JUDGED"))
	})
	judge.Start()
	if r := s.receipt(c, "three.pdf.p7s"); r.Outcome != gateway.Accepted {
		t.Errorf("%+v", r)
	}
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

// holds says which of the words are in the writable memory of a process.
func holds(pid int, words ...[]byte) ([]bool, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	found := make([]bool, len(words))
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		// By pieces that overlap: a reserved region may be long, and read in part only.
		const piece = 1 << 20
		buf := make([]byte, piece+256)
		for at := from; at < to; at += piece {
			n, _ := mem.ReadAt(buf[:min(int64(len(buf)), to-at)], at)
			for i, w := range words {
				found[i] = found[i] || bytes.Contains(buf[:n], w)
			}
		}
	}
	return found, nil
}
