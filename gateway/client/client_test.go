package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/strict"
)

// Public keys made for these tests; nobody has the private ones.
const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f school"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
)

const good = `id: kyiv-school-12
name: Школа № 12
edrpou: "00013480"
accounts: [UA213996220000026007233566001]
ssh_keys:
- ` + keyA + `
networks: [10.20.0.0/16]
folder: true
language: uk
code_page: windows-1251
kinds: [payment_instruction, supporting_document]
signatories:
- role: head
  person: "1234567890"
  edrpou: 00013480
  from: 2026-01-01
  until: 2027-01-01
  limit: 5000000
- role: accountant
  sha256: AA:BBCCDDEEFF00112233445566778899AABBCCDDEEFF00112233445566778899
- role: seal
  edrpou: 00013480
policies:
  payment_instruction:
    roles: {head: 1, accountant: 1, seal: 1}
  "*": {min: 1}
quota: {files: 10, bytes: 1000000}
`

func parse(t *testing.T, text string) []client.Entry {
	t.Helper()
	entries, err := client.Parse("r.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// swap gives the good entry with one thing changed.
func swap(t *testing.T, from, to string) string {
	t.Helper()
	if !strings.Contains(good, from) {
		t.Fatalf("%q is not in the good entry", from)
	}
	return strings.Replace(good, from, to, 1)
}

func TestParse(t *testing.T) {
	t.Parallel()
	e := parse(t, good)[0]
	if e.ID != "kyiv-school-12" || e.Signatories[0].EDRPOU != "00013480" || !e.Folder || e.Policies["payment_instruction"].Roles[client.Seal] != 1 {
		t.Errorf("got %+v", e)
	}
	if want := time.Date(2025, 12, 31, 22, 0, 0, 0, time.UTC); !e.Signatories[0].From.Equal(want) {
		t.Errorf("from = %s, want midnight in Kyiv, %s", e.Signatories[0].From, want)
	}
	if got := e.Signatories[1].Fingerprint(); got != "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899" {
		t.Errorf("fingerprint %s", got)
	}
	second := swap(t, "kyiv-school-12", "other")
	if n := len(parse(t, good+"---\n"+second)); n != 2 {
		t.Errorf("%d entries of two documents", n)
	}
	list := "clients:\n- " + strings.ReplaceAll(good, "\n", "\n  ") + "\n- " + strings.ReplaceAll(second, "\n", "\n  ") + "\n"
	if n := len(parse(t, list)); n != 2 {
		t.Errorf("%d entries of a list of two", n)
	}
	if n := len(parse(t, list+"---\n"+swap(t, "kyiv-school-12", "third"))); n != 3 {
		t.Errorf("%d entries of a list and a document", n)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown key", "networks:", "network:", "r.yaml:7: network: unknown key; did you mean networks?"},
		{"bad id", "kyiv-school-12", "Школа", "r.yaml:1: id:"},
		{"id like an option", "kyiv-school-12", "-rf", "is not an id"},
		{"missing id", "id: kyiv-school-12\n", "", "id: is missing"},
		{"missing name", "name: Школа № 12\n", "", "name: is missing"},
		{"name that turns the text round", "Школа № 12", `"a\u202eb"`, "r.yaml:2: name: holds invisible"},
		{"short EDRPOU", `"00013480"`, "13480", "r.yaml:3: edrpou: \"13480\" is not an EDRPOU"},
		{"check digit of EDRPOU", `"00013480"`, `"00013481"`, "wrong check digit"},
		{"IBAN", "UA213996220000026007233566001", "UA213996220000026007233566002", "r.yaml:4: accounts[0]:"},
		{"foreign IBAN", "UA213996220000026007233566001", "DE89370400440532013000", "Ukrainian IBAN"},
		{"account twice", "[UA213996220000026007233566001]", "[UA213996220000026007233566001, UA213996220000026007233566001]", "accounts[1]: is there twice"},
		{"key cut", "ZGhscHR4f school", "ZGhs school", "r.yaml:6: ssh_keys[0]:"},
		{"key of another type", "- ssh-ed25519 AAAA", "- ssh-rsa AAAA", "holds a key of another type"},
		{"key with options", "- ssh-ed25519", "- command=\"x\" ssh-ed25519", "without options"},
		{"private key", keyA, "-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"},
		{"network bits", "10.20.0.0/16", "10.20.0.1/16", "write 10.20.0.0/16"},
		{"address", "10.20.0.0/16", "10.20.0.1", "write 10.20.0.1/32"},
		{"not a network", "10.20.0.0/16", "everywhere", "is not a network"},
		{"language", "language: uk", "language: ua", "r.yaml:9: language: \"ua\" is not known; did you mean uk?"},
		{"code page", "windows-1251", "cp1251", "code_page: \"cp1251\" is not known"},
		{"kind", "[payment_instruction, ", "[payment_instructions, ", "did you mean payment_instruction?"},
		{"outgoing kind", "supporting_document]", "statement]", "statements go out"},
		{"role", "role: head", "role: boss", "r.yaml:13: signatories[0].role: \"boss\" is not a role"},
		{"two names", `person: "1234567890"`, "person: \"1234567890\"\n  sha256: " + strings.Repeat("a", 64), "named in more than one way"},
		{"no name", "  person: \"1234567890\"\n  edrpou: 00013480\n", "", "signatories[0]: is not named"},
		{"organisation only", "  person: \"1234567890\"\n", "", "write person too, or role: seal"},
		{"person", `"1234567890"`, `"12 34"`, "is not a personal code"},
		{"hash", "AA:BB", "AA:B", "is not a SHA-256"},
		{"certificate", "sha256: AA:BBCCDDEEFF00112233445566778899AABBCCDDEEFF00112233445566778899", "certificate: abc", "r.yaml:20: signatories[1].certificate: is not PEM"},
		{"window", "until: 2027-01-01", "until: 2025-01-01", "is not after from"},
		{"date", "2027-01-01", "01.01.2027", "write a date such as"},
		{"limit", "5000000", "-1", "signatories[0].limit: is negative"},
		{"kinds of a signatory", "  limit: 5000000", "  kinds: [statement]", "is not among the client's kinds"},
		{"same signatory", "- role: seal", "- role: accountant\n  sha256: aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899\n- role: seal", "is the same as element 2"},
		{"policy of no kind", "  \"*\": {min: 1}", "  x: {min: 1}", "policies.x: is not among"},
		{"policy role", "head: 1,", "boss: 1,", "policies.payment_instruction.roles.boss: is not a role"},
		{"policy of nothing", "{min: 1}", "{}", "policies.*: demands no signature"},
		{"policy of zero", "head: 1,", "head: 0,", "0 is out of range"},
		{"policy too large", "head: 1,", "head: 9, other: 9,", "too many"},
		{"quota", "files: 10", "files: -10", "quota.files: -10 is out of range"},
		{"no signatories", good[strings.Index(good, "signatories:"):strings.Index(good, "policies:")], "", "signatories: is missing"},
		{"twice", "quota: {files: 10, bytes: 1000000}\n", "---\n" + good, "r.yaml:28: id: \"kyiv-school-12\" is there twice, first at line 1"},
		{"tolerance", "folder: true", "tolerate: [legacy-sbxo]", "did you mean legacy-sbox?"},
		{"profile", "folder: true", "profiles: [../x]", "is not the name of a profile"},
		{"superior", "folder: true", "superior: kyiv-school-12", "is the client itself"},
		{"key beside clients", good, "clients: []\nname: x", "stands beside clients"},
		{"empty file", good, "# nothing\n", "no client is in the file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := client.Parse("r.yaml", []byte(swap(t, c.from, c.to)))
			var ps strict.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error %v is not Problems", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q", err, c.want)
			}
		})
	}
}

func certificate(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	e := parse(t, good)[0]
	e.Signatories = append(e.Signatories, client.Signatory{Role: client.Other, Certificate: certificate(t)})
	e.Name, e.Disabled = "no", true
	data, err := client.MarshalStored(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.ParseStored(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if !reflect.DeepEqual(got, e) {
		t.Errorf("got  %+v\nwant %+v", got, e)
	}
	if d := client.Diff(e, got); len(d) != 0 {
		t.Errorf("differences %v", d)
	}
	if len(got.Certificates()) != 1 {
		t.Error("certificate lost")
	}
	if _, err := client.ParseStored(append(data, []byte("---\n"+good)...)); err == nil {
		t.Error("two stored entries were taken as one")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	a, b := parse(t, good)[0], parse(t, good)[0]
	b.Name = "Ліцей № 12"
	b.SSHKeys = []string{keyB}
	b.Signatories = b.Signatories[1:]
	b.Policies = map[string]client.Policy{"*": {Min: 2}}
	b.Disabled = true
	var got []string
	for _, c := range client.Diff(a, b) {
		got = append(got, c.String())
	}
	want := []string{
		"name: Школа № 12 -> Ліцей № 12",
		"disabled: + yes",
		"ssh_keys: - ssh-ed25519 ...ERITFBUWFxgZGhscHR4f school",
		"ssh_keys: + ssh-ed25519 ...ERITFBUWFxgZGhscHR4f",
		"signatories: - head person 1234567890 edrpou 00013480 from 2026-01-01 00:00:00 until 2027-01-01 00:00:00 limit 50000.00",
		"policies.*: min: 1 -> min: 2",
		"policies.payment_instruction: - accountant: 1, head: 1, seal: 1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	make3 := func() []client.Entry {
		a, b, c := parse(t, good)[0], parse(t, good)[0], parse(t, good)[0]
		a.ID, b.ID, c.ID = "c", "a", "b"
		b.Superior, c.Superior = "c", "a"
		return []client.Entry{a, b, c}
	}
	r, err := client.NewRegister(make3())
	if err != nil {
		t.Fatal(err)
	}
	if all := r.All(); len(all) != 3 || all[0].ID != "a" || all[2].ID != "c" {
		t.Errorf("order %v", all)
	}
	if r.ByID("a") == nil || r.ByID("z") != nil || len(r.Below("c")) != 1 || len(r.ByEDRPOU("00013480")) != 3 {
		t.Error("look-ups")
	}
	k, err := client.ParseSSHKey(keyA)
	if err != nil || len(r.BySSHKey(k.Blob)) != 3 || len(r.BySSHKey([]byte("x"))) != 0 {
		t.Errorf("look-up by key: %v", err)
	}
	if w := strings.Join(r.Warnings(), "\n"); !strings.Contains(w, "client b: an SSH key is also a key of a") {
		t.Errorf("warnings %q", w)
	}
	var none *client.Register
	if none.ByID("a") != nil || none.All() != nil || none.BySSHKey(nil) != nil {
		t.Error("a nil register knows somebody")
	}

	for _, c := range []struct {
		name, want string
		change     func(es []client.Entry)
	}{
		{"twice", "client c: is there twice", func(es []client.Entry) { es[2].ID = "c" }},
		{"ring", "client c: superior: leads back", func(es []client.Entry) { es[0].Superior = "b" }},
		{"no superior", "client c: superior: zz is not in the register", func(es []client.Entry) { es[0].Superior = "zz" }},
		{"bad entry", `client "a": edrpou:`, func(es []client.Entry) { es[1].EDRPOU = "1" }},
	} {
		es := make3()
		c.change(es)
		if _, err := client.NewRegister(es); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}

	es := make3()
	r, err = client.NewRegister(es)
	if err != nil {
		t.Fatal(err)
	}
	es[0].Signatories[0].Person = "666"
	es[0].Policies["*"] = client.Policy{}
	if e := r.ByID("c"); e.Signatories[0].Person == "666" || e.Policies["*"].Min != 1 {
		t.Error("the register changed with the entries it was made of")
	}
}

func TestEntitled(t *testing.T) {
	t.Parallel()
	e := parse(t, good)[0]
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		kind string
		at   time.Time
		want int
	}{
		{"good", "payment_instruction", at, 3},
		{"first moment", "payment_instruction", e.Signatories[0].From, 3},
		{"before", "payment_instruction", e.Signatories[0].From.Add(-1), 2},
		{"last moment", "payment_instruction", e.Signatories[0].Until.Add(-1), 3},
		{"after", "payment_instruction", e.Signatories[0].Until, 2},
		{"another kind", "statement", at, 0},
		{"no kind", "", at, 0},
	} {
		if got := len(e.Entitled(c.kind, c.at)); got != c.want {
			t.Errorf("%s: %d signatories, want %d", c.name, got, c.want)
		}
	}
	e.Disabled = true
	if len(e.Entitled("payment_instruction", at)) != 0 {
		t.Error("a disabled client has entitled signatories")
	}
}

func TestPolicyFor(t *testing.T) {
	t.Parallel()
	with := func(p map[string]client.Policy) *client.Entry { return &client.Entry{Policies: p} }
	for _, c := range []struct {
		name  string
		entry *client.Entry
		kind  string
		roles int
		min   int
	}{
		{"default payment", with(nil), "payment_instruction", 2, 2},
		{"default supporting", with(nil), "supporting_document", 0, 1},
		{"default of what is not known", with(nil), "", 0, 1},
		{"own", with(map[string]client.Policy{"a": {Min: 3}, "*": {Min: 2}}), "a", 0, 3},
		{"the rest", with(map[string]client.Policy{"a": {Min: 3}, "*": {Min: 2}}), "b", 0, 2},
		{"roles raise min", with(map[string]client.Policy{"a": {Roles: map[client.Role]int{"head": 2, "seal": 1}}}), "a", 2, 3},
		{"a policy of nothing stays so", with(map[string]client.Policy{"*": {}}), "payment_instruction", 0, 0},
	} {
		if p := c.entry.PolicyFor(c.kind); len(p.Roles) != c.roles || p.Min != c.min {
			t.Errorf("%s: got %+v", c.name, p)
		}
	}
}

// The examples of docs/register.md are register files.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/register.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```yaml\n")
	if len(parts) < 3 {
		t.Fatalf("%d examples", len(parts)-1)
	}
	for _, p := range parts[1:] {
		body, _, _ := strings.Cut(p, "```")
		if _, err := client.Parse("register.md", []byte(body)); err != nil {
			t.Errorf("%v in\n%s", err, body)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("clients:\n- id: a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := client.Parse("f", data)
		if err != nil {
			return
		}
		for _, e := range entries {
			stored, err := client.MarshalStored(e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.ParseStored(stored)
			if err != nil {
				t.Fatalf("%v\n%s", err, stored)
			}
			if !reflect.DeepEqual(got, e) {
				t.Fatalf("got %+v, want %+v", got, e)
			}
		}
	})
}
