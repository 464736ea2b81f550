package client

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
)

// Change is one difference between two entries, for people.
type Change struct {
	Key string // as in the file
	Old string // empty: added
	New string // empty: removed
}

// String gives "key: + new", "key: - old" or "key: old -> new".
func (c Change) String() string {
	switch {
	case c.Old == "":
		return c.Key + ": + " + c.New
	case c.New == "":
		return c.Key + ": - " + c.Old
	default:
		return c.Key + ": " + c.Old + " -> " + c.New
	}
}

// Diff says what applying entry b over a changes, in the order of the file. Of a
// list it tells the elements that come and go; their order has no meaning.
// Against a zero a everything is added. SSH keys are shown by type, comment and
// the end of the key; certificates by fingerprint.
func Diff(a, b Entry) []Change {
	var out []Change
	one := func(key, x, y string) {
		if x != y {
			out = append(out, Change{key, x, y})
		}
	}
	many := func(key string, x, y []string) {
		for _, s := range x {
			if !slices.Contains(y, s) {
				out = append(out, Change{key, s, ""})
			}
		}
		for _, s := range y {
			if !slices.Contains(x, s) {
				out = append(out, Change{key, "", s})
			}
		}
	}
	one("id", string(a.ID), string(b.ID))
	one("name", a.Name, b.Name)
	one("edrpou", a.EDRPOU, b.EDRPOU)
	one("superior", string(a.Superior), string(b.Superior))
	one("disabled", yes(a.Disabled), yes(b.Disabled))
	many("accounts", a.Accounts, b.Accounts)
	many("ssh_keys", shown(a.SSHKeys, showKey), shown(b.SSHKeys, showKey))
	many("networks", a.Networks, b.Networks)
	one("folder", yes(a.Folder), yes(b.Folder))
	one("language", a.Language, b.Language)
	one("code_page", a.CodePage, b.CodePage)
	one("receipts_in_outbox", yes(a.ReceiptsInOutbox), yes(b.ReceiptsInOutbox))
	one("encrypt", showCertificate(a.Encrypt), showCertificate(b.Encrypt))
	many("statements.formats", a.Statements.Formats, b.Statements.Formats)
	one("statement_container", a.StatementContainer, b.StatementContainer)
	many("kinds", a.Kinds, b.Kinds)
	many("profiles", a.Profiles, b.Profiles)
	many("tolerate", a.Tolerate, b.Tolerate)
	many("signatories", shown(a.Signatories, showSignatory), shown(b.Signatories, showSignatory))
	for _, kind := range slices.Sorted(maps.Keys(union(a.Policies, b.Policies))) {
		x, y := "", ""
		if p, ok := a.Policies[kind]; ok {
			x = showPolicy(p)
		}
		if p, ok := b.Policies[kind]; ok {
			y = showPolicy(p)
		}
		one("policies."+kind, x, y)
	}
	one("quota.files", number(int64(a.Quota.Files)), number(int64(b.Quota.Files)))
	one("quota.bytes", number(a.Quota.Bytes), number(b.Quota.Bytes))
	one("quota.file", number(a.Quota.File), number(b.Quota.File))
	return out
}

func union(a, b map[string]Policy) map[string]Policy {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]Policy{}
	}
	maps.Copy(out, b)
	return out
}

func shown[T any](in []T, show func(T) string) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = show(x)
	}
	return out
}

func showKey(line string) string {
	w := strings.Fields(line)
	if len(w) < 2 {
		return line
	}
	if n := len(w[1]); n > 20 {
		w[1] = "..." + w[1][n-20:]
	}
	return strings.Join(w, " ")
}

func showSignatory(s Signatory) string {
	out := string(s.Role)
	if f := s.Fingerprint(); f != "" {
		out += " certificate " + f
	}
	if s.Person != "" {
		out += " person " + s.Person
	}
	if s.EDRPOU != "" {
		out += " edrpou " + s.EDRPOU
	}
	if !s.From.IsZero() {
		out += " from " + s.From.In(kyiv()).Format(time.DateTime)
	}
	if !s.Until.IsZero() {
		out += " until " + s.Until.In(kyiv()).Format(time.DateTime)
	}
	if len(s.Kinds) > 0 {
		out += " kinds " + strings.Join(s.Kinds, ",")
	}
	if s.Limit > 0 {
		out += fmt.Sprintf(" limit %d.%02d", s.Limit/100, s.Limit%100)
	}
	return out
}

func showPolicy(p Policy) string {
	var out []string
	for _, r := range slices.Sorted(maps.Keys(p.Roles)) {
		out = append(out, fmt.Sprintf("%s: %d", r, p.Roles[r]))
	}
	if p.Min > 0 {
		out = append(out, fmt.Sprintf("min: %d", p.Min))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// showCertificate gives the fingerprint of a certificate in PEM.
func showCertificate(text string) string {
	if text == "" {
		return ""
	}
	c, err := pki.ParseCertificatePEM([]byte(text))
	if err != nil {
		return "?"
	}
	sum := c.SHA256()
	return "certificate sha256 " + hex.EncodeToString(sum[:])
}
