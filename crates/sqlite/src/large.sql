-- Version 2. To compare keys in a table WITHOUT ROWID, SQLite reads the whole
-- row, so a long row made lookups of its neighbours slow, and damage to its end
-- made them fail. Now every row of `sessions` fits into its page; what would
-- not is here, see row.rs. This table has rowids: who passes by reads numbers.
CREATE TABLE large (
    id                BLOB NOT NULL UNIQUE,
    client_user_agent TEXT,
    data              BLOB NOT NULL
) STRICT;

-- 1: `client_user_agent` and `data` are in `large`. NULL: they are in this row.
ALTER TABLE sessions ADD COLUMN is_large INTEGER;

INSERT INTO large (id, client_user_agent, data)
    SELECT id, client_user_agent, data FROM sessions
    WHERE octet_length(user) + coalesce(octet_length(client_user_agent), 0)
        + coalesce(octet_length(client_label), 0) + octet_length(data) > 768;

UPDATE sessions SET client_user_agent = NULL, data = x'', is_large = 1
    WHERE id IN (SELECT id FROM large);
