// Package config reads the configuration file of Brama: YAML, strict, described
// by the type [Config] itself. One text, the doc tag of a field, makes the
// comments of configs/brama.yaml and the page docs/config.md ([Describe],
// [Page]); tests compare them.
//
// [Load] reads the file and checks all that can be seen in it; [Config.Check]
// looks at the machine: files, permissions, and the schedules, with the parser
// that its caller has. Both report all they find together, in the order of the
// file, each with file, line, key and what to write. Zero values and absent keys
// take the defaults of [Default]; only state must be said.
//
// Relative paths are relative to the folder of the configuration file.
package config

import (
	"os"
	"reflect"
	"time"

	"github.com/brama-gateway/brama/gateway/strict"
)

//go:generate go test -run TestGenerated -update .

// Config is the whole configuration. Field tags: yaml is the key, doc the
// description, path says what a path leads to (file, key, folder, made, socket),
// which is how Check looks at it, range the least and the most, live that a running daemon takes a changed value
// when it reloads.
type Config struct {
	Listen    Listen    `yaml:"listen" doc:"Where the data network comes in."`
	SSH       SSH       `yaml:"ssh" doc:"The SSH entrance."`
	State     string    `yaml:"state" path:"made" doc:"Folder of the store: submissions, receipts, statements, journal. Needed. docs/operator.md says how to back it up."`
	Store     Store     `yaml:"store" doc:"What keeps submissions, receipts, statements and history."`
	Run       string    `yaml:"run" path:"made" doc:"Folder for sockets and the lock; it may be empty after a restart of the machine."`
	Processor Processor `yaml:"processor" doc:"The exit to the treasury's processor."`
	Admin     Admin     `yaml:"admin" doc:"The operator's way in."`
	Intake    Intake    `yaml:"intake" doc:"How uploads are taken."`
	Seal      Seal      `yaml:"seal" doc:"The key that seals receipts and statements: in a file, or in a crypto provider."`
	Provider  Provider  `yaml:"provider" doc:"What a crypto provider does in the gateway's place, beside the seal (docs/provider.md)."`
	Decrypt   Decrypt   `yaml:"decrypt" doc:"The keys for documents that arrive encrypted to the gateway. Without any such documents are rejected. Keep old ones here as long as clients may still use them."`
	Journal   Journal   `yaml:"journal" doc:"The journal, which cannot be changed without being found out."`
	Archive   Archive   `yaml:"archive" doc:"Where the documents of old months go: into compressed, sealed files, in which they stay searchable and provable (docs/archive.md)."`
	Backup    Backup    `yaml:"backup" doc:"Copies of the state, taken while the daemon works (docs/operator.md, Backup)."`
	Trust     Trust     `yaml:"trust" doc:"Whose certificates are believed, and how it is found out whether they are revoked."`
	Clients   Clients   `yaml:"clients" doc:"Watched folders of clients without SFTP."`
	Profiles  string    `yaml:"profiles" path:"folder" doc:"Folder of additional format profiles, *.yaml. Empty: only the built-in ones."`
	Schedule  Schedule  `yaml:"schedule" doc:"What is done when: five fields (minute, hour, day, month, weekday) as in cron, or @every 1m, @hourly, @daily."`
	Limits    Limits    `yaml:"limits" doc:"Bounds. Sizes are bytes, or as 64KiB, 64MiB, 1GiB. A client's register entry may set its own quota."`
	Keep      Keep      `yaml:"keep" doc:"How long things are kept before the retention schedule puts them away."`
	Log       Log       `yaml:"log" doc:"The operator's log, on standard error."`
	Language  string    `yaml:"language" live:"yes" doc:"Language of messages to operators and of receipts to clients whose entry does not say: uk or en."`

	file  string
	lines map[string]int
}

// Listen is where bramad listens on the network.
type Listen struct {
	SFTP string `yaml:"sftp" doc:"Address and port of the SFTP entrance. Write 0.0.0.0:2022 or [::]:2022 for every network; port 0 takes a free one. A socket inherited from systemd goes before."`
}

// The engines of Store.
const (
	EngineEmbedded = "embedded"
	EnginePostgres = "postgres"
)

// Store is what keeps everything but the journal's files.
type Store struct {
	Engine       string `yaml:"engine" doc:"embedded: files in the folder state. postgres: a PostgreSQL database (13 or newer); state then has the journal's files only. bramactl migrate moves what is there."`
	URL          string `yaml:"url" doc:"Where the database is, without a password, as postgres://brama@db.example/brama?sslmode=verify-full or postgres:///brama?host=/run/postgresql. For postgres only."`
	PasswordFile string `yaml:"password_file" path:"key" doc:"File in whose first line the password of the database's user stands; empty: it needs none (peer authentication, a client certificate in url). Only its owner may read it."`
	Schema       string `yaml:"schema" doc:"Schema of the tables in the database: one store a schema."`
	Unflushed    bool   `yaml:"unflushed" doc:"Takes a server that does not flush (fsync=off), which loses what it has acknowledged when the power fails. For tests only."`
}

// SSH is the SSH entrance.
type SSH struct {
	HostKeys []string `yaml:"host_keys" path:"key" doc:"Private host keys, one of each type. Only their owner may read them (chmod 600)."`
}

// Processor is the exit to the back office.
type Processor struct {
	Socket  string `yaml:"socket" path:"socket" doc:"Unix socket of the processor's protocol. Empty: processor.sock in the folder run."`
	Handoff string `yaml:"handoff" path:"folder" doc:"Folder for processors that know only files, with ready, done, returned and statements in it. Empty: none."`
}

// Admin is the operator's way in.
type Admin struct {
	Socket string `yaml:"socket" path:"socket" doc:"Unix socket of bramactl. Empty: admin.sock in the folder run."`
}

// Intake is how uploads are taken.
type Intake struct {
	Hold      time.Duration `yaml:"hold" live:"yes" range:"1s..90d" doc:"How long a document waits for missing signatures or revocation evidence before it is rejected."`
	Stable    time.Duration `yaml:"stable" range:"10ms..1h" doc:"How long a file in a watched folder must stay unchanged before it is taken."`
	Temporary []string      `yaml:"temporary" live:"yes" doc:"Names of files still being written, which wait to be renamed: * stands for any characters, ? for one."`
}

// Seal is the sealing key: Key, or Provider.
type Seal struct {
	Key          string       `yaml:"key" path:"key" doc:"Private key of the seal: RSA, ECDSA or DSTU 4145, in PEM, PKCS #8, PKCS #12, JKS or Key-6.dat. Only its owner may read it (chmod 600)."`
	PasswordFile string       `yaml:"password_file" path:"key" doc:"File in whose first line the password of seal.key stands; empty: the key has none. Only its owner may read it."`
	Certificate  string       `yaml:"certificate" path:"file" doc:"Certificate of the seal, PEM. Beside a provider it has no default: if it is written, the provider's certificate must be this one."`
	Chain        []string     `yaml:"chain" path:"file" doc:"Certificates of its issuers, PEM; put into each seal. Beside a provider it has no default: if it is written, it goes before the provider's."`
	Provider     SealProvider `yaml:"provider" doc:"A crypto provider that has the key of the seal, as brama-signer; in place of seal.key, which is then not written."`
}

// SealProvider names a key behind a socket.
type SealProvider struct {
	Socket string `yaml:"socket" path:"socket" doc:"Unix socket of the provider. Empty: the key is in seal.key."`
	Key    string `yaml:"key" doc:"Name of the key in the provider."`
}

// Provider is what a crypto provider does beside sealing.
type Provider struct {
	Verify VerifyProvider `yaml:"verify" doc:"A crypto provider that verifies the clients' signatures. Its verdict stands."`
}

// VerifyProvider names a verifier behind a socket.
type VerifyProvider struct {
	Socket string `yaml:"socket" path:"socket" doc:"Unix socket of the provider. Empty: Brama verifies by itself."`
	Trust  bool   `yaml:"trust" doc:"Send it the gateway's anchors, certificates and CRLs with each container; false: it believes whom it is configured to."`
}

// Decrypt is the keys for what arrives encrypted.
type Decrypt struct {
	Key          []string `yaml:"key" path:"key" doc:"Private keys: RSA, EC or DSTU 4145, in PEM, PKCS #8, PKCS #12, JKS or Key-6.dat. Only their owner may read them (chmod 600)."`
	PasswordFile string   `yaml:"password_file" path:"key" doc:"File in whose first line the password of those keys stands that have one. Only its owner may read it."`
	Certificate  []string `yaml:"certificate" path:"file" doc:"Their certificates, PEM, in the same order: the first belongs to the first key. Clients encrypt to these."`
}

// Journal is the signed history.
type Journal struct {
	Copy    string  `yaml:"copy" path:"made" doc:"Folder for a second copy of the signed checkpoints, best on another machine: with it bramactl journal verify finds also a state that was taken back as a whole. Empty: none."`
	Syslog  bool    `yaml:"syslog" doc:"Write each signed checkpoint to the system's log too (/dev/log), whole: a collector on another machine is then one more copy."`
	Witness Witness `yaml:"witness" doc:"A witness on another machine, which signs a checkpoint only if it continues the history that it has signed before (bramactl journal witness)."`
}

// Witness names a witness of the journal.
type Witness struct {
	URL string `yaml:"url" doc:"Where it listens, as http://10.0.0.7:8191. Checkpoints are public and signed, so plain HTTP is enough. Empty: no witness."`
	Key string `yaml:"key" doc:"Its public key, as bramactl journal witness prints it at its start."`
}

// Archive is where old documents go.
type Archive struct {
	Directory string        `yaml:"directory" path:"made" doc:"Folder of the archives. Empty: archive in the folder state, where backups have them too. Elsewhere they are yours to copy."`
	After     time.Duration `yaml:"after" live:"yes" range:"0s..36600d" doc:"How long after its end a month is put away, by schedule.archive. Clients go on reading it in archive. 0s: never."`
	Size      Size          `yaml:"size" live:"yes" range:"64KiB..1024GiB" doc:"A file that has become so large is ended, and the month goes on in the next."`
}

// Backup is where copies of the state go.
type Backup struct {
	Repository string        `yaml:"repository" live:"yes" path:"made" doc:"Folder of the repository, best on another machine's disk; schedule.backup says when. It gets clients' documents and the journal's private key: keep it for its owner alone. Empty: the daemon takes none; bramactl backup may."`
	Keep       time.Duration `yaml:"keep" live:"yes" range:"1h..36600d" doc:"Copies older than this are removed after a new one was taken."`
}

// Trust is where trust files lie.
type Trust struct {
	Dir     string   `yaml:"dir" path:"folder" doc:"Folder that bramactl trust add writes; it must be there, bramactl init makes it: anchors/ (believed) and material/ (certificates and CRLs, never believed by themselves)."`
	Anchors []string `yaml:"anchors" path:"file" doc:"More files of anchors, PEM, kept by other means."`

	Fetch     bool          `yaml:"fetch" doc:"Ask the authorities for what says whether a certificate is revoked: OCSP responders and CRLs, at the addresses that certificates of trusted authorities name. Documents wait for the answer. The unit of systemd has no network unless it is given one (docs/operator.md). false: the files in trust.dir are all there is."`
	Proxy     string        `yaml:"proxy" doc:"HTTP proxy for that, as http://10.0.0.1:3128. Empty: none."`
	Hosts     []string      `yaml:"hosts" doc:"Names of the hosts that may be asked. Empty: every host that such a certificate names."`
	Refresh   time.Duration `yaml:"refresh" range:"1s..30d" doc:"How often a CRL in use is asked for anew."`
	Timeout   time.Duration `yaml:"timeout" range:"100ms..10m" doc:"How long one request may take; a document is told to be held no sooner."`
	Size      Size          `yaml:"size" range:"1KiB..64MiB" doc:"The largest CRL that is taken."`
	Parallel  int           `yaml:"parallel" range:"1..64" doc:"Requests at once."`
	Retry     time.Duration `yaml:"retry" range:"100ms..1h" doc:"The pause before a request that failed is tried again; it doubles up to thirty times itself."`
	Cache     string        `yaml:"cache" path:"made" doc:"Folder for what was fetched. Empty: evidence in the folder state. It may be emptied while the daemon is stopped."`
	AnswerAge time.Duration `yaml:"answer_age" range:"1m..30d" doc:"How old an OCSP answer that does not say when it runs out may be. Ten minutes and more let the answers of a responder count whose clock is that much late."`
	Ahead     time.Duration `yaml:"ahead" range:"0s..1h" doc:"How far the times of an OCSP answer may lie in the future, since clocks differ."`
	TSA       TSA           `yaml:"tsa" doc:"Whose time-stamps go into the evidence of what was accepted: on the client's signature and on the seal of a package of evidence. Its authority has to be among the anchors. Evidence waits for it, documents and receipts do not."`
	MaxAge    time.Duration `yaml:"max_age" range:"0s..366d" doc:"How old a CRL or an OCSP answer may be whatever it says itself; 0s: as long as it says."`
}

// TSA is a time-stamping authority (RFC 3161).
type TSA struct {
	URL    string        `yaml:"url" doc:"Its address, as http://tsa.example.gov.ua/tsp; it is asked through trust.proxy, and each request may take trust.timeout. Empty: no time-stamps, the journal proves the time."`
	Policy string        `yaml:"policy" doc:"Policy that is asked for, an object identifier. Empty: the authority's own."`
	Hash   string        `yaml:"hash" doc:"Digest that is stamped: sha256, sha384, sha512, gost34311, kupyna256. Empty: that of each signature."`
	Renew  time.Duration `yaml:"renew" live:"yes" range:"1d..3660d" doc:"How long before a stored time-stamp ends, with its authority's certificate or its algorithms, a new one is put over it (schedule.evidence)."`
}

// Clients is the folder entrance.
type Clients struct {
	Root string `yaml:"root" path:"folder" doc:"Folder with one watched folder a client, named by its id. Empty: no watched folders."`
}

// Schedule holds cron/v3 expressions.
type Schedule struct {
	Deadlines   string `yaml:"deadlines" live:"yes" cron:"yes" doc:"Look for held submissions whose time is over, and ask again for those that wait for evidence."`
	Retention   string `yaml:"retention" live:"yes" cron:"yes" doc:"Put away what was kept long enough."`
	DailyClose  string `yaml:"daily_close" live:"yes" cron:"yes" doc:"Close the day that ended last: count what came in and what is still open, into the journal and the log; give each client the list of its documents, and the signed root of the journal (bramactl reconcile)."`
	Backup      string `yaml:"backup" live:"yes" cron:"yes" doc:"Take a copy of the state, where backup.repository names a place for it. What changed after the newest copy is lost with the disk of state."`
	Archive     string `yaml:"archive" live:"yes" cron:"yes" doc:"Put months away that ended archive.after ago, and what came to its end since of those before."`
	Evidence    string `yaml:"evidence" live:"yes" cron:"yes" doc:"Put a new time-stamp over stored evidence whose newest ends within trust.tsa.renew; only where trust.tsa.url names an authority."`
	Checkpoints string `yaml:"checkpoints" live:"yes" cron:"yes" doc:"Sign a checkpoint of the journal."`
}

// Limits bounds what may come in.
type Limits struct {
	File              Size `yaml:"file" live:"yes" range:"1..1024GiB" doc:"One file."`
	Files             int  `yaml:"files" live:"yes" range:"1..10000000" doc:"Unfinished and unsettled files of one client at once."`
	Bytes             Size `yaml:"bytes" live:"yes" range:"1..1048576GiB" doc:"Bytes of them."`
	Connections       int  `yaml:"connections" range:"1..1000000" doc:"SSH connections at once."`
	ClientConnections int  `yaml:"client_connections" range:"1..1000000" doc:"SSH connections of one client at once."`
	FreeDisk          Size `yaml:"free_disk" range:"1..1048576GiB" doc:"New work is refused when less than this is free under state; statements still go out."`
}

// Keep is how long things are kept.
type Keep struct {
	Unfinished time.Duration `yaml:"unfinished" live:"yes" range:"1h..366d" doc:"Unfinished uploads that nobody goes on with."`
	Outbox     time.Duration `yaml:"outbox" live:"yes" range:"1h..36600d" doc:"Statements and receipts in outbox and receipts that the client does not acknowledge; then they are in archive only."`
}

// Log is the operator's log.
type Log struct {
	Level  string `yaml:"level" live:"yes" doc:"Least level that is written: debug, info, warn or error."`
	Format string `yaml:"format" doc:"json for journald and collectors, or console for people."`
}

// Default gives the configuration of a file that says nothing. Its paths are as
// in a file.
func Default() *Config {
	return &Config{
		Listen: Listen{SFTP: "127.0.0.1:2022"},
		SSH:    SSH{HostKeys: []string{"keys/ssh_host_ed25519_key"}},
		Run:    "/run/brama",
		Store:  Store{Engine: EngineEmbedded, Schema: "brama"},
		Intake: Intake{
			Hold:      24 * time.Hour,
			Stable:    500 * time.Millisecond,
			Temporary: []string{".*", "*.part", "*.partial", "*.filepart", "*.tmp", "*.uploading", "~*", "*~"},
		},
		Archive: Archive{After: 400 * 24 * time.Hour, Size: 1 << 30},
		Backup:  Backup{Keep: 35 * 24 * time.Hour},
		Seal:    Seal{Key: "keys/seal.key", Certificate: "keys/seal.pem", Chain: []string{"keys/seal-ca.pem"}},
		Trust: Trust{
			Dir: "trust", Fetch: true, Refresh: time.Minute, Timeout: 10 * time.Second, Size: 64 << 20, Parallel: 4,
			Retry: 10 * time.Second, AnswerAge: 8 * time.Minute, Ahead: 5 * time.Minute,
			TSA: TSA{Renew: 180 * 24 * time.Hour},
		},
		Schedule: Schedule{
			Deadlines:   "@every 1m",
			Retention:   "30 3 * * *",
			DailyClose:  "5 0 * * *",
			Backup:      "17 * * * *",
			Archive:     "10 4 * * *",
			Evidence:    "40 4 * * 0",
			Checkpoints: "@every 1m",
		},
		Limits: Limits{
			File: 64 << 20, Files: 10_000, Bytes: 1 << 30,
			Connections: 2000, ClientConnections: 128, FreeDisk: 256 << 20,
		},
		Keep:     Keep{Unfinished: 7 * 24 * time.Hour, Outbox: 90 * 24 * time.Hour},
		Log:      Log{Level: "info", Format: "json"},
		Language: "uk",
	}
}

// Path gives the file to load: the one of the command line, else that of the
// environment variable BRAMA_CONFIG, else /etc/brama/brama.yaml.
func Path(flag string) string {
	if flag != "" {
		return flag
	}
	if env := os.Getenv("BRAMA_CONFIG"); env != "" {
		return env
	}
	return "/etc/brama/brama.yaml"
}

// Renew gives the configuration in force after next was read by a daemon that was
// started with c: what is live is next's, all else is c's. restart names the keys
// that next changes and that only a new start puts in force, in the order of the
// page docs/config.md.
func (c *Config) Renew(next *Config) (merged *Config, restart []string) {
	m := *c
	merged = &m
	var walk func(was, now, into reflect.Value, above string)
	walk = func(was, now, into reflect.Value, above string) {
		for i := range was.NumField() {
			f := was.Type().Field(i)
			name := strict.FieldKey(f)
			if name == "" {
				continue
			}
			key := above + name
			switch {
			case f.Type.Kind() == reflect.Struct:
				walk(was.Field(i), now.Field(i), into.Field(i), key+".")
			case f.Tag.Get("live") != "":
				into.Field(i).Set(now.Field(i))
			case !c.written(key) && !next.written(key): // it only follows from another key
			case !reflect.DeepEqual(was.Field(i).Interface(), now.Field(i).Interface()):
				restart = append(restart, key)
			}
		}
	}
	walk(reflect.ValueOf(*c), reflect.ValueOf(*next), reflect.ValueOf(merged).Elem(), "")
	return merged, restart
}

// File is the path that the configuration was loaded from.
func (c *Config) File() string { return c.file }
