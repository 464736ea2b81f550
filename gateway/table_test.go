package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"

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
