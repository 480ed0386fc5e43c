-- Version 1. A released version never changes: what comes after it is a
-- migration of its own, in schema.rs.

-- One row a session. What is short and of fixed length comes first, so that a
-- sweep reads the times without decoding the rest, and the application's data
-- last. `checksum` is the CRC-32 of all other columns, see row.rs.
CREATE TABLE sessions (
    id                     BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_ms             INTEGER NOT NULL,
    last_seen_ms           INTEGER NOT NULL,
    expires_ms             INTEGER NOT NULL,
    idle_timeout_ms        INTEGER NOT NULL,
    authenticated_ms       INTEGER NOT NULL,
    version                INTEGER NOT NULL,
    checksum               INTEGER NOT NULL,
    digest                 BLOB    NOT NULL CHECK (length(digest) = 32),
    user                   TEXT    NOT NULL,
    -- The token before; its successor is unconfirmed if there is a salt, was
    -- presented if there is a time, and is for security if there is neither.
    previous_digest        BLOB,
    previous_replaced_ms   INTEGER,
    successor_salt         BLOB,
    successor_presented_ms INTEGER,
    client_ip              BLOB,
    client_user_agent      TEXT,
    client_label           TEXT,
    data                   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose sessions. A table, not an index of `sessions`: SQLite refuses to delete
-- a row whose index entry it does not find, so a damaged user would make its
-- session irrevocable. Written in the transaction that writes the session.
CREATE TABLE by_user (
    user TEXT NOT NULL,
    id   BLOB NOT NULL,
    PRIMARY KEY (user, id)
) STRICT, WITHOUT ROWID;

-- The position of each user's last revoke-all.
CREATE TABLE epochs (
    user        TEXT    NOT NULL PRIMARY KEY,
    epoch       INTEGER NOT NULL,
    advanced_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The oldest are forgotten first.
CREATE INDEX epochs_by_epoch ON epochs (epoch);

-- `epoch`: the position that the last revocation took. `floor`: the highest
-- position that was forgotten.
CREATE TABLE meta (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- They begin at random, so that a login that began in another life of the store,
-- before its file was removed, is not taken for one of this.
INSERT INTO meta (name, value) VALUES ('epoch', random() & 0x3fffffffffffffff);
INSERT INTO meta (name, value) SELECT 'floor', value FROM meta WHERE name = 'epoch';
