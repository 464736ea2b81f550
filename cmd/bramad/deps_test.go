package main

import (
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/brama-gateway/brama"

// layers are the import directions of DESIGN 4. For a package the row with the
// longest prefix of its folder counts; besides, it may import what lies below its
// own folder. DESIGN.md names the folders, this table is where the rule lives.
var layers = []struct {
	dir     string
	imports []string // folders of this module, each with all below it
}{
	{"crypto", []string{"crypto"}},
	{"configs", nil},                            // embeds its files
	{"formats", []string{"formats", "configs"}}, // the profiles that come with Brama
	{"spool", []string{"spool", "spool/internal"}},
	{"spool/migrate", []string{"spool", "spool/internal", "spool/sqlite", "spool/postgres"}}, // its tests move between them

	{"gateway/strict", nil},
	{"gateway/client", []string{"gateway/strict", "formats", "crypto"}},
	{"gateway/policy", []string{"gateway/client", "formats", "crypto"}},
	{"gateway/config", []string{"gateway/strict"}},
	{"gateway/trust", []string{"crypto"}},
	{"gateway/journal", []string{"spool"}},
	{"gateway/backup", []string{"gateway/archive", "gateway/journal", "spool/sqlite"}}, // of the embedded engine's files
	{"gateway/archive", []string{"spool"}},
	{"gateway/evidence", []string{"gateway/journal", "gateway/provider", "crypto", "spool"}},
	{"gateway", []string{"gateway/archive", "gateway/evidence", "gateway/policy", "gateway/client", "gateway/trust", "gateway/journal", "formats", "crypto", "spool"}},

	// Entrances, exits and the operator's side know the core, never each other.
	// Spool and formats lend them words: ids, errors, texts.
	{"gateway/folder", []string{"gateway/client"}},
	{"gateway/sftpd", []string{"gateway", "gateway/client", "spool", "formats"}},
	{"gateway/watch", []string{"gateway", "gateway/client", "gateway/folder", "spool", "formats"}},
	{"gateway/socket", nil},
	{"gateway/sdnotify", nil},
	{"gateway/provider", []string{"gateway/socket", "formats", "crypto"}}, // signs and verifies elsewhere; its server is linked into brama-signer, so it does not know the core
	{"gateway/processor", []string{"gateway", "gateway/client", "gateway/folder", "gateway/socket", "spool", "formats"}},
	{"gateway/processor/handoff", []string{"gateway", "gateway/client", "gateway/processor", "gateway/folder", "spool", "formats"}}, // a client of the protocol
	{"gateway/outbox", []string{"gateway", "gateway/client", "gateway/folder", "spool", "formats"}},
	{"gateway/admin", []string{"gateway", "gateway/client", "spool", "formats"}},

	// What opens a core: for bramad, and for bramactl when no daemon runs.
	{"gateway/keys", []string{"crypto"}},
	{"gateway/profiles", []string{"formats"}},
	{"gateway/engine", []string{"gateway", "gateway/archive", "gateway/journal", "gateway/config", "gateway/trust", "gateway/keys", "gateway/profiles", "gateway/provider", "crypto", "spool", "spool/sqlite", "spool/postgres", "spool/migrate"}},
	{"gateway/web", []string{"gateway/admin"}},

	// Simulated peers, for tests and the demo.
	{"gateway/gatewaytest", []string{""}},
	{"gateway/simtest", []string{""}},
	{"gateway/openapitest", nil},
	{"gateway/provider/providertest", []string{"gateway/provider", "crypto"}},

	{"cmd/brama-web", []string{"gateway/admin", "gateway/config", "gateway/web"}},
	{"cmd", []string{""}}, // everything; but see noCommand
}

// homes says where each third-party package may be imported, and why there. The
// tests of a package may import what is allowed to it, and what testHomes adds.
var homes = []struct {
	pkg    string // import path, with all below it
	dirs   []string
	reason string
}{
	{"github.com/pkg/sftp", []string{"gateway/sftpd", "gateway/gatewaytest", "cmd/bramactl"}, "the SFTP entrance; its simulated peers; the client of bramactl demo"},
	{"golang.org/x/crypto/ssh", []string{"gateway/sftpd", "gateway/gatewaytest", "cmd/bramactl"}, "the SFTP entrance; its simulated peers; host keys of bramactl init, the client of bramactl demo"},
	{"golang.org/x/crypto/cryptobyte", []string{"crypto"}, "writing DER"},
	{"golang.org/x/crypto", []string{"crypto"}, "primitives that the standard library lacks"},
	{"github.com/fsnotify/fsnotify", []string{"gateway/watch"}, "a hint that a watched folder changed"},
	{"github.com/robfig/cron/v3", []string{"cmd/bramad", "gateway/config"}, "the schedule runs in bramad; config parses the expressions to refuse wrong ones"},
	{"modernc.org/sqlite", []string{"spool/sqlite", "spool/sqlite/capi", "spool/sqlite/walfile"}, "the embedded engine, its calls and its file layer"},
	{"github.com/jackc/pgx/v5", []string{"spool/postgres"}, "the engine in PostgreSQL, and the server of its tests"},
	{"github.com/klauspost/compress/zstd", []string{"gateway/archive"}, "the frames of archives"},
	{"modernc.org/libc", []string{"spool/sqlite/capi", "spool/sqlite/walfile"}, "what the embedded engine's calls and VFS are written in"},
	{"golang.org/x/mod/sumdb", []string{"gateway/journal"}, "the Merkle tree and the signed notes of the journal"},
	{"go.yaml.in/yaml/v3", []string{"gateway/strict", "gateway/client", "gateway/config", "gateway/openapitest", "formats/profile"}, "register entries and the configuration, through strict; format profiles; OpenAPI files in tests"},
	{"github.com/jacoelho/xsd", []string{"formats/iso20022", "formats/kind", "formats/xmldoc"}, "XML Schema validation: of ISO 20022 messages; of the canonical XML that a kind describes and xmldoc reads"},
	{"github.com/expr-lang/expr", []string{"formats/profile"}, "rules written in a profile"},
	{"golang.org/x/text", []string{"formats/charset", "gateway", "crypto/keyfile", "crypto/transport", "crypto/asic"}, "code pages, of passwords and old headers too; Unicode normal forms and case folding of file names"},
	{"golang.org/x/sys/cpu", []string{"crypto/gf2m"}, "which instructions the processor has"},
	{"golang.org/x/sys", []string{"spool/disktest", "gateway/backup", "gateway/folder", "gateway/socket", "gateway/sdnotify", "gateway/admin", "spool/sqlite", "cmd/bramad", "cmd/brama-signer"}, "openat2 and renameat2, peer credentials, the space left on a disk, syncfs, sd_notify, no core file of a process with a PIN, loop devices for tests"},
	{"github.com/miekg/pkcs11", []string{"cmd/brama-signer"}, "PKCS #11 modules are C libraries: the one binding, in the one program with cgo"},
	{"go.uber.org/zap", []string{"gateway", "gateway/sftpd", "gateway/watch", "gateway/outbox", "gateway/processor", "gateway/trust", "gateway/journal", "gateway/admin", "gateway/engine", "gateway/provider", "gateway/web", "gateway/gatewaytest", "gateway/simtest", "cmd"}, "the operator's log; the pure packages return, others log"},
}

// testHomes is what tests may import besides.
var testHomes = []struct {
	pkg    string
	dirs   []string
	reason string
}{
	{"github.com/rogpeppe/go-internal", []string{""}, "testscript and txtar: the programs from outside"},
	{"go.yaml.in/yaml/v3", []string{""}, "cases and examples are YAML"},
	{"golang.org/x/text", []string{"formats"}, "sample files in old code pages"},
	{"golang.org/x/crypto/ssh", []string{"gateway", "cmd/bramad"}, "simulated clients"},
	{"github.com/pkg/sftp", []string{"gateway", "cmd/bramad"}, "simulated clients"},
	{"go.uber.org/zap", []string{"gateway"}, "log observers"},
	{"github.com/jacoelho/xsd", []string{"gateway", "formats/outgoing"}, "what goes out against the schemas"},
	{"golang.org/x/sys", []string{"gateway"}, "hostile files: pipes, devices, links"},
	{"modernc.org/sqlite", []string{"gateway/journal", "gateway"}, "somebody who edits the database behind the gateway's back"},
}

// exact names the folders that stand in the tables for one package alone: who may
// import the core may not import an entrance, who may import spool no engine.
var exact = map[string]bool{"gateway": true, "spool": true}

// A source file as this test sees it.
type source struct {
	file    string // relative to the module
	dir     string // folder of it, "." for the top
	pkg     string
	test    bool
	imports []string
}

// readSources parses the imports of every Go file below root.
func readSources(root string) ([]source, error) {
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && (d.Name() == "testdata" || d.Name() == "vendor" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				if constraint.IsGoBuild(c.Text) && c.Text == "//go:build ignore" {
					return nil
				}
			}
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s := source{file: filepath.ToSlash(rel), pkg: f.Name.Name, test: strings.HasSuffix(p, "_test.go")}
		s.dir = path.Dir(s.file)
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

func below(name, dir string) bool {
	return dir == "" || name == dir || strings.HasPrefix(name, dir+"/")
}

// violations says what is wrong with the imports of the files, one line each.
func violations(files []source) []string {
	var bad []string
	report := func(s source, format string, args ...any) {
		bad = append(bad, s.file+": "+fmt.Sprintf(format, args...))
	}
	for _, s := range files {
		if s.dir == "crypto" {
			report(s, "crypto/ is a folder without a Go package of its own (DESIGN 4)")
		}
		for _, name := range s.imports {
			if name == "C" {
				report(s, "imports C: the binaries are static, without cgo")
				continue
			}
			if name == module || strings.HasPrefix(name, module+"/") {
				if reason := inner(s, strings.TrimPrefix(strings.TrimPrefix(name, module), "/")); reason != "" {
					report(s, "imports %s: %s", name, reason)
				}
				continue
			}
			if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
				if reason := standard(s, name); reason != "" {
					report(s, "imports %s: %s", name, reason)
				}
				continue
			}
			if reason := foreign(s, name); reason != "" {
				report(s, "imports %s: %s", name, reason)
			}
		}
	}
	return bad
}

// inner judges an import of this module. Tests keep the directions too, except
// that they may use test packages (…test) and, above the core, whatever they need to
// build a scene.
func inner(s source, target string) string {
	if below(target, "cmd") && !(s.test && forTests(target) && below(target, s.dir)) {
		return "a command is imported by nobody"
	}
	if forTests(target) {
		if s.test || forTests(s.dir) || s.dir == "cmd/bramactl" { // bramactl demo plays the peers
			return ""
		}
		return "a package for tests only"
	}
	if below(target, s.dir) && s.dir != "gateway" {
		return ""
	}
	row := -1
	for i, l := range layers {
		if below(s.dir, l.dir) && (row < 0 || len(l.dir) > len(layers[row].dir)) {
			row = i
		}
	}
	if row < 0 {
		return "folder " + s.dir + " has no row in the table of layers"
	}
	for _, dir := range layers[row].imports {
		if target == dir || !exact[dir] && below(target, dir) {
			return ""
		}
	}
	if s.test && below(s.dir, "gateway") && !pure(s.dir) {
		return ""
	}
	return fmt.Sprintf("%s may import only %s", layers[row].dir, strings.Join(layers[row].imports, ", "))
}

// forTests says whether a folder holds a package that only tests (and the demo) use.
func forTests(dir string) bool {
	return strings.HasSuffix(dir, "test") || path.Base(dir) == "shareddata"
}

func pure(dir string) bool {
	return below(dir, "crypto") || below(dir, "formats") || below(dir, "spool") ||
		below(dir, "gateway/client") || below(dir, "gateway/policy")
}

// What the pure packages may not reach for. Time and randomness are values there;
// package time itself is needed for its types, the clock is held by TestNoClock.
var impure = []string{"net", "net/http", "os", "os/exec", "os/signal", "log", "log/slog", "syscall", "plugin", "path/filepath"}

func standard(s source, name string) string {
	switch {
	case name == "plugin":
		return "nothing is loaded at run time"
	case s.test || forTests(s.dir):
		return ""
	case name == "os/exec" && s.dir != "cmd/bramactl":
		return "the daemon runs no other program (DESIGN 2.8)"
	case name == "unsafe" && s.dir != "gateway/socket" && s.dir != "cmd/brama-signer" && s.dir != "spool/sqlite/walfile" && s.dir != "spool/sqlite/capi":
		return "only for SO_PEERGROUPS in gateway/socket, which x/sys does not wrap, for a PIN in brama-signer that can be wiped, and for SQLite's file methods and C interface in spool/sqlite/walfile and spool/sqlite/capi"
	}
	// formats/*/internal generators and tests of pure packages read files; they do not.
	if (below(s.dir, "crypto") || below(s.dir, "formats") || below(s.dir, "gateway/client") || below(s.dir, "gateway/policy")) && slices.Contains(impure, name) && s.pkg != "main" {
		return "a pure package: time, randomness, evidence and bytes are arguments"
	}
	return ""
}

func foreign(s source, name string) string {
	best := -1
	for i, h := range homes {
		if below(name, h.pkg) && (best < 0 || len(h.pkg) > len(homes[best].pkg)) {
			best = i
		}
	}
	if best >= 0 {
		for _, dir := range homes[best].dirs {
			if s.dir == dir || !exact[dir] && below(s.dir, dir) {
				return ""
			}
		}
	}
	if s.test {
		for _, h := range testHomes {
			if !below(name, h.pkg) {
				continue
			}
			for _, dir := range h.dirs {
				if below(s.dir, dir) {
					return ""
				}
			}
		}
	}
	if best < 0 {
		return "a third-party package without a home; give it one here, with its reason, and a row in docs/dependencies.md"
	}
	return fmt.Sprintf("its home is %s (%s)", strings.Join(homes[best].dirs, ", "), homes[best].reason)
}

// moduleRoot is the folder of go.mod above this file.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	files, err := readSources(moduleRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files read", len(files))
	}
	for _, line := range violations(files) {
		t.Error(line)
	}
}

// Every row of the tables must be able to fail: the test of the test.
func TestImportsAreJudged(t *testing.T) {
	t.Parallel()
	file := func(name, pkg, imports string) source {
		return source{name, path.Dir(name), pkg, strings.HasSuffix(name, "_test.go"), strings.Fields(imports)}
	}
	for _, c := range []struct {
		name string
		src  source
		want string // part of the one line; empty: nothing is wrong
	}{
		{"core uses the pure ones", file("gateway/take.go", "gateway", module+"/spool "+module+"/formats "+module+"/crypto/cades "+module+"/gateway/client"), ""},
		{"an entrance uses the core", file("gateway/sftpd/server.go", "sftpd", module+"/gateway github.com/pkg/sftp golang.org/x/crypto/ssh go.uber.org/zap"), ""},
		{"a command uses everything", file("cmd/bramad/run.go", "main", module+"/gateway/watch "+module+"/spool/sqlite github.com/robfig/cron/v3"), ""},
		{"within one's own folder", file("crypto/cades/verify.go", "cades", module+"/crypto/der crypto/sha256"), ""},
		{"a test above the core builds a scene", file("gateway/sftpd/server_test.go", "sftpd", module+"/spool/sqlite os"), ""},

		{"spool knows formats", file("spool/x.go", "spool", module+"/formats"), "spool may import only spool"},
		{"formats knows crypto", file("formats/x.go", "formats", module+"/crypto/der"), "formats may import only"},
		{"crypto knows the gateway", file("crypto/pki/x.go", "pki", module+"/gateway/client"), "crypto may import only"},
		{"the core knows an entrance", file("gateway/x.go", "gateway", module+"/gateway/sftpd"), "gateway may import only"},
		{"policy knows the spool", file("gateway/policy/x.go", "policy", module+"/spool"), "gateway/policy may import only"},
		{"policy's test knows the core", file("gateway/policy/x_test.go", "policy", module+"/gateway"), "gateway/policy may import only"},
		{"an entrance knows another", file("gateway/watch/x.go", "watch", module+"/gateway/sftpd"), "gateway/watch may import only"},
		{"an entrance knows an engine", file("gateway/watch/x.go", "watch", module+"/spool/sqlite"), "gateway/watch may import only"},
		{"a command is imported", file("gateway/x.go", "gateway", module+"/cmd/bramad"), "a command is imported by nobody"},
		{"a command's own test helper", file("cmd/bramad/x_test.go", "main", module+"/cmd/bramad/internal/faulttest"), ""},
		{"a command's test helper in the command", file("cmd/bramad/x.go", "main", module+"/cmd/bramad/internal/faulttest"), "a command is imported by nobody"},
		{"test helpers in the product", file("gateway/x.go", "gateway", module+"/gateway/gatewaytest"), "a package for tests only"},
		{"an unknown folder", file("misc/x.go", "misc", module+"/spool"), "no row in the table of layers"},
		{"crypto has a package", file("crypto/x.go", "crypto", ""), "a folder without a Go package"},

		{"sftp outside its home", file("gateway/x.go", "gateway", "github.com/pkg/sftp"), "its home is gateway/sftpd"},
		{"a watcher outside its home", file("gateway/outbox/x.go", "outbox", "github.com/fsnotify/fsnotify"), "its home is gateway/watch"},
		{"an SQL driver outside its home", file("spool/x.go", "spool", "modernc.org/sqlite"), "its home is spool/sqlite, spool/sqlite/capi, spool/sqlite/walfile"},
		{"log in formats", file("formats/x.go", "formats", "go.uber.org/zap"), "its home is"},
		{"log in crypto", file("crypto/der/x.go", "der", "go.uber.org/zap/zapcore"), "its home is"},
		{"log in the register", file("gateway/client/x.go", "client", "go.uber.org/zap"), "its home is"},
		{"log in policy", file("gateway/policy/x.go", "policy", "go.uber.org/zap"), "its home is"},
		{"log in config", file("gateway/config/x.go", "config", "go.uber.org/zap"), "its home is"},
		{"log in the spool", file("spool/sqlite/x.go", "sqlite", "go.uber.org/zap"), "its home is"},
		{"cron in the core", file("gateway/x.go", "gateway", "github.com/robfig/cron/v3"), "its home is cmd/bramad"},
		{"a token outside its home", file("gateway/provider/x.go", "provider", "github.com/miekg/pkcs11"), "its home is cmd/brama-signer"},
		{"a provider knows the core", file("gateway/provider/x.go", "provider", module+"/gateway"), "gateway/provider may import only"},
		{"a pointer trick", file("gateway/x.go", "gateway", "unsafe"), "only for SO_PEERGROUPS"},
		{"testscript in the product", file("cmd/bramactl/x.go", "main", "github.com/rogpeppe/go-internal/testscript"), "without a home"},
		{"testscript in a test", file("cmd/bramactl/x_test.go", "main", "github.com/rogpeppe/go-internal/testscript"), ""},
		{"a new package", file("gateway/x.go", "gateway", "example.com/left/pad"), "without a home"},

		{"cgo", file("crypto/x/x.go", "x", "C"), "without cgo"},
		{"a pure package opens files", file("formats/dbf/x.go", "dbf", "os"), "a pure package"},
		{"a pure package dials", file("crypto/pki/x.go", "pki", "net/http"), "a pure package"},
		{"its test may", file("formats/dbf/x_test.go", "dbf", "os"), ""},
		{"the daemon runs a program", file("gateway/processor/x.go", "processor", "os/exec"), "runs no other program"},
	} {
		got := violations([]source{c.src})
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %v", c.name, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s: got %q, want one line with %q", c.name, got, c.want)
		}
	}
}

// The pure packages get the time as an argument (STYLE 3).
func TestNoClock(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	files, err := readSources(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range files {
		if s.test || forTests(s.dir) || s.pkg == "main" || !pure(s.dir) || below(s.dir, "spool") {
			continue // an engine has flush timers; what it stores still comes from outside
		}
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.file)))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			code, _, _ := strings.Cut(line, "//")
			for _, call := range []string{"time.Now(", "time.Since(", "time.Until(", "time.Sleep(", "rand.Reader"} {
				if strings.Contains(code, call) {
					t.Errorf("%s:%d: %s): time and randomness are arguments here", s.file, i+1, strings.TrimSuffix(call, "("))
				}
			}
		}
	}
}

// Every direct requirement of go.mod has a row in docs/dependencies.md.
func TestDependenciesAreDescribed(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(line)
		if len(f) > 0 && f[0] == "require" {
			f = f[1:]
		}
		if len(f) < 2 || !strings.HasPrefix(f[1], "v") {
			continue
		}
		if want := f[0] + " " + f[1]; !strings.Contains(strings.ReplaceAll(string(doc), "`", ""), want) {
			t.Errorf("docs/dependencies.md: no row for %s", want)
		}
	}
}
