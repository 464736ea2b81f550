// Package outgoing is the way out of formats: it reads whatever the treasury
// sends in its canonical JSON, holds it to the rules of its kind, and renders it
// in the form that a client asked for: text, CSV, a message of ISO 20022, or a
// layout that a profile describes.
package outgoing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/extract"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/formats/statement"
)

// MaxBytes bounds the canonical JSON of a document.
const MaxBytes = max(statement.MaxBytes, extract.MaxBytes)

// Document is a document of one of formats.OutgoingKinds.
type Document interface {
	formats.Source
	Check() *formats.Report
	WriteText(to io.Writer, lang string) error
	WriteCSV(to io.Writer) error
}

// Parse reads a document strictly, by its key "kind"; without one it is a
// statement. It checks form only; see Document.Check.
func Parse(canonical []byte) (Document, error) {
	var head struct {
		Kind formats.Kind `json:"kind"`
	}
	// Whatever this takes, the strict reader below takes the same or refuses it.
	if err := json.Unmarshal(canonical, &head); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	r := bytes.NewReader(canonical)
	switch head.Kind {
	case "", formats.Statement, formats.AccountState, formats.AccountNotification:
		return statement.Parse(r)
	case formats.Notice, formats.AllocationExtract, formats.PlanChange, formats.RegisterExtract:
		return extract.Parse(r)
	}
	return nil, fmt.Errorf("document: kind %q: unknown; write one of %v", head.Kind, formats.OutgoingKinds())
}

// Head is what the way out must know of a document.
type Head struct {
	Kind    formats.Kind
	Number  string
	Day     string // that it is about, ISO 8601
	Account string // of the client; empty: it is about none
	EDRPOU  string // of the client that it names; empty: it names none
}

// HeadOf is the head of a document that Parse gave.
func HeadOf(d Document) Head {
	switch d := d.(type) {
	case *statement.Statement:
		return Head{d.DocumentKind(), d.Number, d.To, d.Account, d.OwnerCode}
	case *extract.Extract:
		return Head{d.Kind, d.Number, d.Date, d.Account, d.EDRPOU}
	}
	return Head{}
}

// The forms that are no message and no layout.
const (
	JSON = "json" // the canonical one, as it was handed over
	Text = "txt"
	CSV  = "csv"
)

// Default are the forms of a client that chose none.
var Default = []string{JSON, Text, CSV}

// Renderer renders documents. The zero value knows no layouts.
type Renderer struct {
	Layouts *profile.Set
}

// Forms are the names of all forms, sorted within their sorts.
func (r Renderer) Forms() []string {
	list := append(slices.Clone(Default), slices.Sorted(maps.Keys(iso20022.AccountMessages()))...)
	if r.Layouts != nil {
		list = append(list, r.Layouts.Layouts()...)
	}
	return list
}

// Known says whether there is a form of that name.
func (r Renderer) Known(form string) bool { return slices.Contains(r.Forms(), form) }

func (r Renderer) layout(form string) *profile.Layout {
	if r.Layouts == nil {
		return nil
	}
	return r.Layouts.Layout(form)
}

// Carries says whether documents of a kind can be rendered in a form.
func (r Renderer) Carries(form string, kind formats.Kind) bool {
	if slices.Contains(Default, form) {
		return kind.Outgoing()
	}
	if k, ok := iso20022.AccountMessages()[form]; ok {
		return k == kind
	}
	l := r.layout(form)
	return l != nil && l.Carries(kind)
}

// Choose are those of the forms that carry a kind, in their order. Where none
// does, it is JSON and text: a document always reaches its client.
func (r Renderer) Choose(forms []string, kind formats.Kind) []string {
	if len(forms) == 0 {
		forms = Default
	}
	var list []string
	for _, f := range forms {
		if r.Carries(f, kind) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return []string{JSON, Text}
	}
	return list
}

// Extensions are how the files of the forms end. Where two would end alike, the
// later one has its own name before it.
func (r Renderer) Extensions(forms []string) []string {
	list := make([]string, len(forms))
	for i, f := range forms {
		ext := "." + f
		switch l := r.layout(f); {
		case l != nil:
			ext = l.Extension()
		case !slices.Contains(Default, f):
			ext = ".xml"
		}
		if slices.Contains(list[:i], ext) {
			ext = "." + f + ext
		}
		list[i] = ext
	}
	return list
}

// Options say for whom, and when, a document is rendered.
type Options struct {
	Language string        // uk or en
	Page     *charset.Page // of text, CSV and layouts that leave it to the client; nil: UTF-8
	At       time.Time     // stands in messages and tables as the time of their making
	ID       string        // of a message; see iso20022.AccountOptions
}

// Render writes a document that holds in a form that carries its kind. Canonical
// is what Parse was given. A letter that the page lacks is written by the
// substitute of package charset; where there is none, text and CSV name its code
// point, and a layout refuses the document with *profile.Unfit.
func (r Renderer) Render(to io.Writer, form string, d Document, canonical []byte, o Options) error {
	page := o.Page
	if page == nil {
		page = charset.UTF8
	}
	switch form {
	case JSON:
		_, err := to.Write(canonical)
		return err
	case Text:
		return d.WriteText(page.Escaping(to), o.Language)
	case CSV:
		return d.WriteCSV(page.Escaping(to))
	}
	if _, ok := iso20022.AccountMessages()[form]; ok {
		s, ok := d.(*statement.Statement)
		if !ok {
			return fmt.Errorf("form %s: does not carry %s", form, d.DocumentKind())
		}
		return iso20022.WriteAccount(to, form, s, iso20022.AccountOptions{ID: o.ID, At: o.At})
	}
	l := r.layout(form)
	if l == nil {
		return fmt.Errorf("form %q: %w; there are %s", form, ErrForm, strings.Join(r.Forms(), ", "))
	}
	_, err := l.Write(to, d, profile.WriteOptions{Page: page, At: o.At})
	return err
}

// ErrForm is a form that is not known, or not any more.
var ErrForm = errors.New("unknown form")
