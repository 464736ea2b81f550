package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"sync"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
)

func submissions() spool.Query { return spool.Query{Queue: gateway.Submissions} }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sectionOf(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func windows1251(b []byte) (string, error) { return charset.Windows1251.Decode(b) }

// meddler does something once, when content is opened for the first time after arm.
type meddler struct {
	spool.Store
	mu sync.Mutex
	do func()
}

func (m *meddler) arm(do func()) {
	m.mu.Lock()
	m.do = do
	m.mu.Unlock()
}

func (m *meddler) Open(ctx context.Context, sha256 string) (spool.Blob, error) {
	m.mu.Lock()
	do := m.do
	m.do = nil
	m.mu.Unlock()
	if do != nil {
		do()
	}
	return m.Store.Open(ctx, sha256)
}
