package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/trust/tsa"
)

// augmenting raises the signatures of one container.
type augmenting struct {
	raising cades.Raising
	form    cades.Form
	trust   *pki.Store
	content []byte // of a detached container
	// report is the verdict over what was made, once it was asked for.
	report *cades.Report
}

// augment is the command that raises signatures to CAdES-T, -LT or -LTA.
func augment(c *call, args []string) error {
	var trust trustFlags
	var to, authority, detached, form, out string
	flags := c.flags()
	flags.StringVar(&to, "to", "", "")
	flags.StringVar(&authority, "tsa", "", "")
	flags.Var(&trust.anchors, "anchor", "")
	flags.Var(&trust.material, "material", "")
	flags.StringVar(&detached, "detached", "", "")
	flags.StringVar(&form, "form", "baseline", "")
	flags.StringVar(&out, "o", "", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	forms := map[string]cades.Form{"baseline": cades.Baseline, "extended": cades.Extended}
	a := augmenting{form: forms[form]}
	if _, known := forms[form]; !known {
		return usageError{fmt.Errorf("--form %s: %s: baseline, extended", form, c.t("є лише", "there are"))}
	}
	switch to {
	case "t", "lt", "lta":
	default:
		return usageError{fmt.Errorf("--to %s: %s: t, lt, lta", to, c.t("є лише", "there are"))}
	}
	if to != "t" && len(trust.anchors) == 0 {
		return usageError{errors.New(c.t("щоб зібрати докази чинності, вкажіть, кому довіряєте: --anchor ФАЙЛ", "to gather what the signatures rest on, name whom you believe: --anchor FILE"))}
	}
	if to != "lt" && authority == "" {
		return usageError{fmt.Errorf("--to %s: %s", to, c.t("потрібна адреса служби позначок часу, --tsa URL", "needs the address of a time-stamping authority, --tsa URL"))}
	}
	if authority != "" {
		if a.raising.Stamper, err = tsa.New(tsa.Options{URL: authority, Proxy: http.ProxyFromEnvironment}); err != nil {
			return usageError{err}
		}
	}
	if a.trust, err = trust.store(c); err != nil {
		return err
	}
	container, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	if asic.IsZIP(container) {
		return fmt.Errorf("%s: %s", rest[0], c.t("це контейнер ASiC; доповнюються лише підписи CAdES (.p7s)", "an ASiC container; only CAdES signatures (.p7s) are raised"))
	}
	if detached != "" {
		if a.content, err = c.readFile(detached); err != nil {
			return err
		}
	}
	raised, err := a.raise(c, to, container)
	if err != nil {
		err = fmt.Errorf("%s: %w", rest[0], err)
		if r := a.report; r != nil && r.Indication != cades.TotalPassed {
			fmt.Fprintf(c.stderr, "%s\n", printable(err.Error()))
			return indicated(r.Indication)
		}
		return err
	}
	if out == "" {
		out = rest[0]
	}
	if err := replaceFile(out, raised); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			File string `json:"file"`
		}{out})
	}
	c.printf("%s\n", out)
	return nil
}

// raise does the steps that are missing up to a level. What it returns holds.
func (a *augmenting) raise(ctx context.Context, to string, container []byte) (_ []byte, err error) {
	stamped, err := isStamped(container)
	if err != nil {
		return nil, err
	}
	switch {
	case to == "t" && stamped:
		return nil, errors.New("every signature has a time-stamp already")
	case !stamped:
		if container, err = a.raising.AddTimeStamp(ctx, container); err != nil || to == "t" {
			return container, err
		}
	}
	// Of a container that was archived before, these are the values about the newest
	// archive-time-stamp, too.
	values, err := a.values(container)
	if err != nil {
		return nil, err
	}
	if container, err = a.raising.AddValues(container, values, a.form); err != nil || to == "lt" {
		return container, err
	}
	if container, err = a.raising.AddArchiveTimeStamp(ctx, container, a.section()); err != nil {
		return nil, err
	}
	// What the archive-time-stamp itself rests on nothing protects yet, but who
	// validates it, or adds the next, has it at hand.
	if values, err = a.values(container); err != nil {
		return nil, err
	}
	return a.raising.AddValues(container, values, cades.Baseline)
}

func isStamped(container []byte) (bool, error) {
	raw, err := cms.Unarmour(container)
	if err != nil {
		return false, err
	}
	sd, err := cms.Parse(raw, cms.Options{})
	if err != nil {
		return false, err
	}
	for i := range sd.Signers {
		found := false
		for _, x := range sd.Signers[i].UnsignedAttrs {
			found = found || x.Type == cms.AttrTimeStamp
		}
		if !found {
			return false, nil
		}
	}
	return len(sd.Signers) > 0, nil
}

func (a *augmenting) section() *io.SectionReader {
	if a.content == nil {
		return nil
	}
	return io.NewSectionReader(bytes.NewReader(a.content), 0, int64(len(a.content)))
}

// judge wants signatures and time-stamps that hold: what does not hold now no
// later time-stamp makes good.
func (a *augmenting) judge(container []byte) error {
	r := cades.Validate(cades.Input{Container: container, Detached: a.section()}, cades.Options{At: time.Now(), Trust: a.trust, Past: cades.Examiner})
	a.report = r
	if r.Indication != cades.TotalPassed {
		return fmt.Errorf("%s %s: %s", r.Indication, r.SubIndication, r.Detail)
	}
	for i, s := range r.Signatures {
		for _, x := range s.TimeStamps {
			if !x.Valid {
				r.Indication = cades.Indeterminate // this verdict is over the time-stamps, too
				return fmt.Errorf("signature %d: its %s does not hold: %s: %s", i+1, x.Kind, x.SubIndication, x.Detail)
			}
		}
	}
	return nil
}

// values are what the verdict over signatures and time-stamps rests on.
func (a *augmenting) values(container []byte) (v cades.Values, err error) {
	if err := a.judge(container); err != nil {
		return v, err
	}
	seen := map[[32]byte]bool{}
	take := func(chain []*pki.Certificate, evidence []cades.EvidenceRef) error {
		for _, c := range chain {
			if sum := c.SHA256(); !seen[sum] {
				seen[sum] = true
				v.Certificates = append(v.Certificates, c)
			}
		}
		for _, e := range evidence {
			if seen[e.SHA256] {
				continue
			}
			seen[e.SHA256] = true
			raw := a.trust.Piece(e)
			switch {
			case raw == nil: // it is in the container, where it stays
			case e.Kind == "crl":
				v.CRLs = append(v.CRLs, raw)
			case e.Kind == "ocsp":
				v.OCSP = append(v.OCSP, raw)
			default:
				return fmt.Errorf("revocation answer of kind %q", e.Kind)
			}
		}
		return nil
	}
	for _, s := range a.report.Signatures {
		err = errors.Join(err, take(s.Chain, s.Evidence))
		for _, x := range s.TimeStamps {
			err = errors.Join(err, take(x.Chain, x.Evidence))
		}
	}
	return v, err
}
