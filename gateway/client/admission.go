package client

import (
	"bytes"
	"net"
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
// or one of them holds it. An address that cannot be read is in no network.
func (e *Entry) Allows(addr net.Addr) bool {
	if len(e.Networks) == 0 {
		return true
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false
	}
	for _, n := range e.Networks {
		if p, err := netip.ParsePrefix(n); err == nil && p.Contains(at.Addr().Unmap()) {
			return true
		}
	}
	return false
}
