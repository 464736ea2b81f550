package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/outgoing"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway/client"
)

// Bounds of what is released: of a ready file, and of one rendered form.
const (
	maxOutgoing = 64 << 20
	maxRendered = 256 << 20
)

// release is what is about to go out to a client.
type release struct {
	kind   formats.Kind
	number string // the document's own; empty: it has none
	input  string // SHA-256 of what was handed over
	files  []outFile

	sha256 string // of the first form
	size   int64
}

// outFile is one form of what is released. Its name is made of the base that is
// free in the client's outbox.
type outFile struct {
	stem, ext string
	render    func() ([]byte, error)
}

func (f outFile) name(n int64) string {
	if n < 2 {
		return f.stem + f.ext
	}
	return fmt.Sprintf("%s.%d%s", f.stem, n, f.ext)
}

// release checks what is handed over and says what goes out.
func (g *Gateway) release(entry *client.Entry, out Outgoing, now time.Time) (*release, error) {
	if len(out.Statement) == 0 {
		return g.readyFile(out)
	}
	doc, err := outgoing.Parse(out.Statement)
	if err != nil {
		return nil, refusedStatement("OUT-FORM", "Документ не відповідає формі (docs/statement.md): "+err.Error(), "The document does not have its form (docs/statement.md): "+err.Error())
	}
	head := outgoing.HeadOf(doc)
	if out.Kind != "" && out.Kind != formats.Statement && out.Kind != head.Kind {
		return nil, refusedStatement("OUT-KIND", "Вид у запиті не збігається з видом у документі.", "The kind of the request is not the kind of the document.")
	}
	if report := doc.Check(); !report.OK() {
		return nil, &RefusedError{Findings: report.Findings}
	}
	if head.Account != "" && !g.mayReceive(entry, head.Account) {
		return nil, refusedStatement("OUT-ACCOUNT",
			"Рахунок виписки не належить цьому клієнту за реєстром.",
			"The account of the statement is not this client's by the register.")
	}
	if head.EDRPOU != "" && head.EDRPOU != entry.EDRPOU {
		return nil, refusedStatement("OUT-CLIENT",
			"Документ адресовано іншому клієнту: код ЄДРПОУ в ньому не той, що в реєстрі.",
			"The document is for another client: its EDRPOU is not the one of the register.")
	}
	stem := strings.TrimSuffix(out.Name, ".json")
	if stem == "" {
		stem = stemOf(head)
	}
	if _, err := CleanName(stem + ".json"); err != nil {
		return nil, err
	}
	r := &release{kind: head.Kind, number: head.Number, input: hexSHA256(out.Statement)}
	renderer := outgoing.Renderer{Layouts: g.Profiles()}
	for _, f := range entry.Statements.Formats {
		if !renderer.Known(f) {
			return nil, refusedStatement("OUT-LAYOUT",
				"У реєстрі для клієнта вказано невідомий формат "+f+" (ключ statements.formats).",
				"The register names an unknown format for the client: "+f+" (key statements.formats).")
		}
	}
	page, _ := charset.Lookup(entry.Page()) // the register has only pages that exist
	o := outgoing.Options{Language: g.language(entry), Page: page, At: now}
	forms := renderer.Choose(entry.Statements.Formats, head.Kind)
	for i, ext := range renderer.Extensions(forms) {
		form := forms[i]
		r.files = append(r.files, outFile{stem, ext, func() ([]byte, error) {
			b := bounded{left: maxRendered}
			err := renderer.Render(&b, form, doc, out.Statement, o)
			var unfit *profile.Unfit
			switch {
			case errors.As(err, &unfit):
				return nil, &RefusedError{Findings: unfit.Findings}
			case errors.Is(err, errBound):
				return nil, refusedStatement("OUT-SIZE",
					"Документ у форматі "+form+" завеликий. Поділіть його за днями.", "The document is too large in the format "+form+". Split it by days.")
			case err != nil:
				return nil, fmt.Errorf("format %s: %w", form, err)
			}
			return b.Bytes(), nil
		}})
	}
	return r, nil
}

// stemOf names a document that came without a name.
func stemOf(h outgoing.Head) string {
	switch h.Kind {
	case formats.Statement:
		return fmt.Sprintf("statement-%s-%s", h.Account[max(0, len(h.Account)-8):], h.Day)
	case formats.AccountState, formats.AccountNotification:
		return fmt.Sprintf("%s-%s-%s", strings.ReplaceAll(string(h.Kind), "_", "-"), h.Account[max(0, len(h.Account)-8):], h.Day)
	}
	return fmt.Sprintf("%s-%s", strings.ReplaceAll(string(h.Kind), "_", "-"), h.Day)
}

func (g *Gateway) readyFile(out Outgoing) (*release, error) {
	name, err := CleanName(out.Name)
	if err != nil {
		return nil, err
	}
	if out.Content == nil {
		return nil, refusedStatement("OUT-EMPTY", "Файл порожній.", "The file is empty.")
	}
	content, err := io.ReadAll(io.LimitReader(out.Content, maxOutgoing+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) == 0:
		return nil, refusedStatement("OUT-EMPTY", "Файл порожній.", "The file is empty.")
	case len(content) > maxOutgoing:
		return nil, refusedStatement("OUT-SIZE", "Файл завеликий.", "The file is too large.")
	}
	kind := out.Kind
	if kind == "" {
		kind = formats.Statement
	}
	ext := path.Ext(name)
	return &release{
		kind: kind, input: hexSHA256(content),
		files: []outFile{{strings.TrimSuffix(name, ext), ext, func() ([]byte, error) { return content, nil }}},
	}, nil
}

// bounded is a buffer that fails when it would grow too large.
type bounded struct {
	bytes.Buffer
	left int
}

var errBound = errors.New("larger than it may be")

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, errBound
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

// mayReceive says whether a statement of an account may go to a client: the
// register gives the account to it, or to nobody and the client has none of its
// own listed (THREATS E06).
func (g *Gateway) mayReceive(entry *client.Entry, account string) bool {
	if slices.Contains(entry.Accounts, account) {
		return true
	}
	if len(entry.Accounts) > 0 {
		return false
	}
	return !slices.ContainsFunc(g.Register().All(), func(e *client.Entry) bool { return slices.Contains(e.Accounts, account) })
}

func refusedStatement(rule, uk, en string) error {
	return &RefusedError{Findings: []formats.Finding{finding(rule, uk, en)}}
}
