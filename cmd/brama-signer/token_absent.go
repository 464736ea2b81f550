//go:build !cgo

package main

import (
	"errors"

	"go.uber.org/zap"
)

// A PKCS #11 module is a C library.
func openToken(*settings, *zap.Logger) (token, error) {
	return nil, errors.New("this brama-signer was built without cgo and cannot load a PKCS #11 module; build it with a C compiler: make signer")
}
