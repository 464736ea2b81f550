package profile

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/iso20022"
)

// sent answers for a message that the treasury itself sends. A tool has it
// checked; from a client it is refused, with a word on what it is.
func (c *check) sent(message string, kind formats.Kind) {
	schema, err := iso20022.SentSchema(message)
	if err != nil {
		c.unknown("xml")
		return
	}
	digest := sha256.Sum256(schema)
	c.report.Recognised, c.report.Kind = true, kind
	c.report.Profile = formats.ProfileRef{Name: iso20022.SentName(message), SHA256: hex.EncodeToString(digest[:])}
	if !c.options.Sent || c.context.Owner != nil {
		t := kind.Title()
		c.add(formats.Finding{Rule: RuleForbidden, Message: formats.Textf(
			"Це %[1]s (%[3]s): такі документи надсилає казначейство, від вас їх не приймають. Перевірте, чи той файл ви надіслали.",
			"This is a %[2]s (%[3]s): the treasury sends such documents and takes none from you. Check whether you sent the right file.", t.UK, t.EN, message)})
		return
	}
	c.report.Message, c.report.Entries = iso20022.CheckSent(c.context, message, c.doc, c.options.MaxFindings, c.add)
}
