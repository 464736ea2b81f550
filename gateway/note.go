package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// note is the gateway's own record of an item, which the spool keeps unread.
// What may be large lies in parts instead.
type note struct {
	Origin     Origin    `json:"origin"`
	Superseded bool      `json:"superseded,omitempty"` // another document took its place while it waited
	Signs      string    `json:"signs,omitempty"`      // SHA-256 that a signature without its document was made over, as it says
	Spare      []spare   `json:"spare,omitempty"`      // signatures that another submission may need
	Outcome    Outcome   `json:"outcome,omitempty"`
	First      *spool.ID `json:"first,omitempty"` // of a duplicate
	Answer     *Answer   `json:"answer,omitempty"`
	Answered   time.Time `json:"answered,omitzero"`
	Reason     string    `json:"reason,omitempty"`  // of an operator's move
	Input      string    `json:"input,omitempty"`   // of a released one: SHA-256 of what was handed over
	Archive    string    `json:"archive,omitempty"` // its parts are in this archive (package archive reads that too)
}

// spare is a signature that came too late for its submission, or is over a
// document other than the submission's.
type spare struct {
	Part  string `json:"part"`
	Signs string `json:"signs"` // SHA-256 of the document, as the signature names it
}

func (n note) bytes() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		panic(fmt.Sprintf("note: %v", err)) // strings, times and ids: cannot fail
	}
	return b
}

// readNote reads what bytes wrote. A note that cannot be read is an empty one:
// it holds nothing that a verdict rests on.
func readNote(b []byte) note {
	var n note
	if err := json.Unmarshal(b, &n); err != nil {
		return note{}
	}
	return n
}

// journalRecord is what the journal keeps of a change. It names contents by
// their hashes and people not at all.
type journalRecord struct {
	Origin     *Origin     `json:"origin,omitempty"`
	Name       string      `json:"name,omitempty"`
	Role       spool.Role  `json:"role,omitempty"`
	SHA256     string      `json:"sha256,omitempty"`
	Replaced   string      `json:"replaced,omitempty"`
	Other      spool.ID    `json:"other,omitzero"`
	From       spool.State `json:"from,omitempty"`
	To         spool.State `json:"to,omitempty"`
	Outcome    Outcome     `json:"outcome,omitempty"`
	Rules      []string    `json:"rules,omitempty"`      // ids of the findings that refused
	Signatures []string    `json:"signatures,omitempty"` // SHA-256 of the signers' certificates, with their indication
	Evidence   []string    `json:"evidence,omitempty"`   // SHA-256 of the CRLs that were used
	Profile    string      `json:"profile,omitempty"`    // SHA-256
	Receipt    string      `json:"receipt,omitempty"`    // SHA-256 of the receipt's JSON
	Lease      string      `json:"lease,omitempty"`      // first characters of the token
	Reason     string      `json:"reason,omitempty"`
	Reference  string      `json:"reference,omitempty"`
	By         string      `json:"by,omitempty"`
	Items      int64       `json:"items,omitempty"` // of an archive
	Ids        string      `json:"ids,omitempty"`   // SHA-256 of them
	Before     time.Time   `json:"before,omitzero"` // what was published earlier was put away
	Keys       []byte      `json:"keys,omitempty"`  // by which it is recognised when it comes again, keysOf
	Left       string      `json:"left,omitempty"`  // journal.ItemDigest, after the change
}

// journal writes a record in the transaction of the change it tells of.
func (g *Gateway) journal(tx spool.Tx, item spool.ID, at time.Time, kind string, rec journalRecord) error {
	return g.journalAs(tx, g.ids.New(at), item, at, kind, rec)
}

// journalAs is journal for a record whose id was given out before, in a receipt.
// It comes last in the change: it keeps what the item is then.
func (g *Gateway) journalAs(tx spool.Tx, id, item spool.ID, at time.Time, kind string, rec journalRecord) error {
	if item != 0 {
		it, err := tx.Item(item)
		if err != nil {
			return fmt.Errorf("journal record %s: %w", kind, err)
		}
		parts, err := tx.Parts(item)
		if err != nil {
			return fmt.Errorf("journal record %s: %w", kind, err)
		}
		rec.Left = journal.ItemDigest(it, parts)
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("journal record %s: %w", kind, err)
	}
	_, err = tx.Append(spool.Event{ID: id, Item: item, At: at, Kind: kind, Record: b})
	return err
}
