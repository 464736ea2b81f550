package main

import (
	"crypto"
	"fmt"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/profiles"
	"github.com/brama-gateway/brama/gateway/sftpd"
	"github.com/brama-gateway/brama/gateway/strict"
)

// loadConfig reads the configuration and looks at all that it names, the same for
// --check, the start and a reload: what the daemon would fail at later is told
// now, each fault with file, line and key.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if err := cfg.Check(validCron); err != nil {
		return nil, err
	}
	var ps strict.Problems
	for i, err := range sftpd.HostKeyFaults(cfg.SSH.HostKeys...) {
		if err != nil {
			ps = append(ps, cfg.Problem(at("ssh.host_keys", i), "%s; write an unencrypted private key of OpenSSH, one of each type", err))
		}
	}
	ps = append(ps, sealFaults(cfg)...)
	if _, err := profiles.Open(cfg.Profiles); err != nil {
		ps = append(ps, cfg.Problem("profiles", "%s", err))
	}
	return cfg, ps.Err()
}

// sealFaults tells what of the seal's files cannot be read or does not fit
// together. What a provider has, only the provider knows.
func sealFaults(cfg *config.Config) (ps strict.Problems) {
	add := func(key, format string, args ...any) { ps = append(ps, cfg.Problem(key, format, args...)) }
	var key crypto.Signer
	var certificate *pki.Certificate
	var chain []*pki.Certificate
	if cfg.Seal.Key != "" {
		var err error
		if cfg.Seal.PasswordFile == "" {
			if key, err = keys.Private(cfg.Seal.Key); err != nil {
				add("seal.key", "%s", err)
			}
		} else if _, err = keys.Seal(cfg.Seal.Key, cfg.Seal.PasswordFile, cfg.Seal.Certificate, nil); err != nil {
			add("seal.key", "%s", err)
		}
	}
	if cfg.Seal.Certificate != "" {
		certs, err := keys.Certificates(cfg.Seal.Certificate)
		if err != nil {
			add("seal.certificate", "%s", err)
		} else {
			certificate, chain = certs[0], certs[1:]
		}
	}
	whole := true
	for i, f := range cfg.Seal.Chain {
		certs, err := keys.Certificates(f)
		if err != nil {
			add(at("seal.chain", i), "%s", err)
			whole = false
		}
		chain = append(chain, certs...)
	}
	if certificate == nil {
		return ps
	}
	if key != nil {
		if !algorithm.SameKey(key.Public(), certificate.PublicKey) {
			add("seal.key", "%s is not the key of the certificate in %s (seal.certificate); write the two that belong together", cfg.Seal.Key, cfg.Seal.Certificate)
		}
	}
	if whole && len(chain) > 0 && !issued(certificate, chain) {
		add("seal.chain", "no certificate in it has issued the one in %s (seal.certificate); write the certificates of its issuers", cfg.Seal.Certificate)
	}
	return ps
}

// issued says that one of the chain has signed the certificate, whatever else may be
// wrong with either.
func issued(certificate *pki.Certificate, chain []*pki.Certificate) bool {
	for _, c := range chain {
		if c.Equal(certificate) && c.SelfIssued() {
			return true
		}
	}
	p := pki.NewStore(chain, nil, nil).Validate(certificate, pki.PathOptions{At: time.Now(), WithoutRevocation: true})
	return p.Outcome != pki.NoChain
}

func at(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
