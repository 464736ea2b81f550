package cades

import (
	"bytes"
	"testing"

	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// BenchmarkValidate is a whole container of 2 KB by one signer of DSTU 4145, m =
// 257 under m = 257 under m = 431, with CRLs, as a client sends one a moment.
func BenchmarkValidate(b *testing.B) {
	p := newDSTUPKI(b, pkitest.At)
	o := Options{At: pkitest.At, Trust: p.store()}
	content := bytes.Repeat([]byte("платіжне "), 2048/17)
	container := mustSign(b, content, SignOptions{}, p.signer)
	b.SetBytes(int64(len(container)))
	for b.Loop() {
		if r := Validate(Input{Container: container}, o); r.Indication != TotalPassed {
			b.Fatal(verdict(r), r.Detail)
		}
	}
}
