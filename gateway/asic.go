package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
)

// An ASiC container carries its document as an attached CMS container does, and is a
// whole submission like it. One submission is one document: the container has to hold
// exactly one data file, whose name says what an uploaded document's name says.

// ContainerView says what container a document came in.
type ContainerView struct {
	Form string `json:"form"` // ASiC-S or ASiC-E
	File string `json:"file"` // the document's name within
}

// isASiC tells an ASiC container by its content.
func isASiC(b []byte) bool { return asic.Sniff(bytes.NewReader(b), int64(len(b))) }

// associated judges an ASiC container. Beside the report there may be what is wrong
// with the container as such.
func (c *Case) associated(v *Verdict, container []byte) (*cades.Report, *formats.Finding) {
	if c.reading {
		rep := &cades.Report{Attached: true}
		opened, err := asic.Open(container, asic.Options{})
		switch {
		case err != nil:
			rep.Detail = err.Error()
		case len(opened.Data) == 1:
			rep.Content = opened.Data[0].Content
		}
		return rep, nil
	}
	judge := c.Validate
	if judge == nil {
		judge = func(in cades.Input, o cades.Options) (*cades.Report, error) { return cades.Validate(in, o), nil }
	}
	o := asic.ValidateOptions{Options: cades.Options{At: c.At, Trust: c.material(), Tolerate: c.tolerances()}}
	r, err := asic.Through(container, o, asic.Judge(judge))
	if err != nil || r == nil {
		v.away = cmp.Or(err, errors.New("no report"))
		rep := &cades.Report{SubIndication: cades.TryLater, Attached: true, Signatures: []cades.Signature{{SubIndication: cades.TryLater}}}
		if opened, err := asic.Open(container, asic.Options{}); err == nil && len(opened.Data) == 1 {
			rep.Content = opened.Data[0].Content
		}
		return rep, nil
	}
	f := containerFault(r)
	if r.Container != nil && len(r.Container.Data) == 1 {
		v.Container = &ContainerView{Form: r.Container.Form.String(), File: r.Container.Data[0].Name}
	}
	if f != nil {
		r.Content = nil // which file was meant, or under what name, is not known
	}
	return &r.Report, f
}

// containerFault is what is wrong with a container beside its signatures.
func containerFault(r *asic.Report) *formats.Finding {
	found := func(rule, uk, en string) *formats.Finding {
		f := finding(rule, uk, en)
		return &f
	}
	switch {
	case r.XAdES:
		return found("ASIC-XADES",
			"Підпис у контейнері зроблено у форматі XAdES, якого шлюз не приймає. Підпишіть документ у форматі CAdES: контейнер ASiC-S або ASiC-E з підписом CAdES, або файл .p7s.",
			"The signature in the container is XAdES, which the gateway does not take. Sign the document in CAdES: an ASiC-S or ASiC-E container with a CAdES signature, or a .p7s file.")
	case r.Archive:
		return found("ASIC-ARCHIVE",
			"У контейнері лежить архів або інший контейнер. Покладіть у контейнер сам документ.",
			"There is an archive or another container in the container. Put the document itself into the container.")
	case r.Container == nil:
		return found("ASIC-FORMAT",
			"Контейнер ASiC пошкоджений або не відповідає ETSI EN 319 162-1 ("+r.Detail+"). Створіть контейнер ще раз і надішліть його повністю.",
			"The ASiC container is damaged or not as ETSI EN 319 162-1 says ("+r.Detail+"). Make the container again and send it whole.")
	case r.Container.Odd != "" && len(r.Signatures) == 0 && r.Detail == r.Container.Odd:
		return found("ASIC-MIMETYPE",
			"Перший запис контейнера ASiC не такий, як вимагає ETSI EN 319 162-1, A.1 ("+r.Container.Odd+"). Оновіть програму підпису або зверніться до казначейства.",
			"The first entry of the ASiC container is not as ETSI EN 319 162-1, A.1 demands ("+r.Container.Odd+"). Update the signing software or contact the treasury.")
	case len(r.Container.Data) > 1:
		return found("ASIC-FILES",
			fmt.Sprintf("У контейнері файлів: %d, а одне подання - це один документ. Надішліть кожен документ (також підтвердні) в окремому контейнері.", len(r.Container.Data)),
			fmt.Sprintf("There are %d files in the container, and one submission is one document. Send each document (supporting ones too) in a container of its own.", len(r.Container.Data)))
	case len(r.Container.Data) == 1:
		if _, err := CleanName(innerName(r.Container.Data[0].Name)); err != nil {
			return found("ASIC-NAME",
				"Назва документа в контейнері недопустима. Назвіть файл літерами, цифрами, пробілами та знаками _ - + ( ) , і підпишіть його ще раз.",
				"The name of the document in the container is not allowed. Name the file with letters, digits, spaces and _ - + ( ) , and sign it again.")
		}
		for _, cover := range r.Cover {
			if len(cover.Uncovered) > 0 {
				return found("ASIC-UNSIGNED",
					"Підпис у контейнері не поширюється на документ. Підпишіть документ ще раз.",
					"A signature in the container does not cover the document. Sign the document again.")
			}
		}
	}
	return nil
}

// innerName is the name of a data file without the folders of the container.
func innerName(name string) string { return path.Base(name) }

// layoutName is the name by which the document's layout is told.
func (c *Case) layoutName(v *Verdict) string {
	if v.Container != nil {
		return innerName(v.Container.File)
	}
	return documentName(c.Document)
}

// ofContainer tells findings about a container as such.
func ofContainer(f formats.Finding) bool {
	return strings.HasPrefix(f.Rule, "ENC-") || strings.HasPrefix(f.Rule, "ASIC-")
}
