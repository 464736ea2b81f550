package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// migrations[i] brings a store from schema version i to i+1. A step that was
// released is never edited: stores in the field have run it.
//
// Times are microseconds since 1970 (the zero time.Time is a large negative
// number and comes back as such). Hashes are 32 raw bytes. Words compare as bytes.
var migrations = []string{`
-- One row: who has the store, and how many groups were committed. Every group
-- raises groups and so waits for the one before it, over all nodes.
CREATE TABLE fence (
	one boolean PRIMARY KEY CHECK (one),
	epoch bigint NOT NULL, groups bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO fence VALUES (true, 0, 0);

CREATE TABLE item (
	id bigint PRIMARY KEY,
	queue text COLLATE "C" NOT NULL, owner text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL, label text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
	number text COLLATE "C" NOT NULL, date text COLLATE "C" NOT NULL,
	sha256 text COLLATE "C" NOT NULL, size bigint NOT NULL,
	priority bigint NOT NULL,
	received bigint NOT NULL, decided bigint NOT NULL, deadline bigint NOT NULL, not_before bigint NOT NULL,
	attempts bigint NOT NULL, lease text COLLATE "C" NOT NULL, lease_until bigint NOT NULL,
	note bytea, version bigint NOT NULL,
	-- 0 until a claim has seen not_before pass, 2 in states that nobody claims from
	ripe smallint NOT NULL
);
CREATE INDEX item_work ON item (queue, state, owner, priority, id) WHERE ripe = 1;
CREATE INDEX item_late ON item (queue, state, not_before) WHERE ripe = 0;
CREATE INDEX item_state ON item (queue, state, id);
CREATE INDEX item_owner ON item (owner, id);
CREATE INDEX item_name ON item (owner, name, id);
CREATE INDEX item_label ON item (owner, label, id) WHERE label <> '' AND label <> name;
CREATE INDEX item_lease ON item (lease) WHERE lease <> '';
CREATE INDEX item_due ON item (deadline) WHERE deadline > -62135596800000000;
CREATE INDEX item_received ON item (received);

CREATE TABLE tally (
	queue text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL, n bigint NOT NULL,
	PRIMARY KEY (queue, state)
);

-- The states that are claimed from: only their items stand in line.
CREATE TABLE claimed (queue text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL, PRIMARY KEY (queue, state));
-- Whose turn it is. A row is idle once a claim found nothing behind it. served is
-- a growing number, negative for an owner that was never served.
CREATE TABLE turn (
	queue text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL, owner text COLLATE "C" NOT NULL, priority bigint NOT NULL,
	served bigint NOT NULL, idle smallint NOT NULL,
	PRIMARY KEY (queue, state, owner, priority)
);
CREATE INDEX turn_next ON turn (queue, state, priority DESC, served, owner) WHERE idle = 0;

-- Bytes of large content and large drafts, in pieces of 256 KiB.
CREATE TABLE blob (id bigint PRIMARY KEY);
CREATE TABLE chunk (
	blob bigint NOT NULL REFERENCES blob (id) ON DELETE CASCADE, n bigint NOT NULL, bytes bytea NOT NULL,
	PRIMARY KEY (blob, n)
);
-- What comes is compressed or signed already.
ALTER TABLE chunk ALTER bytes SET STORAGE EXTERNAL;

CREATE TABLE content (
	id bigint PRIMARY KEY,
	sha256 bytea NOT NULL UNIQUE, size bigint NOT NULL,
	bytes bytea, blob bigint REFERENCES blob (id),
	CHECK ((bytes IS NULL) <> (blob IS NULL))
);
CREATE INDEX content_blob ON content (blob) WHERE blob IS NOT NULL;
-- Contents that have lost a part and may have none left: what Sweep looks at.
CREATE TABLE loose (content bigint PRIMARY KEY);

CREATE TABLE part (
	item bigint NOT NULL REFERENCES item (id),
	name text COLLATE "C" NOT NULL, n bigint NOT NULL, role text COLLATE "C" NOT NULL, added bigint NOT NULL,
	content bigint NOT NULL REFERENCES content (id),
	PRIMARY KEY (item, name)
);
CREATE INDEX part_content ON part (content);

CREATE TABLE event (
	seq bigint PRIMARY KEY,
	id bigint NOT NULL UNIQUE, item bigint NOT NULL, at bigint NOT NULL,
	kind text COLLATE "C" NOT NULL, record bytea
);
CREATE INDEX event_item ON event (item, seq) WHERE item <> 0;

CREATE TABLE seen (key bytea PRIMARY KEY, item bigint NOT NULL);
CREATE INDEX seen_item ON seen (item);

CREATE TABLE post (
	owner text COLLATE "C" NOT NULL, box text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
	item bigint NOT NULL, part text COLLATE "C" NOT NULL, size bigint NOT NULL, at bigint NOT NULL,
	told bigint NOT NULL, delivered bigint NOT NULL, acknowledged bigint NOT NULL, withdrawn bigint NOT NULL,
	PRIMARY KEY (owner, box, name)
);
CREATE INDEX post_item ON post (item);
CREATE INDEX post_untold ON post (owner, box, name) WHERE told = -62135596800000000;
CREATE INDEX post_open ON post (owner, box, name)
	WHERE acknowledged = -62135596800000000 AND withdrawn = -62135596800000000;

CREATE TABLE counter (name text COLLATE "C" PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE value (
	bucket text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, value bytea NOT NULL,
	PRIMARY KEY (bucket, key)
);

-- Unfinished drafts with a name. ranges are the written ones: pairs of 64-bit
-- big-endian offsets. epoch is that of the opener who keeps it.
CREATE TABLE kept (
	owner text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
	draft text COLLATE "C" NOT NULL UNIQUE, size bigint NOT NULL, modified bigint NOT NULL,
	ranges bytea NOT NULL, bytes bytea, blob bigint REFERENCES blob (id), epoch bigint NOT NULL,
	PRIMARY KEY (owner, name)
);
CREATE INDEX kept_blob ON kept (blob) WHERE blob IS NOT NULL;
`}

// ErrVersion is returned by Open for a store that a newer release has written.
var ErrVersion = errors.New("written by a newer release")

// migrate brings the schema to the newest version, each step in a transaction of its own.
func migrate(ctx context.Context, c *pgx.Conn) error {
	if _, err := c.Exec(ctx, `CREATE TABLE IF NOT EXISTS meta (key text COLLATE "C" PRIMARY KEY, value text NOT NULL)`); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	version, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, migrations[version], pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO meta (key, value) VALUES ('schema_version', $1)
				ON CONFLICT (key) DO UPDATE SET value = excluded.value`, strconv.Itoa(version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("schema step %d: %w", version+1, err)
		}
	}
	return nil
}

// schemaVersion is 0 for a store that has only just begun.
func schemaVersion(ctx context.Context, c *pgx.Conn) (int, error) {
	var word string
	err := c.QueryRow(ctx, `SELECT value FROM meta WHERE key = 'schema_version'`).Scan(&word)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	version, err := strconv.Atoi(word)
	if err != nil || version < 0 {
		return 0, fmt.Errorf("schema version %q: not a number", word)
	}
	if version > len(migrations) {
		return 0, fmt.Errorf("schema version %d, this release knows %d: %w", version, len(migrations), ErrVersion)
	}
	return version, nil
}
