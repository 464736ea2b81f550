package dstu4145

import (
	"container/list"
	"sync"
)

// Verify tells whether sig, r||s of exactly 2·OrderBytes octets, is the key's over
// that digest value. Variable time.
//
// A key that verifies often gets a table (see tableCache), found by its octets, so
// that parsing the same certificate again does not lose it.
func (k *PublicKey) Verify(digest, sig []byte) bool {
	if k == nil || k.curve == nil || len(digest) == 0 {
		return false
	}
	r, s, ok := k.curve.split(sig)
	if !ok {
		return false
	}
	h := k.curve.element(digest)
	return k.curve.engine.verify(&k.point, keyTables.find(k), &h, &r, &s)
}

// split reads a signature value.
func (c *Curve) split(sig []byte) (r, s words, ok bool) {
	n := c.OrderBytes()
	if len(sig) != 2*n {
		return r, s, false
	}
	r, s = fromBytes(sig[:n]), fromBytes(sig[n:])
	return r, s, c.order.inRange(&r) && c.order.inRange(&s)
}

// Bounds of the tables kept for keys: of their memory and of the number of keys
// counted, and from which verification on a key has one. Making a table costs
// about ten verifications.
const (
	tableMemory = 32 << 20
	tableKeys   = 4096
	tableAfter  = 8
)

// keyTables is state of the process and not of a caller, because it holds nothing
// but what can be computed again from public keys, and a bound on memory has to be
// one for all.
var keyTables = &tableCache{memory: tableMemory, keys: tableKeys, after: tableAfter}

// tableCache keeps the tables of the keys that were used last.
type tableCache struct {
	memory, keys, after int

	mu      sync.Mutex
	used    int                        // octets
	byKey   map[tableKey]*list.Element // of *tableEntry
	counted list.List                  // keys without a table, the last used first
	tabled  list.List                  // keys with one
}

type tableKey struct {
	curve *Curve
	enc   string
}

type tableEntry struct {
	key   tableKey
	count int
	table table // nil as long as there is none
}

// find counts a use of the key and gives its table, nil if it has none yet.
func (t *tableCache) find(k *PublicKey) table {
	key := tableKey{k.curve, k.enc}
	if made, ours := t.use(key); !ours {
		return made
	}
	made := k.curve.engine.table(&k.point)
	t.keep(key, made)
	return made
}

// use tells with ours that the caller is the one to make the table.
func (t *tableCache) use(key tableKey) (made table, ours bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byKey[key]
	if at == nil {
		if t.byKey == nil {
			t.byKey = map[tableKey]*list.Element{}
		}
		if t.counted.Len() >= t.keys {
			t.drop(&t.counted)
		}
		at = t.counted.PushFront(&tableEntry{key: key})
		t.byKey[key] = at
	}
	e := at.Value.(*tableEntry)
	if e.table != nil {
		t.tabled.MoveToFront(at)
		return e.table, false
	}
	t.counted.MoveToFront(at)
	e.count++
	return nil, e.count == t.after
}

// keep remembers a table as long as it is among the last used that there is room for.
func (t *tableCache) keep(key tableKey, made table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.byKey[key]
	if at == nil || made.size() > t.memory {
		return
	}
	for t.used+made.size() > t.memory {
		t.drop(&t.tabled)
	}
	e := t.counted.Remove(at).(*tableEntry)
	e.table = made
	t.used += made.size()
	t.byKey[key] = t.tabled.PushFront(e)
}

// drop forgets the entry of l that was used longest ago.
func (t *tableCache) drop(l *list.List) {
	e := l.Remove(l.Back()).(*tableEntry)
	if e.table != nil {
		t.used -= e.table.size()
	}
	delete(t.byKey, e.key)
}
