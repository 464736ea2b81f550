package engine

import (
	"context"
	"fmt"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/provider"
)

// openSeal gives the key of the seal: from a file, or from a provider, which has
// to answer now and prove it.
func (e *Engine) openSeal(ctx context.Context, c *config.Seal) (cades.Signer, error) {
	if c.Provider.Socket == "" {
		return keys.Seal(c.Key, c.PasswordFile, c.Certificate, c.Chain)
	}
	var certificates, chain []*pki.Certificate
	for _, f := range c.Chain {
		more, err := keys.Certificates(f)
		if err != nil {
			return cades.Signer{}, err
		}
		chain = append(chain, more...)
	}
	var want *pki.Certificate
	if c.Certificate != "" {
		var err error
		if certificates, err = keys.Certificates(c.Certificate); err != nil {
			return cades.Signer{}, err
		}
		want, chain = certificates[0], append(certificates[1:], chain...)
	}
	e.Seal = provider.NewClient(c.Provider.Socket)
	s, err := e.Seal.Signer(ctx, c.Provider.Key, want)
	if err != nil {
		return s, fmt.Errorf("seal.provider: %w", err)
	}
	if chain != nil {
		s.Chain = chain
	}
	return s, nil
}

// openVerify gives who judges containers; nil: the core does.
func (e *Engine) openVerify(c *config.VerifyProvider) gateway.Validator {
	if c.Socket == "" {
		return nil
	}
	e.Verify = provider.NewClient(c.Socket)
	return func(in cades.Input, o cades.Options) (*cades.Report, error) {
		if !c.Trust {
			o.Trust = nil
		}
		return e.Verify.Validate(context.Background(), in, o)
	}
}
