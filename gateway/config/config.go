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
	"time"
)

//go:generate go test -run TestGenerated -update .

// Config is the whole configuration. Field tags: yaml is the key, doc the
// description, path says what a path leads to (file, key, folder, made, socket),
// which is how Check looks at it.
type Config struct {
	Listen    Listen    `yaml:"listen" doc:"Where the data network comes in."`
	SSH       SSH       `yaml:"ssh" doc:"The SSH entrance."`
	State     string    `yaml:"state" path:"made" doc:"Folder of the store: submissions, receipts, statements, journal. Needed. Back it up with bramactl backup."`
	Run       string    `yaml:"run" path:"made" doc:"Folder for sockets and the lock; it may be empty after a restart of the machine."`
	Processor Processor `yaml:"processor" doc:"The exit to the treasury's processor."`
	Admin     Admin     `yaml:"admin" doc:"The operator's way in."`
	Intake    Intake    `yaml:"intake" doc:"How uploads are taken."`
	Seal      Seal      `yaml:"seal" doc:"The key that seals receipts and statements."`
	Journal   Journal   `yaml:"journal" doc:"The journal, which cannot be changed without being found out."`
	Trust     Trust     `yaml:"trust" doc:"Whose certificates are believed."`
	Clients   Clients   `yaml:"clients" doc:"Watched folders of clients without SFTP."`
	Profiles  string    `yaml:"profiles" path:"folder" doc:"Folder of additional format profiles, *.yaml. Empty: only the built-in ones."`
	Schedule  Schedule  `yaml:"schedule" doc:"What is done when: five fields (minute, hour, day, month, weekday) as in cron, or @every 1m, @hourly, @daily."`
	Limits    Limits    `yaml:"limits" doc:"Bounds. Sizes are bytes, or as 64KiB, 64MiB, 1GiB. A client's register entry may set its own quota."`
	Keep      Keep      `yaml:"keep" doc:"How long things are kept before the retention schedule puts them away."`
	Log       Log       `yaml:"log" doc:"The operator's log, on standard error."`
	Language  string    `yaml:"language" doc:"Language of messages to operators and of receipts to clients whose entry does not say: uk or en."`

	file  string
	lines map[string]int
}

// Listen is where bramad listens on the network.
type Listen struct {
	SFTP string `yaml:"sftp" doc:"Address and port of the SFTP entrance. Write 0.0.0.0:2022 or [::]:2022 for every network; port 0 takes a free one. A socket inherited from systemd goes before."`
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
	Socket string `yaml:"socket" path:"socket" doc:"Unix socket of bramactl and brama-web. Empty: admin.sock in the folder run."`
}

// Intake is how uploads are taken.
type Intake struct {
	Hold      time.Duration `yaml:"hold" doc:"How long a document waits for missing signatures or revocation evidence before it is rejected."`
	Stable    time.Duration `yaml:"stable" doc:"How long a file in a watched folder must stay unchanged before it is taken."`
	Temporary []string      `yaml:"temporary" doc:"Names of files still being written, which wait to be renamed: * stands for any characters, ? for one."`
}

// Seal is the sealing key.
type Seal struct {
	Key         string   `yaml:"key" path:"key" doc:"Private key of the seal. Only its owner may read it (chmod 600)."`
	Certificate string   `yaml:"certificate" path:"file" doc:"Certificate of the seal, PEM."`
	Chain       []string `yaml:"chain" path:"file" doc:"Certificates of its issuers, PEM; put into each seal."`
}

// Journal is the signed history.
type Journal struct {
	Copy string `yaml:"copy" path:"made" doc:"Folder for a second copy of the signed checkpoints, best on another machine: with it bramactl journal verify finds also a state that was taken back as a whole. Empty: none."`
}

// Trust is where trust files lie.
type Trust struct {
	Dir     string   `yaml:"dir" path:"made" doc:"Folder that bramactl trust add writes: anchors/ (believed) and material/ (certificates and CRLs, never believed by themselves)."`
	Anchors []string `yaml:"anchors" path:"file" doc:"More files of anchors, PEM, kept by other means."`
}

// Clients is the folder entrance.
type Clients struct {
	Root string `yaml:"root" path:"folder" doc:"Folder with one watched folder a client, named by its id. Empty: no watched folders."`
}

// Schedule holds cron/v3 expressions.
type Schedule struct {
	Deadlines   string `yaml:"deadlines" cron:"yes" doc:"Look for held submissions whose time is over, and ask again for those that wait for evidence."`
	Retention   string `yaml:"retention" cron:"yes" doc:"Put away what was kept long enough."`
	DailyClose  string `yaml:"daily_close" cron:"yes" doc:"Reconcile the day and release the signed root of the journal to every outbox."`
	Checkpoints string `yaml:"checkpoints" cron:"yes" doc:"Sign a checkpoint of the journal."`
}

// Limits bounds what may come in.
type Limits struct {
	File              Size `yaml:"file" doc:"One file."`
	Files             int  `yaml:"files" doc:"Unfinished and unsettled files of one client at once."`
	Bytes             Size `yaml:"bytes" doc:"Bytes of them."`
	Connections       int  `yaml:"connections" doc:"SSH connections at once."`
	ClientConnections int  `yaml:"client_connections" doc:"SSH connections of one client at once."`
	FreeDisk          Size `yaml:"free_disk" doc:"New work is refused when less than this is free under state; statements still go out."`
}

// Keep is how long things are kept.
type Keep struct {
	Unfinished time.Duration `yaml:"unfinished" doc:"Unfinished uploads that nobody goes on with."`
	Outbox     time.Duration `yaml:"outbox" doc:"Statements and receipts in outbox and receipts that the client does not acknowledge; then they are in archive only."`
}

// Log is the operator's log.
type Log struct {
	Level  string `yaml:"level" doc:"Least level that is written: debug, info, warn or error."`
	Format string `yaml:"format" doc:"json for journald and collectors, or console for people."`
}

// Default gives the configuration of a file that says nothing. Its paths are as
// in a file.
func Default() *Config {
	return &Config{
		Listen: Listen{SFTP: "127.0.0.1:2022"},
		SSH:    SSH{HostKeys: []string{"keys/ssh_host_ed25519_key"}},
		Run:    "/run/brama",
		Intake: Intake{
			Hold:      24 * time.Hour,
			Stable:    500 * time.Millisecond,
			Temporary: []string{".*", "*.part", "*.partial", "*.filepart", "*.tmp", "*.uploading", "~*", "*~"},
		},
		Seal:  Seal{Key: "keys/seal.key", Certificate: "keys/seal.pem", Chain: []string{"keys/seal-ca.pem"}},
		Trust: Trust{Dir: "trust"},
		Schedule: Schedule{
			Deadlines:   "@every 1m",
			Retention:   "30 3 * * *",
			DailyClose:  "5 0 * * *",
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

// File is the path that the configuration was loaded from.
func (c *Config) File() string { return c.file }
