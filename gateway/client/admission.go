package client

import (
	"bytes"
	"net/netip"
)

// HasKey says whether blob, an SSH public key in wire form (RFC 4253, section
// 6.6), is one of the client's.
func (e *Entry) HasKey(blob []byte) bool {
	for _, line := range e.SSHKeys {
		if k, err := ParseSSHKey(line); err == nil && bytes.Equal(k.Blob, blob) {
			return true
		}
	}
	return false
}

// Allows says whether the client may come from the address: it names no networks,
// or one of them holds it. The zero address is in no network.
func (e *Entry) Allows(from netip.Addr) bool {
	if len(e.Networks) == 0 {
		return true
	}
	for _, n := range e.Networks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(from.Unmap()) {
			return true
		}
	}
	return false
}
