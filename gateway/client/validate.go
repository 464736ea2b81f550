package client

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/strict"
)

// Values that an entry may have, as people must spell them.
var (
	languages           = []string{"uk", "en"}
	codePages           = []string{"utf-8", "windows-1251", "cp866", "cp1125", "koi8-u"}
	statementContainers = []string{"asic-s"}
	kinds               = inbound()

	// The named tolerances of docs/tolerances.md that may be granted to a client.
	tolerances = []string{
		"no-signing-certificate", "attrs-as-stored", "attrs-resorted", "ber-signer-info", "transport-wrapper",
		"nested-signed-data", "wrapped-signature", "legacy-sbox", "big-endian-signature", "digest-algorithms",
		"digital-signature-only", "no-revocation", "asic-mimetype",
	}
)

// Bounds of one entry: far above what is real, so that one entry cannot make the
// register slow.
const (
	maxList  = 256     // elements of any list
	maxText  = 512     // characters of a name
	maxRoles = 16      // signatories a policy may demand; a container holds no more signatures
	maxFile  = 1 << 40 // bytes of a quota
)

// Valid says whether the ID is one: lower-case letters, digits, '-' and '_', a
// letter or digit first, at most 64 characters.
func (id ID) Valid() bool {
	if id == "" || len(id) > 64 || id[0] == '-' || id[0] == '_' {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Validate says everything that is wrong with the entry by itself; the error is
// a strict.Problems whose keys are spelled as in the file. What is not checked
// here: whether Superior exists ([NewRegister]), whether keys and certificates
// are strong or alive (the SSH entrance, package pki), whether profiles exist
// (the gateway, which knows them).
func (e *Entry) Validate() error {
	var v validator
	if e.ID == "" {
		v.add("id", "is missing; write a short name for the client, as id: kyiv-school-12")
	} else if !e.ID.Valid() {
		v.add("id", "%q is not an id; write lower-case Latin letters, digits, '-' and '_', a letter or digit first, at most 64", short(string(e.ID)))
	}
	v.name(e.Name)
	v.edrpou("edrpou", e.EDRPOU, true)
	if e.Superior != "" && !e.Superior.Valid() {
		v.add("superior", "%q is not an id; write the id of another entry or remove the key", short(string(e.Superior)))
	}
	if e.Superior != "" && e.Superior == e.ID {
		v.add("superior", "is the client itself; write the id of another entry or remove the key")
	}
	list(&v, "accounts", e.Accounts, func(key, s string) {
		if !validAccount(s) {
			v.add(key, "%q is not a Ukrainian IBAN with right check digits; write UA and 27 digits without spaces", short(s))
		}
	})
	list(&v, "ssh_keys", e.SSHKeys, func(key, s string) {
		if _, err := ParseSSHKey(s); err != nil {
			v.add(key, "%s", err)
		}
	})
	list(&v, "networks", e.Networks, v.network)
	v.oneOf("language", e.Language, languages)
	v.oneOf("code_page", e.CodePage, codePages)
	v.encrypt(e.Encrypt)
	v.oneOf("statement_container", e.StatementContainer, statementContainers)
	if e.StatementContainer != "" && e.Encrypt != "" {
		v.add("statement_container", "has no meaning beside encrypt, whose statements are sealed within the encryption; leave one of the two out")
	}
	list(&v, "kinds", e.Kinds, v.kind)
	list(&v, "profiles", e.Profiles, func(key, s string) {
		if !token(s) {
			v.add(key, "%q is not the name of a profile; write the name of its file without .yaml", short(s))
		}
	})
	list(&v, "statements.formats", e.Statements.Formats, func(key, s string) {
		if !token(s) {
			v.add(key, "%q is not a format; write json, txt, csv, the name of a camt message or of a profile of the direction out", short(s))
		}
	})
	list(&v, "tolerate", e.Tolerate, func(key, s string) {
		if !slices.Contains(tolerances, s) {
			v.add(key, "%q is not a tolerance%s", short(s), oneOf(s, tolerances))
		}
	})
	v.signatories(e)
	v.policies(e)
	for _, q := range []struct {
		key string
		n   int64
	}{{"quota.files", int64(e.Quota.Files)}, {"quota.bytes", e.Quota.Bytes}, {"quota.file", e.Quota.File}} {
		if q.n < 0 || q.n > maxFile {
			v.add(q.key, "%d is out of range; write a number above 0, or remove the key for the gateway's own limit", q.n)
		}
	}
	return v.problems.Err()
}

// encrypt checks a certificate to which statements are to be encrypted. Whether it
// is still valid is seen when one goes out.
func (v *validator) encrypt(text string) {
	if text == "" {
		return
	}
	if strings.Contains(text, "PRIVATE KEY") {
		v.add("encrypt", "holds a private key; remove it here and treat it as known to others; write the certificate")
		return
	}
	c, err := pki.ParseCertificatePEM([]byte(text))
	if err != nil {
		v.add("encrypt", "is not one certificate in PEM; write it from -----BEGIN CERTIFICATE----- on")
		return
	}
	if err := enveloped.CheckRecipient(c); err != nil {
		v.add("encrypt", "is a certificate that nothing can be encrypted to (%s); write the one for key agreement (DSTU 4145, EC) or key encipherment (RSA)", err)
	}
}

type validator struct{ problems strict.Problems }

func (v *validator) add(key, format string, args ...any) {
	v.problems = append(v.problems, strict.Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// list checks each element, the length, and that none is there twice.
func list(v *validator, key string, values []string, each func(key, value string)) {
	if len(values) > maxList {
		v.add(key, "has %d elements; at most %d", len(values), maxList)
		return
	}
	for i, s := range values {
		at := fmt.Sprintf("%s[%d]", key, i)
		if j := slices.Index(values, s); j < i {
			v.add(at, "is there twice, first as element %d; keep one", j+1)
			continue
		}
		each(at, s)
	}
}

func (v *validator) oneOf(key, s string, words []string) {
	if s != "" && !slices.Contains(words, s) {
		v.add(key, "%q is not known%s", short(s), oneOf(s, words))
	}
}

// oneOf ends a message with what to write.
func oneOf(s string, words []string) string {
	if near := strict.Nearest(strings.ToLower(s), words); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; write one of " + strings.Join(words, ", ")
}

func (v *validator) name(s string) {
	switch {
	case strings.TrimSpace(s) == "":
		v.add("name", "is missing; write the name of the institution as in its documents")
	case len([]rune(s)) > maxText:
		v.add("name", "is longer than %d characters; shorten it", maxText)
	case strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
	}):
		v.add("name", "holds invisible characters; write it as plain text on one line")
	}
}

func (v *validator) edrpou(key, s string, needed bool) {
	switch {
	case s == "" && needed:
		v.add(key, "is missing; write the 8 digits of the code")
	case s == "":
	case !digits(s, 8):
		v.add(key, "%q is not an EDRPOU code; write its 8 digits with leading zeros", short(s))
	case !validEDRPOU(s):
		v.add(key, "%q has a wrong check digit; look for a mistyped digit", s)
	}
}

func (v *validator) network(key, s string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil {
			v.add(key, "%q is an address; write %s/%d for this one only", s, a, a.BitLen())
			return
		}
		v.add(key, "%q is not a network; write as 10.20.0.0/16", short(s))
		return
	}
	if p != p.Masked() {
		v.add(key, "%q has bits set after the mask; write %s", s, p.Masked())
	}
}

func inbound() (list []string) {
	for _, k := range formats.Inbound {
		list = append(list, string(k))
	}
	return list
}

func (v *validator) kind(key, s string) {
	if s == string(formats.Statement) {
		v.add(key, "statements go out to clients and are not sent by them; remove it")
		return
	}
	v.oneOf(key, s, kinds)
	if s == "" {
		v.add(key, "is empty; write one of %s", strings.Join(kinds, ", "))
	}
}

func (v *validator) signatories(e *Entry) {
	if len(e.Signatories) > maxList {
		v.add("signatories", "has %d elements; at most %d", len(e.Signatories), maxList)
		return
	}
	if len(e.Kinds) > 0 && len(e.Signatories) == 0 {
		v.add("signatories", "is missing: nothing the client sends could be accepted; write who signs, or remove kinds for a client that only receives")
	}
	seen := map[string]int{}
	for i := range e.Signatories {
		s, key := &e.Signatories[i], fmt.Sprintf("signatories[%d]", i)
		v.signatory(e, s, key)
		who := fmt.Sprintf("%s %s %s %s %s %s %q", s.Role, s.Fingerprint(), s.Person, s.EDRPOU, s.From, s.Until, s.Kinds)
		if j := seen[who]; j > 0 {
			v.add(key, "is the same as element %d; keep one", j)
		}
		seen[who] = i + 1
	}
}

func (v *validator) signatory(e *Entry, s *Signatory, key string) {
	if s.Role == "" {
		v.add(key+".role", "is missing; write one of %s", words(Roles()))
	} else if !slices.Contains(Roles(), s.Role) {
		v.add(key+".role", "%q is not a role%s", short(string(s.Role)), oneOf(string(s.Role), strings.Split(words(Roles()), ", ")))
	}
	said := 0
	if s.Certificate != "" {
		said++
		if _, err := s.DER(); err != nil {
			v.add(key+".certificate", "%s", err)
		}
	}
	if s.SHA256 != "" {
		said++
		if f := fingerprint(s.SHA256); len(f) != 64 || strings.Trim(f, "0123456789abcdef") != "" {
			v.add(key+".sha256", "is not a SHA-256; write the 64 hex digits of the certificate's fingerprint")
		}
	}
	if s.Person != "" {
		said++
		// RNOKPP, a passport, an УНЗР or a foreign code: whatever the certificate
		// carries, so only the form is bounded.
		if len(s.Person) > 64 || strings.ContainsFunc(s.Person, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' }) {
			v.add(key+".person", "is not a personal code; write it as in the certificate, as 1234567890, without spaces")
		}
	}
	v.edrpou(key+".edrpou", s.EDRPOU, false)
	switch {
	case said > 1:
		v.add(key, "is named in more than one way; keep one of certificate, sha256 and person")
	case said == 0 && s.EDRPOU == "":
		v.add(key, "is not named; write one of certificate, sha256 and person, or edrpou for a seal")
	case said == 0 && s.Role != Seal:
		v.add(key, "is named by an organisation only; write person too, or role: seal")
	case s.EDRPOU != "" && said == 1 && s.Person == "":
		v.add(key+".edrpou", "has no use beside a certificate; remove it")
	}
	if !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until) {
		v.add(key+".until", "is not after from; write the first day on which the signatory is no longer entitled")
	}
	list(v, key+".kinds", s.Kinds, func(at, k string) {
		if !slices.Contains(e.Kinds, k) {
			v.add(at, "%q is not among the client's kinds; add it there or remove it here", short(k))
		}
	})
	if s.Limit < 0 {
		v.add(key+".limit", "is negative; write kopecks, as 5000000 for 50 000 hryvnias, or remove the key for no limit")
	}
}

func (v *validator) policies(e *Entry) {
	for _, kind := range slices.Sorted(maps.Keys(e.Policies)) {
		p, key := e.Policies[kind], "policies."+kind
		if kind != "*" && !slices.Contains(e.Kinds, kind) {
			v.add(key, "is not among the client's kinds%s", oneOf(kind, append([]string{"*"}, e.Kinds...)))
		}
		sum := 0
		for _, role := range slices.Sorted(maps.Keys(p.Roles)) {
			n, at := p.Roles[role], key+".roles."+string(role)
			if !slices.Contains(Roles(), role) {
				v.add(at, "is not a role%s", oneOf(string(role), strings.Split(words(Roles()), ", ")))
			}
			if n < 1 || n > maxRoles {
				v.add(at, "%d is out of range; write 1 to %d, or remove the role", n, maxRoles)
				continue
			}
			sum += n
		}
		if p.Min < 0 || p.Min > maxRoles || sum > maxRoles {
			v.add(key, "demands too many signatories or a negative number; write 1 to %d", maxRoles)
		} else if sum == 0 && p.Min == 0 {
			v.add(key, "demands no signature; write roles or min")
		}
	}
}

// token says whether s is a plain name: Latin letters, digits, '-', '_', '.'.
func token(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

func words(roles []Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}
