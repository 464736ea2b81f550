package journal

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/spool"
)

// Kinds of rows about what a store keeps beside its items, by name: sha256 is that of
// what was set.
const (
	DayClosed     = "day closed" // the report of a day was made
	Registered    = "register"   // an entry of the register was set
	ClassifierSet = "classifier" // a code list was set
)

// Where a store keeps that.
const (
	BucketDays        = "days"       // by ISO date
	BucketRegister    = "client"     // by the client's id
	BucketClassifiers = "classifier" // by the list's name
)

// bucketsOf are the buckets of rows of a kind.
var bucketsOf = map[string]string{DayClosed: BucketDays, Registered: BucketRegister, ClassifierSet: BucketClassifiers}

// Values are digests of what a change has set beside its item, by bucket and key: the
// first 16 bytes of SHA-256, in unpadded base64; "" for what was removed.
type Values map[string]map[string]string

// Add notes what was set; nil: removed.
func (v Values) Add(bucket, key string, value []byte) {
	if v[bucket] == nil {
		v[bucket] = map[string]string{}
	}
	v[bucket][key] = valueDigest(value)
}

func valueDigest(b []byte) string {
	if b == nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}

// valueOf is what the newest row about a value says of it.
type valueOf struct {
	row    int64
	digest string
}

// noteValues keeps what a row says of values.
func (v *verifying) noteValues(row int64, kind string, rec *record) {
	set := func(bucket, key, digest string) {
		if v.values[bucket] == nil {
			v.values[bucket] = map[string]valueOf{}
		}
		v.values[bucket][key] = valueOf{row, digest}
	}
	if bucket := bucketsOf[kind]; bucket != "" {
		if sum, ok := digest(rec.SHA256); ok {
			set(bucket, rec.Name, base64.RawStdEncoding.EncodeToString(sum[:16]))
		}
	}
	for bucket, keys := range rec.Values {
		for key, digest := range keys {
			set(bucket, key, digest)
		}
	}
}

// heldValues holds the register, the code lists, the reports of days and the ledgers against
// their rows.
func (v *verifying) heldValues(r spool.Reader) error {
	for _, bucket := range slices.Sorted(maps.Keys(v.values)) {
		keys := v.values[bucket]
		is, err := r.Values(bucket)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if t := keys[key]; valueDigest(is[key]) != t.digest {
				v.report.add(ValueChanged, t.row, 0, "%s %s is not as the row left it", bucket, key)
			}
		}
		// Rows of earlier releases do not tell of ledgers.
		if v.legacy && slices.ContainsFunc([]string{"ledger/", "document/"}, func(p string) bool { return strings.HasPrefix(bucket, p) }) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(is)) {
			if _, ok := keys[key]; !ok {
				v.report.add(ValueChanged, 0, 0, "%s %s: no row tells of it", bucket, key)
			}
		}
	}
	return nil
}
