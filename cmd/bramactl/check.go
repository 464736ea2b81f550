package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/profiles"
	"github.com/brama-gateway/brama/gateway/trust"
)

// check gives the verdict that the daemon would give on files, of the same
// function (DESIGN 5, step 2). It changes nothing, and cannot know of duplicates.
func check(c *call, args []string) error {
	var id string
	var at moment
	var cs gateway.Case
	flags := c.flags()
	flags.StringVar(&id, "client", "", "")
	flags.StringVar(&cs.Profile, "profile", "", "")
	flags.BoolVar(&cs.FormatOnly, "format-only", false, "")
	flags.Var(&at, "at", "")
	names, err := c.parse(flags, args, 1, -1)
	if err != nil {
		return err
	}
	cs.At = at.Time
	if cs.At.IsZero() {
		cs.At = time.Now()
	}
	cs.Received = cs.At
	if err := c.pieces(&cs, names); err != nil {
		return err
	}
	if err := c.setting(&cs, client.ID(id)); err != nil {
		return err
	}
	v := gateway.Examine(cs)
	if c.json {
		if v.Findings == nil {
			v.Findings = []formats.Finding{}
		}
		if v.Signatures == nil {
			v.Signatures = []gateway.SignatureView{}
		}
		err = c.writeJSON(v)
	} else {
		c.printVerdict(v)
	}
	switch {
	case err != nil:
		return err
	case v.Outcome == gateway.Accepted:
		return nil
	case v.Outcome == gateway.Held:
		return verdict(exitUndecided)
	default:
		return verdict(exitNo)
	}
}

// pieces reads the files; what each is, its content says, as at the entrances.
func (c *call) pieces(cs *gateway.Case, names []string) error {
	for _, name := range names {
		b, err := c.readFile(name)
		if err != nil {
			return err
		}
		p := gateway.Piece{Name: filepath.Base(name), Role: gateway.RoleDocument, Content: io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))}
		switch cades.Sniff(b) {
		case cades.Attached:
			p.Role = gateway.RoleContainer
		case cades.Detached:
			p.Role = gateway.RoleSignature
		}
		if p.Role != gateway.RoleSignature {
			if cs.Document != "" {
				return usageError{fmt.Errorf("%s, %s: %s", cs.Document, p.Name, c.t("два документи; кілька файлів - це одне подання: документ і його окремі підписи", "two documents; several files are one submission: a document and its detached signatures"))}
			}
			cs.Document = p.Name
		}
		cs.Pieces = append(cs.Pieces, p)
	}
	if cs.Document == "" {
		return usageError{errors.New(c.t("лише підписи; додайте документ", "only signatures; add the document"))}
	}
	return nil
}

// setting is what the daemon's verdict stands on: its profiles, trust and register.
func (c *call) setting(cs *gateway.Case, id client.ID) error {
	cfg, err := config.Load(c.configFile())
	if err != nil {
		// The built-in layouts need no gateway.
		if cs.FormatOnly && id == "" && c.config == "" && c.env("BRAMA_CONFIG") == "" {
			cs.Profiles = profile.Builtin()
			return nil
		}
		return err
	}
	p, err := profiles.Open(cfg.Profiles)
	if err != nil {
		return err
	}
	cs.Profiles = p.Set()
	dir, err := trust.Open(cfg.Trust.Dir, cfg.Trust.Anchors...)
	if err != nil {
		return err
	}
	cs.Trust = dir.Snapshot()
	if id == "" {
		return nil
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	text, err := op.Client(c, id)
	if err != nil {
		return err
	}
	entries, err := client.Parse(string(id), []byte(text))
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return fmt.Errorf("client %s: %d entries", id, len(entries))
	}
	cs.Entry = &entries[0]
	return nil
}

func (c *call) printVerdict(v gateway.Verdict) {
	c.printf("%s: %s\n", printable(v.Document), v.Outcome)
	if v.Profile.Name != "" {
		c.printf("%s, %s\n", v.Kind, v.Profile.Name)
	}
	for _, f := range v.Findings {
		where := ""
		if f.Record > 0 {
			where += c.t(" запис ", " record ") + strconv.Itoa(f.Record)
		}
		if f.Field != "" {
			where += c.t(" поле ", " field ") + f.Field
		}
		c.printf("  %s%s: %s\n", f.Rule, printable(where), printable(f.Message.In(c.lang)))
	}
	if v.More > 0 {
		c.printf(c.t("  і ще зауважень: %d\n", "  and %d findings more\n"), v.More)
	}
	for _, s := range v.Signatures {
		c.printf("  %s (%s): %s %s\n", printable(s.Signer.Name), s.Role, s.Indication, s.SubIndication)
	}
}
