package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/trustlist"
)

// Lists of trusted services lie in lists/: NAME.json says where a list comes from
// and who signs it, and SHA256.xml is the list itself, as it was signed. Its
// signature is verified whenever it is read. Older ones stay beside it.

// listGrace is how long a list counts after its NextUpdate: the status of the
// gateway warns before and in it, then the list adds nothing any more.
const listGrace = 72 * time.Hour

// listWarning is how long before its NextUpdate the status begins to warn.
const listWarning = 14 * 24 * time.Hour

// listSkew is how far ahead of our clock a list may have been issued.
const listSkew = 10 * time.Minute

// List is a list of trusted services that is in use.
type List struct {
	Name      string    `json:"name"` // of its record in lists/
	Source    string    `json:"source"`
	Signer    string    `json:"signer"` // SHA-256 of the signer's certificate, lower-case hex
	SHA256    string    `json:"sha256"` // of the list
	Territory string    `json:"territory"`
	Operator  string    `json:"operator"`
	Sequence  int64     `json:"sequence"`
	Issued    time.Time `json:"issued"`
	// NextUpdate is until when the list speaks; zero: it is closed.
	NextUpdate time.Time `json:"nextUpdate"`
	Added      time.Time `json:"added"`
	// Granted counts the services that are granted, or were.
	Granted int `json:"granted"`
}

// listRecord is NAME.json.
type listRecord struct {
	Source   string    `json:"source"`
	Signer   string    `json:"signer"`
	SHA256   string    `json:"sha256"`
	Sequence int64     `json:"sequence"`
	Added    time.Time `json:"added"`
}

// ErrListNotNewer: a list is older than the one in use, or has its number and
// says something else.
var ErrListNotNewer = errors.New("the list is not newer than the one in use")

// list reads the list that a record names.
func (r *reading) list(f file) error {
	if f.err != nil {
		return f.err
	}
	b, err := readFile(f.path)
	if err != nil {
		return err
	}
	var rec listRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return err
	}
	pin, err := digest(rec.Signer)
	if err != nil {
		return err
	}
	if _, err := digest(rec.SHA256); err != nil {
		return err
	}
	text, err := readFile(filepath.Join(filepath.Dir(f.path), rec.SHA256+".xml"))
	if err != nil {
		return err
	}
	l, err := trustlist.Parse(text, pin)
	if err != nil {
		return err
	}
	if hex.EncodeToString(l.SHA256[:]) != rec.SHA256 || l.Sequence != rec.Sequence {
		return errors.New("the list is not the one that was taken")
	}
	name := strings.TrimSuffix(filepath.Base(f.path), ".json")
	out := List{
		Name: name, Source: rec.Source, Signer: rec.Signer, SHA256: rec.SHA256, Territory: l.Territory, Operator: l.Operator,
		Sequence: l.Sequence, Issued: l.Issued, NextUpdate: l.NextUpdate, Added: rec.Added,
	}
	for i := range l.Services {
		if r.service(l, &l.Services[i], f.path, name) {
			out.Granted++
		}
	}
	r.lists = append(r.lists, out)
	return nil
}

// service takes one service of a list: the certificates of an authority are
// believed for the times in which it was granted, as far as the list speaks; those
// of others, and of what may not issue certificates, are material.
func (r *reading) service(l *trustlist.List, s *trustlist.Service, file, list string) (granted bool) {
	end := l.NextUpdate.Add(listGrace)
	if l.NextUpdate.IsZero() {
		end = l.Issued
	}
	terms := s.Terms()
	for _, c := range s.Certificates {
		if s.Type != trustlist.CA || mayAnchor(c) != nil {
			r.material = append(r.material, c)
			i := certificateItem(c, Certificate, file)
			i.List = list
			i.Why = fmt.Sprintf("list %s: %s of %s (%s): not believed by itself", list, s.Name, s.Provider, s.Type)
			r.items = append(r.items, i)
			continue
		}
		r.material = append(r.material, c) // beyond its times it may still be part of a path
		for _, t := range terms {
			until := t.Until
			if until.IsZero() || until.After(end) {
				until = end
			}
			if !until.After(t.From) {
				continue
			}
			granted = true
			r.terms = append(r.terms, pki.Anchor{Certificate: c, From: t.From, Until: until})
			i := certificateItem(c, Anchor, file)
			i.List, i.Since, i.Ends = list, &t.From, &until
			i.Why = fmt.Sprintf("list %s No %d: %s of %s granted since %s", list, l.Sequence, s.Name, s.Provider, t.From.Format(time.DateOnly))
			if !t.Until.IsZero() {
				i.Why += ", until " + t.Until.Format(time.DateOnly)
			}
			r.items = append(r.items, i)
		}
	}
	return granted
}

// AddList takes a list of trusted services that the pinned certificate signed, and
// reads the folder anew. source is where it is read again by UpdateLists: an
// absolute path or a URL. A list that has expired, or that is not newer than the one
// in use of the same signer and territory, is refused; the same one again changes nothing.
func (d *Dir) AddList(data []byte, source string, pin [32]byte, now time.Time) (List, error) {
	l, err := trustlist.Parse(data, pin)
	if err != nil {
		return List{}, fmt.Errorf("trust: %w", err)
	}
	switch {
	case l.NextUpdate.IsZero():
		return List{}, errors.New("trust: the list is closed: its scheme has ended")
	case now.After(l.NextUpdate):
		return List{}, fmt.Errorf("trust: the list expired on %s", l.NextUpdate.Format(time.DateOnly))
	case l.Issued.After(now.Add(listSkew)):
		return List{}, fmt.Errorf("trust: the list was issued in the future, on %s; is the clock of this machine right?", l.Issued.Format(time.RFC3339))
	}
	territory := "xx"
	if len(l.Territory) == 2 && strings.Trim(strings.ToLower(l.Territory), "abcdefghijklmnopqrstuvwxyz") == "" {
		territory = strings.ToLower(l.Territory)
	}
	name := territory + "-" + hex.EncodeToString(pin[:8])
	rec := listRecord{Source: source, Signer: hex.EncodeToString(pin[:]), SHA256: hex.EncodeToString(l.SHA256[:]), Sequence: l.Sequence, Added: now.UTC()}

	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Join(d.path, "lists", name+".json")
	if b, err := readFile(path); err == nil {
		var had listRecord
		if err := json.Unmarshal(b, &had); err != nil {
			return List{}, fmt.Errorf("trust file %s: %w", path, err)
		}
		switch {
		case rec.Sequence < had.Sequence, rec.Sequence == had.Sequence && rec.SHA256 != had.SHA256:
			return List{}, fmt.Errorf("trust: list %s: No %d after No %d: %w", name, rec.Sequence, had.Sequence, ErrListNotNewer)
		case rec.SHA256 == had.SHA256:
			rec.Added = had.Added
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return List{}, fmt.Errorf("trust: %w", err)
	}
	b, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return List{}, err
	}
	// The list first: a record never names one that is not there.
	if err := write(filepath.Join(d.path, "lists", rec.SHA256+".xml"), data); err != nil {
		return List{}, fmt.Errorf("trust: %w", err)
	}
	if err := write(path, append(b, '\n')); err != nil {
		return List{}, fmt.Errorf("trust: %w", err)
	}
	if _, err := d.reload(); err != nil {
		return List{}, err
	}
	i := slices.IndexFunc(d.lists, func(x List) bool { return x.Name == name })
	if i < 0 {
		return List{}, fmt.Errorf("trust: list %s was written and cannot be read", name)
	}
	return d.lists[i], nil
}

// UpdateLists reads every list again from its source, and says which are newer now.
// One that cannot be had, or may not be taken, stays as it was; errs tell why.
func (d *Dir) UpdateLists(now time.Time, read func(source string) ([]byte, error)) (newer []List, errs []error) {
	for _, had := range d.Lists() {
		pin, err := digest(had.Signer)
		if err == nil {
			var b []byte
			if b, err = read(had.Source); err == nil {
				var l List
				if l, err = d.AddList(b, had.Source, pin, now); err == nil && l.SHA256 != had.SHA256 {
					newer = append(newer, l)
				}
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("list %s: %w", had.Name, err))
		}
	}
	return newer, errs
}

// RemoveList stops the use of a list. The list itself stays in the folder.
func (d *Dir) RemoveList(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.ContainsFunc(d.lists, func(l List) bool { return l.Name == name }) {
		return fmt.Errorf("trust: there is no list %q", name)
	}
	if err := os.Remove(filepath.Join(d.path, "lists", name+".json")); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	_, err := d.reload()
	return err
}

// Lists tells the lists of trusted services that are in use.
func (d *Dir) Lists() []List {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lists)
}

// Expiring tells the lists that have to be renewed, or have ceased to count.
func (d *Dir) Expiring(now time.Time) []List {
	var out []List
	for _, l := range d.Lists() {
		if now.After(l.NextUpdate.Add(-listWarning)) {
			out = append(out, l)
		}
	}
	return out
}

// Counts tells whether the list still adds anything at a time.
func (l List) Counts(at time.Time) bool { return at.Before(l.NextUpdate.Add(listGrace)) }

// digest reads a SHA-256 as hex.
func digest(s string) (sum [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(sum) {
		return sum, errors.New("not a SHA-256: 64 hexadecimal digits are wanted")
	}
	copy(sum[:], b)
	return sum, nil
}

// ParseDigest reads a SHA-256 as people write it: hex, with or without colons.
func ParseDigest(s string) ([sha256.Size]byte, error) {
	return digest(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), ":", "")))
}
