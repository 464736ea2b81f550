package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// layout is a gateway's directory (DESIGN 8).
type layout struct{ dir string }

func (l layout) path(elem ...string) string {
	return filepath.Join(append([]string{l.dir}, elem...)...)
}

func (l layout) config() string { return l.path("brama.yaml") }

// folders that init makes. What is written by others (clients, the processor) is
// open to the group too.
func (l layout) folders() []string {
	return []string{
		l.path("keys"), l.path("state"), l.path("run"),
		l.path("handoff", "ready"), l.path("handoff", "done"), l.path("handoff", "returned"), l.path("handoff", "statements"),
		l.path("clients"), l.path("clients.d"), l.path("profiles"),
		l.path("trust", "anchors"), l.path("trust", "material"),
	}
}

func initialise(c *call, args []string) error {
	var dir string
	var demo bool
	listen := "127.0.0.1:2022"
	fs := c.flags()
	fs.StringVar(&dir, "dir", "", "")
	fs.StringVar(&listen, "listen", listen, "")
	fs.BoolVar(&demo, "demo", false, "")
	if _, err := c.parse(fs, args, 0, 0); err != nil {
		return err
	}
	if dir == "" {
		return usageError{errors.New(c.t("вкажіть каталог: --dir КАТАЛОГ", "name the directory: --dir DIR"))}
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	l := layout{abs}
	if err := l.fit(); err != nil {
		return err
	}
	// An unfinished init leaves no brama.yaml, but may leave keys. They are not
	// written over: somebody may use them already.
	if err := l.vacant(); err != nil {
		return err
	}
	if err := l.make(c, listen, demo, time.Now()); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			Dir    string `json:"dir"`
			Config string `json:"config"`
			Listen string `json:"listen"`
			Demo   bool   `json:"demo"`
		}{l.dir, l.config(), listen, demo})
	}
	c.printf(c.t("Шлюз підготовлено: %s\n\nЗапустити:     bramad --config %s\nПодивитися:    bramactl --config %[2]s status\n",
		"The gateway is prepared: %s\n\nStart it:      bramad --config %s\nLook at it:    bramactl --config %[2]s status\n"), l.dir, l.config())
	if demo {
		host, port, _ := net.SplitHostPort(listen)
		c.printf(c.t("Увійти демо-клієнтом: sftp -i %s -P %s demo@%s\nЗразки документів:    %s\n",
			"Log in as the demo client: sftp -i %s -P %s demo@%s\nSample documents:          %s\n"),
			l.path("demo", "client_ed25519"), port, host, l.path("demo", "samples"))
	} else {
		c.printf("%s\n", c.t("Далі: bramactl trust add --anchor ФАЙЛ, bramactl client apply -f ФАЙЛ", "Next: bramactl trust add --anchor FILE, bramactl client apply -f FILE"))
	}
	return nil
}

// fit refuses a directory whose sockets could not be opened (unix(7): 107 bytes).
func (l layout) fit() error {
	if longest := l.path("run", "processor.sock"); len(longest) > 107 {
		return fmt.Errorf("%s: the path of a socket would have %d bytes, the system allows 107; choose a shorter directory", longest, len(longest))
	}
	return nil
}

func (l layout) vacant() error {
	for _, name := range []string{l.config(), l.path("keys"), l.path("state"), l.path("demo")} {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			entries, err := os.ReadDir(name)
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				continue
			}
		}
		return fmt.Errorf("%s exists already: choose another directory, or remove it if nothing in it is needed", name)
	}
	return nil
}

func (l layout) make(c *call, listen string, demo bool, now time.Time) error {
	text, cfg, err := l.newConfig(listen)
	if err != nil {
		return err
	}
	for _, dir := range l.folders() {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	if err := l.hostKeys(); err != nil {
		return err
	}
	if err := l.seal(now); err != nil {
		return err
	}
	if demo {
		if err := l.demo(c, cfg, now); err != nil {
			return err
		}
	}
	// Last: a directory with brama.yaml is a whole one.
	return writeNew(l.config(), text, 0o640)
}

// hostKeys makes one host key of each sort that clients of the last twenty years
// understand. Clients remember them: they are made once and kept.
func (l layout) hostKeys() error {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	r, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return err
	}
	for name, key := range map[string]crypto.PrivateKey{"ed25519": ed, "ecdsa": ec, "rsa": r} {
		if err := writeSSHKey(l.path("keys", "ssh_host_"+name+"_key"), key, ""); err != nil {
			return err
		}
	}
	return nil
}

// writeSSHKey writes a key as ssh-keygen does: the private one as OpenSSH PEM,
// the public one beside it.
func writeSSHKey(path string, key crypto.PrivateKey, comment string) error {
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := writeNew(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	line := ssh.MarshalAuthorizedKey(signer.PublicKey())
	if comment != "" {
		line = append(line[:len(line)-1], " "+comment+"\n"...)
	}
	return writeNew(path+".pub", line, 0o644)
}

// seal makes the key that seals receipts and statements, and its certificate. It
// is issued by a certification authority that exists for this one signature: its
// key is forgotten at once, so nothing else can ever be issued under the anchor
// that clients install. A site with a seal of a qualified provider puts that key
// and certificate in their place.
func (l layout) seal(now time.Time) error {
	ca, err := newAuthority("Brama Seal CA", now, 10)
	if err != nil {
		return err
	}
	key, cert, err := newSignatory(ca, issue.Subject{Country: "UA", CommonName: "Brama Seal"}, now, 3)
	if err != nil {
		return err
	}
	return errors.Join(
		writeKey(l.path("keys", "seal.key"), key),
		writeCertificate(l.path("keys", "seal.pem"), cert),
		writeCertificate(l.path("keys", "seal-ca.pem"), ca.Certificate),
	)
}

func writeKey(path string, key crypto.PrivateKey) error {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), 0o600)
}

func writeCertificate(path string, cert *pki.Certificate) error {
	return writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

// writeNew writes a file that must not be there yet, and does not return before
// it is on disk: a key that clients remember must not vanish with the power.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
