package main

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"

	"github.com/brama-gateway/brama/crypto/keyfile"
)

// readPassword reads the first line of a file. A password never comes as an
// argument or in the environment: other users can see those.
func readPassword(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, fmt.Errorf("%s: its first line, the password, is empty", path)
	}
	return line, nil
}

var errPassword = errors.New("wrong password, or a damaged key")

// parseKey reads a private key: in PEM PKCS #8, plain or encrypted, or the older
// forms of RSA and EC keys; or a key container of another kind: Key-6.dat, PKCS #12,
// JKS, PKCS #8 in DER.
func parseKey(b, password []byte) (crypto.Signer, error) {
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		return openContainer(b, password)
	}
	for {
		var block *pem.Block
		block, b = pem.Decode(b)
		if block == nil {
			return nil, errors.New("no private key in PEM")
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
				return openContainer(block.Bytes, nil)
			}
		case "ENCRYPTED PRIVATE KEY":
			if password == nil {
				return nil, errors.New("the key is encrypted: --password-file FILE")
			}
			var plain []byte
			if plain, err = decryptPKCS8(block.Bytes, password); errors.Is(err, errScheme) {
				signer, e := openContainer(block.Bytes, password)
				if errors.Is(e, keyfile.ErrUnsupported) || errors.Is(e, keyfile.ErrFormat) {
					return nil, err // it says how to convert
				}
				return signer, e
			}
			if err != nil {
				return nil, err
			}
			if key, err = x509.ParsePKCS8PrivateKey(plain); err != nil {
				signer, err := openContainer(plain, nil)
				if err != nil {
					return nil, errPassword
				}
				return signer, nil
			}
		case "EC PRIVATE KEY", "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("encrypted in the old way of OpenSSL; convert it: openssl pkcs8 -topk8 -in OLD -out NEW")
			}
			if block.Type == "EC PRIVATE KEY" {
				key, err = x509.ParseECPrivateKey(block.Bytes)
			} else {
				key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
			}
		default: // EC PARAMETERS, certificates
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("private key: a %T cannot sign", key)
		}
		return signer, nil
	}
}

// errScheme: PBES2 otherwise than OpenSSL writes it.
var errScheme = errors.New("encrypted with")

// openContainer opens a container of keys that the standard library does not read.
func openContainer(b, password []byte) (crypto.Signer, error) {
	entries, err := keyfile.Open(b, password)
	switch {
	case errors.Is(err, keyfile.ErrPassword) && password == nil:
		return nil, errors.New("the key is encrypted: --password-file FILE")
	case errors.Is(err, keyfile.ErrPassword):
		return nil, errPassword
	case err != nil:
		return nil, fmt.Errorf("private key: %w", err)
	}
	signer, err := keyfile.Signing(entries)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return signer, nil
}

// PBES2 of RFC 8018, 6.2, as OpenSSL writes it: PBKDF2 and AES-CBC.
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACSHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidAES128CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

// maxIterations keeps a hostile key file from burning the processor for hours.
const maxIterations = 10_000_000

func decryptPKCS8(b, password []byte) ([]byte, error) {
	var outer struct {
		Algorithm struct {
			OID    asn1.ObjectIdentifier
			Params struct{ KDF, Cipher algorithmIdentifier }
		}
		Data []byte
	}
	unsupported := func(what string) error {
		return fmt.Errorf("%w %s; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in OLD -out NEW", errScheme, what)
	}
	if rest, err := asn1.Unmarshal(b, &outer); err != nil || len(rest) > 0 || !outer.Algorithm.OID.Equal(oidPBES2) {
		return nil, unsupported("something else than PBES2")
	}
	var kdf struct {
		Salt       []byte
		Iterations int
		KeyLength  int `asn1:"optional"`
		PRF        algorithmIdentifier
	}
	scheme, p := outer.Algorithm.Params.Cipher, outer.Algorithm.Params.KDF
	if !p.Algorithm.Equal(oidPBKDF2) {
		return nil, unsupported("the key derivation " + p.Algorithm.String())
	}
	if _, err := asn1.Unmarshal(p.Parameters.FullBytes, &kdf); err != nil {
		return nil, unsupported("PBKDF2 with SHA-1, or unreadable parameters")
	}
	if kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, fmt.Errorf("private key: %d iterations of PBKDF2; up to %d are done", kdf.Iterations, maxIterations)
	}
	var prf func() hash.Hash
	switch {
	case kdf.PRF.Algorithm.Equal(oidHMACSHA256):
		prf = sha256.New
	case kdf.PRF.Algorithm.Equal(oidHMACSHA512):
		prf = sha512.New
	default:
		return nil, unsupported("the hash " + kdf.PRF.Algorithm.String())
	}
	size := 0
	switch {
	case scheme.Algorithm.Equal(oidAES128CBC):
		size = 16
	case scheme.Algorithm.Equal(oidAES256CBC):
		size = 32
	default:
		return nil, unsupported("the cipher " + scheme.Algorithm.String())
	}
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Parameters.FullBytes, &iv); err != nil || len(iv) != aes.BlockSize {
		return nil, errPassword
	}
	key, err := pbkdf2.Key(prf, string(password), kdf.Salt, kdf.Iterations, size)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	plain := outer.Data
	if len(plain) == 0 || len(plain)%aes.BlockSize != 0 {
		return nil, errPassword
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
	// The padding tells a wrong password; no one can ask twice, so that it tells is no oracle.
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errPassword
	}
	return plain[:len(plain)-pad], nil
}
