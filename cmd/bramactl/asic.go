package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/provider"
)

func isASiC(b []byte) bool { return asic.Sniff(bytes.NewReader(b), int64(len(b))) }

// asicReport is what verify --json prints of an ASiC container.
type asicReport struct {
	provider.Report
	Container  *containerRow           `json:"container,omitempty"` // absent where it could not be opened
	TimeStamps []containerTimeStampRow `json:"containerTimeStamps,omitempty"`
	Details    []signatureDetails      `json:"details"`
}

// containerRow says what lies in a container.
type containerRow struct {
	Form     string        `json:"form"`
	Files    []fileRow     `json:"files"`
	Coverage []coverageRow `json:"coverage"` // one for each of the signatures, in their order
}

type fileRow struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
	// Signed counts from 1 the signatures that cover the file as it is.
	Signed []int `json:"signed"`
}

type coverageRow struct {
	File      string   `json:"file"`
	Manifest  string   `json:"manifest,omitempty"`
	Covers    []string `json:"covers,omitempty"`
	Altered   []string `json:"altered,omitempty"`
	Missing   []string `json:"missing,omitempty"`
	Uncovered []string `json:"uncovered,omitempty"`
}

type containerTimeStampRow struct {
	provider.TimeStampRow
	File     string   `json:"file"`
	Manifest string   `json:"manifest,omitempty"`
	Files    []string `json:"files,omitempty"` // that existed at its time
}

// verifyASiC is verify for an ASiC container.
func (c *call) verifyASiC(file string, in cades.Input, o cades.Options, xml string) error {
	if in.Detached != nil {
		return usageError{errors.New(c.t("--detached: документ лежить у контейнері ASiC", "--detached: the document is in the ASiC container"))}
	}
	r := asic.Validate(in.Container, asic.ValidateOptions{Options: o})
	out := newASiCReport(file, o.At, r)
	out.Details = details(&r.Report, o.At, o.Trust)
	var document []byte
	if r.Content != nil {
		sum := sha256.Sum256(r.Content)
		document = sum[:]
	}
	if err := writeXML(xml, file, &r.Report, o.At, document, o.Trust); err != nil {
		return err
	}
	if c.json {
		if err := c.writeJSON(out); err != nil {
			return err
		}
		return indicated(r.Indication)
	}
	c.printReport(out.Report)
	c.printContainer(out)
	c.printDetails(out.Details)
	return indicated(r.Indication)
}

func newASiCReport(file string, at time.Time, r *asic.Report) asicReport {
	out := asicReport{Report: provider.NewReport(file, at, &r.Report)}
	if r.Container == nil {
		return out
	}
	row := containerRow{Form: r.Container.Form.String(), Files: []fileRow{}, Coverage: []coverageRow{}}
	for _, f := range r.Container.Data {
		files := fileRow{Name: f.Name, Size: len(f.Content), SHA256: fmt.Sprintf("%x", sha256.Sum256(f.Content)), Signed: []int{}}
		for i, cover := range r.Cover {
			for _, name := range cover.Data {
				if name == f.Name {
					files.Signed = append(files.Signed, i+1)
				}
			}
		}
		row.Files = append(row.Files, files)
	}
	for _, x := range r.Cover {
		row.Coverage = append(row.Coverage, coverageRow{x.File, x.Manifest, x.Data, x.Altered, x.Missing, x.Uncovered})
	}
	out.Container = &row
	for _, x := range r.Stamps {
		out.TimeStamps = append(out.TimeStamps, containerTimeStampRow{
			TimeStampRow: provider.NewTimeStampRow(x.TimeStamp), File: x.File, Manifest: x.Manifest, Files: x.Files,
		})
	}
	return out
}

// printContainer shows each file of a container and who covers it.
func (c *call) printContainer(r asicReport) {
	if r.Container == nil {
		return
	}
	c.printf("\n%s:\n", r.Container.Form)
	for _, f := range r.Container.Files {
		covered := c.t("не підписано", "not signed")
		if len(f.Signed) > 0 {
			covered = c.t("підписи", "signatures") + " " + strings.Trim(fmt.Sprint(f.Signed), "[]")
		}
		c.printf("   %s, %d %s, SHA-256 %s: %s\n", printable(f.Name), f.Size, c.t("байтів", "bytes"), f.SHA256, covered)
	}
	for i, x := range r.Container.Coverage {
		list := func(uk, en string, names []string) {
			if len(names) > 0 {
				c.printf("   %s %d: %s: %s\n", c.t("підпис", "signature"), i+1, c.t(uk, en), printable(strings.Join(names, ", ")))
			}
		}
		list("змінені файли", "altered files", x.Altered)
		list("файли, яких немає", "files that are missing", x.Missing)
		list("файли поза підписом", "files that it does not cover", x.Uncovered)
	}
	for _, x := range r.TimeStamps {
		c.printf("   %s %s: %s\n", c.t("позначка часу контейнера", "time-stamp of the container"), printable(x.File), printable(c.timeStamp(x.TimeStampRow)))
	}
}

// signASiC puts files and signatures over them into a container: ASiC-S with one
// signature file for all signers, ASiC-E with a manifest and a signature for each.
func (c *call) signASiC(form asic.Form, files []string, signers []cades.Signer, at time.Time) ([]byte, error) {
	sign := func(by ...cades.Signer) asic.Sign {
		return func(content []byte) ([]byte, error) {
			return cades.Sign(rand.Reader, content, by, cades.SignOptions{Detached: true, At: at})
		}
	}
	var data []asic.File
	for _, name := range files {
		content, err := c.readFile(name)
		if err != nil {
			return nil, err
		}
		data = append(data, asic.File{Name: filepath.Base(name), Content: content})
	}
	o := asic.WriteOptions{At: at}
	if form == asic.S {
		return asic.WriteS(data[0], sign(signers...), o)
	}
	var signatures []asic.Signature
	for _, s := range signers {
		signatures = append(signatures, asic.Signature{Sign: sign(s)})
	}
	return asic.WriteE(data, signatures, o)
}
