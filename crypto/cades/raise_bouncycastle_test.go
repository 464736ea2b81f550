package cades

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// bouncyAuthority is the time-stamping authority of a kepgen hierarchy.
type bouncyAuthority struct {
	bc       bouncyCastle
	pki, dir string
}

func (a bouncyAuthority) TimeStamp(_ context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	q, err := tsp.NewRequest(rand.Reader, d, sum)
	if err != nil {
		return nil, err
	}
	request, answer := filepath.Join(a.dir, "q.tsq"), filepath.Join(a.dir, "a.tsr")
	if err := os.WriteFile(request, q.Encode(), 0o600); err != nil {
		return nil, err
	}
	if out, err := a.bc.run("KepGen", "tsp", "--pki", a.pki, "--req", request, "--out", answer); err != nil {
		return nil, &os.PathError{Op: "kepgen " + out, Path: a.pki, Err: err}
	}
	raw, err := os.ReadFile(answer)
	if err != nil {
		return nil, err
	}
	return q.Answer(raw)
}

// TestRaiseBouncyCastle: a DSTU 4145 authority run from Bouncy Castle answers our
// requests by GOST 34.311; what is raised with it passes here and there.
func TestRaiseBouncyCastle(t *testing.T) {
	t.Parallel()
	bc := newBouncyCastle(t)
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	if out, err := bc.run("KepGen", "gen", "--out", dir, "--profiles", "dstumix", "--now", now.Add(-time.Hour).Format(time.RFC3339)); err != nil {
		t.Fatalf("kepgen: %v %s", err, out)
	}
	set := filepath.Join(dir, "dstumix")
	file := func(path ...string) []byte {
		b, err := os.ReadFile(filepath.Join(append([]string{set}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	entries, err := keyfile.Open(file("keys", "user.p8"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := entries[0].Key()
	if err != nil {
		t.Fatal(err)
	}
	root, inter := readCertificate(t, set, "certs", "root.cer"), readCertificate(t, set, "certs", "inter.cer")
	s := Signer{Key: key, Certificate: readCertificate(t, set, "certs", "user.cer"), Chain: []*pki.Certificate{inter}}
	content := file("doc.bin")
	plain := mustSign(t, content, SignOptions{At: now}, s)
	lists := []*pki.CRL{readCRL(t, set, "crl", "root.crl"), readCRL(t, set, "crl", "inter.crl")}
	ctx := context.Background()
	r := Raising{Stamper: bouncyAuthority{bc, set, t.TempDir()}}
	stamped := must(r.AddTimeStamp(ctx, plain))(t)
	long := must(r.AddValues(stamped, Values{Certificates: []*pki.Certificate{root}, CRLs: rawLists(lists)}, Baseline))(t)
	archived := must(r.AddArchiveTimeStamp(ctx, long, nil))(t)
	o := Options{At: time.Now(), Trust: pki.NewStore([]*pki.Certificate{root}, nil, nil)}
	for _, c := range []struct {
		name  string
		b     []byte
		trust *pki.Store
		want  string
	}{
		{"T", stamped, o.Trust.With(nil, lists), "signature ok"},
		{"LT", long, o.Trust, "signature ok"},
		{"LTA", archived, o.Trust, "signature ok, archive ok"},
	} {
		o := Options{At: o.At, Trust: c.trust}
		v := Validate(Input{Container: c.b}, o)
		if v.Indication != TotalPassed || stampKinds(v) != c.want || v.Signatures[0].ProvedTime.IsZero() {
			t.Errorf("%s: %s (%s), %s, proved %v", c.name, verdict(v), v.Detail, stampKinds(v), v.Signatures[0].ProvedTime)
		}
		out, err := bc.run("KepCheck", "verify", "--in", writeFile(t, dir, c.name, c.b), "--root", filepath.Join(set, "certs", "root.cer"),
			"--crl", filepath.Join(set, "crl"), "--at", now.Format(time.RFC3339))
		if err != nil || strings.Contains(out, "FAIL") {
			t.Errorf("%s: Bouncy Castle: %v %s", c.name, err, out)
		}
		t.Log(strings.TrimSpace(out))
	}
}
