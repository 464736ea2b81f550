// Package keys reads the gateway's own keys and certificates from files. Keys
// leave it only as crypto.Signer.
package keys

import (
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
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
)

// ErrEncrypted is returned for a key under a password.
var ErrEncrypted = errors.New("the key is under a password")

// maxFile bounds a key or certificate file.
const maxFile = 1 << 20

// Seal reads a key, its certificate and the certificates above it, and proves
// that key and certificate belong together.
func Seal(keyFile, certificateFile string, chainFiles []string) (cades.Signer, error) {
	var s cades.Signer
	key, err := Private(keyFile)
	if err != nil {
		return s, err
	}
	certs, err := Certificates(certificateFile)
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
