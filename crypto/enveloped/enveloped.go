// Package enveloped opens and makes encrypted containers: EnvelopedData
// (RFC 5652, section 6) and AuthEnvelopedData (RFC 5083).
//
// What is made: for RSA and elliptic curve recipients AuthEnvelopedData under
// AES-256-GCM (RFC 5084), the key by RSAES-OAEP with SHA-256 (RFC 3560) or by
// ephemeral-static ECDH with the X9.63 derivation over SHA-256 and AES key wrap
// (RFC 5753, RFC 3394); for DSTU 4145 recipients EnvelopedData under GOST 28147
// CFB, the key by cofactor ECDH, GOST 34.311 or Kupyna-256 and the GOST key wrap
// (orders z1398-12 and z1399-12), ephemeral or from the sender's own key.
//
// What is opened besides: AES-CBC and AES-128/192-GCM content, RSAES-OAEP with
// other digests, RSAES-PKCS1-v1_5, X9.63 over SHA-1, SHA-384 and SHA-512.
//
// # Integrity
//
// Only GCM tells whether the content is what was encrypted. CBC and CFB can be
// altered by anybody who carries them, so Opened.Authenticated is false for these
// and their content is worth nothing unless a signature inside holds. And even an
// authenticated container says nothing about who made it: everybody has the
// recipient's certificate.
//
// # No oracle
//
// Who may send containers and see the answers must not learn of the key or the
// content from the difference between answers:
//
//   - Every failure after the recipient is found is ErrDamaged, without a cause.
//   - CBC padding is not judged: where it is wrong the content comes back with it.
//     The signature inside is what fails.
//   - RSAES-PKCS1-v1_5 is opened only with a key in memory (*rsa.PrivateKey): a
//     wrong padding gives another content key in constant time (RFC 3218, 2.3.2),
//     whose content fails like any other. A key behind another crypto.Decrypter,
//     which may tell wrong paddings apart, opens OAEP alone.
//   - One private operation is done for a container, whatever it holds.
//
// The rest is the caller's: for a content without integrity give one answer to all
// that is not a container with a good signature inside.
//
// Nothing here reads the clock: whether a recipient's certificate is valid and
// trusted is decided before Encrypt.
package enveloped

import (
	"errors"
)

// Limits, checked before the work.
const (
	// MaxRecipients bounds the keys in one container.
	MaxRecipients = 64
	// MaxSize bounds a container and a content, in octets.
	MaxSize = 256 << 20
	// maxKeyMaterial bounds an encrypted key or user keying material.
	maxKeyMaterial = 1024
	// maxCertificates bounds the certificates that an originator sends along.
	maxCertificates = 16
)

// Errors that callers tell apart.
var (
	// ErrNotEnveloped: the bytes are no EnvelopedData or AuthEnvelopedData.
	ErrNotEnveloped = errors.New("not an encrypted container")
	// ErrFormat is wrapped by errors of syntax: the bytes start as an encrypted
	// container and are none.
	ErrFormat = errors.New("encrypted container is malformed")
	// ErrLimit: beyond a limit of this package.
	ErrLimit = errors.New("over a limit")
	// ErrNotForUs: none of the recipients is one of the keys.
	ErrNotForUs = errors.New("encrypted to somebody else")
	// ErrOriginator: the sender's certificate is needed and not known.
	ErrOriginator = errors.New("sender's certificate for key agreement is not known")
	// ErrUnsupported: an algorithm or a form that is not opened.
	ErrUnsupported = errors.New("encryption is of an unsupported sort")
	// ErrDamaged: the key or the content does not open.
	ErrDamaged = errors.New("encrypted container is damaged")
	// ErrRecipient: a certificate that nothing can be encrypted to.
	ErrRecipient = errors.New("certificate is not for encryption")
	// ErrMixed: recipients of families that share no content cipher.
	ErrMixed = errors.New("recipients of DSTU 4145 and others in one container")
	// ErrKey: a private key that does not fit its certificate or is of a sort that
	// opens nothing.
	ErrKey = errors.New("key cannot decrypt for its certificate")
)
