package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/provider"
)

// receiptReport is the output of receipt verify --json.
type receiptReport struct {
	provider.Report
	Receipt  int    `json:"receipt"`
	Document string `json:"document"`
	SHA256   string `json:"sha256"`
	Outcome  string `json:"outcome"`
	// DocumentMatches is absent when no document was given.
	DocumentMatches *bool         `json:"documentMatches,omitempty"`
	Proof           *receiptProof `json:"journalProof,omitempty"` // absent when none was given
}

// receiptVerify checks the seal over a receipt's JSON, and with --document that it
// speaks of that very file.
//
// The gateway's own seal authority publishes no revocation list (its key does not
// exist any more), so a missing one is tolerated here and shown as a tolerance; a
// list that revokes the seal is still believed.
func receiptVerify(c *call, args []string) error {
	var trust trustFlags
	var sealFile, document, proof, key string
	var at moment
	flags := c.flags()
	flags.Var(&trust.anchors, "anchor", "")
	flags.Var(&trust.material, "material", "")
	flags.StringVar(&sealFile, "seal", "", "")
	flags.StringVar(&document, "document", "", "")
	flags.Var(&at, "at", "")
	flags.StringVar(&proof, "proof", "", "")
	flags.StringVar(&key, "key", "", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	if key != "" && proof == "" {
		return usageError{errKeyWithoutProof}
	}
	if len(trust.anchors) == 0 {
		// The gateway's own: the last of its seal's issuers.
		cfg, err := config.Load(c.configFile())
		if err != nil {
			return fmt.Errorf("%s: %w", c.t("немає кореня довіри; вкажіть --anchor ФАЙЛ", "no anchor; name it: --anchor FILE"), err)
		}
		if n := len(cfg.Seal.Chain); n > 0 {
			trust.anchors = list(cfg.Seal.Chain[n-1:])
			trust.material = append(trust.material, cfg.Seal.Chain...)
		}
	}
	if sealFile == "" {
		sealFile = rest[0] + ".p7s"
	}
	o := cades.Options{At: at.Time, Tolerate: cades.Tolerances{cades.NoRevocation: true}}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.Trust, err = trust.store(c); err != nil {
		return err
	}
	text, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	seal, err := c.readFile(sealFile)
	if err != nil {
		return err
	}
	out := receiptReport{}
	if err := json.Unmarshal(text, &out); err != nil {
		return fmt.Errorf("%s: %s: %w", rest[0], c.t("це не квитанція (потрібен файл .json)", "not a receipt (the .json file is wanted)"), err)
	}
	r := cades.Validate(cades.Input{Container: seal, Detached: io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))}, o)
	out.Report = provider.NewReport(rest[0], o.At, r)
	result := indicated(r.Indication)
	if document != "" {
		doc, err := c.readFile(document)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(doc)
		matches := hex.EncodeToString(sum[:]) == out.SHA256
		out.DocumentMatches = &matches
		if !matches {
			result = verdict(exitNo)
		}
	}
	if proof != "" {
		if out.Proof, err = c.prove(proof, key, text); err != nil {
			return err
		}
		if !out.Proof.Proved {
			result = verdict(exitNo)
		}
	}
	if c.json {
		if err := c.writeJSON(out); err != nil {
			return err
		}
		return result
	}
	c.printf(c.t("Квитанція %d на %s: %s\n", "Receipt %d for %s: %s\n"), out.Receipt, printable(out.Document), printable(out.Outcome))
	switch m := out.DocumentMatches; {
	case m != nil && *m:
		c.printf("%s\n", c.t("документ той самий", "it is of this document"))
	case m != nil:
		c.printf("%s\n", c.t("документ ІНШИЙ: хеш не збігається", "it is of ANOTHER document: the hash differs"))
	}
	if out.Proof != nil {
		c.printProof(out.Proof)
	}
	c.printReport(out.Report)
	return result
}
