//go:build cgo

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/miekg/pkcs11"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
)

// hardware is a token behind its module. One operation at a time: a session may do
// no more (PKCS #11 v2.40, 5.11), and a token is rarely faster with several.
type hardware struct {
	cfg *settings
	log *zap.Logger

	mu      sync.Mutex
	module  *pkcs11.Ctx
	begun   bool // the module is initialised
	open    bool // the session is
	session pkcs11.SessionHandle
	objects map[*keySettings]pkcs11.ObjectHandle
	refused error     // the PIN was; for ever
	failed  time.Time // when it could not be opened last
	why     error
}

// again is how long a token that could not be opened is left alone.
const again = time.Second

// openToken loads the module and logs in.
func openToken(cfg *settings, log *zap.Logger) (token, error) {
	h := &hardware{cfg: cfg, log: log, objects: map[*keySettings]pkcs11.ObjectHandle{}}
	if h.module = pkcs11.New(cfg.Module); h.module == nil {
		return nil, fmt.Errorf("module %s: cannot be loaded", cfg.Module)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.login(); err != nil {
		h.reset()
		h.module.Destroy()
		return nil, err
	}
	return h, nil
}

// Close logs out and unloads the module.
func (h *hardware) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reset()
	h.module.Destroy()
	h.refused = errors.New("the token is closed")
}

// login makes a session of the logged-in user, if there is none.
func (h *hardware) login() (err error) {
	switch {
	case h.open:
		return nil
	case h.refused != nil:
		return h.refused
	case time.Since(h.failed) < again:
		return h.why
	}
	defer func() {
		if err != nil {
			h.failed, h.why = time.Now(), err
		}
	}()
	// From the very beginning: some modules find a token that is back only then.
	h.reset()
	if err := h.module.Initialize(); err != nil {
		return fmt.Errorf("module: %w", err)
	}
	h.begun = true
	slot, err := h.slot()
	if err != nil {
		return err
	}
	if h.session, err = h.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	pin, err := readPIN(h.cfg.PINFile, os.Getenv)
	if err != nil {
		return err
	}
	// The binding wants a string; this one lies over pin and is wiped with it. The
	// copy that the binding makes in C is freed, not wiped.
	err = h.module.Login(h.session, pkcs11.CKU_USER, unsafe.String(&pin[0], len(pin)))
	clear(pin)
	var code pkcs11.Error
	switch {
	case err == nil, errors.As(err, &code) && code == pkcs11.CKR_USER_ALREADY_LOGGED_IN:
	case errors.As(err, &code) && refusesPIN(code):
		h.refused = fmt.Errorf("%w: %w", errPINRefused, err)
		h.log.Error("the token refused the PIN; put the right one into pin_file and restart", zap.Error(err))
		return h.refused
	default:
		return fmt.Errorf("login: %w", err)
	}
	h.open = true
	for k := range h.objects {
		if h.objects[k], err = h.find(k); err != nil {
			h.reset()
			return fmt.Errorf("key %s: %w", k.Name, err)
		}
	}
	return nil
}

func refusesPIN(code pkcs11.Error) bool {
	switch code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED,
		pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_USER_PIN_NOT_INITIALIZED:
		return true
	}
	return false
}

// reset ends the session and the module's work. What fails in it was broken before.
func (h *hardware) reset() {
	if h.open {
		_ = h.module.Logout(h.session)
	}
	if h.begun {
		_ = h.module.Finalize()
	}
	h.open, h.begun = false, false
}

// slot finds the one token that is configured.
func (h *hardware) slot() (uint, error) {
	slots, err := h.module.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("slots: %w", err)
	}
	var found []uint
	for _, s := range slots {
		if h.cfg.Token.Slot == strconv.FormatUint(uint64(s), 10) {
			found = append(found, s)
		}
		if h.cfg.Token.Label == "" {
			continue
		}
		// Labels are padded with blanks (PKCS #11 v2.40, 3.2).
		if info, err := h.module.GetTokenInfo(s); err == nil && strings.TrimRight(info.Label, " \x00") == h.cfg.Token.Label {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return 0, errors.New("the token is not there")
	case 1:
		return found[0], nil
	}
	return 0, errors.New("several tokens have this label; name the slot")
}

// find looks for a private key that signs.
func (h *hardware) find(k *keySettings) (pkcs11.ObjectHandle, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}
	if k.Label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, k.Label))
	}
	if len(k.id) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, k.id))
	}
	if err := h.module.FindObjectsInit(h.session, template); err != nil {
		return 0, err
	}
	found, _, err := h.module.FindObjects(h.session, 2)
	if err := errors.Join(err, h.module.FindObjectsFinal(h.session)); err != nil {
		return 0, err
	}
	switch len(found) {
	case 0:
		return 0, errors.New("the token has no such private key")
	case 1:
		return found[0], nil
	}
	return 0, errors.New("several private keys fit; name the key by label and id")
}

// is reads a boolean attribute; what the token does not tell is false.
func (h *hardware) is(o pkcs11.ObjectHandle, attribute uint) bool {
	a, err := h.module.GetAttributeValue(h.session, o, []*pkcs11.Attribute{pkcs11.NewAttribute(attribute, nil)})
	return err == nil && len(a) == 1 && len(a[0].Value) == 1 && a[0].Value[0] != 0
}

// Key implements token.
func (h *hardware) Key(k *keySettings, s *cades.Signer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.login(); err != nil {
		return err
	}
	o, err := h.find(k)
	if err != nil {
		return err
	}
	if h.is(o, pkcs11.CKA_ALWAYS_AUTHENTICATE) {
		return errors.New("the key wants the PIN for each signature, which is not supported")
	}
	if h.is(o, pkcs11.CKA_EXTRACTABLE) {
		h.log.Warn("the key can be taken out of the token (CKA_EXTRACTABLE)", zap.String("key", k.Name))
	}
	h.objects[k] = o
	s.Key = &tokenKey{h, k, s.Certificate.PublicKey}
	return nil
}

// Probe implements token: it opens the token once more if it was lost.
func (h *hardware) Probe(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		if _, err := h.module.GetSessionInfo(h.session); err != nil {
			h.lost(err)
		}
	}
	return h.login()
}

func (h *hardware) lost(err error) {
	h.log.Warn("the token is opened once more", zap.Error(err))
	h.reset()
}

// sign signs with a mechanism. A session or a token that was lost is opened again,
// once; what it answers then stands.
func (h *hardware) sign(k *keySettings, mechanism uint, message []byte) (value []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for attempt := range 2 {
		if err = h.login(); err != nil {
			return nil, err
		}
		if err = h.module.SignInit(h.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, h.objects[k]); err == nil {
			if value, err = h.module.Sign(h.session, message); err == nil {
				return value, nil
			}
		}
		if attempt == 0 {
			h.lost(err)
		} else {
			h.reset()
		}
	}
	return nil, err
}

// tokenKey is a key in the token. Its public key is the certificate's; that the two
// belong together is proved at the start and by each signature.
type tokenKey struct {
	token  *hardware
	name   *keySettings
	public crypto.PublicKey
}

// Public implements crypto.Signer.
func (k *tokenKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer: RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) or ECDSA, over
// a digest of opts' hash.
func (k *tokenKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		for _, name := range []string{"sha256", "sha384", "sha512"} {
			d := algorithm.DigestByName(name)
			if d.Hash == opts.HashFunc() && len(digest) == d.Size {
				info := der.Sequence(der.Sequence(d.OID.Encode(), der.Null()), der.OctetString(digest))
				return k.token.sign(k.name, pkcs11.CKM_RSA_PKCS, info)
			}
		}
		return nil, errors.New("digest: not one that RSA signs here")
	case *ecdsa.PublicKey:
		raw, err := k.token.sign(k.name, pkcs11.CKM_ECDSA, digest)
		if err != nil {
			return nil, err
		}
		// Two numbers of equal length (PKCS #11 v2.40 mechanisms, 2.3.1).
		half := len(raw) / 2
		if len(raw)%2 != 0 || half == 0 || half > (pub.Curve.Params().BitSize+7)/8 {
			return nil, fmt.Errorf("the token's signature has %d bytes", len(raw))
		}
		r, s := new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])
		return der.Sequence(der.Integer(r), der.Integer(s)), nil
	}
	return nil, errors.New("key: neither RSA nor ECDSA")
}
