package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
)

// hostileName is a row of HOSTILE_NAMES.tsv: a name, and whether a document may have it.
type hostileName struct {
	name   string
	refuse bool
	what   string
}

// hostileNames reads the 77 names.
func hostileNames(t *testing.T) []hostileName {
	t.Helper()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(root, "data", "relsec", "names", "HOSTILE_NAMES.tsv"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("shared data not here")
	}
	var names []hostileName
	for i, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if i == 0 {
			continue
		}
		f := strings.Split(line, "\t")
		name, err := base64.StdEncoding.DecodeString(f[0])
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		h := hostileName{name: string(name), what: f[len(f)-1]}
		switch expected := f[len(f)-2]; expected {
		case "accept", "refuse":
			h.refuse = expected == "refuse"
		default: // ours to say: CleanName, which a test of its own holds
			_, err := gateway.CleanName(h.name)
			h.refuse = err != nil
		}
		names = append(names, h)
	}
	if len(names) < 77 {
		t.Fatalf("only %d names", len(names))
	}
	return names
}

// named is a signed document of the sort that its name says.
func (s *site) named(name string, i int) []byte {
	now, payer := time.Now(), sample.DemoPayer()
	lower := strings.TrimSuffix(strings.ToLower(name), ".p7s")
	switch {
	case strings.HasSuffix(lower, ".xml"):
		return sign(s.t, sample.Pain001(fmt.Sprintf("N%d", i), now, sample.Orders(payer, now, 1+i, 1)), false, s.signer("head"), s.signer("accountant"))
	case strings.HasSuffix(lower, ".dbf"):
		return sign(s.t, sample.OshchadDBF(now, sample.Orders(payer, now, 1+i, 1)), false, s.signer("head"), s.signer("accountant"))
	}
	return s.signedPDF(fmt.Sprintf("name %d", i))
}

func temporary(name string) bool {
	_, is := gateway.Temporary(name, nil)
	return is
}

func TestHostileNamesSFTP(t *testing.T) {
	t.Parallel()
	names := hostileNames(t)
	s, p := running(t, "", nil)
	accepted := map[string]bool{}
	var c *sftp.Client
	refused, waiting := 0, 0
	for i, h := range names {
		if i%60 == 0 { // refusals of one connection are logged up to a bound
			c = s.client(p)
		}
		doc := s.named(h.name, i)
		before := strings.Count(p.said(), `"refused"`)
		f, err := c.OpenFile("/inbox/"+h.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		var status *sftp.StatusError
		switch {
		case temporary(h.name):
			waiting++
			if err != nil {
				t.Errorf("%q (%s): %v", h.name, h.what, err)
				continue
			}
			if _, err := f.Write(doc); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Errorf("%q (%s): %v", h.name, h.what, err)
			}
		case h.refuse && err == nil:
			f.Close()
			t.Errorf("%q (%s) was opened", h.name, h.what)
		case h.refuse:
			refused++
			if !errors.As(err, &status) && !errors.Is(err, os.ErrPermission) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%q (%s): not refused with a status: %v", h.name, h.what, err)
			}
			line := ""
			for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if log := p.said(); strings.Count(log, `"refused"`) > before {
					line = log[strings.LastIndex(log, `"refused"`):]
					break
				}
			}
			if line == "" {
				t.Errorf("%q (%s): refused and not in the log", h.name, h.what)
			}
		case err != nil:
			t.Errorf("%q (%s): %v", h.name, h.what, err)
		default:
			if _, err := f.Write(doc); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Errorf("%q (%s): %v", h.name, h.what, err)
			}
			accepted[h.name] = true
		}
	}
	for name := range accepted {
		if r := s.receipt(c, name); r.Outcome != gateway.Accepted || r.Document != name {
			t.Errorf("%q is %s: %v", name, r.Outcome, r.Findings)
		}
	}
	t.Logf("%d names: %d refused, %d wait for their rename, %d accepted", len(names), refused, waiting, len(accepted))

	for name := range s.submissions() {
		if !accepted[name] {
			t.Errorf("%q became a submission", name)
		}
	}
	// What waits is taken at its rename.
	if err := c.Rename("/inbox/x.part", "/inbox/x"); err != nil {
		t.Error(err)
	} else if r := s.receipt(c, "x"); r.Outcome != gateway.Accepted {
		t.Errorf("renamed and %s", r.Outcome)
	}
	logIsClean(t, p)
}

func TestHostileNamesFolder(t *testing.T) {
	t.Parallel()
	names := hostileNames(t)
	s, p := running(t, "intake: {stable: 50ms}\n", nil)
	inbox, receipts := s.path("clients", "demo", "inbox"), s.path("clients", "demo", "receipts")
	accepted, refused, waiting := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, h := range names {
		if h.name == "" || h.name == "." || h.name == ".." || strings.ContainsAny(h.name, "/\x00") || len(h.name) > 255 {
			continue // no file can have it
		}
		from := s.path(fmt.Sprintf("stage%d", i))
		s.write(from, string(s.named(h.name, i)))
		if err := os.Rename(from, filepath.Join(inbox, h.name)); err != nil {
			t.Errorf("%q: %v", h.name, err)
			continue
		}
		switch {
		case temporary(h.name):
			waiting[h.name] = true
		case h.refuse:
			refused[h.name] = true
		default:
			accepted[h.name] = true
		}
	}
	for name := range accepted {
		await(t, soon, strconv.Quote(name)+" is taken and answered", func() bool {
			_, err := os.Lstat(filepath.Join(inbox, name))
			b, rerr := os.ReadFile(filepath.Join(receipts, name+".receipt1.json"))
			return err != nil && rerr == nil && bytes.Contains(b, []byte(`"accepted"`))
		})
	}
	await(t, soon, "a note beside the receipts for each refused name", func() bool {
		notes, err := filepath.Glob(filepath.Join(receipts, "*.refused.txt"))
		return err == nil && len(notes) >= len(refused)
	})
	if n := strings.Count(p.said(), `"file refused, left where it is"`); n != len(refused) {
		t.Errorf("%d refused, %d lines in the log", len(refused), n)
	}
	for _, left := range []map[string]bool{refused, waiting} {
		for name := range left {
			if _, err := os.Lstat(filepath.Join(inbox, name)); err != nil {
				t.Errorf("%q is gone: %v", name, err)
			}
		}
	}
	t.Logf("%d names: %d refused, %d wait for their rename, %d accepted", len(names), len(refused), len(waiting), len(accepted))
	for name := range s.submissions() {
		if !accepted[name] {
			t.Errorf("%q became a submission", name)
		}
	}
	if err := os.Rename(filepath.Join(inbox, "x.part"), filepath.Join(inbox, "x")); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "x is taken at its rename", func() bool {
		_, err := os.Lstat(filepath.Join(receipts, "x.receipt1.json"))
		return err == nil
	})
	// Renamed as the note asks, a refused one is taken too.
	if err := os.Rename(filepath.Join(inbox, "a|b"), filepath.Join(inbox, "ab")); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "ab is taken at its rename", func() bool {
		_, err := os.Lstat(filepath.Join(receipts, "ab.receipt1.json"))
		return err == nil
	})
	logIsClean(t, p)
}

// logIsClean: no name has brought its control characters into the log, every line
// of which is one object.
func logIsClean(t *testing.T, p *process) {
	t.Helper()
	for line := range strings.Lines(p.said()) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7F || r == '\u202E' || r == '\uFFFD' }) {
			t.Errorf("a name came into the log: %q", line)
		}
	}
}
