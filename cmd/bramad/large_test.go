package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/gateway"
)

// largeSize is what a supporting document may reach: a contract scanned in colour.
const largeSize = 50 << 20

// picture makes a JPEG of largeSize bytes: one scan of random data.
func picture(seed byte) []byte {
	block := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(block)
	for i, x := range block {
		if x == 0xFF {
			block[i] = 0xFE
		}
	}
	b := bytes.Repeat(block, largeSize/len(block))
	copy(b, "\xFF\xD8\xFF\xC0\x00\x0B\x08\x10\x00\x10\x00\x01\x01\x11\x00\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00")
	copy(b[len(b)-2:], "\xFF\xD9")
	return b
}

// usage is what a process has used.
type usage struct{ resident, peak, read, written int64 }

func (p *process) usage(t testing.TB) (u usage) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	for _, f := range []struct {
		file, field string
		into        *int64
		unit        int64
	}{{"status", "VmRSS:", &u.resident, 1024}, {"status", "VmHWM:", &u.peak, 1024}, {"io", "rchar:", &u.read, 1}, {"io", "wchar:", &u.written, 1}} {
		text, err := os.ReadFile(dir + f.file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut("\n"+string(text), "\n"+f.field)
		n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		*f.into = n * f.unit
	}
	return u
}

// level begins a new measurement of the peak and gives what is used now.
func (p *process) level(t testing.TB) usage {
	t.Helper()
	// proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0o200); err != nil {
		t.Fatal(err)
	}
	return p.usage(t)
}

// since logs what a step has used, and holds it to bounds in MiB; 0 is none: what is
// read is no bound where evidence may be kept meanwhile, which reads documents again.
func (p *process) since(t testing.TB, before usage, step string, peak, read, written float64) {
	t.Helper()
	now := p.usage(t)
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	for _, x := range []struct {
		what       string
		used, most float64
	}{{"memory", mib(now.peak - before.resident), peak}, {"bytes read", mib(now.read - before.read), read}, {"bytes written", mib(now.written - before.written), written}} {
		t.Logf("%-46s %-13s %6.1f MiB", step, x.what, x.used)
		if x.most > 0 && x.used > x.most {
			t.Errorf("%s: %s: %.1f MiB, want at most %.1f", step, x.what, x.used, x.most)
		}
	}
}

// accepted waits for the receipts of documents.
func (s *site) accepted(p *process, c *sftp.Client, names ...string) {
	s.t.Helper()
	end := time.Now().Add(90 * time.Second)
	for _, name := range names {
		for {
			b, err := fetch(c, "/receipts/"+name+".receipt1.json")
			var r gateway.Receipt
			if err == nil {
				err = json.Unmarshal(b, &r)
			}
			if err == nil && r.Outcome != gateway.Accepted {
				s.t.Fatalf("%s: %s", name, b)
			}
			if err == nil {
				break
			}
			if time.Now().After(end) {
				s.t.Fatalf("%s: no receipt: %v\n%s", name, err, p.said())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// leased leases everything that is ready and gives the ids by name.
func (s *site) leased(h *http.Client, want int) map[string]string {
	s.t.Helper()
	ids := map[string]string{}
	for len(ids) < want {
		resp, err := h.Post("http://x/v1/leases", "application/json", strings.NewReader(`{"max":100,"wait":"5s"}`))
		if err != nil {
			s.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var got struct {
			Leases []struct{ Submission gateway.Submission }
		}
		if err := errors.Join(err, json.Unmarshal(b, &got)); err != nil || len(got.Leases) == 0 {
			s.t.Fatalf("%v: %s", err, b)
		}
		for _, l := range got.Leases {
			ids[l.Submission.Document] = l.Submission.ID.String()
		}
	}
	return ids
}

// A large document goes the whole way in constant memory: its bytes are hashed as they
// come and written once; every later step reads them piece by piece. What a container
// of the same size costs more is bounded, and not for each that is under way.
func TestLargeDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("")
	p := s.start(nil)
	s.register()
	c := s.client(p)
	h := s.processorClient()
	send := func(name string, b []byte) {
		t.Helper()
		if err := put(c, "/inbox/"+name, b); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, p.said())
		}
	}
	send("warm.pdf.p7s", s.signedPDF("warm"))
	s.accepted(p, c, "warm.pdf.p7s")

	doc := picture(1)
	sig := sign(t, doc, true, s.signer("head"))
	u := p.level(t)
	send("scan.part", doc)
	p.since(t, u, "upload over SFTP", 16, 1.05*50, 1.05*50)
	u = p.level(t)
	if err := c.Rename("/inbox/scan.part", "/inbox/scan.jpg"); err != nil {
		t.Fatal(err)
	}
	send("scan.jpg.p7s", sig)
	s.accepted(p, c, "scan.jpg")
	p.since(t, u, "renamed, signed, examined", 16, 0, 1)

	doc2 := picture(2)
	sig2 := sign(t, doc2, true, s.signer("head"))
	u = p.level(t)
	for name, b := range map[string][]byte{"paper.jpg": doc2, "paper.jpg.p7s": sig2} {
		s.write(s.path("clients", "demo", "inbox", name), string(b))
	}
	s.accepted(p, c, "paper.jpg")
	p.since(t, u, "taken from a folder, examined", 16, 0, 1.05*50)

	ids := s.leased(h, 3)
	u = p.level(t)
	s.download(h, ids["scan.jpg"], "document", doc)
	p.since(t, u, "downloaded by the processor", 16, 0, 1.05*50)

	u = p.level(t)
	send("inside.jpg.p7s", sign(t, picture(3), false, s.signer("head")))
	s.accepted(p, c, "inside.jpg.p7s")
	p.since(t, u, "container that carries as much", 3*50, 0, 1.05*50)
}

// Eight at once cost no more than one: BRAMA_LARGE=1, make test-large.
func TestLargeTogether(t *testing.T) {
	if os.Getenv("BRAMA_LARGE") == "" {
		t.Skip("some minutes of a machine: make test-large")
	}
	s := newSite(t)
	s.configure("")
	p := s.start(nil)
	s.register()
	c := s.client(p)
	h := s.processorClient()
	const many = 8
	var docs, sigs, containers [many][]byte
	for i := range many {
		docs[i] = picture(byte(10 + i))
		sigs[i] = sign(t, docs[i], true, s.signer("head"))
		containers[i] = sign(t, picture(byte(50+i)), false, s.signer("head"))
	}
	if err := put(c, "/inbox/warm.pdf.p7s", s.signedPDF("warm")); err != nil {
		t.Fatal(err)
	}
	s.accepted(p, c, "warm.pdf.p7s")
	together := func(do func(i int) error) {
		t.Helper()
		var errs [many]error
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() { errs[i] = do(i) })
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
	}
	var names, inside []string
	for i := range many {
		names = append(names, fmt.Sprintf("scan%d.jpg", i))
		inside = append(inside, fmt.Sprintf("inside%d.jpg.p7s", i))
	}
	u := p.level(t)
	together(func(i int) error {
		return errors.Join(put(c, "/inbox/"+names[i], docs[i]), put(c, "/inbox/"+names[i]+".p7s", sigs[i]))
	})
	s.accepted(p, c, names...)
	p.since(t, u, "8 uploads at once, examined", 32, 0, 1.05*many*50)

	ids := s.leased(h, many+1)
	u = p.level(t)
	together(func(i int) error { s.download(h, ids[names[i]], "document", docs[i]); return nil })
	p.since(t, u, "8 downloads at once", 32, 0, 1.05*many*50)

	u = p.level(t)
	together(func(i int) error { return put(c, "/inbox/"+inside[i], containers[i]) })
	s.accepted(p, c, inside...)
	p.since(t, u, "8 containers at once", 4*50, 0, 1.05*many*50)

	ids = s.leased(h, many)
	u = p.level(t)
	together(func(i int) error { s.download(h, ids[inside[i]], "document", picture(byte(50+i))); return nil })
	p.since(t, u, "8 downloads out of containers at once", 4*50, 0, 1.05*many*50)
}

// download reads a part of a submission over the socket and holds it to what it has to be.
func (s *site) download(h *http.Client, id, part string, want []byte) {
	s.t.Helper()
	resp, err := h.Get("http://x/v1/submissions/" + id + "/parts/" + part)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, resp.Body)
	if err != nil || n != int64(len(want)) {
		s.t.Fatalf("%s: %d bytes, %v", part, n, err)
	}
	if x := sha256.Sum256(want); !bytes.Equal(sum.Sum(nil), x[:]) {
		s.t.Fatalf("%s: its hash is %s", part, hex.EncodeToString(sum.Sum(nil)))
	}
}
