package sftpd

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
)

// entrance is a server that runs for one test.
type entrance struct {
	t      *testing.T
	addr   string
	host   ssh.PublicKey
	server *Server
	stop   context.CancelFunc
	ended  chan error
	logs   *observer.ObservedLogs

	mu   sync.Mutex
	keys map[string]client.ID // by user, NUL, key
	desk map[client.ID]*counter
}

func newSigner(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func edKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, k)
}

func ecKey(t testing.TB, c elliptic.Curve) ssh.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, k)
}

func rsaKey(t testing.TB, bits int) ssh.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, k)
}

// begin runs a server. Change may alter the options.
func begin(t *testing.T, change func(*Options)) *entrance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	e := &entrance{t: t, addr: l.Addr().String(), ended: make(chan error, 1), logs: logs, keys: map[string]client.ID{}, desk: map[client.ID]*counter{}}
	host := edKey(t)
	e.host = host.PublicKey()
	opt := Options{
		Listeners: []net.Listener{l},
		HostKeys:  []ssh.Signer{host},
		Authorize: func(user string, key []byte, _ net.Addr) (client.ID, bool) {
			e.mu.Lock()
			defer e.mu.Unlock()
			id, ok := e.keys[user+"\x00"+string(key)]
			return id, ok
		},
		Desk: func(o gateway.Origin) gateway.Desk { return e.counter(o.Client).desk(o) },
		Log:  zap.New(core),
	}
	if change != nil {
		change(&opt)
	}
	e.server, err = New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.ended <- e.server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-e.ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

// finish stops the server and waits; Cleanup will find it ended.
func (e *entrance) finish() {
	e.t.Helper()
	e.stop()
	select {
	case err := <-e.ended:
		e.ended <- err
	case <-time.After(20 * time.Second):
		e.t.Fatal("server did not end")
	}
}

func (e *entrance) counter(id client.ID) *counter {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.desk[id] == nil {
		e.desk[id] = newCounter()
	}
	return e.desk[id]
}

// admit registers a key for a client whose user name is its ID.
func (e *entrance) admit(id client.ID, key ssh.PublicKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys[string(id)+"\x00"+string(key.Marshal())] = id
}

func (e *entrance) config(user string, keys ...ssh.Signer) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)}, HostKeyCallback: ssh.FixedHostKey(e.host), Timeout: 10 * time.Second,
	}
}

func (e *entrance) dial(user string, keys ...ssh.Signer) (*ssh.Client, error) {
	return ssh.Dial("tcp", e.addr, e.config(user, keys...))
}

// login is a session of client alpha with a new key.
func (e *entrance) login() *ssh.Client {
	e.t.Helper()
	k := edKey(e.t)
	e.admit("alpha", k.PublicKey())
	c, err := e.dial("alpha", k)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (e *entrance) sftp() *sftp.Client {
	e.t.Helper()
	return e.channel(e.login())
}

func (e *entrance) channel(c *ssh.Client) *sftp.Client {
	e.t.Helper()
	f, err := sftp.NewClient(c)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = f.Close() })
	return f
}

// eventually waits for what the other side does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	rsa2048, rsa1024 := rsaKey(t, 2048), rsaKey(t, 1024)
	sha1, err := ssh.NewSignerWithAlgorithms(rsa2048.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		key  ssh.Signer
		in   bool
	}{
		{"ed25519", edKey(t), true},
		{"p256", ecKey(t, elliptic.P256()), true},
		{"p384", ecKey(t, elliptic.P384()), true},
		{"p521", ecKey(t, elliptic.P521()), false},
		{"rsa 2048", rsa2048, true},
		{"rsa 2048, sha-1", sha1, false},
		{"rsa 1024", rsa1024, false},
	} {
		e.admit("alpha", c.key.PublicKey())
		conn, err := e.dial("alpha", c.key)
		if (err == nil) != c.in {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
		if checked := CheckUserKey(c.key.PublicKey(), false); (checked == nil) != (c.in || c.name == "rsa 2048, sha-1") {
			t.Errorf("%s: CheckUserKey: %v", c.name, checked)
		}
	}
}

func TestLegacy(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) { o.Legacy = true })
	k := ecKey(t, elliptic.P521())
	e.admit("alpha", k.PublicKey())
	c, err := e.dial("alpha", k)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	r := rsaKey(t, 2048)
	old, err := ssh.NewSignerWithAlgorithms(r.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	e.admit("alpha", r.PublicKey())
	config := e.config("alpha", old)
	config.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
	config.Ciphers = []string{ssh.InsecureCipherAES128CBC}
	config.MACs = []string{ssh.HMACSHA1}
	if c, err = ssh.Dial("tcp", e.addr, config); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if n := e.logs.FilterMessage("legacy key algorithm").Len(); n != 2 {
		t.Errorf("%d warnings", n)
	}
}

// An offered key is not a used one (CVE-2024-45337): whoever can sign for B is B.
func TestOfferedKeyIsNotIdentity(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	a, b := edKey(t), edKey(t)
	calls := 0
	e.mu.Lock()
	e.keys["shared\x00"+string(a.PublicKey().Marshal())] = "victim"
	e.keys["shared\x00"+string(b.PublicKey().Marshal())] = "other"
	e.mu.Unlock()
	conn, err := e.dial("shared", askOnly{a, &calls}, b)
	if err != nil {
		t.Fatal(err)
	}
	if calls < 2 {
		t.Fatal("the client did not ask about the first key")
	}
	f := e.channel(conn)
	if _, err := f.Stat("/inbox"); err != nil {
		t.Fatal(err)
	}
	if o := e.counter("other").origins; len(o) != 1 || o[0].Client != "other" || o[0].Key != ssh.FingerprintSHA256(b.PublicKey()) {
		t.Errorf("origins %+v", o)
	}
	if o := e.counter("victim").origins; len(o) != 0 {
		t.Errorf("the offered key opened a desk: %+v", o)
	}
	_ = conn.Close()
}

// askOnly asks about a key and then does not recognise the server's yes, so that
// the client goes on to the next.
type askOnly struct {
	ssh.Signer
	calls *int
}

func (a askOnly) PublicKey() ssh.PublicKey { return forgetful{a.Signer.PublicKey(), a.calls} }

type forgetful struct {
	ssh.PublicKey
	calls *int
}

func (f forgetful) Marshal() []byte {
	blob := f.PublicKey.Marshal()
	if *f.calls++; *f.calls%2 == 0 {
		blob[len(blob)-1] ^= 1
	}
	return blob
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	k := edKey(t)
	e.admit("alpha", k.PublicKey())
	_, wrong := e.dial("alpha", edKey(t))
	_, unknown := e.dial("nobody", edKey(t))
	if wrong == nil || unknown == nil || wrong.Error() != unknown.Error() {
		t.Errorf("%v / %v", wrong, unknown)
	}
	config := e.config("alpha")
	config.Auth = []ssh.AuthMethod{ssh.Password("secret-word")}
	if _, err := ssh.Dial("tcp", e.addr, config); err == nil {
		t.Error("password let in")
	}
	if _, err := e.dial("MySecret Passw0rd!", edKey(t)); err == nil {
		t.Error("let in")
	}
	for _, l := range e.logs.All() {
		if s := fmt.Sprint(l.ContextMap()); strings.Contains(s, "Passw0rd") || strings.Contains(s, "secret-word") {
			t.Errorf("log has %s", s)
		}
	}
	many := make([]ssh.Signer, 0, 31)
	for range 30 {
		many = append(many, edKey(t))
	}
	c, err := e.dial("alpha", append(many, k)...)
	if err != nil {
		t.Fatalf("thirty keys of an agent before the right one: %v", err)
	}
	_ = c.Close()
}

func TestAuthorizedAgainAfterHandshake(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) {
		calls := 0
		var mu sync.Mutex
		o.Authorize = func(string, []byte, net.Addr) (client.ID, bool) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return "alpha", calls <= 1
		}
	})
	c, err := e.dial("alpha", edKey(t))
	if err == nil {
		if _, err = sftp.NewClient(c); err == nil {
			t.Error("a client that was disabled meanwhile got a channel")
		}
	}
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	if _, err := f.Stat("/"); err != nil {
		t.Fatal(err)
	}
	e.server.Recheck()
	if _, err := f.Stat("/"); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	clear(e.keys)
	e.mu.Unlock()
	e.server.Recheck()
	if _, err := f.Stat("/"); err == nil {
		t.Error("a session of a disabled client goes on")
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) { o.HostKeys = append(o.HostKeys, ecKey(t, elliptic.P256()), rsaKey(t, 3072)) })
	k := edKey(t)
	e.admit("alpha", k.PublicKey())
	try := func(change func(*ssh.ClientConfig)) error {
		config := e.config("alpha", k)
		config.HostKeyCallback = ssh.InsecureIgnoreHostKey()
		change(config)
		c, err := ssh.Dial("tcp", e.addr, config)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	for _, a := range keyExchanges {
		if err := try(func(c *ssh.ClientConfig) { c.KeyExchanges = []string{a} }); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range ciphers {
		for _, m := range macs {
			if err := try(func(c *ssh.ClientConfig) { c.Ciphers, c.MACs = []string{a}, []string{m} }); err != nil {
				t.Errorf("%s %s: %v", a, m, err)
			}
		}
	}
	for _, a := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512} {
		if err := try(func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{a} }); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDHGEXSHA1} {
		if try(func(c *ssh.ClientConfig) { c.KeyExchanges = []string{a} }) == nil {
			t.Errorf("%s was negotiated", a)
		}
	}
	for _, a := range []string{ssh.CipherChaCha20Poly1305, ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC} {
		if try(func(c *ssh.ClientConfig) { c.Ciphers = []string{a} }) == nil {
			t.Errorf("%s was negotiated", a)
		}
	}
	for _, a := range []string{ssh.HMACSHA1, ssh.InsecureHMACSHA196} {
		if try(func(c *ssh.ClientConfig) { c.MACs, c.Ciphers = []string{a}, []string{ssh.CipherAES128CTR} }) == nil {
			t.Errorf("%s was negotiated", a)
		}
	}
	if try(func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSA} }) == nil {
		t.Error("ssh-rsa with SHA-1 was negotiated")
	}
}

func pemText(b *pem.Block) []byte { return pem.EncodeToMemory(b) }

func TestHostKeys(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	good := Options{
		Listeners: []net.Listener{l}, HostKeys: []ssh.Signer{edKey(t)},
		Authorize: func(string, []byte, net.Addr) (client.ID, bool) { return "", false },
		Desk:      func(gateway.Origin) gateway.Desk { return nil },
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no listener": func(o *Options) { o.Listeners = nil },
		"no keys":     func(o *Options) { o.HostKeys = nil },
		"no register": func(o *Options) { o.Authorize = nil },
		"no desk":     func(o *Options) { o.Desk = nil },
		"p384":        func(o *Options) { o.HostKeys = []ssh.Signer{ecKey(t, elliptic.P384())} },
		"rsa 2048":    func(o *Options) { o.HostKeys = []ssh.Signer{rsaKey(t, 2048)} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}

	dir := t.TempDir()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(k, "")
	if err != nil {
		t.Fatal(err)
	}
	name := dir + "/ssh_host_ed25519_key"
	if err := os.WriteFile(name, pemText(block), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadHostKeys(name)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadHostKeys(name); err == nil {
		t.Error("a key that all may read was loaded")
	}
	if _, err := LoadHostKeys(dir + "/absent"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
