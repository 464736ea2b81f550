package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/strict"
)

var update = flag.Bool("update", false, "write the generated files and the .want files")

// cron stands for the daemon's parser of schedules.
func cron(spec string) error {
	if strings.Contains(spec, "61") {
		return errors.New("end of range (61) above maximum (59)")
	}
	return nil
}

// place makes a folder with the configuration and what a good one names.
func place(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"keys/ssh_host_ed25519_key": 0o600, "keys/seal.key": 0o600, "keys/seal.pem": 0o644, "keys/seal-ca.pem": 0o644,
		"keys/open.key": 0o644, "keys/group.key": 0o640,
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "brama.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(file string) (*config.Config, error) {
	c, err := config.Load(file)
	if err == nil {
		err = c.Check(cron)
	}
	return c, err
}

// Each testdata/bad/NAME.yaml fails with exactly the text of NAME.want, where DIR
// is the folder of the file.
func TestBad(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(cases) < 15 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, name := range cases {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file := place(t, string(text))
			_, err = load(file)
			var ps strict.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error %v is not Problems", err)
			}
			if !slices.IsSortedFunc(ps, func(a, b strict.Problem) int { return a.Line - b.Line }) {
				t.Error("problems are not in the order of lines")
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(file), "DIR") + "\n"
			wantFile := strings.TrimSuffix(name, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	file := place(t, "state: state\nrun: run\nlisten: {sftp: '127.0.0.1:0'}\nintake:\n  hold: 7d\nlimits:\n  file: 10MiB\nlog:\n")
	c, err := load(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	for _, p := range []struct{ got, want string }{
		{c.State, "state"},
		{c.Run, "run"},
		{c.SSH.HostKeys[0], "keys/ssh_host_ed25519_key"},
		{c.Seal.Key, "keys/seal.key"},
		{c.Seal.Chain[0], "keys/seal-ca.pem"},
		{c.Trust.Dir, "trust"},
		{c.Processor.Socket, "run/processor.sock"},
		{c.Admin.Socket, "run/admin.sock"},
		{c.File(), "brama.yaml"},
	} {
		if p.got != filepath.Join(dir, p.want) {
			t.Errorf("path %s, want %s", p.got, p.want)
		}
	}
	if c.Clients.Root != "" || c.Profiles != "" || c.Processor.Handoff != "" {
		t.Error("an empty path did not stay empty")
	}
	if c.Intake.Hold != 7*24*time.Hour || c.Intake.Stable != 500*time.Millisecond || c.Limits.File != 10<<20 || c.Limits.Files != 10_000 || c.Log.Level != "info" {
		t.Errorf("values %+v", c)
	}
	if _, err := config.Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "BRAMA_CONFIG") {
		t.Errorf("absent file: %v", err)
	}
}

// A reload takes what is live and names the rest.
func TestRenew(t *testing.T) {
	t.Parallel()
	const was = "state: state\nrun: run\nlimits: {files: 5, connections: 7}\nintake: {hold: 1h, stable: 1s}\n"
	file := place(t, was)
	c, err := load(file)
	if err != nil {
		t.Fatal(err)
	}
	renew := func(text string) (*config.Config, []string) {
		next, err := config.Parse(file, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c.Renew(next)
	}
	if _, restart := renew(was); restart != nil {
		t.Errorf("the same file needs a restart: %v", restart)
	}
	got, restart := renew("state: other\nrun: there\nlimits: {files: 6, connections: 8}\nintake: {hold: 2h, temporary: ['*.x']}\nkeep: {outbox: 30d}\n" +
		"schedule: {retention: '@daily'}\nlog: {level: debug, format: console}\nlanguage: en\n")
	if want := []string{"state", "run", "intake.stable", "limits.connections", "log.format"}; !slices.Equal(restart, want) {
		t.Errorf("needs a restart: %v, want %v", restart, want)
	}
	if got.Limits.Files != 6 || got.Intake.Hold != 2*time.Hour || got.Intake.Temporary[0] != "*.x" || got.Keep.Outbox != 30*24*time.Hour ||
		got.Schedule.Retention != "@daily" || got.Log.Level != "debug" || got.Language != "en" {
		t.Errorf("not applied: %+v", got)
	}
	if got.State != c.State || got.Run != c.Run || got.Admin != c.Admin || got.Limits.Connections != 7 || got.Intake.Stable != time.Second || got.Log.Format != "json" || got.File() != file {
		t.Errorf("applied: %+v", got)
	}
	if c.Limits.Files != 5 || c.Intake.Hold != time.Hour {
		t.Error("the first one changed")
	}
}

// A seal in a provider needs no file, and takes what is written as what must hold.
func TestSealInProvider(t *testing.T) {
	t.Parallel()
	c, err := load(place(t, "state: state\nseal:\n  provider: {socket: run/p.sock, key: seal}\nprovider: {verify: {socket: run/v.sock, trust: true}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(c.File())
	if c.Seal.Key != "" || c.Seal.Certificate != "" || c.Seal.Chain != nil || c.Seal.Provider.Socket != filepath.Join(dir, "run/p.sock") ||
		c.Seal.Provider.Key != "seal" || c.Provider.Verify.Socket != filepath.Join(dir, "run/v.sock") || !c.Provider.Verify.Trust {
		t.Errorf("%+v %+v", c.Seal, c.Provider)
	}
	c, err = load(place(t, "state: state\nseal:\n  certificate: keys/seal.pem\n  chain: [keys/seal-ca.pem]\n  provider: {socket: run/p.sock, key: seal}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if dir := filepath.Dir(c.File()); c.Seal.Certificate != filepath.Join(dir, "keys/seal.pem") || len(c.Seal.Chain) != 1 {
		t.Errorf("%+v", c.Seal)
	}
}

func TestPath(t *testing.T) {
	t.Setenv("BRAMA_CONFIG", "")
	if got := config.Path(""); got != "/etc/brama/brama.yaml" {
		t.Error(got)
	}
	t.Setenv("BRAMA_CONFIG", "/a")
	if got := config.Path(""); got != "/a" {
		t.Error(got)
	}
	if got := config.Path("/b"); got != "/b" {
		t.Error(got)
	}
}

func TestGenerated(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"../../configs/brama.yaml": config.Describe(),
		"../../docs/config.md":     config.Page(),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the type says; run go generate ./gateway/config", file)
		}
	}
}

// The example says the defaults, and nothing is left without a description.
func TestDescribe(t *testing.T) {
	t.Parallel()
	got, err := config.Parse("/etc/brama/brama.yaml", []byte(config.Describe()))
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Parse("/etc/brama/brama.yaml", []byte("state: /var/lib/brama"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[config.Config]().NumField() {
		f := reflect.TypeFor[config.Config]().Field(i)
		if !f.IsExported() {
			continue
		}
		a, b := reflect.ValueOf(*got).Field(i).Interface(), reflect.ValueOf(*want).Field(i).Interface()
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the example says %v, the default is %v", f.Name, a, b)
		}
	}
	var described func(typ reflect.Type)
	described = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if strict.FieldKey(f) == "" {
				continue
			}
			if doc := f.Tag.Get("doc"); !strings.HasSuffix(doc, ".") {
				t.Errorf("%s.%s: description %q", typ.Name(), f.Name, doc)
			}
			if f.Type.Kind() == reflect.Struct {
				described(f.Type)
			}
		}
	}
	described(reflect.TypeFor[config.Config]())
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{"0": 0, "10": 10, "64KiB": 64 << 10, "1GiB": 1 << 30, "3MiB": 3 << 20} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want || s.String() != text {
			t.Errorf("%s: %d %s %v", text, s, s, err)
		}
	}
	for _, text := range []string{"", "-1", "1MB", "1.5MiB", "99999999999GiB", "+1", "MiB", "0x10"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(config.Describe()))
	bad, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, name := range bad {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("/x/f.yaml", text)
		var ps strict.Problems
		switch {
		case err == nil && (c.State == "" || c.Intake.Hold <= 0 || !filepath.IsAbs(c.State)):
			t.Fatalf("taken: %+v", c)
		case err != nil && !errors.As(err, &ps):
			t.Fatalf("error %v is not Problems", err)
		}
	})
}
