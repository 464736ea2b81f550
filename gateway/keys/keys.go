// Package keys reads the gateway's own keys and certificates from files. Keys
// leave it only as crypto.Signer.
package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
)

// ErrEncrypted is returned for a key under a password.
var ErrEncrypted = errors.New("the key is under a password")

// maxFile bounds a key or certificate file.
const maxFile = 1 << 20

// Seal reads a key, its certificate and the certificates above it, and proves
// that key and certificate belong together. A key under a password needs the file
// that the password stands in; else that is empty.
func Seal(keyFile, passwordFile, certificateFile string, chainFiles []string) (cades.Signer, error) {
	var s cades.Signer
	certs, err := Certificates(certificateFile)
	if err != nil {
		return s, err
	}
	key, err := Protected(keyFile, passwordFile, certs[0])
	if err != nil {
		return s, err
	}
	s = cades.Signer{Key: key, Certificate: certs[0], Chain: certs[1:]}
	for _, f := range chainFiles {
		more, err := Certificates(f)
		if err != nil {
			return s, err
		}
		s.Chain = append(s.Chain, more...)
	}
	if !algorithm.SameKey(key.Public(), s.Certificate.PublicKey) {
		return s, fmt.Errorf("%s: the key is not that of the certificate in %s", keyFile, certificateFile)
	}
	return s, nil
}

// Decrypt reads the keys for what arrives encrypted, each with the certificate of
// the same place, and proves that they belong together: RSA, EC and DSTU 4145, in
// any container of package keyfile. One password opens all that have one.
func Decrypt(keyFiles []string, passwordFile string, certificateFiles []string) ([]enveloped.Key, error) {
	if len(keyFiles) != len(certificateFiles) {
		return nil, fmt.Errorf("decrypt: %d keys and %d certificates; each key needs its own", len(keyFiles), len(certificateFiles))
	}
	password, err := Password(passwordFile)
	if err != nil {
		return nil, err
	}
	var out []enveloped.Key
	for i, f := range keyFiles {
		certs, err := Certificates(certificateFiles[i])
		if err != nil {
			return nil, err
		}
		k, err := opening(f, password, certs[0])
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", f, certificateFiles[i], err)
		}
		out = append(out, k)
	}
	return out, nil
}

// opening finds in a key file the key of a certificate.
func opening(file string, password []byte, certificate *pki.Certificate) (enveloped.Key, error) {
	data, err := read(file)
	if err != nil {
		return enveloped.Key{}, err
	}
	entries, err := keyfile.Open(data, password)
	switch {
	case errors.Is(err, keyfile.ErrPassword) && password == nil:
		return enveloped.Key{}, ErrEncrypted
	case err != nil:
		return enveloped.Key{}, err
	}
	for _, e := range entries {
		private, err := e.Key()
		switch {
		case errors.Is(err, keyfile.ErrUnsupported):
			continue // certificates only
		case err != nil:
			return enveloped.Key{}, err
		}
		if k, err := enveloped.NewKey(certificate, private); err == nil {
			return k, nil
		}
	}
	return enveloped.Key{}, fmt.Errorf("the key is not that of the certificate: %w", enveloped.ErrKey)
}

// Protected reads the private key of a certificate out of any container of package
// keyfile, under the password that stands in the first line of passwordFile; with
// an empty passwordFile it is Private.
func Protected(file, passwordFile string, certificate *pki.Certificate) (crypto.Signer, error) {
	if passwordFile == "" {
		return Private(file)
	}
	secret, err := Password(passwordFile)
	if err != nil {
		return nil, err
	}
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	entries, err := keyfile.Open(data, secret)
	clear(secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i := range entries {
		key, err := entries[i].Key()
		if errors.Is(err, keyfile.ErrUnsupported) {
			continue // certificates only
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if algorithm.SameKey(key.Public(), certificate.PublicKey) {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s: holds no key of the certificate", file)
}

// Password is the first line of a file; nil where no file is named. It never
// comes as an argument or in the environment: other users can see those.
func Password(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, fmt.Errorf("%s: its first line, the password, is empty", file)
	}
	return line, nil
}

// Private reads a private key of RSA, ECDSA or DSTU 4145: PEM of PKCS #8 (RFC 5958),
// SEC 1 (RFC 5915) or PKCS #1 (RFC 8017, A.1.2), or PKCS #8 in DER. No error says
// anything of what the key is.
func Private(file string) (crypto.Signer, error) {
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 && data[0] == 0x30 {
		key, err := pkcs8(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return key, nil
	}
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s: holds no PEM private key", file)
		}
		if block.Type == "EC PARAMETERS" { // openssl ecparam -genkey writes it before the key
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%s: %w", file, ErrEncrypted)
		}
		key, err := parse(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return key, nil
	}
}

var errForm = errors.New("not a private key in PKCS #8, SEC 1 or PKCS #1")

func parse(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		return pkcs8(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, errForm
	}
	if err != nil {
		return nil, errForm
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		return k, nil
	}
	return nil, errors.New("want an RSA or ECDSA key")
}

// pkcs8 reads a PrivateKeyInfo that is not encrypted. The number of a DSTU 4145 key
// is little-endian in it.
func pkcs8(data []byte) (crypto.Signer, error) {
	entries, err := keyfile.Open(data, nil)
	if errors.Is(err, keyfile.ErrPassword) {
		return nil, ErrEncrypted
	}
	if err != nil {
		return nil, errForm
	}
	key, err := keyfile.Signing(entries)
	if err != nil {
		return nil, errForm
	}
	return key, nil
}

// Certificates reads one or more certificates, PEM or DER.
func Certificates(file string) ([]*pki.Certificate, error) {
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	certs, err := pki.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate", file)
	}
	return certs, nil
}

func read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a key or certificate file", file)
	}
	data, err := os.ReadFile(file)
	return data, err
}
