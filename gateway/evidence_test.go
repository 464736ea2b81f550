package gateway_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
)

// Whatever form an accepted submission came in, its package of evidence gives the
// verdict again when everything in it has expired, with the anchors alone; what it
// holds in CMS, Bouncy Castle verifies too.
func TestEvidenceOfEveryForm(t *testing.T) {
	t.Parallel()
	people := gatewaytest.Cast()
	dstu := newDSTUAuthority(t)
	head, accountant, seal := dstu.signer(gatewaytest.HeadCode, true), dstu.signer(gatewaytest.AccountantCode, false), dstu.signer("", true)
	own := []*pki.Certificate{people.CA.Certificate, people.SealCA.Certificate}
	ec, gost := decryptionKey(t, 9101), gostKey(t, 9102)
	later := time.Date(2071, 1, 1, 0, 0, 0, 0, time.UTC)
	type made struct {
		name             string
		raised, received int
	}
	root := t.TempDir() // what Bouncy Castle is given
	var mu sync.Mutex
	packages := map[string]made{} // by folder
	type files map[string][]byte
	forms := []struct {
		name   string
		send   func(r *gatewaytest.Rig) (label string, f files)
		dstu   bool
		raised int
	}{
		{"attached", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7s", files{"P.DBF.p7s": r.Signed(r.DBF(1, 2))}
		}, false, 1},
		{"beside", func(r *gatewaytest.Rig) (string, files) {
			doc := r.DBF(1, 2)
			return "P.DBF", files{"P.DBF": doc, "P.DBF.head.p7s": r.Detached(doc, r.Head), "P.DBF.acc.p7s": r.Detached(doc, r.Accountant)}
		}, false, 2},
		{"DSTU", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7s", files{"P.DBF.p7s": r.Attached(r.DBF(1, 2), head, accountant)}
		}, true, 1},
		{"DSTU beside", func(r *gatewaytest.Rig) (string, files) {
			doc := r.DBF(1, 2)
			return "P.DBF", files{"P.DBF": doc, "P.DBF.p7s": r.Detached(doc, head, accountant)}
		}, true, 1},
		{"DSTU wrapped", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7s", files{"P.DBF.p7s": inSection("UA1_SIGN", r.Attached(r.DBF(1, 2), head, accountant))}
		}, true, 0},
		{"ASiC-S", func(r *gatewaytest.Rig) (string, files) {
			return "P.asics", files{"P.asics": asicS(t, r, "P.DBF", r.DBF(1, 2), r.Head, r.Accountant)}
		}, false, 0},
		{"ASiC-S, DSTU", func(r *gatewaytest.Rig) (string, files) {
			return "P.asics", files{"P.asics": asicS(t, r, "P.DBF", r.DBF(1, 2), head, accountant)}
		}, true, 0},
		{"ASiC-E", func(r *gatewaytest.Rig) (string, files) {
			return "P.asice", files{"P.asice": asicE(t, r, []asic.File{{Name: "P.DBF", Content: r.DBF(1, 2)}}, r.Head, r.Accountant)}
		}, false, 0},
		{"wrapped", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7s", files{"P.DBF.p7s": inSection("UA1_SIGN", r.Signed(r.DBF(1, 2)))}
		}, false, 0},
		{"encrypted", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7e", files{"P.DBF.p7e": encryptedTo(t, r.Signed(r.DBF(1, 2)), ec)}
		}, false, 1},
		{"encrypted, DSTU", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7e", files{"P.DBF.p7e": encryptedTo(t, r.Attached(r.DBF(1, 2), head, accountant), gost)}
		}, true, 1},
		{"signed around the encryption", func(r *gatewaytest.Rig) (string, files) {
			inside := encryptedTo(t, inSection("UA1_SIGN", r.Signed(r.DBF(1, 2))), gost)
			return "P.DBF.p7e", files{"P.DBF.p7e": inSection("UA1_SIGN", r.Attached(inSection("UA1_CRYPT", inside), r.OrgSeal))}
		}, false, 0},
		{"encrypted and wrapped within", func(r *gatewaytest.Rig) (string, files) {
			return "P.DBF.p7e", files{"P.DBF.p7e": encryptedTo(t, inSection("UA1_SIGN", r.Signed(r.DBF(1, 2))), gost)}
		}, false, 0},
	}
	t.Run("form", func(t *testing.T) {
		for i, c := range forms {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				r := gatewaytest.New(t, gatewaytest.Setup{
					Options: func(o *gateway.Options) {
						o.Keys = []enveloped.Key{ec, gost}
						o.JournalKey = func() (string, error) { return journal.PublicKey(dir) }
						if c.dstu {
							o.Seal = seal
						}
					},
					Entry: func(e *client.Entry) { e.Tolerate = []string{string(cades.TransportWrapper)} },
				})
				anchors := own
				if c.dstu {
					anchors = []*pki.Certificate{dstu.root.Certificate}
					r.Trust.Store(dstu.store())
				}
				label, sent := c.send(r)
				for name, content := range sent {
					r.Upload(name, content)
				}
				r.Settle()
				expect(t, r.Receipt(label, 1), gateway.Accepted)
				fatal(t, r.Gateway.KeepEvidence(r.Ctx()))
				j, err := journal.Open(journal.Options{Dir: dir, Store: r.Store, Publisher: r.Gateway, Now: r.Clock.Now, Rand: rand.Reader, Log: r.Gateway.Log})
				fatal(t, err)
				_, err = j.Checkpoint(r.Ctx())
				fatal(t, err)
				fatal(t, j.Publish(r.Ctx()))
				fatal(t, j.Close())
				pkg, err := r.Gateway.Evidence(r.Ctx(), r.Items(label)[0].ID)
				fatal(t, err)

				verify := func(pkg []byte, at time.Time, anchors ...*pki.Certificate) *evidence.Result {
					return evidence.Verify(pkg, evidence.Options{Anchors: anchors, At: at})
				}
				for _, at := range []time.Time{r.Clock.Now(), later} {
					if got := verify(pkg, at, anchors...); got.Indication != cades.TotalPassed {
						t.Errorf("at %v: %s %s: %s", at, got.Indication, got.SubIndication, got.Detail)
					}
				}
				// Without whom the signatories are believed by, nothing is.
				if got := verify(pkg, later, anchors[1:]...); got.Indication != cades.Indeterminate {
					t.Errorf("without the authority of the signatories: %s %s", got.Indication, got.Detail)
				}
				box, err := asic.Open(pkg, asic.Options{Archives: true})
				fatal(t, err)
				raised, received := 0, 0
				for _, f := range box.Data {
					switch {
					case strings.HasPrefix(f.Name, "raised/"):
						raised++
					case strings.HasPrefix(f.Name, "signatures/"):
						received++
					}
					if strings.HasPrefix(f.Name, "signatures/") && cades.Sniff(f.Content) == cades.Enveloped {
						t.Errorf("%s is encrypted: nobody can check it", f.Name)
					}
				}
				if raised != c.raised {
					t.Errorf("%d raised of %d, want %d", raised, received, c.raised)
				}
				folder := filepath.Join(root, strconv.Itoa(i))
				forBouncyCastle(t, folder, pkg, anchors)
				mu.Lock()
				defer mu.Unlock()
				packages[folder] = made{c.name, raised, received}
				if c.name == "beside" {
					for name, part := range map[string]string{"seal": "META-INF/signature001.p7s", "document": "document/P.DBF", "signature": "raised/P.DBF.head.p7s"} {
						forBouncyCastle(t, filepath.Join(root, "changed "+name), changed(t, pkg, part), anchors)
					}
					forBouncyCastle(t, filepath.Join(root, "changed anchors"), pkg, []*pki.Certificate{dstu.root.Certificate})
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	for folder, lines := range bouncyCastle(t, root) {
		has := func(start string) (n int) {
			for _, l := range lines {
				if strings.HasPrefix(l, start) {
					n++
				}
			}
			return n
		}
		if strings.Contains(folder, "changed") {
			if has("failed") != 1 {
				t.Errorf("Bouncy Castle, %s: %q", filepath.Base(folder), lines)
			}
			continue
		}
		p := packages[folder]
		if has("failed") > 0 || has("manifest ") != 1 || !slices.Contains(lines, "seal 1") || has("receipts/") != 1 || has("raised/") != p.raised ||
			has("signatures/")+has("skipped signatures/") != p.received || p.raised > 0 && has("skipped") > 0 {
			t.Errorf("Bouncy Castle, %s: %q", p.name, lines)
		}
		delete(packages, folder)
	}
	if len(packages) > 0 {
		t.Errorf("Bouncy Castle was not asked about %v", packages)
	}
}

// changed is a package with the last bit of a file in it changed.
func changed(t *testing.T, pkg []byte, name string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
	fatal(t, err)
	var out bytes.Buffer
	w, found := zip.NewWriter(&out), false
	for _, f := range in.File {
		r, err := f.Open()
		fatal(t, err)
		b, err := io.ReadAll(r)
		fatal(t, err)
		if f.Name == name {
			found = true
			b[len(b)-1] ^= 1
		}
		to, err := w.Create(f.Name)
		fatal(t, err)
		_, err = to.Write(b)
		fatal(t, err)
	}
	fatal(t, w.Close())
	if !found {
		t.Fatalf("no %s in the package", name)
	}
	return out.Bytes()
}

// forBouncyCastle lays a package and anchors down as testdata/Evidence.java wants them.
func forBouncyCastle(t *testing.T, folder string, pkg []byte, anchors []*pki.Certificate) {
	t.Helper()
	fatal(t, os.Mkdir(folder, 0o700))
	fatal(t, os.WriteFile(filepath.Join(folder, "p.asice"), pkg, 0o600))
	for i, a := range anchors {
		fatal(t, os.WriteFile(filepath.Join(folder, strconv.Itoa(i)+".cer"), a.Raw, 0o600))
	}
}

// bouncyCastle has Bouncy Castle verify the packages in the folders under root, and
// gives what it tells of each folder. Without Java the test is skipped, or fails in CI.
func bouncyCastle(t *testing.T, root string) map[string][]string {
	t.Helper()
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	_, err := exec.LookPath("javac")
	for _, f := range jars {
		if err == nil {
			_, err = os.Stat(f)
		}
	}
	if err != nil {
		why := fmt.Sprintf("Bouncy Castle is not here (%v): packages are not verified by it", err)
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	folders, err := filepath.Glob(filepath.Join(root, "*"))
	fatal(t, err)
	args := append([]string{"-XX:TieredStopAtLevel=1", "-cp", strings.Join(jars, ":"), "testdata/Evidence.java"}, folders...)
	out, err := exec.Command("java", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("Bouncy Castle: %v %s", err, out)
	}
	told, folder := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if slices.Contains(folders, line) {
			folder = line
		} else if folder != "" {
			told[folder] = append(told[folder], line)
		}
	}
	if len(told) != len(folders) {
		t.Fatalf("Bouncy Castle: told of %d of %d: %s", len(told), len(folders), out)
	}
	return told
}
