package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// Clocks differ: what is made now is valid already for who is an hour behind.
const slack = time.Hour

// newAuthority makes a self-signed one that may issue end certificates only.
func newAuthority(name string, now time.Time, years int) (issue.Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issue.Issuer{}, err
	}
	subject := issue.Subject{Country: "UA", CommonName: name}
	cert, err := issue.SelfSigned(rand.Reader, key, issue.Authority(subject, serial(), now.Add(-slack), now.AddDate(years, 0, 0), 0))
	if err != nil {
		return issue.Issuer{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return issue.Issuer{Key: key, Certificate: cert}, nil
}

// newSignatory makes a key and its certificate for signing documents.
func newSignatory(by issue.Issuer, s issue.Subject, now time.Time, years int) (crypto.Signer, *pki.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue.Certificate(rand.Reader, by, key.Public(), issue.Signatory(s, serial(), now.Add(-slack), now.AddDate(years, 0, 0)))
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", s.CommonName, err)
	}
	return key, cert, nil
}

// serial is 127 random bits, positive and never zero (RFC 5280, 4.1.2.2).
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}
