package asic

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Open reads a container: its structure, names, manifests. Nothing is verified but
// that. Every error but ErrNotZIP, ErrLimit, ErrXAdES and ErrArchive means that the
// container is malformed; its text names the fault without personal data.
func Open(b []byte, o Options) (*Container, error) {
	entries, comment, err := readZIP(b)
	if err != nil {
		return nil, err
	}
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	if err := bounds(entries); err != nil {
		return nil, err
	}
	c := &Container{byName: make(map[string]*File, len(entries))}
	for _, e := range entries {
		if err := e.unpack(); err != nil {
			return nil, err
		}
		if e.name != metaInf {
			c.byName[e.name] = &File{Name: e.name, Content: e.content}
		}
	}
	if err := c.readMimetype(entries, comment); err != nil {
		return nil, err
	}
	if err := c.sort(entries, o); err != nil {
		return nil, err
	}
	return c, nil
}

// readMimetype tells the form (EN 319 162-1, annex A.1).
func (c *Container) readMimetype(entries []*entry, comment string) error {
	var e *entry
	for i, x := range entries {
		if x.name != mimetype {
			continue
		}
		e = x
		switch {
		case i > 0:
			c.Odd = "mimetype is not the first entry"
		case x.method != stored:
			c.Odd = "mimetype is compressed"
		case x.flags&flagDescriptor != 0 || x.extra:
			c.Odd = "mimetype has an extra field or a data descriptor"
		}
	}
	if e == nil {
		c.Odd = "no mimetype entry"
		c.Form = E
		for name := range c.byName {
			if name == signatureS {
				c.Form = S
			}
		}
	} else {
		text := string(e.content)
		if trimmed := strings.TrimRight(text, "\r\n"); trimmed != text {
			text, c.Odd = trimmed, "mimetype ends in a new line"
		}
		switch text {
		case S.MimeType():
			c.Form = S
		case E.MimeType():
			c.Form = E
		default:
			return malformed("mimetype is not that of ASiC-S or ASiC-E")
		}
	}
	switch trimmed := strings.TrimRight(comment, "\r\n"); {
	case trimmed != "" && trimmed != "mimetype="+c.Form.MimeType():
		return malformed("its comment is not the media type")
	case trimmed != comment:
		c.Odd = "the comment ends in a new line"
	}
	return nil
}

// Names of META-INF (EN 319 162-1, 4.3.3.2, 4.4.3.2).
const (
	signatureS = metaInf + "signature.p7s"
	stampS     = metaInf + "timestamp.tst"
)

// kind of a file of META-INF, told by its name.
type kind uint8

const (
	other kind = iota
	signatureFile
	stampFile
	manifestFile
	archiveManifestFile
	xadesFile
	evidenceRecord
	unusedFile
)

func kindOf(name string) kind {
	base, inside := strings.CutPrefix(name, metaInf)
	if !inside || strings.Contains(base, "/") {
		return other
	}
	lower := strings.ToLower(base)
	ext := path.Ext(lower)
	switch {
	case ext == ".p7s" && strings.Contains(lower, "signature"):
		return signatureFile
	case ext == ".tst" && strings.Contains(lower, "timestamp"):
		return stampFile
	case ext == ".xml" && strings.HasPrefix(lower, "asicarchivemanifest"):
		return archiveManifestFile
	case ext == ".xml" && strings.HasPrefix(lower, "asicmanifest"):
		return manifestFile
	case (ext == ".xml" || ext == ".ers") && strings.Contains(lower, "evidencerecord"):
		return evidenceRecord
	case ext == ".xml" && strings.Contains(lower, "signature"):
		return xadesFile
	case lower == "manifest.xml" || lower == "container.xml":
		return unusedFile
	}
	return other
}

// sort tells what each file is, and joins signatures to their manifests.
func (c *Container) sort(entries []*entry, o Options) error {
	manifests := make(map[string]*Manifest) // by what they are signed by
	signings := 0
	for _, e := range entries {
		f := c.byName[e.name]
		if f == nil || e.name == mimetype {
			continue
		}
		if !strings.HasPrefix(folded(e.name), folded(metaInf)) {
			if !o.Archives && archived(f.Content) {
				return ErrArchive
			}
			c.Data = append(c.Data, f)
			continue
		}
		switch kindOf(e.name) {
		case signatureFile, stampFile:
			if signings++; signings > MaxSignings || len(f.Content) > MaxToken {
				return fmt.Errorf("signatures of the container: %w", ErrLimit)
			}
		case manifestFile, archiveManifestFile:
			m, err := parseManifest(f)
			if err != nil {
				return err
			}
			if manifests[m.Signs] != nil {
				return fmt.Errorf("%s: another manifest is signed by the same signature", f.Name)
			}
			manifests[m.Signs] = m
		case xadesFile:
			return ErrXAdES
		case evidenceRecord:
			return fmt.Errorf("%s: evidence records are not read", f.Name)
		case unusedFile:
			c.Unused = append(c.Unused, f)
		default:
			return errors.New("META-INF holds a file of unknown meaning")
		}
	}
	return c.join(entries, manifests)
}

// join gives each signature and token what it is over.
func (c *Container) join(entries []*entry, manifests map[string]*Manifest) error {
	for _, e := range entries {
		k := kindOf(e.name)
		if k != signatureFile && k != stampFile {
			continue
		}
		s := Signing{File: c.byName[e.name], Manifest: manifests[e.name]}
		delete(manifests, e.name)
		switch {
		case s.Manifest != nil && c.Form == S && k == signatureFile:
			return fmt.Errorf("%s: a manifest in ASiC-S", s.Manifest.File.Name)
		case s.Manifest == nil && c.Form == E:
			return fmt.Errorf("%s: no manifest names this signature", e.name)
		case c.Form == S && k == signatureFile && e.name != signatureS, c.Form == S && k == stampFile && s.Manifest == nil && e.name != stampS:
			return fmt.Errorf("%s: in ASiC-S it would have to be %s", e.name, signatureS)
		case s.Manifest != nil && k == signatureFile && kindOf(s.Manifest.File.Name) == archiveManifestFile:
			return fmt.Errorf("%s: an archive manifest under a signature", s.Manifest.File.Name)
		}
		if s.Manifest != nil {
			for _, r := range s.Manifest.References {
				if f := c.byName[r.Name]; f != nil && f.MimeType == "" {
					f.MimeType = r.MimeType
				}
			}
		}
		if k == signatureFile {
			c.Signatures = append(c.Signatures, s)
		} else {
			c.Stamps = append(c.Stamps, s)
		}
	}
	for _, e := range entries {
		for _, m := range manifests {
			if m.File.Name == e.name {
				return fmt.Errorf("%s: the signature that it names is not in the container", e.name)
			}
		}
	}
	switch {
	case len(c.Signatures) == 0:
		return errNoToSign
	case len(c.Data) == 0 && c.Form == S:
		return errors.New("no data file in the container")
	case c.Form == S && len(c.Data) > 1:
		return fmt.Errorf("ASiC-S with %d data files", len(c.Data))
	}
	return nil
}

// archives are the first bytes of what a data file may not be.
var archives = [][]byte{
	[]byte("PK\x03\x04"), []byte("PK\x05\x06"), []byte("PK\x07\x08"), []byte("\x1f\x8b\x08"),
	[]byte("7z\xbc\xaf\x27\x1c"), []byte("Rar!\x1a\x07"), []byte("\xfd7zXZ\x00"), []byte("\x28\xb5\x2f\xfd"), []byte("MSCF\x00\x00\x00\x00"),
}

func archived(b []byte) bool {
	for _, a := range archives {
		if bytes.HasPrefix(b, a) {
			return true
		}
	}
	return len(b) > 10 && string(b[:3]) == "BZh" && string(b[4:10]) == "1AY&SY" ||
		len(b) > 262 && string(b[257:262]) == "ustar"
}
