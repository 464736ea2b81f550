// Package client holds the register: who may send what, signed by whom, and
// where the answers go. It is pure: entries come in as YAML text or stored
// bytes, and a [Register] is an immutable snapshot that many goroutines read.
package client

import (
	"time"
)

// ID names a client: lower-case letters, digits, '-' and '_', at most 64; it is
// also the client's SSH user name and the name of its watched folder.
type ID string

// Role is the capacity in which a person signs.
type Role string

// The roles.
const (
	Head       Role = "head"       // керівник: the first signature
	Accountant Role = "accountant" // головний бухгалтер: the second signature
	Seal       Role = "seal"       // електронна печатка of the institution
	Other      Role = "other"
)

// Entry is one client of the register (DESIGN 8). The yaml keys are a contract
// with those who keep register files; docs/register.md describes them.
type Entry struct {
	ID       ID     `yaml:"id"`
	Name     string `yaml:"name"`
	EDRPOU   string `yaml:"edrpou"`
	Superior ID     `yaml:"superior,omitempty"`
	Disabled bool   `yaml:"disabled,omitempty"`

	Accounts []string `yaml:"accounts,omitempty"` // IBANs it may pay from

	SSHKeys  []string `yaml:"ssh_keys,omitempty"` // authorized_keys lines: type, base64, comment
	Networks []string `yaml:"networks,omitempty"` // CIDR; empty: any

	Folder   bool   `yaml:"folder,omitempty"`    // a watched folder under clients.root, named by ID
	Language string `yaml:"language,omitempty"`  // uk (default) or en
	CodePage string `yaml:"code_page,omitempty"` // of text receipts: utf-8 (default), windows-1251, cp866, cp1125, koi8-u

	ReceiptsInOutbox bool `yaml:"receipts_in_outbox,omitempty"` // receipts in /outbox too

	Encrypt string `yaml:"encrypt,omitempty"` // certificate, PEM, to which its statements are encrypted; empty: they are not

	Statements         Statements `yaml:"statements,omitempty"`          // how it gets what the treasury sends
	StatementContainer string     `yaml:"statement_container,omitempty"` // asic-s: each form of a statement with its seal in one container; empty: NAME and NAME.p7s

	Kinds    []string `yaml:"kinds"`              // kinds of document it may send
	Profiles []string `yaml:"profiles,omitempty"` // layouts it may use; empty: every one of its kinds
	Tolerate []string `yaml:"tolerate,omitempty"` // named signature tolerances (docs/tolerances.md)

	Signatories []Signatory       `yaml:"signatories"`
	Policies    map[string]Policy `yaml:"policies,omitempty"` // by kind; "*" for the rest

	Quota Quota `yaml:"quota,omitempty"`
}

// Statements say how a client gets what the treasury sends.
type Statements struct {
	// Formats are the forms of each document, those that carry its kind: json, txt,
	// csv, a camt message, a profile of the direction out. Empty: json, txt, csv.
	Formats []string `yaml:"formats,omitempty"`
}

// Signatory is a person, or the institution's seal, whose signature counts for
// the client. Exactly one of Certificate, SHA256 and Person says who it is.
type Signatory struct {
	Role        Role   `yaml:"role"`
	Certificate string `yaml:"certificate,omitempty"` // PEM
	SHA256      string `yaml:"sha256,omitempty"`      // of the certificate's DER, hex
	Person      string `yaml:"person,omitempty"`      // RNOKPP or other personal code in the certificate
	EDRPOU      string `yaml:"edrpou,omitempty"`      // with Person: the organisation code that the certificate must carry; with role seal alone: the seal of that organisation

	From  time.Time `yaml:"from,omitempty"` // entitled in [From, Until)
	Until time.Time `yaml:"until,omitempty"`
	Kinds []string  `yaml:"kinds,omitempty"` // empty: every kind
	Limit int64     `yaml:"limit,omitempty"` // largest sum of one document, kopecks; 0: none
}

// Policy says how many signatories of which role a document of a kind needs.
type Policy struct {
	Roles map[Role]int `yaml:"roles"`         // as head: 1, accountant: 1
	Min   int          `yaml:"min,omitempty"` // distinct signatories at least, of whatever role
}

// Quota bounds what a client may leave with the gateway. Zero fields take the
// gateway's defaults.
type Quota struct {
	Files int   `yaml:"files,omitempty"` // unfinished and unsettled files at once
	Bytes int64 `yaml:"bytes,omitempty"` // bytes of them
	File  int64 `yaml:"file,omitempty"`  // bytes of one file
}
