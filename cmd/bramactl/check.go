package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/transport"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/profiles"
)

// checkReport is the output of check --json: the receipt that the daemon would
// write, as far as it does not depend on what came before (docs/receipts.md).
type checkReport struct {
	Document   string                  `json:"document"`
	SHA256     string                  `json:"sha256"`
	Size       int64                   `json:"size"`
	At         time.Time               `json:"at"`
	Outcome    gateway.Outcome         `json:"outcome"`
	Kind       formats.Kind            `json:"kind,omitempty"`
	Profile    formats.ProfileRef      `json:"profile"`
	Totals     *gateway.Totals         `json:"totals,omitempty"`
	Findings   []formats.Finding       `json:"findings"`
	More       int                     `json:"moreFindings,omitempty"`
	Signatures []gateway.SignatureView `json:"signatures"`
}

// check gives the verdict that the daemon would give on files, with the daemon's
// own function. Several files are one submission. It keeps nothing. Of
// what was accepted before it asks the client's ledger, for what a document refers
// to; that the document itself was accepted before only the daemon knows.
func check(c *call, args []string) error {
	var id, name string
	var formatOnly bool
	var at moment
	var named lists
	flags := c.flags()
	flags.Var(&named, "list", "")
	flags.StringVar(&id, "client", "", "")
	flags.StringVar(&name, "profile", "", "")
	flags.BoolVar(&formatOnly, "format-only", false, "")
	flags.Var(&at, "at", "")
	files, err := c.parse(flags, args, 1, -1)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at.Time = time.Now()
	}
	k := gateway.Case{Received: at.Time, At: at.Time, Profile: name, FormatOnly: formatOnly, Trust: pki.NewStore(nil, nil, nil)}
	done, err := c.pieces(&k, files)
	defer done()
	if err != nil {
		return err
	}
	if err := c.surroundings(&k, client.ID(id)); err != nil {
		return err
	}
	if len(named) > 0 {
		base, _ := k.Lists.(*classifier.Set)
		if k.Lists, err = named.read(c, base); err != nil {
			return err
		}
	}
	if name != "" && !slices.Contains(k.Profiles.Names(), name) {
		return usageError{fmt.Errorf(c.t("профілю %q немає; є: %s", "there is no profile %q; there are: %s"), name, k.Profiles.Names())}
	}
	debug.SetGCPercent(25) // a large file is to be checked in little memory, not in the least time
	asked := func() error { return nil }
	if k.Entry != nil {
		k.Prior, asked = c.prior(k.Entry.ID)
	}
	v, err := gateway.Examine(k)
	if err != nil {
		return err
	}
	if err := asked(); err != nil {
		return err
	}
	out := checkReport{
		Document: v.Document, SHA256: v.SHA256, Size: v.Size, At: at.UTC(), Outcome: v.Outcome, Kind: v.Kind, Profile: v.Profile,
		Totals: v.Totals(), Findings: v.Findings, More: v.More, Signatures: v.Signatures,
	}
	if out.Findings == nil {
		out.Findings = []formats.Finding{}
	}
	if out.Signatures == nil {
		out.Signatures = []gateway.SignatureView{}
	}
	if c.json {
		err = c.writeJSON(out)
	} else {
		c.printf("%s", v.Text(c.lang))
	}
	if err != nil {
		return err
	}
	switch v.Outcome {
	case gateway.Accepted:
		return nil
	case gateway.Held:
		return verdict(exitUndecided)
	}
	return verdict(exitNo)
}

// pieces opens the files; what each is, its content says, as at the entrances. A
// large document is read as a stream: it is never in memory as a whole. Done
// closes them.
func (c *call) pieces(k *gateway.Case, files []string) (done func(), err error) {
	var opened []*os.File
	done = func() {
		for _, f := range opened {
			_ = f.Close() // only read
		}
	}
	for _, f := range files {
		content, file, err := c.openFile(f)
		if err != nil {
			return done, err
		}
		if file != nil {
			opened = append(opened, file)
		}
		p, err := gateway.NewPiece(filepath.Base(f), content)
		if err != nil {
			return done, err
		}
		k.Pieces = append(k.Pieces, p)
		switch {
		case p.Role == gateway.RoleSignature:
		case p.Role == gateway.RoleContainer && k.Document != "":
			// A container beside its document: the gateway refuses the two together.
		case k.Document != "":
			return done, usageError{fmt.Errorf("%s, %s: %s", k.Document, p.Name, c.t("два документи; кілька файлів - це одне подання: документ і його окремі підписи", "two documents; several files are one submission: a document and its detached signatures"))}
		default:
			k.Document = p.Name
		}
	}
	if k.Document == "" {
		return done, usageError{errors.New(c.t("лише підписи; додайте документ", "only signatures; add the document"))}
	}
	return done, nil
}

// encrypted tells whether a piece needs the gateway's keys: without need nobody
// has to be able to read them.
func encrypted(pieces []gateway.Piece) bool {
	for _, p := range pieces {
		head := make([]byte, min(4096, p.Content.Size()))
		if _, err := p.Content.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		// Within a signature around it too (sign, encrypt, sign), in a wrapper.
		if cades.Sniff(head) == cades.Enveloped || transport.Is(head) {
			return true
		}
	}
	return false
}

// surroundings adds register entry, trust and profiles to a case. The format can
// be checked without any configuration.
func (c *call) surroundings(k *gateway.Case, id client.ID) error {
	cfg, err := config.Load(c.configFile())
	if err != nil {
		if !k.FormatOnly || id != "" || c.config != "" {
			return err
		}
		k.Profiles = profile.Builtin()
		return nil
	}
	all, err := profiles.Open(cfg.Profiles)
	if err != nil {
		return err
	}
	k.Profiles = all.Set()
	if encrypted(k.Pieces) {
		if k.Keys, err = keys.Decrypt(cfg.Decrypt.Key, cfg.Decrypt.PasswordFile, cfg.Decrypt.Certificate); err != nil {
			return err
		}
	}
	if k.FormatOnly && id == "" {
		return nil
	}
	if !k.FormatOnly {
		dir, err := c.openTrust()
		if err != nil {
			return err
		}
		k.Trust, k.Freshness = dir.Snapshot(), engine.Freshness(cfg)
		if cfg.Trust.Fetch { // what the daemon has fetched, where it may be read
			if fetched, err := engine.Evidence(cfg, dir, zap.NewNop()); err == nil {
				k.Trust = fetched.Snapshot()
			}
		}
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	if id == "" {
		rows, err := op.Clients(c)
		if err != nil {
			return err
		}
		if len(rows) != 1 {
			return usageError{errors.New(c.t("клієнтів у реєстрі кілька, назвіть одного: --client ID", "the register has not just one client, name it: --client ID"))}
		}
		id = rows[0].ID
	}
	text, err := op.Client(c, id)
	if err != nil {
		return err
	}
	if k.Lists, err = c.classifiers(op); err != nil {
		return err
	}
	entry, err := client.ParseStored([]byte(text))
	k.Entry = &entry
	return err
}

// classifiers are the code lists of the gateway.
func (c *call) classifiers(op admin.Operator) (*classifier.Set, error) {
	rows, err := op.Classifiers(c)
	if err != nil {
		return nil, err
	}
	var all []*classifier.List
	for _, r := range rows {
		entries, err := op.Classifier(c, r.Name)
		if err != nil {
			return nil, err
		}
		l, err := classifier.New(r.Name, entries)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return classifier.NewSet(all...), nil
}

// prior answers the examination from the client's ledger, as the daemon has it.
func (c *call) prior(id client.ID) (formats.Prior, func() error) {
	return gateway.PriorOf(func(document bool, name string) (gateway.Standing, error) {
		op, done, err := c.operator()
		if err != nil {
			return gateway.Standing{}, err
		}
		defer done()
		return op.Ask(c, id, document, name)
	})
}
