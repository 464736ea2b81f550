package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/admin"
)

// trusted is a certificate or a revocation list in the trust folders.
type trusted struct {
	Use     string     `json:"use"`  // anchor, material
	Kind    string     `json:"kind"` // certificate, crl
	Name    string     `json:"name"` // subject, or issuer of a list
	File    string     `json:"file"`
	From    time.Time  `json:"from"`
	Until   *time.Time `json:"until,omitempty"`
	SHA256  string     `json:"sha256"`
	encoded []byte
}

// trustAdd copies certificates and lists into the folder of anchors or of
// material. Only --anchor makes an anchor: a certificate is never believed because
// it is there (DESIGN 8).
func trustAdd(c *call, args []string) error {
	var anchor bool
	flags := c.flags()
	flags.BoolVar(&anchor, "anchor", false, "")
	names, err := c.parse(flags, args, 1, -1)
	if err != nil {
		return err
	}
	anchors, material, err := trustFolders(c.configFile())
	if err != nil {
		return err
	}
	// All files are read before the first one is written: all or nothing.
	var all []trusted
	for _, name := range names {
		b, err := c.readFile(name)
		if err != nil {
			return err
		}
		found, err := readTrusted(name, b)
		if err != nil {
			return err
		}
		for _, t := range found {
			if anchor && t.Kind != "certificate" {
				return fmt.Errorf("%s: %s", name, c.t("список відкликаних не може бути коренем довіри; додайте без --anchor", "a revocation list cannot be an anchor; add it without --anchor"))
			}
			t.Use = "material"
			if anchor {
				t.Use = "anchor"
			}
			all = append(all, t)
		}
	}
	folder := material
	if anchor {
		folder = anchors
	}
	for i := range all {
		t := &all[i]
		t.File = filepath.Join(folder, t.SHA256[:16]+map[string]string{"certificate": ".pem", "crl": ".crl.pem"}[t.Kind])
		label := map[string]string{"certificate": "CERTIFICATE", "crl": "X509 CRL"}[t.Kind]
		err := writeNew(t.File, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: t.encoded}), 0o644)
		if err != nil && !errors.Is(err, fs.ErrExist) { // the name is its hash: it is there already
			return err
		}
	}
	reloaded, err := c.reloadIfRunning()
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(all)
	}
	for _, t := range all {
		c.printf("%s %s: %s\n", t.Use, t.Kind, printable(t.Name))
	}
	if !reloaded {
		c.printf("%s\n", c.t("шлюз не працює; побачить під час запуску", "the gateway does not run; it will see them when it starts"))
	}
	return nil
}

func (c *call) reloadIfRunning() (bool, error) {
	op, done, err := c.operator()
	if errors.Is(err, admin.ErrNoDaemon) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer done()
	return true, op.Reload(c)
}

func trustList(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	anchors, material, err := trustFolders(c.configFile())
	if err != nil {
		return err
	}
	all := []trusted{}
	for _, folder := range []struct{ use, dir string }{{"anchor", anchors}, {"material", material}} {
		entries, err := os.ReadDir(folder.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			name := filepath.Join(folder.dir, e.Name())
			b, err := c.readFile(name)
			if err != nil {
				return err
			}
			found, err := readTrusted(name, b)
			if err != nil {
				return err
			}
			for _, t := range found {
				t.Use, t.File = folder.use, name
				all = append(all, t)
			}
		}
	}
	if c.json {
		return c.writeJSON(all)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("РОЛЬ\tВИД\tДІЄ ДО\tSHA-256\tНАЗВА", "USE\tKIND\tUNTIL\tSHA-256\tNAME"))
	for _, t := range all {
		until := "-"
		if t.Until != nil {
			until = t.Until.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Use, t.Kind, until, t.SHA256[:16], printable(t.Name))
	}
	return w.Flush()
}

// readTrusted reads the certificates and revocation lists of a file: PEM, several
// in one, or one in DER.
func readTrusted(name string, b []byte) ([]trusted, error) {
	var encoded [][]byte
	for rest := b; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if !slices.Contains([]string{"CERTIFICATE", "X509 CRL"}, block.Type) {
			return nil, fmt.Errorf("%s: a %s is neither a certificate nor a revocation list", name, block.Type)
		}
		encoded = append(encoded, block.Bytes)
	}
	if len(encoded) == 0 {
		encoded = [][]byte{b}
	}
	all := make([]trusted, 0, len(encoded))
	for _, der := range encoded {
		sum := sha256.Sum256(der)
		t := trusted{SHA256: hex.EncodeToString(sum[:]), encoded: der}
		if cert, err := pki.ParseCertificate(der); err == nil {
			t.Kind, t.Name, t.From, t.Until = "certificate", cert.Subject.String(), cert.NotBefore, &cert.NotAfter
		} else if crl, err := pki.ParseCRL(der); err == nil {
			t.Kind, t.Name, t.From = "crl", crl.Issuer.String(), crl.ThisUpdate
			if !crl.NextUpdate.IsZero() {
				t.Until = &crl.NextUpdate
			}
		} else {
			return nil, fmt.Errorf("%s: neither a certificate nor a revocation list", name)
		}
		all = append(all, t)
	}
	return all, nil
}
