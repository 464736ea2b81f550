package main

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// trustFlags are what a validation may believe, and what it may look through.
type trustFlags struct {
	anchors  list
	material list
}

// store reads anchors, which must be certificates, and material, of which
// whatever can be read is taken: a folder may hold other things too.
func (f trustFlags) store(c *call) (*pki.Store, error) {
	var anchors, material []*pki.Certificate
	var crls []*pki.CRL
	answers := ocsp.NewResponses()
	for _, name := range f.anchors {
		b, err := c.readFile(name)
		if err != nil {
			return nil, err
		}
		certs, err := pki.ParseCertificates(b)
		if err != nil {
			return nil, fmt.Errorf("--anchor %s: %w", name, err)
		}
		anchors = append(anchors, certs...)
	}
	for _, root := range f.material {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := c.readFile(name)
			if err != nil {
				return err
			}
			if certs, err := pki.ParseCertificates(b); err == nil {
				material = append(material, certs...)
			}
			if lists, err := pki.ParseCRLs(b); err == nil {
				crls = append(crls, lists...)
			}
			if r, err := ocsp.Parse(b); err == nil {
				answers.Add(r)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return pki.NewStore(anchors, material, crls).WithEvidence(answers), nil
}
