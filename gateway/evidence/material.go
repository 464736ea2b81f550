package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// material is what a package brings for validation. None of it is believed by itself.
type material struct {
	store   *pki.Store
	answers []pki.Evidence
	raw     map[[32]byte][]byte
}

// find gives a piece of revocation evidence.
func (m *material) find(e cades.EvidenceRef) []byte { return m.raw[e.SHA256] }

// store reads the material of a package. Each file bears its digest as its name.
func store(x *Index, find func(string) []byte, anchors []*pki.Certificate) (*material, error) {
	if x.Format != Format {
		return nil, fmt.Errorf("format %q is not %s", x.Format, Format)
	}
	m := &material{raw: map[[32]byte][]byte{}}
	var certs []*pki.Certificate
	var crls []*pki.CRL
	for _, name := range x.Material {
		b := find(name)
		if b == nil {
			return nil, fmt.Errorf("%s: not in the package", name)
		}
		sum := sha256.Sum256(b)
		if !strings.Contains(name, "/"+hex.EncodeToString(sum[:])+".") {
			return nil, fmt.Errorf("%s: its name is not its digest", name)
		}
		m.raw[sum] = b
		switch {
		case strings.HasPrefix(name, "material/certificates/"):
			c, err := pki.ParseCertificate(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			certs = append(certs, c)
		case strings.HasPrefix(name, "material/crls/"):
			l, err := pki.ParseCRL(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			crls = append(crls, l)
		case strings.HasPrefix(name, "material/ocsp/"):
			a, err := ocsp.Parse(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			m.answers = append(m.answers, a)
			m.raw[a.SHA256()] = b // of the response within, as EvidenceRef has it
		default:
			return nil, fmt.Errorf("%s: not among the material", name)
		}
	}
	m.store = pki.NewStore(anchors, certs, crls)
	return m, nil
}

// Store gives the material for validation under anchors. None of it is believed by
// itself.
func (m Material) Store(anchors []*pki.Certificate) (*pki.Store, []pki.Evidence, error) {
	x, p := &Index{Format: Format}, &files{}
	for _, l := range m.named() {
		for _, b := range l.list {
			sum := sha256.Sum256(b)
			x.Material = append(x.Material, p.add("material/"+l.folder, hex.EncodeToString(sum[:])+l.ending, b))
		}
	}
	out, err := store(x, p.find, anchors)
	if err != nil {
		return nil, nil, err
	}
	return out.store, out.answers, nil
}

type materialList struct {
	folder, ending string
	list           [][]byte
}

func (m Material) named() []materialList {
	return []materialList{{"certificates", ".cer", m.Certificates}, {"crls", ".crl", m.CRLs}, {"ocsp", ".ors", m.OCSP}}
}
