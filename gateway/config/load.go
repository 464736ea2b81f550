package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/brama-gateway/brama/gateway/strict"
)

// maxBytes bounds the file; a full one is a hundredth of it.
const maxBytes = 1 << 20

// Load reads the configuration at path and checks what can be seen in it. The
// error is a strict.Problems for what is wrong in the file, or says why it cannot
// be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; name the file with --config or in BRAMA_CONFIG, or make one with bramactl init", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load on text that is already read; file is its path, which relative
// paths go from.
func Parse(file string, data []byte) (*Config, error) {
	docs, err := strict.Parse(file, data, maxBytes)
	if err != nil {
		return nil, err
	}
	if len(docs) > 1 {
		return nil, strict.Problems{{File: file, Line: docs[1].Line(), Text: "a second document begins; a configuration is one: remove the line ---"}}
	}
	c := Default()
	c.file, c.lines = file, map[string]int{}
	var problems strict.Problems
	if len(docs) == 1 {
		var lines strict.Lines
		lines, err = docs[0].Decode(c, time.Local)
		c.lines = lines
		errors.As(err, &problems)
	}
	told := map[string]bool{}
	for _, p := range problems {
		told[p.Key] = true
	}
	for _, p := range c.values() {
		if !told[p.Key] { // a value that could not be read is not judged too
			problems = append(problems, p)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c.resolve()
	return c, nil
}

// Problem makes one that stands at the line of key, for those who look at what the
// configuration names and know more of it than this package does.
func (c *Config) Problem(key, format string, args ...any) strict.Problem {
	return strict.Problem{File: c.file, Line: c.line(key), Key: key, Text: fmt.Sprintf(format, args...)}
}

// line is that of the key, of the key above it, or 0 when the file has neither.
func (c *Config) line(key string) int {
	for key != "" {
		if n, ok := c.lines[key]; ok {
			return n
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

// values checks everything that needs no look at the machine.
func (c *Config) values() (ps strict.Problems) {
	add := func(key, format string, args ...any) { ps = append(ps, c.Problem(key, format, args...)) }
	if c.State == "" {
		add("state", "is missing; write the folder of the store, as state: /var/lib/brama")
	}
	if c.Run == "" {
		add("run", "is empty; write a folder, as run: /run/brama, or remove the key")
	}
	ps = append(ps, c.storeFaults()...)
	if err := listenAddress(c.Listen.SFTP); err != nil {
		add("listen.sftp", "%q %s; write address:port, as 127.0.0.1:2022 or [::]:2022", clip(c.Listen.SFTP), err)
	}
	if len(c.SSH.HostKeys) == 0 {
		add("ssh.host_keys", "is empty; write at least one key file, as [keys/ssh_host_ed25519_key]")
	}
	for _, s := range []struct {
		key, value string
		needed     bool
	}{
		{"seal.key", c.Seal.Key, !c.provided()}, {"seal.certificate", c.Seal.Certificate, !c.provided()}, {"trust.dir", c.Trust.Dir, true},
	} {
		if s.value == "" && s.needed {
			add(s.key, "is empty; write a path, or remove the key for the default")
		}
	}
	if p := c.Seal.Provider; c.provided() {
		switch {
		case p.Socket == "":
			add("seal.provider.socket", "is missing; write the provider's socket, as /run/brama-signer/provider.sock")
		case p.Key == "":
			add("seal.provider.key", "is missing; write the name of the key in the provider, as seal")
		}
		if c.written("seal.key") {
			add("seal.key", "is written beside seal.provider; the key of the seal is in one of them: remove the other")
		}
	}
	ps = append(ps, c.ranges()...)
	if k, n := len(c.Decrypt.Key), len(c.Decrypt.Certificate); k != n {
		add("decrypt.certificate", "has %d elements and decrypt.key %d; write for each key its certificate, in the same order", n, k)
	}
	for i, p := range c.Intake.Temporary {
		if err := pattern(p); err != nil {
			add(fmt.Sprintf("intake.temporary[%d]", i), "%q %s", clip(p), err)
		}
	}
	if p := c.Trust.Proxy; p != "" {
		if u, err := url.Parse(p); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			add("trust.proxy", "%q is not an address; write one as http://10.0.0.1:3128", clip(p))
		}
	}
	if a := c.Trust.TSA; a.URL != "" {
		if u, err := url.Parse(a.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			add("trust.tsa.url", "%q is not an address; write one as http://tsa.example.gov.ua/tsp", clip(a.URL))
		}
		if a.Policy != "" && !objectIdentifier.MatchString(a.Policy) {
			add("trust.tsa.policy", "%q is not an object identifier; write one as 1.2.804.2.1.1.1.2.3.1, or remove the key", clip(a.Policy))
		}
	} else if a.Policy != "" || a.Hash != "" {
		add("trust.tsa.url", "is missing; write the address of the authority, or remove policy and hash")
	}
	for i, h := range c.Trust.Hosts {
		if h == "" || strings.ContainsAny(h, "/:*?@ ") {
			add(fmt.Sprintf("trust.hosts[%d]", i), "%q is not the name of a host; write it without scheme, port and path", clip(h))
		}
	}
	for _, s := range c.schedules() {
		if err := cronShape(s.spec); err != nil {
			add(s.key, "%q %s; write five fields, as 30 3 * * *, or as @every 1m, @hourly, @daily", clip(s.spec), err)
		}
	}
	for _, w := range []struct {
		key, value string
		words      []string
	}{
		{"store.engine", c.Store.Engine, []string{EngineEmbedded, EnginePostgres}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"json", "console"}},
		{"trust.tsa.hash", c.Trust.TSA.Hash, []string{"", "sha256", "sha384", "sha512", "gost34311", "kupyna256"}},
		{"language", c.Language, []string{"uk", "en"}},
	} {
		if slices.Contains(w.words, w.value) {
			continue
		}
		if near := strict.Nearest(w.value, w.words); near != "" {
			add(w.key, "%q is not known; did you mean %s?", clip(w.value), near)
		} else {
			add(w.key, "%q is not known; write one of %s", clip(w.value), strings.Join(w.words, ", "))
		}
	}
	c.eachPath(func(key, kind string, p *string) {
		if strings.ContainsFunc(*p, unicode.IsControl) {
			add(key, "holds a control character; write a plain path")
		}
	})
	return ps
}

// CheckStore says what is wrong with the part of a configuration that names the
// store, also of one that was not read from a file.
func (c *Config) CheckStore() error { return c.storeFaults().Err() }

// storeFaults checks what belongs to one engine only.
func (c *Config) storeFaults() (ps strict.Problems) {
	add := func(key, format string, args ...any) { ps = append(ps, c.Problem(key, format, args...)) }
	if c.Store.Engine != EnginePostgres {
		if c.Store.URL != "" {
			add("store.url", "is written for store.engine embedded, which lies in state; write engine: postgres, or remove it")
		}
		return ps
	}
	switch u, err := url.Parse(c.Store.URL); {
	case c.Store.URL == "":
		add("store.url", "is missing; write where the database is, as postgres://brama@db.example/brama")
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql":
		add("store.url", "is not an address of a database; write one as postgres://brama@db.example/brama") // the text may hold a password
	default:
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			add("store.url", "holds a password, which logs and other users may see; write it into a file and name that as store.password_file")
		}
	}
	if c.Backup.Repository != "" {
		add("backup.repository", "is for the embedded engine; a database is backed up with PostgreSQL's own tools (docs/operator.md): remove the key")
	}
	return ps
}

// ranges checks what has a least and a most: the tag range.
func (c *Config) ranges() (ps strict.Problems) {
	var walk func(v reflect.Value, above string)
	walk = func(v reflect.Value, above string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := strict.FieldKey(f)
			if name == "" {
				continue
			}
			if f.Type.Kind() == reflect.Struct {
				walk(v.Field(i), above+name+".")
				continue
			}
			least, most, bounded := bounds(f)
			if x := v.Field(i); bounded && (x.Int() < least.Int() || x.Int() > most.Int()) {
				ps = append(ps, c.Problem(above+name, "%s is out of range; write %s to %s, or remove the key for the default", value(x), value(least), value(most)))
			}
		}
	}
	walk(reflect.ValueOf(*c), "")
	return ps
}

// bounds are the least and the most of a field that has the tag range.
func bounds(f reflect.StructField) (least, most reflect.Value, bounded bool) {
	from, to, bounded := strings.Cut(f.Tag.Get("range"), "..")
	if !bounded {
		return least, most, false
	}
	read := func(s string) reflect.Value {
		v := reflect.New(f.Type)
		var err error
		switch x := v.Interface().(type) {
		case *time.Duration:
			*x, err = strict.ParseDuration(s)
		case *Size:
			err = x.UnmarshalText([]byte(s))
		case *int:
			*x, err = strconv.Atoi(s)
		default:
			err = errors.New("a type without bounds")
		}
		if err != nil {
			panic("config: range of " + f.Name + ": " + err.Error()) // a mistake in our own type, found by its first test
		}
		return v.Elem()
	}
	return read(from), read(to), true
}

// about is the description of a field, with its bounds.
func about(f reflect.StructField) string {
	doc := f.Tag.Get("doc")
	if least, most, bounded := bounds(f); bounded {
		doc += " From " + value(least) + " to " + value(most) + "."
	}
	return doc
}

func listenAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("is not an address with a port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("has no port from 0 to 65535")
	}
	if host == "" || host == "localhost" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return errors.New("names a host; only addresses of this machine are listened on")
	}
	return nil
}

// pattern checks a pattern of temporary names.
func pattern(p string) error {
	switch _, err := path.Match(p, "x"); {
	case err != nil:
		return errors.New("is not a pattern; close the bracket, or write as *.part")
	case p == "" || strings.Trim(p, "*") == "":
		return errors.New("fits every name, so that nothing would be taken; write as *.part")
	case strings.Contains(p, "/"):
		return errors.New("holds a slash; patterns are of names, not of paths: write as *.part")
	}
	return nil
}

// cronShape refuses what no parser of schedules can take. The parser itself
// lives with the daemon, which hands it to Check.
func cronShape(spec string) error {
	if strings.HasPrefix(spec, "@") {
		word, arg, _ := strings.Cut(spec, " ")
		if word == "@every" {
			if d, err := time.ParseDuration(arg); err != nil || d < time.Second {
				return errors.New("has no duration of a second or more after @every")
			}
			return nil
		}
		if arg == "" && slices.Contains([]string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}, word) {
			return nil
		}
		return errors.New("is not a known word")
	}
	if len(strings.Fields(spec)) != 5 {
		return errors.New("has not five fields")
	}
	if i := strings.IndexFunc(spec, func(r rune) bool {
		return !strings.ContainsRune("0123456789*/,-? ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", r)
	}); i >= 0 {
		return errors.New("holds a character that no schedule has")
	}
	return nil
}

var objectIdentifier = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*))+$`)

type schedule struct{ key, spec string }

func (c *Config) schedules() (out []schedule) {
	v := reflect.ValueOf(c.Schedule)
	for i := range v.NumField() {
		out = append(out, schedule{"schedule." + strict.FieldKey(v.Type().Field(i)), v.Field(i).String()})
	}
	return out
}

// eachPath calls f with every path of the configuration that is not empty, and
// what it leads to.
func (c *Config) eachPath(f func(key, kind string, p *string)) {
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name := strict.FieldKey(field)
			if name == "" {
				continue
			}
			sub := strings.TrimPrefix(key+"."+name, ".")
			kind := field.Tag.Get("path")
			switch x := v.Field(i).Addr().Interface().(type) {
			case *string:
				if kind != "" && *x != "" {
					f(sub, kind, x)
				}
			case *[]string:
				for j := range *x {
					if kind != "" {
						f(fmt.Sprintf("%s[%d]", sub, j), kind, &(*x)[j])
					}
				}
			default:
				if v.Field(i).Kind() == reflect.Struct {
					walk(v.Field(i), sub)
				}
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
}

// provided says that the key of the seal is in a crypto provider.
func (c *Config) provided() bool { return c.Seal.Provider != SealProvider{} }

// written says that the file has the key.
func (c *Config) written(key string) bool {
	_, ok := c.lines[key]
	return ok
}

// resolve makes every path absolute, as far as the file's own path is, and gives
// the sockets their places.
func (c *Config) resolve() {
	dir := filepath.Dir(c.file)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if c.provided() { // then there are no defaults
		c.Seal.Key = ""
		if !c.written("seal.certificate") {
			c.Seal.Certificate = ""
		}
		if !c.written("seal.chain") {
			c.Seal.Chain = nil
		}
	}
	c.eachPath(func(_, _ string, p *string) {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	})
	if c.Processor.Socket == "" {
		c.Processor.Socket = filepath.Join(c.Run, "processor.sock")
	}
	if c.Admin.Socket == "" {
		c.Admin.Socket = filepath.Join(c.Run, "admin.sock")
	}
}

// maxSocket is what fits into sun_path with its closing NUL (unix(7)).
const maxSocket = 107

// Check looks at the machine: that files are there and readable, that private
// keys are nobody else's to read, that sockets' paths are not too long; and asks
// cron, the parser that will run them, about the schedules. The error is a
// strict.Problems.
func (c *Config) Check(cron func(spec string) error) error {
	var ps strict.Problems
	add := func(key, format string, args ...any) { ps = append(ps, c.Problem(key, format, args...)) }
	c.eachPath(func(key, kind string, p *string) {
		if err := checkPath(kind, *p); err != nil {
			add(key, "%s", err)
		}
	})
	ps = append(ps, c.apart()...)
	for _, s := range c.schedules() {
		if err := cron(s.spec); err != nil {
			add(s.key, "%q is not a schedule: %s; write five fields, as 30 3 * * *, or as @every 1m, @hourly, @daily", clip(s.spec), err)
		}
	}
	return ps.Err()
}

// apart refuses folders of others inside the store, or around it: what clients and
// processors may write must not be what the gateway trusts to be its own.
func (c *Config) apart() (ps strict.Problems) {
	for _, x := range []struct{ key, path, otherKey, other string }{
		{"clients.root", c.Clients.Root, "state", c.State},
		{"processor.handoff", c.Processor.Handoff, "state", c.State},
		{"processor.handoff", c.Processor.Handoff, "clients.root", c.Clients.Root},
	} {
		if x.path == "" || x.other == "" {
			continue
		}
		a, b := resolved(x.path), resolved(x.other)
		switch {
		case a == b:
			ps = append(ps, c.Problem(x.key, "%s is also %s; write a folder of its own", x.path, x.otherKey))
		case within(a, b):
			ps = append(ps, c.Problem(x.key, "%s lies inside %s (%s); write a folder outside of it", x.path, x.otherKey, x.other))
		case within(b, a):
			ps = append(ps, c.Problem(x.key, "%s holds %s (%s); write a folder beside it", x.path, x.otherKey, x.other))
		}
	}
	return ps
}

// resolved follows symbolic links, of as much of the path as is there.
func resolved(p string) string {
	p = filepath.Clean(p)
	rest := ""
	for at := p; ; {
		if r, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(r, rest)
		}
		up := filepath.Dir(at)
		if up == at {
			return p
		}
		at, rest = up, filepath.Join(filepath.Base(at), rest)
	}
}

// within says that a lies below b.
func within(a, b string) bool {
	rel, err := filepath.Rel(b, a)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}

func checkPath(kind, p string) error {
	if kind == "socket" {
		if len(p) > maxSocket {
			return fmt.Errorf("%s is %d bytes long, more than the %d of a socket's path; write a shorter one", p, len(p), maxSocket)
		}
		return nil
	}
	info, err := os.Stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist) && kind == "made":
		return nil // made at the start
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not there; write the path of a %s that is", p, noun(kind))
	case err != nil:
		return fmt.Errorf("%s cannot be looked at: %w; let the daemon's user in", p, errors.Unwrap(err))
	case kind == "made" || kind == "folder":
		if !info.IsDir() {
			return fmt.Errorf("%s is a file; write the path of a folder", p)
		}
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; write the path of a %s", p, noun(kind))
	case kind == "key" && info.Mode().Perm()&0o077 != 0 && !credential(p, info.Mode()):
		return fmt.Errorf("%s may be read or written by others (mode %04o); run: chmod 600 %s", p, info.Mode().Perm(), p)
	}
	f, err := os.Open(p)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w; let the daemon's user read it", p, errors.Unwrap(err))
	}
	return f.Close()
}

// credential says that systemd gives the file to this service alone: where its
// file system has ACLs the right of the service's user shows as one of the group,
// which is root (systemd.exec(5), LoadCredential=).
func credential(p string, mode fs.FileMode) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && filepath.Dir(p) == filepath.Clean(dir) && mode.Perm()&0o077 == 0o040
}

func noun(kind string) string {
	switch kind {
	case "key":
		return "private key"
	case "file":
		return "PEM file"
	default:
		return kind
	}
}

// show writes a duration as people would: 24h0m0s is 24h.
func show(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return s
}
