-- Sessions of the crate revocable-postgres, layout 1.
--
-- The tables are made once, the functions may be made again at any time.

-- One row, which every lookup reads. It changes when everything ends, and at no other
-- time: old versions of a row that others keep from being removed cost who reads it.
CREATE TABLE {schema}.meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    layout integer NOT NULL,
    functions integer NOT NULL,
    -- Every session from before this position has ended.
    since bigint NOT NULL,
    -- Is another one when somebody has made these tables again.
    life bytea NOT NULL
);

-- One row. A position is what a revocation takes: the next one.
CREATE TABLE {schema}.positions (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Of the last revocation.
    position bigint NOT NULL,
    -- The highest that was forgotten: a login that began before it is refused.
    floor bigint NOT NULL
) WITH (fillfactor = 50);

-- A touch changes `stamp` and `record`, which no index has: it stays in its page.
CREATE TABLE {schema}.sessions (
    -- Of version 8 and the variant of RFC 9562, as all sessions' are: what has another could
    -- not be named, and not be revoked.
    id uuid PRIMARY KEY
        CHECK (get_byte(uuid_send(id), 6) >> 4 = 8 AND get_byte(uuid_send(id), 8) >> 6 = 2),
    user_id text COLLATE "C" NOT NULL,
    -- At which it was created.
    position bigint NOT NULL,
    -- Is another one after every change.
    stamp bigint NOT NULL,
    -- All but the application's data, with its checksum.
    record bytea NOT NULL,
    -- The application's data and their checksum.
    data bytea NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX sessions_by_user ON {schema}.sessions (user_id, id);

-- The last revoke-all of each user, as long as logins from before it may come.
CREATE TABLE {schema}.epochs (
    user_id text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    at_ms bigint NOT NULL
);

-- Whether the server can write.
CREATE TABLE {schema}.health (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A position at random, so that a login that began before these tables were made again is
-- refused.
INSERT INTO {schema}.positions (position, floor)
SELECT start, start
FROM (
    SELECT (('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12))::bit(48)::bigint) AS start
) AS random;

INSERT INTO {schema}.meta (layout, functions, since, life)
SELECT {layout}, {functions}, position, uuid_send(gen_random_uuid()) FROM {schema}.positions;
