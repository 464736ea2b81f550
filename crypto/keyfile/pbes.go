package keyfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/kdf"
)

// Object identifiers of password-based encryption.
const (
	oidPBES2     der.OID = "1.2.840.113549.1.5.13"
	oidPBKDF2    der.OID = "1.2.840.113549.1.5.12"
	oidHMACGOST  der.OID = "1.2.804.2.1.1.1.1.1.2"
	oidGOST34311 der.OID = "1.2.804.2.1.1.1.1.2.1"
	oidGOSTCTR   der.OID = "1.2.804.2.1.1.1.1.1.1.2"
	oidGOSTCFB   der.OID = "1.2.804.2.1.1.1.1.1.1.3"
	oidHMACSHA1  der.OID = "1.2.840.113549.2.7"
	oid3DES      der.OID = "1.2.840.113549.3.7"
)

// prfs are the functions of PBKDF2.
var prfs = map[der.OID]func() hash.Hash{
	oidHMACGOST:  newGOST,
	oidGOST34311: newGOST, // the hash named in place of the code over it
	oidHMACSHA1:  sha1.New,

	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

func newGOST() hash.Hash { return gost34311.New(nil) }

var aesKeys = map[der.OID]int{
	"2.16.840.1.101.3.4.1.2":  16,
	"2.16.840.1.101.3.4.1.22": 24,
	"2.16.840.1.101.3.4.1.42": 32,
}

// maxSalt bounds salts in octets.
const maxSalt = 1024

// scheme decrypts with one password; it is made of an AlgorithmIdentifier.
type scheme func(password, data []byte) ([]byte, error)

// encryptedPKCS8 opens an EncryptedPrivateKeyInfo, RFC 5958, section 3.
func (o *opener) encryptedPKCS8(data []byte) ([]Entry, error) {
	r, err := der.NewReader(data, der.BER).Sequence()
	if err != nil {
		return nil, bad("encrypted key", err)
	}
	alg, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, bad("encrypted key", err)
	}
	body, err := r.OctetString()
	if err != nil {
		return nil, bad("encrypted key", err)
	}
	var entries []Entry
	err = o.decrypt(alg.Raw, body, func(plain []byte) (err error) {
		entries, err = privateKeyInfo(plain)
		return err
	})
	return entries, err
}

// decrypt tries the spellings of the password until use takes what comes out. The
// plain text is wiped when use returns. An ErrFormat from use means that the password
// was wrong: there is nothing else to tell by.
func (o *opener) decrypt(alg, body []byte, use func(plain []byte) error) error {
	for _, password := range spellings(o.password) {
		s, err := o.scheme(alg)
		if err != nil {
			return err
		}
		plain, err := s(password, body)
		if err == nil {
			err = use(plain)
			clear(plain)
		}
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrPassword) {
			return err
		}
	}
	return ErrPassword
}

// scheme reads the algorithm of an encryption under a password.
func (o *opener) scheme(alg []byte) (scheme, error) {
	r, err := der.NewReader(alg, der.BER).Sequence()
	if err != nil {
		return nil, bad("encryption algorithm", err)
	}
	oid, err := r.OID()
	if err != nil {
		return nil, bad("encryption algorithm", err)
	}
	p, err := r.Sequence()
	if err != nil {
		return nil, fmt.Errorf("encryption algorithm %s: %w", oid, ErrUnsupported)
	}
	if oid == oidPBES2 {
		return o.pbes2(p)
	}
	if legacy[oid].size != 0 {
		return o.pbes12(oid, p)
	}
	return nil, fmt.Errorf("encryption algorithm %s: %w", oid, ErrUnsupported)
}

// saltAndCount reads a salt and an iteration count, and spends the latter.
func (o *opener) saltAndCount(r *der.Reader) ([]byte, int, error) {
	salt, err := r.OctetString()
	if err != nil {
		return nil, 0, bad("salt", err)
	}
	if len(salt) > maxSalt {
		return nil, 0, fmt.Errorf("salt: %w", ErrLimit)
	}
	n, err := r.Integer()
	if err != nil {
		return nil, 0, bad("iteration count", err)
	}
	if !n.IsInt64() || n.Int64() > maxWork {
		return nil, 0, fmt.Errorf("iteration count: %w", ErrLimit)
	}
	return salt, int(n.Int64()), o.spend(int(n.Int64()))
}

// pbes2 reads PBES2-params, RFC 8018, A.4. The iteration count is spent once: no
// cipher here needs more key than one output of the functions gives, but for SHA-1,
// which is so much faster than GOST that it may.
func (o *opener) pbes2(r *der.Reader) (scheme, error) {
	fail := func(what string, err error) (scheme, error) { return nil, bad(what, err) }
	k, err := r.Sequence()
	if err != nil {
		return fail("key derivation", err)
	}
	oid, err := k.OID()
	if err != nil {
		return fail("key derivation", err)
	}
	if oid != oidPBKDF2 {
		return nil, fmt.Errorf("key derivation %s: %w", oid, ErrUnsupported)
	}
	p, err := k.Sequence()
	if err != nil {
		return fail("key derivation", err)
	}
	salt, count, err := o.saltAndCount(p)
	if err != nil {
		return nil, err
	}
	length := 0
	if p.Peek(der.Universal, der.TagInteger) {
		if length, err = p.Int(64); err != nil {
			return fail("key length", err)
		}
	}
	prf := oidHMACSHA1
	if !p.Empty() {
		a, err := p.Sequence()
		if err != nil {
			return fail("key derivation", err)
		}
		if prf, err = a.OID(); err != nil {
			return fail("key derivation", err)
		}
	}
	newHash := prfs[prf]
	if newHash == nil {
		return nil, fmt.Errorf("key derivation with %s: %w", prf, ErrUnsupported)
	}

	c, err := r.Sequence()
	if err != nil {
		return fail("cipher", err)
	}
	if oid, err = c.OID(); err != nil {
		return fail("cipher", err)
	}
	size, run, err := readCipher(oid, c)
	if err != nil {
		return nil, err
	}
	if length != 0 && length != size {
		return fail("key length", nil)
	}
	return func(password, data []byte) ([]byte, error) {
		key := kdf.PBKDF2(hmac.New(newHash, password), salt, count, size)
		defer clear(key)
		return run(key, data)
	}, nil
}

// readCipher reads the parameters of a cipher; it gives the length of its key and
// the decryption.
func readCipher(oid der.OID, r *der.Reader) (int, scheme, error) {
	switch {
	case oid == oidGOSTCFB, oid == oidGOSTCTR:
		p, err := r.Sequence()
		if err != nil {
			return 0, nil, bad("cipher parameters", err)
		}
		iv, err := p.OctetString()
		if err != nil || len(iv) != gost28147.BlockSize {
			return 0, nil, bad("start vector", err)
		}
		var box *gost28147.SBox
		if !p.Empty() {
			packed, err := p.OctetString()
			if err != nil {
				return 0, nil, bad("substitution block", err)
			}
			if box, err = gost28147.NewSBox(packed); err != nil {
				return 0, nil, bad("substitution block", err)
			}
		}
		return gost28147.KeySize, func(key, data []byte) ([]byte, error) {
			c, err := gost28147.NewCipher(key, box)
			if err != nil {
				return nil, err
			}
			defer c.Wipe()
			start := c.NewCFBDecrypter
			if oid == oidGOSTCTR {
				start = c.NewCTR
			}
			s, err := start(iv)
			if err != nil {
				return nil, err
			}
			out := make([]byte, len(data))
			s.XORKeyStream(out, data)
			return out, nil
		}, nil
	case oid == oid3DES, aesKeys[oid] != 0:
		size, block, newCipher := aesKeys[oid], aes.BlockSize, aes.NewCipher
		if oid == oid3DES {
			size, block, newCipher = 24, des.BlockSize, des.NewTripleDESCipher
		}
		iv, err := r.OctetString()
		if err != nil || len(iv) != block {
			return 0, nil, bad("start vector", err)
		}
		return size, func(key, data []byte) ([]byte, error) {
			c, err := newCipher(key)
			if err != nil {
				return nil, err
			}
			return cbc(c, iv, data)
		}, nil
	}
	return 0, nil, fmt.Errorf("cipher %s: %w", oid, ErrUnsupported)
}

// cbc decrypts and takes the padding off (RFC 8018, 6.1.1, step 4).
func cbc(c cipher.Block, iv, data []byte) ([]byte, error) {
	n := c.BlockSize()
	if len(data) == 0 || len(data)%n != 0 {
		return nil, bad("encrypted data", nil)
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(c, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > n {
		clear(out)
		return nil, ErrPassword
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			clear(out)
			return nil, ErrPassword
		}
	}
	return out[:len(out)-pad], nil
}

// legacy are the schemes of RFC 7292, appendix C, that are still met: the length of
// the key and the cipher, all in CBC with blocks of 8 octets.
var legacy = map[der.OID]struct {
	size int
	new  func(key []byte) (cipher.Block, error)
}{
	"1.2.840.113549.1.12.1.3": {24, des.NewTripleDESCipher},
	"1.2.840.113549.1.12.1.5": {16, func(key []byte) (cipher.Block, error) { return newRC2(key), nil }},
	"1.2.840.113549.1.12.1.6": {5, func(key []byte) (cipher.Block, error) { return newRC2(key), nil }},
}

// pbes12 reads the parameters of a scheme of RFC 7292, appendix C.
func (o *opener) pbes12(oid der.OID, r *der.Reader) (scheme, error) {
	salt, count, err := o.saltAndCount(r)
	if err != nil {
		return nil, err
	}
	if err := o.spend(2 * count); err != nil { // two hashes make the key, one the vector
		return nil, err
	}
	l := legacy[oid]
	return func(password, data []byte) ([]byte, error) {
		pw, ok := bmp(password)
		if !ok {
			return nil, ErrPassword
		}
		defer clear(pw)
		key := kdf.PKCS12(sha1.New(), sha1.BlockSize, kdf.ForEncryption, pw, salt, count, l.size)
		defer clear(key)
		iv := kdf.PKCS12(sha1.New(), sha1.BlockSize, kdf.ForIV, pw, salt, count, 8)
		c, err := l.new(key)
		if err != nil {
			return nil, err
		}
		return cbc(c, iv, data)
	}, nil
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
