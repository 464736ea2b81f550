package sqlite

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// migrations[i] brings a store from schema version i to i+1. A step that was
// released is never edited: stores in the field have run it.
//
// Times are microseconds since 1970 (the zero time.Time is a large negative
// number and comes back as such). Hashes are 32 raw bytes.
var migrations = []string{
	`
CREATE TABLE item (
	id INTEGER PRIMARY KEY,
	queue TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
	name TEXT NOT NULL, label TEXT NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL, date TEXT NOT NULL,
	sha256 TEXT NOT NULL, size INTEGER NOT NULL,
	priority INTEGER NOT NULL,
	received INTEGER NOT NULL, decided INTEGER NOT NULL, deadline INTEGER NOT NULL, not_before INTEGER NOT NULL,
	attempts INTEGER NOT NULL, lease TEXT NOT NULL, lease_until INTEGER NOT NULL,
	note BLOB, version INTEGER NOT NULL,
	-- 0 until a claim has seen not_before pass: claims then look at ripe items only
	ripe INTEGER NOT NULL
) STRICT;
CREATE INDEX item_work ON item (queue, state, owner, priority, id) WHERE ripe = 1;
CREATE INDEX item_late ON item (queue, state, not_before) WHERE ripe = 0;
CREATE INDEX item_state ON item (queue, state, id);
CREATE INDEX item_owner ON item (owner, id);
CREATE INDEX item_name ON item (owner, name, id);
CREATE INDEX item_label ON item (owner, label, id) WHERE label <> '';
CREATE INDEX item_lease ON item (lease) WHERE lease <> '';
CREATE INDEX item_due ON item (deadline) WHERE deadline > -62135596800000000;
CREATE INDEX item_received ON item (received);

-- How many items of a queue are in a state.
CREATE TABLE tally (
	queue TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;

-- Whose turn it is. A row is made when an owner first has a ripe item of a
-- priority in a state; it is idle once a claim found nothing behind it. served
-- is a growing number, negative for an owner that was never served.
CREATE TABLE turn (
	queue TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, priority INTEGER NOT NULL,
	served INTEGER NOT NULL, idle INTEGER NOT NULL,
	PRIMARY KEY (queue, state, owner, priority)
) STRICT, WITHOUT ROWID;
CREATE INDEX turn_next ON turn (queue, state, priority DESC, served, owner) WHERE idle = 0;

-- bytes is NULL when the content lies in a file.
CREATE TABLE content (
	id INTEGER PRIMARY KEY,
	sha256 BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, bytes BLOB
) STRICT;
-- Contents that have lost a part and may have none left: what Sweep looks at.
CREATE TABLE loose (content INTEGER PRIMARY KEY) STRICT;

CREATE TABLE part (
	id INTEGER PRIMARY KEY,
	item INTEGER NOT NULL REFERENCES item (id),
	name TEXT NOT NULL, role TEXT NOT NULL, added INTEGER NOT NULL,
	content INTEGER NOT NULL REFERENCES content (id),
	UNIQUE (item, name)
) STRICT;
CREATE INDEX part_content ON part (content);

CREATE TABLE event (
	seq INTEGER PRIMARY KEY,
	id INTEGER NOT NULL UNIQUE, item INTEGER NOT NULL, at INTEGER NOT NULL,
	kind TEXT NOT NULL, record BLOB
) STRICT;
CREATE INDEX event_item ON event (item, seq) WHERE item <> 0;

CREATE TABLE seen (key BLOB PRIMARY KEY, item INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX seen_item ON seen (item);

CREATE TABLE post (
	owner TEXT NOT NULL, box TEXT NOT NULL, name TEXT NOT NULL,
	item INTEGER NOT NULL, part TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL,
	told INTEGER NOT NULL, delivered INTEGER NOT NULL, acknowledged INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
	PRIMARY KEY (owner, box, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_item ON post (item);
CREATE INDEX post_untold ON post (owner, box, name) WHERE told = -62135596800000000;
-- What an owner sees: old mail must not slow the listing of today's.
CREATE INDEX post_open ON post (owner, box, name)
	WHERE acknowledged = -62135596800000000 AND withdrawn = -62135596800000000;

CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE value (
	bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
	PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Unfinished drafts with a name. bytes is NULL when they lie in drafts/<draft>.
-- ranges are the written ones: pairs of 64-bit big-endian offsets.
CREATE TABLE kept (
	owner TEXT NOT NULL, name TEXT NOT NULL,
	draft TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, modified INTEGER NOT NULL,
	ranges BLOB NOT NULL, bytes BLOB,
	PRIMARY KEY (owner, name)
) STRICT;
`,
	// What a document costs is the b-trees that its rows touch, above all those with
	// a place of their own for each client or hash.
	`
-- A part is found by its item and name. n tells their order: it grows over all parts.
CREATE TABLE part_by_name (
	item INTEGER NOT NULL REFERENCES item (id),
	name TEXT NOT NULL, n INTEGER NOT NULL, role TEXT NOT NULL, added INTEGER NOT NULL,
	content INTEGER NOT NULL REFERENCES content (id),
	PRIMARY KEY (item, name)
) STRICT, WITHOUT ROWID;
INSERT INTO part_by_name SELECT item, name, id, role, added, content FROM part ORDER BY item, name;
DROP TABLE part;
ALTER TABLE part_by_name RENAME TO part;
CREATE INDEX part_content ON part (content);
-- The greatest n that may have been given; each start puts aside more.
INSERT INTO meta (key, value) SELECT 'part_n', COALESCE(MAX(n), 0) FROM part;

-- Nearly always the label is the name, and is found by it.
DROP INDEX item_label;
CREATE INDEX item_label ON item (owner, label, id) WHERE label <> '' AND label <> name;

-- The states that are claimed from. Only their items stand in line: ripe is 2
-- for the items of the others, and item_work and turn do without them.
CREATE TABLE claimed (queue TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (queue, state)) STRICT, WITHOUT ROWID;
INSERT INTO claimed SELECT DISTINCT queue, state FROM turn WHERE served > 0;
UPDATE item SET ripe = 2 WHERE ripe = 1 AND NOT EXISTS (SELECT 1 FROM claimed c WHERE c.queue = item.queue AND c.state = item.state);
DELETE FROM turn WHERE NOT EXISTS (SELECT 1 FROM claimed c WHERE c.queue = turn.queue AND c.state = turn.state);
`,
}

// ErrVersion is returned by Open for a store that a newer release has written.
var ErrVersion = errors.New("written by a newer release")

// migrate brings the schema to the newest version, each step in a transaction of its own.
func migrate(s *session) error {
	if _, err := s.exec(`CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	word := "0"
	if err := s.row(`SELECT value FROM meta WHERE key = 'schema_version'`, nil, &word); err != nil && !errors.Is(err, capi.ErrNoRows) {
		return fmt.Errorf("schema version: %w", err)
	}
	version, err := strconv.Atoi(word)
	if err != nil || version < 0 {
		return fmt.Errorf("schema version %q: not a number", word)
	}
	if version > len(migrations) {
		return fmt.Errorf("schema version %d, this release knows %d: %w", version, len(migrations), ErrVersion)
	}
	for ; version < len(migrations); version++ {
		if err := s.migrateTo(version + 1); err != nil {
			return fmt.Errorf("schema step %d: %w", version+1, err)
		}
	}
	return nil
}

func (s *session) migrateTo(version int) error {
	if _, err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := s.conn.Script(migrations[version-1])
	if err == nil {
		_, err = s.exec(`INSERT INTO meta (key, value) VALUES ('schema_version', ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, strconv.Itoa(version))
	}
	if err == nil {
		_, err = s.exec("COMMIT")
	}
	if err != nil {
		s.exec("ROLLBACK")
	}
	return err
}
