package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/policy"
)

const (
	accept = policy.Accept
	reject = policy.Reject
	hold   = policy.Hold
)

var at = time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)

// good is an attached container with a payment instruction, signed by the head
// and the accountant. The register also knows a seal, a deputy who may be either,
// and somebody for supporting documents only.
func good() policy.Case {
	return policy.Case{
		At:       at,
		Kind:     "payment_instruction",
		Profile:  "oschad-2023",
		FormatOK: true,
		Complete: true,
		Sum:      100_00,
		Entry: &client.Entry{
			ID: "school", EDRPOU: "00013480",
			Kinds: []string{"payment_instruction", "supporting_document"},
			Signatories: []client.Signatory{
				{Role: client.Head, Person: "1111111111", EDRPOU: "00013480", From: at.AddDate(-1, 0, 0), Until: at.AddDate(1, 0, 0), Limit: 1000_00},
				{Role: client.Accountant, SHA256: strings.Repeat("AA", 32)},
				{Role: client.Seal, EDRPOU: "00013480"},
				{Role: client.Head, Person: "3333333333"},
				{Role: client.Accountant, Person: "3333333333"},
				{Role: client.Other, Person: "4444444444", Kinds: []string{"supporting_document"}},
				{Role: client.Head, Person: "5555555555"},
			},
		},
		Signatures: []policy.Signature{
			{Indication: policy.Passed, CertSHA256: strings.Repeat("11", 32), KeyID: "k1", Person: "1111111111", EDRPOU: "00013480"},
			{Indication: policy.Passed, CertSHA256: strings.Repeat("aa", 32), KeyID: "k2", Person: "2222222222", EDRPOU: "00013480"},
		},
	}
}

func by(person string) policy.Signature {
	return policy.Signature{Indication: policy.Passed, CertSHA256: "of " + person, KeyID: "key of " + person, Person: person, EDRPOU: "00013480"}
}

var seal = policy.Signature{Indication: policy.Passed, CertSHA256: "seal", KeyID: "ks", EDRPOU: "00013480", SealCertificate: true}

func roles(c *policy.Case, r map[client.Role]int) {
	c.Entry.Policies = map[string]client.Policy{"*": {Roles: r}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(c *policy.Case)
		action policy.Action
		ids    string // of all reasons, in order
		roles  string // of all signatures
	}{
		{"good", func(*policy.Case) {}, accept, "", "head accountant"},
		{"good, in the other order", func(c *policy.Case) { slices.Reverse(c.Signatures) }, accept, "", "accountant head"},
		{"good, detached", func(c *policy.Case) { c.Complete = false }, accept, "", "head accountant"},
		{"good, decided late", func(c *policy.Case) { c.Overdue = true }, accept, "", "head accountant"},

		{"no register entry", func(c *policy.Case) { c.Entry = nil }, hold, "CASE-UNKNOWN", "- -"},
		{"no time", func(c *policy.Case) { c.At = time.Time{} }, hold, "CASE-UNKNOWN", "- -"},
		{"disabled client", func(c *policy.Case) { c.Entry.Disabled = true }, reject, "CLIENT-DISABLED", "head accountant"},
		{"kind not recognised", func(c *policy.Case) { c.Kind, c.FormatOK = "", false }, reject, "KIND-UNKNOWN", "head accountant"},
		{"kind not allowed", func(c *policy.Case) { c.Entry.Kinds = c.Entry.Kinds[1:] }, reject, "KIND-NOT-ALLOWED", "head accountant"},
		{"layout not allowed", func(c *policy.Case) { c.Entry.Profiles = []string{"pain001"} }, reject, "PROFILE-NOT-ALLOWED", "head accountant"},
		{"layout allowed", func(c *policy.Case) { c.Entry.Profiles = []string{"oschad-2023"} }, accept, "", "head accountant"},
		{"format refused", func(c *policy.Case) { c.FormatOK = false }, reject, "FORMAT", "head accountant"},
		{"duplicate", func(c *policy.Case) { c.DuplicateOf = "S1" }, reject, "DUPLICATE", "head accountant"},
		{"negative sum", func(c *policy.Case) { c.Sum = -1 }, reject, "SUM-NEGATIVE", "head accountant"},

		{"no signature", func(c *policy.Case) { c.Signatures = nil }, reject, "SIG-NONE", ""},
		{"no signature yet", func(c *policy.Case) { c.Signatures, c.Complete = nil, false }, hold, "SIG-NONE", ""},
		{"no signature in time", func(c *policy.Case) { c.Signatures, c.Complete, c.Overdue = nil, false, true }, reject, "SIG-NONE", ""},
		{"too many signatures", func(c *policy.Case) { c.Signatures = make([]policy.Signature, 17) }, reject, "SIG-TOO-MANY", strings.TrimSpace(strings.Repeat("- ", 17))},

		{"one fails", func(c *policy.Case) { c.Signatures[1].Indication = policy.Failed }, reject, "SIG-FAILED SIG-ROLE-MISSING", "head -"},
		{"one more that fails", func(c *policy.Case) { c.Signatures = append(c.Signatures, policy.Signature{Indication: policy.Failed}) }, reject, "SIG-FAILED", "head accountant -"},
		{"fails before the others are there", func(c *policy.Case) {
			c.Signatures[0].Indication, c.Signatures, c.Complete = policy.Failed, c.Signatures[:1], false
		}, reject, "SIG-FAILED SIG-WAITING SIG-WAITING", "-"},
		{"zero signature", func(c *policy.Case) { c.Signatures[1] = policy.Signature{} }, hold, "SIG-INDETERMINATE", "head -"},
		{"indication not known here", func(c *policy.Case) { c.Signatures[1].Indication = 77 }, hold, "SIG-INDETERMINATE", "head -"},
		{"sub-indication not known here", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication = policy.Indeterminate, "NEW_WORD"
		}, hold, "SIG-INDETERMINATE", "head -"},
		{"revocation not known yet", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication = policy.Indeterminate, "TRY_LATER"
		}, hold, "SIG-TRY-LATER", "head -"},
		{"revocation not known in time", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication, c.Overdue = policy.Indeterminate, "TRY_LATER", true
		}, reject, "SIG-TRY-LATER", "head -"},
		{"revocation not known of one, the other missing in a whole container", func(c *policy.Case) {
			c.Signatures = c.Signatures[:1]
			c.Signatures[0].Indication, c.Signatures[0].SubIndication = policy.Indeterminate, "TRY_LATER"
		}, reject, "SIG-TRY-LATER SIG-ROLE-MISSING", "-"},
		{"unknown CA", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication = policy.Indeterminate, "NO_CERTIFICATE_CHAIN_FOUND"
		}, reject, "SIG-INDETERMINATE SIG-ROLE-MISSING", "head -"},
		{"signature before its document", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication, c.Complete = policy.Indeterminate, "SIGNED_DATA_NOT_FOUND", false
		}, hold, "SIG-INDETERMINATE", "head -"},
		{"signature without its document", func(c *policy.Case) {
			c.Signatures[1].Indication, c.Signatures[1].SubIndication = policy.Indeterminate, "SIGNED_DATA_NOT_FOUND"
		}, reject, "SIG-INDETERMINATE SIG-ROLE-MISSING", "head -"},

		{"one missing in a container", func(c *policy.Case) { c.Signatures = c.Signatures[:1] }, reject, "SIG-ROLE-MISSING", "head"},
		{"one missing yet", func(c *policy.Case) { c.Signatures, c.Complete = c.Signatures[:1], false }, hold, "SIG-WAITING", "head"},
		{"one missing in time", func(c *policy.Case) { c.Signatures, c.Complete, c.Overdue = c.Signatures[:1], false, true }, reject, "SIG-ROLE-MISSING", "head"},
		{"two of one role", func(c *policy.Case) { c.Signatures[1] = by("5555555555") }, reject, "SIG-ROLE-MISSING", "head head"},

		{"stranger", func(c *policy.Case) { c.Signatures[0].Person = "9999999999" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "- accountant"},
		{"stranger besides", func(c *policy.Case) { c.Signatures = append(c.Signatures, by("9999999999")) }, reject, "SIG-STRANGER", "head accountant -"},
		{"person for another organisation", func(c *policy.Case) { c.Signatures[0].EDRPOU = "37993783" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "- accountant"},
		{"person without organisation", func(c *policy.Case) { c.Signatures[0].EDRPOU = "" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "- accountant"},
		{"no codes at all", func(c *policy.Case) { c.Signatures[0].Person, c.Signatures[0].EDRPOU = "", "" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "- accountant"},
		{"another certificate of one named by hash", func(c *policy.Case) { c.Signatures[1].CertSHA256 = "bb" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "head -"},
		{"no hash, none registered", func(c *policy.Case) {
			c.Entry.Signatories[1].SHA256, c.Signatures[1].CertSHA256 = "", ""
		}, reject, "SIG-STRANGER SIG-ROLE-MISSING", "head -"},
		{"two codes", func(c *policy.Case) { c.Signatures[0].AmbiguousCodes = true }, reject, "SIG-AMBIGUOUS SIG-ROLE-MISSING", "- accountant"},
		{"two codes, named by hash", func(c *policy.Case) { c.Signatures[1].AmbiguousCodes = true }, reject, "SIG-AMBIGUOUS SIG-ROLE-MISSING", "head -"},
		{"seal with a person's code", func(c *policy.Case) { c.Signatures[0].SealCertificate, c.Signatures[0].EDRPOU = true, "37993783" }, reject, "SIG-STRANGER SIG-ROLE-MISSING", "- accountant"},

		{"before its first moment", func(c *policy.Case) { c.Entry.Signatories[0].From = at.Add(1) }, reject, "SIG-NOT-IN-FORCE SIG-ROLE-MISSING", "- accountant"},
		{"at its first moment", func(c *policy.Case) { c.Entry.Signatories[0].From = at }, accept, "", "head accountant"},
		{"at its end", func(c *policy.Case) { c.Entry.Signatories[0].Until = at }, reject, "SIG-NOT-IN-FORCE SIG-ROLE-MISSING", "- accountant"},
		{"signatory of another kind", func(c *policy.Case) { c.Signatures = append(c.Signatures, by("4444444444")) }, reject, "SIG-KIND", "head accountant -"},
		{"at the limit", func(c *policy.Case) { c.Sum = 1000_00 }, accept, "", "head accountant"},
		{"above the limit", func(c *policy.Case) { c.Sum = 1000_01 }, reject, "LIMIT-EXCEEDED SIG-ROLE-MISSING", "- accountant"},
		{"above the limit of one element, within another", func(c *policy.Case) {
			c.Sum = 1000_01
			c.Entry.Signatories = append(c.Entry.Signatories, client.Signatory{Role: client.Head, Person: "1111111111", Limit: 2000_00})
		}, accept, "", "head accountant"},

		{"same signature twice", func(c *policy.Case) { c.Signatures = append(c.Signatures, c.Signatures[0]) }, accept, "SIG-SAME-PERSON", "head accountant -"},
		{"one person for both", func(c *policy.Case) { c.Signatures = []policy.Signature{by("3333333333"), by("3333333333")} }, reject, "SIG-SAME-PERSON SIG-ROLE-MISSING", "accountant -"},
		{"one person, two certificates", func(c *policy.Case) {
			c.Signatures = []policy.Signature{by("3333333333"), by("3333333333")}
			c.Signatures[1].CertSHA256, c.Signatures[1].KeyID = "new", "new"
		}, reject, "SIG-SAME-PERSON SIG-ROLE-MISSING", "accountant -"},
		{"one key, two persons", func(c *policy.Case) { c.Signatures[1].KeyID = "k1" }, reject, "SIG-SAME-PERSON SIG-ROLE-MISSING", "- accountant"},
		{"two persons who share a third certificate are one", func(c *policy.Case) {
			bridge := by("1111111111")
			bridge.KeyID = "k2"
			c.Signatures = append(c.Signatures, bridge)
		}, reject, "SIG-SAME-PERSON SIG-SAME-PERSON SIG-ROLE-MISSING", "- accountant -"},
		{"who may be either gives way", func(c *policy.Case) { c.Signatures = []policy.Signature{by("3333333333"), by("5555555555")} }, accept, "", "accountant head"},
		{"who may be either gives way, last", func(c *policy.Case) { c.Signatures = []policy.Signature{by("5555555555"), by("3333333333")} }, accept, "", "head accountant"},

		{"seal demanded", func(c *policy.Case) {
			roles(c, map[client.Role]int{client.Head: 1, client.Accountant: 1, client.Seal: 1})
		}, reject, "SIG-ROLE-MISSING", "head accountant"},
		{"seal demanded and there", func(c *policy.Case) {
			roles(c, map[client.Role]int{client.Head: 1, client.Accountant: 1, client.Seal: 1})
			c.Signatures = append(c.Signatures, seal)
		}, accept, "", "head accountant seal"},
		{"seal of another organisation", func(c *policy.Case) {
			c.Signatures = append(c.Signatures, seal)
			c.Signatures[2].EDRPOU = "37993783"
		}, reject, "SIG-STRANGER", "head accountant -"},
		{"person's certificate is no seal", func(c *policy.Case) {
			roles(c, map[client.Role]int{client.Seal: 1})
			c.Signatures[1].CertSHA256, c.Signatures[1].SealCertificate = "x", false
		}, reject, "SIG-STRANGER SIG-ROLE-MISSING", "head -"},
		{"seal not demanded", func(c *policy.Case) { c.Signatures = append(c.Signatures, seal) }, accept, "", "head accountant seal"},

		{"two heads demanded", func(c *policy.Case) { roles(c, map[client.Role]int{client.Head: 2}) }, reject, "SIG-ROLE-MISSING", "head accountant"},
		{"three of any role demanded", func(c *policy.Case) { c.Entry.Policies = map[string]client.Policy{"*": {Min: 3}} }, reject, "SIG-TOO-FEW", "head accountant"},
		{"two of any role demanded", func(c *policy.Case) { c.Entry.Policies = map[string]client.Policy{"*": {Min: 2}} }, accept, "", "head accountant"},
		{"policy of nothing", func(c *policy.Case) { c.Entry.Policies = map[string]client.Policy{"*": {}} }, hold, "POLICY-EMPTY", "- -"},
		{"role that nobody knows", func(c *policy.Case) { roles(c, map[client.Role]int{"boss": 1}) }, reject, "SIG-ROLE-MISSING", "head accountant"},
		{"no signatories", func(c *policy.Case) { c.Entry.Signatories = nil }, reject, "SIG-STRANGER SIG-STRANGER SIG-ROLE-MISSING SIG-ROLE-MISSING", "- -"},
		{"supporting document by one", func(c *policy.Case) {
			c.Kind, c.Signatures = "supporting_document", []policy.Signature{by("4444444444")}
		}, accept, "", "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := good()
			c.change(&x)
			d := policy.Decide(x)
			if d.Action != c.action {
				t.Errorf("action %s, want %s", d.Action, c.action)
			}
			var ids []string
			for i, r := range d.Reasons {
				ids = append(ids, r.ID)
				if r.Text.UK == "" || r.Text.EN == "" || r.Signature < 0 || r.Signature > len(x.Signatures) {
					t.Errorf("reason %d is %+v", i, r)
				}
				if (r.Severity == formats.Error) != (r.Action == reject) {
					t.Errorf("reason %s: severity %d with action %s", r.ID, r.Severity, r.Action)
				}
				for _, secret := range []string{"1111111111", "3333333333", "9999999999"} {
					if strings.Contains(r.Text.UK+r.Text.EN, secret) {
						t.Errorf("reason %s tells a personal code", r.ID)
					}
				}
			}
			if got := strings.Join(ids, " "); got != c.ids {
				t.Errorf("reasons %q, want %q", got, c.ids)
			}
			got := slices.Clone(d.Roles)
			for i := range got {
				if got[i] == "" {
					got[i] = "-"
				}
			}
			if s := strings.Join(got, " "); s != c.roles {
				t.Errorf("roles %q, want %q", s, c.roles)
			}
		})
	}
}

func TestZeroHolds(t *testing.T) {
	t.Parallel()
	if d := policy.Decide(policy.Case{}); d.Action != policy.Hold || len(d.Reasons) == 0 {
		t.Errorf("got %+v", d)
	}
	if (policy.Decision{}).Action != policy.Hold || (policy.Signature{}).Indication == policy.Passed {
		t.Error("a zero value does not refuse")
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	c := good()
	c.Signatures = c.Signatures[:1]
	d := policy.Decide(c)
	want := formats.Text{
		UK: "Бракує підпису головного бухгалтера. Додайте підпис і надішліть документ заново.",
		EN: "The signature of the chief accountant is missing. Add the signature and send the document again.",
	}
	if got := d.Findings()[0]; got.Message != want || got.Rule != "SIG-ROLE-MISSING" {
		t.Errorf("got %+v", got)
	}
}

func TestTextsOfWaiting(t *testing.T) {
	t.Parallel()
	c := good()
	c.Signatures, c.Complete = c.Signatures[:1], false
	if got := policy.Decide(c).Reasons[0].Text.UK; got != "Бракує підпису головного бухгалтера. Документ чекає: надішліть файл підпису до нього." {
		t.Errorf("held: %s", got)
	}
	c.FormatOK = false
	if got := policy.Decide(c).Reasons[1].Text.UK; got != "Бракує підпису головного бухгалтера." {
		t.Errorf("rejected for another reason: %s", got)
	}
	c.FormatOK, c.Overdue = true, true
	if got := policy.Decide(c).Reasons[0].Text.UK; got != "Бракує підпису головного бухгалтера. Строк очікування минув, документ відхилено. Надішліть його заново." {
		t.Errorf("overdue: %s", got)
	}
}

// Nothing that is taken away from a good case, or added to it, may turn another
// decision into acceptance: every subset of bad changes refuses.
func TestNoTwoWrongsMakeARight(t *testing.T) {
	t.Parallel()
	bad := []func(c *policy.Case){
		func(c *policy.Case) { c.Entry.Disabled = true },
		func(c *policy.Case) { c.FormatOK = false },
		func(c *policy.Case) { c.DuplicateOf = "S1" },
		func(c *policy.Case) { c.Signatures[0].Indication = policy.Failed },
		func(c *policy.Case) { c.Signatures[1].Indication = policy.Indeterminate },
		func(c *policy.Case) { c.Signatures[1].KeyID = c.Signatures[0].KeyID },
		func(c *policy.Case) { c.Sum = 5000_00 },
		func(c *policy.Case) { c.Signatures = append(c.Signatures, by("9999999999")) },
	}
	harmless := []func(c *policy.Case){
		func(c *policy.Case) { c.Complete = false },
		func(c *policy.Case) { c.Overdue = true },
	}
	for set := range 1 << (len(bad) + len(harmless)) {
		c := good()
		for i, f := range slices.Concat(bad, harmless) {
			if set>>i&1 == 1 {
				f(&c)
			}
		}
		d := policy.Decide(c)
		if wrong := set&(1<<len(bad)-1) != 0; wrong == (d.Action == policy.Accept) {
			t.Fatalf("set %b: %s %v", set, d.Action, d.Reasons)
		}
		if c.Overdue && d.Action == policy.Hold {
			t.Fatalf("set %b: held though the time is over", set)
		}
	}
}
