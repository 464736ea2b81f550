package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/spool"
)

// evidenceExport writes the package of evidence of an accepted submission.
func evidenceExport(c *call, args []string) error {
	var out string
	flags := c.flags()
	flags.StringVar(&out, "o", "", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	id, err := spool.ParseID(rest[0])
	if err != nil {
		return usageError{err}
	}
	if out == "" {
		return usageError{errors.New(c.t("вкажіть файл: -o ФАЙЛ", "name the file: -o FILE"))}
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	b, err := op.Evidence(c, id)
	if err != nil {
		return err
	}
	if err := writePackage(out, b); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(map[string]any{"file": out, "size": len(b)})
	}
	c.printf(c.t("%s: %d байтів\n", "%s: %d bytes\n"), out, len(b))
	return nil
}

// writePackage writes a file whole or not at all, over one that is there.
func writePackage(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".evidence-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// evidenceVerify checks a package with nothing but anchors.
func evidenceVerify(c *call, args []string) error {
	var anchors list
	var key string
	var at moment
	flags := c.flags()
	flags.Var(&anchors, "anchor", "")
	flags.StringVar(&key, "key", "", "")
	flags.Var(&at, "at", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	if len(anchors) == 0 {
		return usageError{errors.New(c.t("вкажіть, кому довіряєте: --anchor ФАЙЛ", "name whom you believe: --anchor FILE"))}
	}
	o := evidence.Options{At: at.Time, Key: key}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if key != "" {
		if b, err := os.ReadFile(key); err == nil {
			o.Key = string(b)
		}
	}
	for _, name := range anchors {
		b, err := c.readFile(name)
		if err != nil {
			return err
		}
		certs, err := pki.ParseCertificates(b)
		if err != nil {
			return fmt.Errorf("--anchor %s: %w", name, err)
		}
		o.Anchors = append(o.Anchors, certs...)
	}
	pkg, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	r := evidence.Verify(pkg, o)
	if c.json {
		err = c.writeJSON(r)
	} else {
		c.printEvidence(r)
	}
	if err != nil {
		return err
	}
	return indicated(r.Indication)
}

func (c *call) printEvidence(r *evidence.Result) {
	verdict := r.Indication.String()
	if r.SubIndication != "" {
		verdict += " " + string(r.SubIndication)
	}
	if r.Detail != "" {
		verdict += ": " + r.Detail
	}
	c.printf("%s\n", printable(verdict))
	field := func(uk, en, value string) {
		if value != "" {
			c.printf("  %s: %s\n", c.t(uk, en), printable(value))
		}
	}
	when := func(uk, en string, t *time.Time) {
		if t != nil {
			field(uk, en, t.UTC().Format(time.RFC3339))
		}
	}
	field("документ", "document", r.Document)
	field("SHA-256", "SHA-256", r.SHA256)
	field("подання", "submission", r.Submission)
	field("клієнт", "client", r.Client)
	when("рішення", "decided", r.Decided)
	when("доведено журналом до", "proved by the journal before", r.Proved)
	when("печатка пакета", "sealed", r.Sealed)
	switch r.SealProof {
	case "time-stamp":
		field("час печатки", "time of the seal", c.t("за позначкою часу", "by its time-stamp"))
	case "expired-time-stamp":
		field("час печатки", "time of the seal", c.t("за позначкою часу; сертифікат її служби вже не чинний", "by its time-stamp; the certificate of its authority has ended since"))
	case "claim":
		field("час печатки", "time of the seal", c.t("за словом шлюзу: сертифікат печатки вже не чинний", "by the gateway's word: the certificate of the seal is not valid any more"))
	}
	for _, s := range r.Steps {
		mark := "+"
		if !s.Passed {
			mark = "-"
		}
		line := mark + " " + s.Name
		if s.Detail != "" {
			line += ": " + s.Detail
		}
		c.printf("%s\n", printable(line))
	}
	for _, s := range r.Signatures {
		c.printf("\n%s\n", printable(s.File))
		c.printReport(s)
	}
}
