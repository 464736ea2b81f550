package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/trust/tsa"
)

// signFile is the command sign: one signature for each pair of --key and --cert.
func signFile(c *call, args []string) error {
	var keys, certs list
	var passwordFile, format, authority, out string
	var detached bool
	flags := c.flags()
	flags.Var(&keys, "key", "")
	flags.Var(&certs, "cert", "")
	flags.StringVar(&passwordFile, "password-file", "", "")
	flags.BoolVar(&detached, "detached", false, "")
	flags.StringVar(&format, "format", "cades-b", "")
	flags.StringVar(&authority, "tsa", "", "")
	flags.StringVar(&out, "o", "", "")
	rest, err := c.parse(flags, args, 1, asic.MaxEntries)
	if err != nil {
		return err
	}
	form := map[string]asic.Form{"asic-s": asic.S, "asic-e": asic.E}[format]
	switch {
	case len(rest) > 1 && form != asic.E:
		return usageError{errors.New(c.t("кілька файлів - лише з --format asic-e", "several files go only with --format asic-e"))}
	case form != asic.Unknown && detached:
		return usageError{errors.New(c.t("--detached: документ має бути в контейнері ASiC", "--detached: the document has to be in the ASiC container"))}
	case len(keys) == 0 || len(keys) != len(certs):
		return usageError{errors.New(c.t("до кожного --key потрібен свій --cert", "each --key needs its --cert"))}
	case format != "cades-b" && format != "cades-t" && form == asic.Unknown:
		return usageError{fmt.Errorf("--format %s: %s: cades-b, cades-t, asic-s, asic-e", format, c.t("є лише", "there are"))}
	case format == "cades-t" && authority == "":
		return usageError{errors.New(c.t("--format cades-t: потрібна адреса служби позначок часу, --tsa URL", "--format cades-t needs the address of a time-stamping authority, --tsa URL"))}
	case format != "cades-t" && authority != "":
		return usageError{errors.New(c.t("--tsa: позначка часу буває лише з --format cades-t", "--tsa: a time-stamp goes only with --format cades-t"))}
	}
	var stamper cades.Stamper
	if authority != "" {
		if stamper, err = tsa.New(tsa.Options{URL: authority, Proxy: http.ProxyFromEnvironment}); err != nil {
			return usageError{err}
		}
	}
	var password []byte
	if passwordFile != "" {
		if password, err = readPassword(passwordFile); err != nil {
			return err
		}
	}
	signers := make([]cades.Signer, len(keys))
	for i := range keys {
		if signers[i], err = c.signer(keys[i], certs[i], password); err != nil {
			return err
		}
	}
	ending := map[asic.Form]string{asic.S: ".asics", asic.E: ".asice", asic.Unknown: ".p7s"}[form]
	var container []byte
	if form != asic.Unknown {
		container, err = c.signASiC(form, rest, signers, time.Now())
	} else {
		container, err = c.signCAdES(rest[0], signers, cades.SignOptions{Detached: detached, At: time.Now()})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", rest[0], err)
	}
	if stamper != nil {
		if container, err = (cades.Raising{Stamper: stamper}).AddTimeStamp(c, container); err != nil {
			return err
		}
	}
	if out == "" {
		out = rest[0] + ending
	}
	if err := replaceFile(out, container); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			File string `json:"file"`
		}{out})
	}
	c.printf("%s\n", out)
	return nil
}

func (c *call) signCAdES(file string, signers []cades.Signer, o cades.SignOptions) ([]byte, error) {
	content, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	return cades.Sign(rand.Reader, content, signers, o)
}

// signer reads a key and its certificate; further certificates of the file go
// into the container as its chain.
func (c *call) signer(keyFile, certFile string, password []byte) (cades.Signer, error) {
	var s cades.Signer
	b, err := c.readFile(keyFile)
	if err != nil {
		return s, err
	}
	if s.Key, err = parseKey(b, password); err != nil {
		return s, fmt.Errorf("%s: %w", keyFile, err)
	}
	if b, err = c.readFile(certFile); err != nil {
		return s, err
	}
	all, err := pki.ParseCertificates(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w", certFile, err)
	}
	for _, cert := range all {
		if s.Certificate == nil && algorithm.SameKey(s.Key.Public(), cert.PublicKey) {
			s.Certificate = cert
		} else {
			s.Chain = append(s.Chain, cert)
		}
	}
	if s.Certificate == nil {
		return s, fmt.Errorf("%s: %s %s", certFile, c.t("сертифікат не від ключа", "the certificate is not of the key"), keyFile)
	}
	return s, nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename: not there any more
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
