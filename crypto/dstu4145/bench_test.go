package dstu4145

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// cpu measures by the time the process had a processor, so that a busy machine
// does not falsify the figures: ops/cpu-s.
func cpu(b *testing.B, op func()) {
	b.Helper()
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	op()
	start := now()
	for b.Loop() {
		op()
	}
	b.ReportMetric(float64(b.N)/(now()-start).Seconds(), "ops/cpu-s")
}

// BenchmarkDSTU4145 measures one core, with and without assembly: newkey is
// decompression, the check of the subgroup and a verification without a table,
// cached a verification with one.
func BenchmarkDSTU4145(b *testing.B) {
	for _, c := range []*Curve{DSTU257(), DSTU431()} {
		for name, c := range bothCodes(c) {
			key, err := GenerateKey(c, random(1))
			if err != nil {
				b.Fatal(err)
			}
			digest := digestOf("bench")
			sig, _ := key.Sign(random(2), digest, nil)
			enc := key.public.Bytes(LittleEndian)
			h := c.element(digest)
			r, s, _ := c.split(sig)
			run := func(what string, op func()) {
				b.Run(fmt.Sprintf("%d/%s/%s", c.M(), name, what), func(b *testing.B) { cpu(b, op) })
			}
			run("newkey", func() {
				k, err := NewPublicKey(c, enc, LittleEndian)
				if err != nil || !c.engine.verify(&k.point, nil, &h, &r, &s) {
					b.Fatal(err)
				}
			})
			run("parse", func() {
				if _, err := NewPublicKey(c, enc, LittleEndian); err != nil {
					b.Fatal(err)
				}
			})
			for range tableAfter {
				key.public.Verify(digest, sig)
			}
			run("cached", func() {
				if !key.public.Verify(digest, sig) {
					b.Fatal("not verified")
				}
			})
			run("table", func() { c.engine.table(&key.public.point) })
			random := random(3)
			run("sign", func() {
				if _, err := key.Sign(random, digest, nil); err != nil {
					b.Fatal(err)
				}
			})
			run("ecdh", func() {
				if _, err := key.ECDH(&key.public); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
