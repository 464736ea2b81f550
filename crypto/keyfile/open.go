// Package keyfile opens containers of private keys: Key-6.dat of IIT, PKCS #8 plain
// and encrypted (PBES2, also with GOST), PKCS #12 (also with GOST), JKS, and PEM. It
// writes Key-6.dat and encrypted PKCS #8 for tests and for keys made here.
//
// A container comes as bytes with its password; nothing is read from files or the
// environment. Decrypted containers and derived keys are wiped before Open returns;
// the keys it gives are the caller's to wipe. Go may have copied them meanwhile.
//
// Keys of DSTU 4145 come out as numbers with their encoded parameters, see DSTUKey;
// this package does not calculate on curves. Keys of RSA and ECDSA come out as
// crypto.Signer of the standard library.
//
// Containers whose content is not authenticated (PBES2 with CFB, above all) are
// opened too: an altered one may give an altered key. Who uses a key checks it
// against its certificate.
//
// References: RFC 5958 (PKCS #8), RFC 8018 (PBES2), RFC 7292 (PKCS #12), RFC 5915
// and RFC 8017 (plain EC and RSA keys). The orders that put GOST into them were not at
// hand, Key-6.dat and JKS have no published text: these forms are taken from real
// files and from what public implementations read.
package keyfile

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/crypto/der"
)

// Errors that callers tell apart.
var (
	// ErrPassword: the password is not the container's. Containers without a check
	// of their own give it also when they are damaged.
	ErrPassword = errors.New("password does not fit the key container")
	// ErrFormat: not a container this package knows, or a broken one.
	ErrFormat = errors.New("not a readable key container")
	// ErrUnsupported: an algorithm or kind of key that this package does not do.
	ErrUnsupported = errors.New("key container uses what is not supported")
	// ErrLimit: the container is too big or asks for too much work.
	ErrLimit = errors.New("key container exceeds a limit")
)

// Limits of one container. Real ones are far below.
const (
	maxSize    = 1 << 20   // octets
	maxEntries = 64        // keys, and certificates of one chain
	maxWork    = 2_000_000 // iterations of key derivation in all
)

// Usage is what a key is for, as far as the container or its certificate tells.
type Usage uint8

// What keys are for. The zero value does not know.
const (
	UsageUnknown Usage = iota
	UsageSignature
	UsageAgreement // key agreement: decrypts messages
)

// Entry is one private key with what the container holds for it. An entry with
// neither DSTU nor Signer holds certificates that the container ties to no key.
type Entry struct {
	// Name is the container's name for the entry; may be empty.
	Name string
	// DSTU is set for keys of DSTU 4145.
	DSTU *DSTUKey
	// Signer is set for keys of RSA and ECDSA.
	Signer crypto.Signer
	// KeyID is the subject key identifier that the container names for the key, nil
	// if it names none. The container is believed.
	KeyID []byte
	// Certificates are encoded; the key's own first, its issuers after it, where
	// names show which is which.
	Certificates [][]byte
	Usage        Usage
}

// DSTUKey is a private key of DSTU 4145 as its container has it. Neither the range
// of the number nor the parameters were compared with a curve.
type DSTUKey struct {
	// Algorithm is the AlgorithmIdentifier as a SubjectPublicKeyInfo would carry it:
	// identifier, curve by name or by parameters, substitution block.
	Algorithm []byte
	// M is the degree of the field, 163 to 431.
	M int
	// D is the private number, big-endian, (M+7)/8 octets.
	D []byte
	// SBox is the substitution block packed in 64 octets, nil if the key names none.
	SBox []byte
}

// Wipe forgets the number.
func (k *DSTUKey) Wipe() { clear(k.D) }

// Open opens a container of any known kind. password is text in UTF-8 and may be nil
// for kinds without one. Errors wrap one of this package's.
func Open(data, password []byte) ([]Entry, error) { return OpenKeys(data, password, password) }

// OpenKeys opens a container whose keys have another password than the whole, as JKS
// may have; for the other kinds keyPassword is not looked at.
func OpenKeys(data, password, keyPassword []byte) ([]Entry, error) {
	return open(data, password, keyPassword, maxWork)
}

func open(data, password, keyPassword []byte, work int) ([]Entry, error) {
	if len(data) > maxSize || len(password) > maxPassword || len(keyPassword) > maxPassword {
		return nil, ErrLimit
	}
	o := &opener{password: password, keyPassword: keyPassword, work: work}
	entries, err := o.open(data)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		entries[i].arrange()
	}
	return entries, nil
}

// opener holds the passwords of one container and the work still allowed.
type opener struct {
	password, keyPassword []byte
	work                  int
}

// spend counts iterations of key derivation before they are done.
func (o *opener) spend(iterations int) error {
	if iterations < 1 {
		return fmt.Errorf("iteration count: %w", ErrFormat)
	}
	if o.work -= iterations; o.work < 0 {
		return fmt.Errorf("iteration count: %w", ErrLimit)
	}
	return nil
}

// Object identifiers of whole containers.
const (
	oidKey6 der.OID = "1.3.6.1.4.1.19398.1.1.1.2"
	oidData der.OID = "1.2.840.113549.1.7.1"
)

func (o *opener) open(data []byte) ([]Entry, error) {
	// M.E.Doc writes six octets before some containers.
	if len(data) > 6 && data[0] == 0x51 && data[6] == 0x30 {
		data = data[6:]
	}
	switch {
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return o.jks(data)
	case bytes.Contains(data[:min(len(data), 4096)], []byte("-----BEGIN ")):
		return o.pem(data)
	case len(data) > 0 && data[0] == 0x30:
		return o.der(data)
	}
	return nil, ErrFormat
}

// der tells kinds apart by the first element of their SEQUENCE.
func (o *opener) der(data []byte) ([]Entry, error) {
	e, err := der.One(data, der.BER)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	r := der.NewReader(nil, der.BER).Inside(e)
	first, err := r.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case first.Is(der.Universal, der.TagSequence):
		oid, err := r.Inside(first).OID()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if oid == oidKey6 {
			return o.key6(data)
		}
		return o.encryptedPKCS8(data)
	case first.Is(der.Universal, der.TagInteger):
		version, err := first.Int(3)
		if err != nil {
			return nil, fmt.Errorf("version: %w", ErrFormat)
		}
		if version == 3 {
			return o.pkcs12(data)
		}
		switch {
		case r.Peek(der.Universal, der.TagSequence):
			return privateKeyInfo(data)
		case r.Peek(der.Universal, der.TagInteger):
			return plainRSA(data)
		case r.Peek(der.Universal, der.TagOctetString):
			return plainEC(data)
		}
	}
	return nil, ErrFormat
}
