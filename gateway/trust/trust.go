// Package trust keeps the sysadmin's trust files on disk and gives them to the
// validation of signatures as an immutable store.
//
// # The folder
//
//	anchors/*.pem    certificates of authorities that are believed
//	material/*.pem   certificates, and CRLs in PEM, that are never believed by themselves
//	material/*.crl   CRLs, DER or PEM
//	material/*.ors   OCSP responses; *.ocsp and *.der too, which may be CRLs or certificates
//	lists/           lists of trusted services, each signed by whom the sysadmin has
//	                 pinned: their authorities are believed while they are granted
//	bundles/*.json   addresses of services
//
// A file may hold several. Only what lies in anchors/, in a file that the
// configuration names, or in a list whose signature holds is an anchor: nothing from a signed container or from
// material ever becomes one. Names that begin with a dot or end otherwise are
// not read. [Dir.Add] names files by the SHA-256 of what they hold, and nothing
// here overwrites or deletes: an older CRL is evidence of its time. Which of
// several CRLs counts, the newest in force, package pki decides; one that lists a
// certificate as revoked counts whatever came after it.
//
// A file that cannot be read or parsed is left out and told as a problem. That
// is safe: less is believed, and what cannot be proved is held.
package trust

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Bounds of what is read.
const (
	maxFile  = 64 << 20 // bytes of one file; the largest CRLs known are a tenth of it
	maxFiles = 10_000
)

// Kind says what an item is.
type Kind string

// The kinds.
const (
	Anchor      Kind = "anchor"
	Certificate Kind = "certificate"
	CRL         Kind = "crl"
	OCSP        Kind = "ocsp"
)

// Item is one certificate, CRL or OCSP response of the folder.
type Item struct {
	SHA256  string    `json:"sha256"` // of its DER, lower-case hex
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"` // of a CRL: its issuer, of an OCSP response: the responder; safe to print
	From    time.Time `json:"from"`    // notBefore, or thisUpdate
	Until   time.Time `json:"until"`   // notAfter, or nextUpdate; zero: it does not say, and such a CRL is never fresh
	File    string    `json:"file"`
	Note    string    `json:"note,omitempty"` // why a CRL or OCSP response proves nothing
	// Since and Ends bound the time in which an anchor is believed, beside its own
	// validity; nil: it is not bounded. Why says by what.
	Since *time.Time `json:"since,omitempty"`
	Ends  *time.Time `json:"ends,omitempty"`
	Why   string     `json:"why,omitempty"`
	List  string     `json:"list,omitempty"` // the name of the list that it is from
}

// Dir is an open trust folder. It is safe for concurrent use.
type Dir struct {
	path  string
	named []string // anchor files of the configuration

	mu       sync.Mutex
	seen     map[string]stamp // by path
	items    []Item
	problems []error
	store    *pki.Store

	lists     []List
	addresses []Addresses
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	size int64
	mod  time.Time
}

// Open reads the folder, in which it makes anchors/ and material/ where they are
// missing. The folder itself must be there: one made at a mistyped path would
// believe nobody, and not say so. anchors are further files of anchors. The error
// says that the folder cannot be used; files that could not be are told by
// [Dir.Problems].
func Open(dir string, anchors ...string) (*Dir, error) {
	d := &Dir{path: dir, named: slices.Clone(anchors)}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("trust folder: %w", err)
	}
	for _, sub := range []string{"anchors", "material"} {
		// Not secret: the tool of the operator and the daemon of another user both read it.
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("trust folder: %w", err)
		}
	}
	if _, err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// Reload reads the folder anew if the name, size or time of any file changed, and
// says whether it did. On an error what was read before stays in force.
func (d *Dir) Reload() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reload()
}

func (d *Dir) reload() (bool, error) {
	files, err := d.files()
	if err != nil {
		return false, err
	}
	seen := make(map[string]stamp, len(files))
	for _, f := range files {
		seen[f.path] = f.stamp
	}
	if d.store != nil && same(d.seen, seen) {
		return false, nil
	}
	var r reading
	for _, f := range files {
		if err := r.file(f); err != nil {
			r.problems = append(r.problems, fmt.Errorf("trust file %s: %w", f.path, err))
		}
	}
	slices.SortStableFunc(r.items, func(a, b Item) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Subject, b.Subject), a.From.Compare(b.From))
	})
	d.seen, d.items, d.problems = seen, r.items, r.problems
	d.lists, d.addresses = r.lists, r.addresses
	d.store = pki.NewStore(r.anchors, r.material, r.crls).WithEvidence(ocsp.NewResponses(r.answers...))
	if r.terms != nil {
		d.store = d.store.WithAnchors(r.terms)
	}
	return true, nil
}

func same(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for path, s := range a {
		if o, ok := b[path]; !ok || o.size != s.size || !o.mod.Equal(s.mod) {
			return false
		}
	}
	return true
}

type file struct {
	path   string
	anchor bool
	sub    string // lists, bundles: read in their own way
	stamp
	err error // it could not be looked at
}

// materialNames are the endings of material's files beside .pem.
var materialNames = []string{".crl", ".ors", ".ocsp", ".der"}

// files lists what is to be read, in the order of names.
func (d *Dir) files() (out []file, err error) {
	add := func(path string, anchor bool) {
		f := file{path: path, anchor: anchor}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			f.err = err
		case !info.Mode().IsRegular():
			f.err = errors.New("not a regular file")
		default:
			f.stamp = stamp{info.Size(), info.ModTime()}
		}
		out = append(out, f)
	}
	for _, path := range d.named {
		add(path, true)
	}
	for _, sub := range []string{"anchors", "material"} {
		entries, err := os.ReadDir(filepath.Join(d.path, sub))
		if err != nil {
			return nil, fmt.Errorf("trust folder: %w", err)
		}
		for _, e := range entries {
			ext := strings.ToLower(filepath.Ext(e.Name()))
			if strings.HasPrefix(e.Name(), ".") || ext != ".pem" && (sub == "anchors" || !slices.Contains(materialNames, ext)) {
				continue
			}
			add(filepath.Join(d.path, sub, e.Name()), sub == "anchors")
		}
	}
	for _, sub := range []string{"lists", "bundles"} {
		entries, err := os.ReadDir(filepath.Join(d.path, sub))
		if errors.Is(err, fs.ErrNotExist) {
			continue // made when the first is added
		}
		if err != nil {
			return nil, fmt.Errorf("trust folder: %w", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".json" {
				continue
			}
			add(filepath.Join(d.path, sub, e.Name()), false)
			out[len(out)-1].sub = sub
		}
	}
	if len(out) > maxFiles {
		return nil, fmt.Errorf("trust folder %s: %d files, more than %d; move old CRLs away", d.path, len(out), maxFiles)
	}
	return out, nil
}

// reading collects what the files hold.
type reading struct {
	anchors, material []*pki.Certificate
	crls              []*pki.CRL
	answers           []*ocsp.Response
	items             []Item
	problems          []error

	lists     []List
	terms     []pki.Anchor
	addresses []Addresses
}

func (r *reading) file(f file) error {
	switch f.sub {
	case "lists":
		return r.list(f)
	case "bundles":
		return r.addressFile(f)
	}
	if f.err != nil {
		return f.err
	}
	data, err := readFile(f.path)
	if err != nil {
		return err
	}
	p, err := parse(data, f.anchor)
	if err != nil {
		return err
	}
	certs, crls := p.certs, p.crls
	for _, a := range p.answers {
		r.answers = append(r.answers, a)
		r.items = append(r.items, answerItem(a, f.path))
	}
	for _, c := range certs {
		kind := Certificate
		if f.anchor {
			kind = Anchor
			r.anchors = append(r.anchors, c)
		} else {
			r.material = append(r.material, c)
		}
		i := certificateItem(c, kind, f.path)
		if f.anchor {
			i.Why = "anchor file " + f.path
		}
		r.items = append(r.items, i)
	}
	for _, l := range crls {
		r.crls = append(r.crls, l)
		r.items = append(r.items, crlItem(l, f.path))
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// parsed is what one file holds.
type parsed struct {
	certs   []*pki.Certificate
	crls    []*pki.CRL
	answers []*ocsp.Response
}

// parse reads certificates, CRLs and an OCSP response, PEM or DER, and refuses what is
// none. Signed containers are none, so that nothing gets here out of one.
func parse(data []byte, anchor bool) (p parsed, err error) {
	if len(data) > maxFile {
		return p, fmt.Errorf("larger than %d bytes", maxFile)
	}
	if r, err := ocsp.Parse(data); err == nil {
		if anchor {
			return p, errors.New("is an OCSP response; only certificates of authorities can be anchors")
		}
		return parsed{answers: []*ocsp.Response{r}}, nil
	} else if status := ocsp.StatusError(0); errors.As(err, &status) {
		return p, fmt.Errorf("is an OCSP response that says nothing of a certificate: %w", err)
	}
	hasCerts, hasCRLs, err := holds(data)
	if err != nil {
		return p, err
	}
	if anchor && hasCRLs {
		return p, errors.New("holds a CRL; only certificates of authorities can be anchors")
	}
	if hasCerts {
		if p.certs, err = pki.ParseCertificates(data); err != nil {
			return p, err
		}
	}
	if hasCRLs {
		if p.crls, err = pki.ParseCRLs(data); err != nil {
			return p, err
		}
	}
	if anchor {
		for _, c := range p.certs {
			if err := mayAnchor(c); err != nil {
				return p, fmt.Errorf("%s: %w", c.Subject, err)
			}
		}
	}
	return p, nil
}

// holds says what sort of thing data is.
func holds(data []byte) (certs, crls bool, err error) {
	if len(data) > 0 && data[0] == 0x30 {
		if _, err := pki.ParseCRLs(data); err == nil {
			return false, true, nil
		}
		return true, false, nil
	}
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch {
		case b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE":
			certs = true
		case b.Type == "X509 CRL":
			crls = true
		case strings.Contains(b.Type, "PRIVATE KEY"):
			return false, false, errors.New("holds a private key; it must not lie among trust files")
		default:
			return false, false, fmt.Errorf("holds a PEM block %q; only CERTIFICATE and X509 CRL are taken", b.Type)
		}
	}
	if !certs && !crls {
		return false, false, errors.New("holds neither a certificate nor a CRL")
	}
	return certs, crls, nil
}

// mayAnchor refuses a certificate that is not an authority's: to believe in a
// signatory's own certificate would skip revocation and its issuer.
func mayAnchor(c *pki.Certificate) error {
	switch {
	case !c.IsCA:
		return errors.New("is not the certificate of an authority (basicConstraints without cA) and cannot be an anchor; add it without --anchor, or add its issuer")
	case c.HasKeyUsage && c.KeyUsage&pki.KeyCertSign == 0:
		return errors.New("may not sign certificates (keyUsage without keyCertSign) and cannot be an anchor")
	}
	return nil
}

func certificateItem(c *pki.Certificate, kind Kind, file string) Item {
	sum := c.SHA256()
	return Item{
		SHA256: hex.EncodeToString(sum[:]), Kind: kind, Subject: c.Subject.String(),
		From: c.NotBefore, Until: c.NotAfter, File: file,
	}
}

func crlItem(l *pki.CRL, file string) Item {
	sum := l.SHA256()
	return Item{
		SHA256: hex.EncodeToString(sum[:]), Kind: CRL, Subject: l.Issuer.String(),
		From: l.ThisUpdate, Until: l.NextUpdate, File: file, Note: l.Usable(),
	}
}

func answerItem(r *ocsp.Response, file string) Item {
	sum := r.SHA256()
	this, next := r.Update()
	return Item{
		SHA256: hex.EncodeToString(sum[:]), Kind: OCSP, Subject: r.Responder(),
		From: this, Until: next, File: file, Note: r.Usable(),
	}
}

// Add puts certificates, CRLs and OCSP responses, PEM or DER, into the folder, durably, and reads
// it anew. With anchor they are believed from then on, and all must be
// certificates of authorities. Either all of data is taken or, where it does not
// hold, nothing; what is there already is not among added. A crash or a full disk
// may leave some of it there: adding it again finishes the work.
func (d *Dir) Add(data []byte, anchor bool) (added []Item, err error) {
	p, err := parse(data, anchor)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.reload(); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, i := range d.items {
		if i.List != "" {
			continue // it goes when the list goes
		}
		have[string(i.Kind)+i.SHA256] = true
	}
	put := func(i Item, sub, ext string, content []byte) error {
		if have[string(i.Kind)+i.SHA256] {
			return nil
		}
		have[string(i.Kind)+i.SHA256] = true
		i.File = filepath.Join(d.path, sub, i.SHA256+ext)
		if err := write(i.File, content); err != nil {
			return fmt.Errorf("trust file %s: %w", i.File, err)
		}
		added = append(added, i)
		return nil
	}
	for _, c := range p.certs {
		kind, sub := Certificate, "material"
		if anchor {
			kind, sub = Anchor, "anchors"
		}
		content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if err := put(certificateItem(c, kind, ""), sub, ".pem", content); err != nil {
			return added, err
		}
	}
	for _, r := range p.answers {
		if err := put(answerItem(r, ""), "material", ".ors", r.Encode()); err != nil {
			return added, err
		}
	}
	for _, l := range p.crls {
		if err := put(crlItem(l, ""), "material", ".crl", l.Raw); err != nil {
			return added, err
		}
	}
	_, err = d.reload()
	return added, err
}

// write makes a file durable under its name: the file, then the name.
func write(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			if rm := os.Remove(f.Name()); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				err = errors.Join(err, rm)
			}
		}
	}()
	if _, err = io.Copy(f, bytes.NewReader(content)); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = errors.Join(folder.Sync(), folder.Close()); err != nil {
		return err
	}
	return f.Close()
}

// List gives what was read last, by kind, subject and date.
func (d *Dir) List() []Item {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.items)
}

// Problems tells the files that were left out when the folder was read last.
func (d *Dir) Problems() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.problems)
}

// Snapshot gives what was read last as a store. It does not change; the next
// Reload makes another.
func (d *Dir) Snapshot() *pki.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store
}
