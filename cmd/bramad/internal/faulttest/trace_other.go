//go:build !(linux && amd64)

package faulttest

import (
	"errors"
	"os/exec"
)

var errHere = errors.New("faults at the n-th call: written for Linux on amd64 only")

// Supported says why programs cannot be traced here.
func Supported() error { return errHere }

// Program is a running program.
type Program struct{}

// Start refuses.
func Start(*exec.Cmd, *Counter) (*Program, error) { return nil, errHere }

// Wait is never called.
func (p *Program) Wait() (int, error) { return -1, errHere }
