package asic

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// member is an entry of a hostile archive, with what its headers say otherwise.
type member struct {
	name    string
	content []byte
	local   string // the name in the local header, if another
	flags   uint16
	attr    uint32 // of the file system, made by UNIX
	deflate bool
}

// archiveOf writes an archive as told.
func archiveOf(members []member) []byte {
	var w zipWriter
	w.date, w.clock = dosTime(pkitest.At)
	type patch struct{ at, local int }
	var patches []patch
	for _, m := range members {
		patches = append(patches, patch{w.directory.Len(), w.body.Len()})
		if m.deflate {
			var packed bytes.Buffer
			z, _ := flate.NewWriter(&packed, flate.BestCompression)
			_, _ = z.Write(m.content)
			_ = z.Close()
			w.entry(m.name, m.content, packed.Bytes(), deflated)
		} else {
			w.store(m.name, m.content)
		}
	}
	start := w.body.Len()
	b := w.end()
	for i, m := range members {
		local, central := b[patches[i].local:], b[start+patches[i].at:]
		flags := le.Uint16(local[6:]) | m.flags
		if !isASCII(m.name) && m.flags == noUTF8 {
			flags = 0
		}
		le.PutUint16(local[6:], flags)
		le.PutUint16(central[8:], flags)
		if m.attr != 0 {
			central[5] = madeByUnix
			le.PutUint32(central[38:], m.attr)
		}
		if m.local != "" {
			copy(local[localSize:], m.local)
		}
	}
	return b
}

// noUTF8 takes the mark of a UTF-8 name away.
const noUTF8 = 1 << 15

// signers are of each family: the test hierarchy signs certificates for RSA and DSTU
// keys too.
func signers(t testing.TB, p *pkitest.PKI) map[string]cades.Signer {
	t.Helper()
	out := map[string]cades.Signer{"ecdsa": signerOf(p, p.Person("Head", "00013480", "1111111111"))}
	add := func(name string, key crypto.Signer, public crypto.PublicKey, serial int64) {
		c, err := issue.Certificate(rand.Reader, p.CA, public, issue.Signatory(
			issue.Subject{Country: "UA", CommonName: "Signer " + name, EDRPOU: "00013480", Person: "2222222222"},
			big.NewInt(serial), p.At.Add(-time.Hour), p.At.Add(24*time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = cades.Signer{Key: key, Certificate: c}
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	add("rsa", r, r.Public(), 7001)
	d, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add("dstu", d, &algorithm.DSTUKey{Point: d.Public().(*dstu4145.PublicKey)}, 7002)
	return out
}

const (
	manifestName  = metaInf + "ASiCManifest001.xml"
	signatureName = metaInf + "signature001.p7s"
)

// hostile makes a container from one good one by a change to its parts. Manifest
// rewrites the manifest before it is signed.
type hostile struct {
	name     string
	manifest func(string) string
	members  func([]member) []member
	bytes    func([]byte) []byte
	want     string // the verdict; TOTAL-FAILED FORMAT_FAILURE if empty
}

func at(ms []member, name string) *member {
	for i := range ms {
		if ms[i].name == name {
			return &ms[i]
		}
	}
	panic(name)
}

func replace(old, by string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic(old)
		}
		return strings.Replace(s, old, by, 1)
	}
}

func more1(m member) func([]member) []member {
	return func(ms []member) []member { return append(ms, m) }
}

const dataName = "payment.txt"

func hostiles() []hostile {
	evil := []byte("pay 999999.00 to somebody else\r\n")
	uri := func(u string) func(string) string { return replace(`URI="`+dataName+`"`, `URI="`+u+`"`) }
	name := func(n string) func([]member) []member {
		return func(ms []member) []member { at(ms, dataName).name = n; return ms }
	}
	list := []hostile{
		{name: "duplicate, good first", members: more1(member{name: dataName, content: evil})},
		{name: "duplicate, good last", members: func(ms []member) []member {
			return append([]member{ms[0], {name: dataName, content: evil}}, ms[1:]...)
		}},
		{name: "local name differs", members: func(ms []member) []member { at(ms, dataName).local = "pAyment.txt"; return ms }},
		{name: "case collision", members: more1(member{name: "Payment.TXT", content: evil})},
		{name: "normal forms", members: more1(member{name: "и\u0306.txt", content: evil, flags: flagUTF8})},
		{name: "UTF-8 without its mark", manifest: uri("платіж.txt"), members: func(ms []member) []member {
			at(ms, dataName).flags = noUTF8
			at(ms, dataName).name = "платіж.txt"
			return ms
		}},
		{name: "cp866 name", manifest: uri("платіж.txt"), members: name("\xaf\xab\xa0\xe2i\xa6.txt")},
		{name: "cp866 name marked as UTF-8", manifest: uri("платіж.txt"), members: func(ms []member) []member {
			m := at(ms, dataName)
			m.name, m.flags = "\xaf\xab\xa0\xe2i\xa6.txt", flagUTF8
			return ms
		}},
		{name: "document altered", members: func(ms []member) []member { at(ms, dataName).content = evil; return ms }, want: "TOTAL-FAILED HASH_FAILURE"},
		{name: "document missing", members: func(ms []member) []member { return append(ms[:1:1], ms[2:]...) }, want: "INDETERMINATE SIGNED_DATA_NOT_FOUND"},
		{name: "unsigned file", members: more1(member{name: "second.txt", content: evil}), want: "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE"},
		{name: "file of META-INF", members: more1(member{name: metaInf + "evil.txt", content: evil})},
		{name: "signature altered", members: func(ms []member) []member {
			m := at(ms, signatureName)
			m.content = bytes.Clone(m.content)
			m.content[len(m.content)-3] ^= 1
			return ms
		}, want: "TOTAL-FAILED SIG_CRYPTO_FAILURE"},
		{name: "manifest altered", members: func(ms []member) []member {
			m := at(ms, manifestName)
			m.content = bytes.Replace(m.content, []byte("text/plain"), []byte("text/plaim"), 1)
			return ms
		}, want: "TOTAL-FAILED HASH_FAILURE"},
		{name: "second signature without manifest", members: func(ms []member) []member {
			return append(ms, member{name: metaInf + "signature002.p7s", content: at(ms, signatureName).content})
		}},
		{name: "manifest of nothing", manifest: func(s string) string {
			i, j := strings.Index(s, "<asic:DataObjectReference"), strings.Index(s, "</asic:ASiCManifest>")
			return s[:i] + s[j:]
		}},
		{name: "entity", manifest: replace("?>\n", "?>\n<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>")},
		{name: "processing instruction", manifest: replace("?>\n", "?>\n<?xml-stylesheet href=\"x\"?>")},
		{name: "foreign element", manifest: replace("</asic:DataObjectReference>", "<x xmlns=\"urn:x\"/></asic:DataObjectReference>")},
		{name: "foreign namespace", manifest: replace(manifestSpace, "urn:fake")},
		{name: "extension", manifest: replace("</asic:ASiCManifest>", "<asic:ASiCManifestExtensions/></asic:ASiCManifest>")},
		{name: "other encoding", manifest: replace(`"UTF-8"`, `"windows-1251"`)},
		{name: "bytes after the root", manifest: func(s string) string { return s + "<x/>" }},
		{name: "attribute twice", manifest: replace(`MimeType="text/plain"`, `MimeType="text/plain" URI="other.txt"`)},
		{name: "reference twice", manifest: func(s string) string {
			i, j := strings.Index(s, "<asic:DataObjectReference"), strings.Index(s, "</asic:ASiCManifest>")
			return s[:j] + s[i:j] + s[j:]
		}},
		{name: "digest cut", manifest: func(s string) string {
			i := strings.Index(s, "<ds:DigestValue>") + len("<ds:DigestValue>")
			return s[:i] + s[i:i+20] + s[i+44:]
		}, want: "TOTAL-FAILED HASH_FAILURE"},
		{name: "MD5", manifest: replace(xmlenc+"sha256", more+"md5"), want: "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{name: "SHA-1", manifest: replace(xmlenc+"sha256", xmldsigSHA+"sha1"), want: "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{name: "unknown digest", manifest: replace(xmlenc+"sha256", "urn:none"), want: "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		{name: "link", members: func(ms []member) []member { at(ms, dataName).attr = 0o120777 << 16; return ms }},
		{name: "folder", members: func(ms []member) []member { at(ms, dataName).attr = 0o040755<<16 | dosFolder; return ms }},
		{name: "folder of the file's name", members: more1(member{name: dataName + "/"})},
		{name: "file below the file", members: more1(member{name: dataName + "/x", content: evil})},
		{name: "encrypted", members: func(ms []member) []member { at(ms, dataName).flags = 1; return ms }},
		{name: "bomb", members: more1(member{name: "zeros", content: make([]byte, 2<<20), deflate: true})},
		{name: "many entries", members: func(ms []member) []member {
			for i := range MaxEntries {
				ms = append(ms, member{name: fmt.Sprintf("f%d", i)})
			}
			return ms
		}},
		{name: "archive in the archive", members: func(ms []member) []member {
			return append(ms, member{name: "inner.zip", content: archiveOf(ms)})
		}},
		{name: "no mimetype", members: func(ms []member) []member { return ms[1:] }},
		{name: "mimetype last", members: func(ms []member) []member { return append(ms[1:len(ms):len(ms)], ms[0]) }},
		{name: "mimetype of another", members: func(ms []member) []member { ms[0].content = []byte("application/zip"); return ms }},
		{name: "mimetype of ASiC-S", members: func(ms []member) []member { ms[0].content = []byte(S.MimeType()); return ms }},
		{name: "XAdES beside", members: more1(member{name: metaInf + "signatures001.xml", content: []byte("<x/>")})},
		{name: "prefix", bytes: func(b []byte) []byte { return append([]byte("#!/bin/sh\n"), b...) }},
		{name: "suffix", bytes: func(b []byte) []byte { return append(b, "more"...) }},
		{name: "two end records", bytes: func(b []byte) []byte {
			le.PutUint16(b[len(b)-2:], endSize)
			return append(b, b[len(b)-endSize:]...)
		}},
		{name: "count lies", bytes: func(b []byte) []byte { b[len(b)-12]--; b[len(b)-14]--; return b }},
		{name: "two parts", bytes: func(b []byte) []byte { b[len(b)-18]++; return b }},
		{name: "comment", bytes: func(b []byte) []byte { le.PutUint16(b[len(b)-2:], 5); return append(b, "hello"...) }},
		{name: "check sum", bytes: func(b []byte) []byte {
			i := bytes.Index(b, []byte("pay 100.00"))
			b[i+4]++
			return b
		}},
		{name: "size lies", bytes: func(b []byte) []byte { // of the first, in both headers
			le.PutUint32(b[22:], 30)
			le.PutUint32(b[le.Uint32(b[len(b)-6:])+24:], 30)
			return b
		}},
	}
	for _, u := range []string{
		"../" + dataName, "/" + dataName, "%2e%2e/" + dataName, "META-INF/../" + dataName, "file:///" + dataName, "http://127.0.0.1:9/" + dataName,
		dataName + "#x", "payment%2etxt", ".\\" + dataName, "./" + dataName, "", "%00", "a//b", dataName + "?x", "%7Eroot",
	} {
		list = append(list, hostile{name: "URI " + u, manifest: uri(u)})
	}
	for _, n := range []string{
		"../evil.txt", "/etc/evil.txt", "..\\evil.txt", "C:evil.txt", "a:stream", "evil.txt.", "evil ", "nul.txt", "COM1", "a\x00b", "-rf", ".hidden", "a//b", "\u202etxt.exe",
	} {
		list = append(list, hostile{name: fmt.Sprintf("name %q", n), members: more1(member{name: n, content: evil})})
	}
	return list
}

// TestHostile makes the classes of THREATS.md A17 to A21 under keys of its own, of
// every family: each is refused for its reason, and the good one passes.
func TestHostile(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	o := ValidateOptions{Options: cades.Options{At: pkitest.At, Trust: p.Store()}}
	doc := File{Name: dataName, Content: []byte("pay 100.00 to UA\r\n"), MimeType: "text/plain"}
	for family, s := range signers(t, p) {
		sign := signing(t, s)
		build := func(h hostile) []byte {
			manifest := writeManifest(signatureName, "application/pkcs7-signature", []File{doc})
			if h.manifest != nil {
				manifest = []byte(h.manifest(string(manifest)))
			}
			signature, err := sign(manifest)
			if err != nil {
				t.Fatal(err)
			}
			ms := []member{
				{name: mimetype, content: []byte(E.MimeType())},
				{name: dataName, content: doc.Content},
				{name: manifestName, content: manifest},
				{name: signatureName, content: signature},
			}
			if h.members != nil {
				ms = h.members(ms)
			}
			b := archiveOf(ms)
			if h.bytes != nil {
				b = h.bytes(b)
			}
			return b
		}
		if r := Validate(build(hostile{}), o); r.Indication != cades.TotalPassed {
			t.Fatalf("%s: the good one: %s (%s)", family, verdict(r), r.Detail)
		}
		n := 0
		for _, h := range hostiles() {
			r := Validate(build(h), o)
			want := h.want
			if want == "" {
				want = "TOTAL-FAILED FORMAT_FAILURE"
			}
			if verdict(r) != want || strings.Contains(r.Detail, "reader fault") {
				t.Errorf("%s, %s: %s (%s), want %s", family, h.name, verdict(r), r.Detail, want)
			}
			n++
		}
		t.Logf("%s: %d hostile containers refused", family, n)
	}
}

// TestEveryByte: a container with any one byte altered is refused, or has the same
// names, contents and signers as before.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	o := ValidateOptions{Options: cades.Options{At: pkitest.At, Trust: p.Store()}}
	good, err := WriteS(document, signing(t, signerOf(p, p.Person("Head", "00013480", "1111111111"))), written)
	good = must(t, good, err)
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x41
		r := Validate(b, o)
		if r.Indication == cades.TotalPassed && (!bytes.Equal(r.Content, document.Content) || r.Container.Data[0].Name != document.Name || len(r.Container.byName) != 3) {
			t.Errorf("byte %d altered: %s, %q", i, verdict(r), r.Content)
		}
	}
}
