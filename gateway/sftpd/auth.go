package sftpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/gateway/client"
)

// Key sizes. The upper bound keeps verification cheap; OpenSSH makes at most 16384.
const (
	minUserRSA = 2048
	minHostRSA = 3072
	maxRSA     = 8192
	maxKeyBlob = 2048 // bytes of an encoded public key; RSA 8192 has 1047
)

// What a Permissions carries from the callback to the session.
const (
	permClient = "client"
	permKey    = "fingerprint"
)

type permPublicKey struct{}

// errKey is the one answer to every key that does not let in, known user or not.
var errKey = errors.New("key not accepted")

// The algorithms offered, best first. No chacha20: it costs three times AES-GCM
// here (x/crypto has no assembly for it on amd64), clients that know it know AES,
// and without it and CBC there is no Terrapin. No SHA-1.
var (
	keyExchanges = []string{
		ssh.KeyExchangeMLKEM768X25519,
		ssh.KeyExchangeCurve25519, // the library adds the name of libssh.org
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
		ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDH16SHA512,
	}
	ciphers = []string{
		ssh.CipherAES128GCM, ssh.CipherAES256GCM,
		ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
	}
	macs     = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512}
	userAlgs = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
	hostRSA = []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
)

// serverConfig is one chain of authentication: public keys.
func (s *Server) serverConfig() (*ssh.ServerConfig, error) {
	config := &ssh.ServerConfig{
		Config: ssh.Config{
			KeyExchanges: slices.Clone(keyExchanges),
			Ciphers:      slices.Clone(ciphers),
			MACs:         slices.Clone(macs),
		},
		PublicKeyAuthAlgorithms: slices.Clone(userAlgs),
		ServerVersion:           "SSH-2.0-Brama",
		// agents offer many keys before the right one; the handshake deadline and
		// the library's own bound of 128 requests are the limit
		MaxAuthTries:              64,
		PublicKeyCallback:         s.offered,
		VerifiedPublicKeyCallback: s.verified,
	}
	rsaAlgs := hostRSA
	if s.opt.Legacy {
		config.KeyExchanges = append(config.KeyExchanges, ssh.KeyExchangeDHGEXSHA256, ssh.InsecureKeyExchangeDH14SHA1)
		config.Ciphers = append(config.Ciphers, ssh.InsecureCipherAES128CBC)
		config.MACs = append(config.MACs, ssh.HMACSHA1)
		config.PublicKeyAuthAlgorithms = append(config.PublicKeyAuthAlgorithms, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA)
		rsaAlgs = append(slices.Clone(hostRSA), ssh.KeyAlgoRSA)
	}
	if len(s.opt.HostKeys) == 0 {
		return nil, errors.New("no host key")
	}
	for _, k := range s.opt.HostKeys {
		signer, err := hostKey(k, rsaAlgs)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", ssh.FingerprintSHA256(k.PublicKey()), err)
		}
		config.AddHostKey(signer)
	}
	return config, nil
}

// hostKey checks sort and size of a host key, and keeps RSA from signing SHA-1.
func hostKey(k ssh.Signer, rsaAlgs []string) (ssh.Signer, error) {
	switch t := k.PublicKey().Type(); t {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256:
		return k, nil
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(k.PublicKey()); bits < minHostRSA || bits > maxRSA {
			return nil, fmt.Errorf("RSA of %d bits, not %d to %d", bits, minHostRSA, maxRSA)
		}
		a, ok := k.(ssh.AlgorithmSigner)
		if !ok {
			return nil, errors.New("cannot sign with SHA-2")
		}
		return ssh.NewSignerWithAlgorithms(a, rsaAlgs)
	default:
		return nil, fmt.Errorf("type %q is not served", t)
	}
}

// LoadHostKeys reads unencrypted private keys, one a file, in the forms that
// ssh-keygen writes. A file that others may read is refused, as sshd does.
func LoadHostKeys(files ...string) ([]ssh.Signer, error) {
	var keys []ssh.Signer
	for _, name := range files {
		f, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
		if f.Mode().Perm()&0o037 != 0 {
			return nil, fmt.Errorf("host key %s: mode %#o lets others at it", name, f.Mode().Perm())
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
		k, err := ssh.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", name, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// offered looks a key up. The client need not own it, and may own another that it
// uses in the end (CVE-2024-45337): nothing is remembered but in the Permissions
// that belong to this key.
func (s *Server) offered(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if err := s.keyAllowed(key); err != nil {
		return nil, errKey
	}
	id, ok := s.opt.Authorize(meta.User(), key.Marshal(), meta.RemoteAddr())
	if !ok || id == "" {
		return nil, errKey
	}
	return &ssh.Permissions{
		Extensions: map[string]string{permClient: string(id), permKey: ssh.FingerprintSHA256(key)},
		ExtraData:  map[any]any{permPublicKey{}: key},
	}, nil
}

// verified looks at the signature's algorithm, which a client may choose apart
// from the one it announced.
func (s *Server) verified(_ ssh.ConnMetadata, key ssh.PublicKey, p *ssh.Permissions, alg string) (*ssh.Permissions, error) {
	legacy := alg == ssh.KeyAlgoRSA || alg == ssh.KeyAlgoECDSA521
	if !slices.Contains(userAlgs, alg) && !(legacy && s.opt.Legacy) {
		return nil, errKey
	}
	if legacy {
		s.log.Warn("legacy key algorithm", zap.String("algorithm", alg), zap.String("key", ssh.FingerprintSHA256(key)))
	}
	return p, nil
}

// keyAllowed checks sort and size of a user's key. P-521 is refused because
// PuTTY before 0.81 gave such keys away in sixty signatures (CVE-2024-31497).
func (s *Server) keyAllowed(key ssh.PublicKey) error {
	if len(key.Marshal()) > maxKeyBlob {
		return errors.New("too long")
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		return nil
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384:
		return nil
	case ssh.KeyAlgoECDSA521:
		if s.opt.Legacy {
			return nil
		}
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits >= minUserRSA && bits <= maxRSA {
			return nil
		}
	}
	return fmt.Errorf("type or size of %s not allowed", key.Type())
}

// CheckUserKey tells why the entrance would refuse a key of the register, so
// that a register can be checked before a client cannot log in.
func CheckUserKey(key ssh.PublicKey, legacy bool) error {
	if rsaKey := key.Type() == ssh.KeyAlgoRSA; rsaKey && rsaBits(key) < minUserRSA {
		return fmt.Errorf("RSA key of %d bits: %d at least", rsaBits(key), minUserRSA)
	}
	if k, ok := key.(ssh.CryptoPublicKey); ok && !legacy {
		if e, ok := k.CryptoPublicKey().(*ecdsa.PublicKey); ok && e.Curve == elliptic.P521() {
			return errors.New("P-521 keys are not accepted (CVE-2024-31497): make an Ed25519 key")
		}
	}
	return (&Server{opt: Options{Legacy: legacy}}).keyAllowed(key)
}

func rsaBits(key ssh.PublicKey) int {
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	return 0
}

// identity is what a finished handshake proved, and nothing else.
func identity(conn *ssh.ServerConn) (id client.ID, key ssh.PublicKey, fingerprint string, ok bool) {
	if conn.Permissions == nil {
		return "", nil, "", false
	}
	key, ok = conn.Permissions.ExtraData[permPublicKey{}].(ssh.PublicKey)
	id = client.ID(conn.Permissions.Extensions[permClient])
	return id, key, conn.Permissions.Extensions[permKey], ok && id != ""
}

// attempts notes, for the log and the penalties only, what a handshake tried.
type attempts struct {
	user   string
	keys   int
	failed bool
}

func (a *attempts) note(meta ssh.ConnMetadata, method string, err error) {
	if method == "none" {
		return
	}
	a.user = meta.User()
	if method == "publickey" {
		a.keys++
	}
	a.failed = err != nil
}

// named is the user name for the log: as a client's name may be, or not at all.
// People type passwords there.
func named(user string) string {
	if user == "" || len(user) > 64 {
		return "?"
	}
	for _, r := range user {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return "?"
		}
	}
	return user
}

func addrOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// HostKeyFaults says of each file what keeps it from being a host key of a
// [Server]: it cannot be read, is no key, is of a sort or size that is not served,
// or of the same type as a file before it. nil: nothing.
func HostKeyFaults(files ...string) []error {
	faults := make([]error, len(files))
	first := map[string]string{}
	for i, name := range files {
		keys, err := LoadHostKeys(name)
		if err == nil {
			if _, err = hostKey(keys[0], hostRSA); err != nil {
				err = fmt.Errorf("host key %s: %w", name, err)
			}
		}
		if err != nil {
			faults[i] = err
			continue
		}
		t := keys[0].PublicKey().Type()
		if other, ok := first[t]; ok {
			faults[i] = fmt.Errorf("host key %s: is of type %s, as %s is", name, t, other)
			continue
		}
		first[t] = name
	}
	return faults
}
