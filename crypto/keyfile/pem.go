package keyfile

import (
	"encoding/pem"
	"fmt"
)

// pem opens a text of PEM blocks (RFC 7468): keys and, for the first of them, the
// certificates. The old encryption inside a block (RFC 1421) is not done.
func (o *opener) pem(data []byte) ([]Entry, error) {
	var entries []Entry
	var chain [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if len(entries)+len(chain) >= maxEntries {
			return nil, fmt.Errorf("PEM blocks: %w", ErrLimit)
		}
		if block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("PEM block with its own encryption: %w", ErrUnsupported)
		}
		switch block.Type {
		case "CERTIFICATE":
			chain = append(chain, block.Bytes)
		case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			got, err := o.der(block.Bytes)
			clear(block.Bytes)
			if err != nil {
				return nil, err
			}
			entries = append(entries, got...)
		}
	}
	if len(entries) == 0 {
		return nil, bad("PEM without a private key", nil)
	}
	entries[0].Certificates = chain
	return entries, nil
}
