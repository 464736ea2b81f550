package journal

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/brama-gateway/brama/spool"
)

const itemHead = "brama/item@v1"

// Proofs are parts that come after the rows that they prove.
const roleProof = "proof"

// ItemDigest is what a row keeps of its item, as the change that it tells of has left
// it: SHA-256, in unpadded base64, of what the item is and whose, and of the names,
// roles and hashes of its parts. State is told by the rows themselves. Left out is what
// work on the item moves without a row: Deadline, NotBefore, Attempts, the lease, the
// Note; and the parts with proofs.
func ItemDigest(it spool.Item, parts []spool.Part) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\nid %s\nqueue %q\nowner %q\nname %q\nlabel %q\nkind %q\nnumber %q\ndate %q\nsha256 %q\nsize %d\npriority %d\n",
		itemHead, it.ID, it.Queue, it.Owner, it.Name, it.Label, it.Kind, it.Number, it.Date, it.SHA256, it.Size, it.Priority)
	stamp(h, "received", it.Received)
	stamp(h, "decided", it.Decided)
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b spool.Part) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range parts {
		if p.Role != roleProof {
			fmt.Fprintf(h, "part %q %q %s %d\n", p.Name, p.Role, p.Content.SHA256, p.Content.Size)
		}
	}
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// stamp writes a time as a store keeps it.
func stamp(h hash.Hash, what string, t time.Time) {
	if !t.IsZero() {
		fmt.Fprintf(h, "%s %d\n", what, t.UnixMicro())
	}
}
