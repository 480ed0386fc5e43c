-- The verbs that write, one function each and so one transaction each.
--
-- Each query of such a function sees what was committed when it began (READ COMMITTED,
-- VOLATILE): what was done by whoever held a lock before is seen after the lock.

-- At the beginning of each. `patience` is how long to wait for a lock, in milliseconds.
CREATE OR REPLACE FUNCTION {schema}.begin_write(patience text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sessions are written in READ COMMITTED' USING ERRCODE = 'RV002';
    END IF;
    -- What is written in somebody's open transaction is not committed when it is answered.
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'a transaction is open on the connection' USING ERRCODE = 'RV003';
    END IF;
    PERFORM set_config('lock_timeout', patience, true);
    -- Acknowledged is durable, whatever else the database does.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END $$;

-- Before a session is created or ended: none is while everything ends, so that each is
-- counted there or not.
CREATE OR REPLACE FUNCTION {schema}.lock_everything(alone boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF alone THEN
        PERFORM pg_advisory_xact_lock('{schema}.sessions'::regclass::oid::integer, -1);
    ELSE
        PERFORM pg_advisory_xact_lock_shared('{schema}.sessions'::regclass::oid::integer, -1);
    END IF;
END $$;

-- One at a time of those that create sessions in this bucket, or end all of a user in it.
-- Each waits until the one before is committed, however long that takes.
CREATE OR REPLACE FUNCTION {schema}.lock_bucket(bucket integer) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock('{schema}.sessions'::regclass::oid::integer, bucket)
$$;

-- Who ends one session waits for those: a create of this very session may be on its way,
-- and its row is not seen before it is committed.
CREATE OR REPLACE FUNCTION {schema}.share_bucket(bucket integer) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock_shared('{schema}.sessions'::regclass::oid::integer, bucket)
$$;

-- What the next revocation takes: the time, times 2^20. A standby that took the place of a
-- primary may lack positions that logins have begun at, and must not take them once more for what
-- is revoked afterwards.
CREATE OR REPLACE FUNCTION {schema}.position_after(taken bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT greatest(taken + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint << 20)
$$;

CREATE OR REPLACE FUNCTION {schema}.lost_meta() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is known of revocations was deleted' USING ERRCODE = 'RV001';
END $$;

-- Announces to whoever listens, with the commit, in messages of a bounded size. See notice.rs.
CREATE OR REPLACE FUNCTION {schema}.announce(
    instance bytea, reason text, of_user text, ids uuid[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR at IN 1..coalesce(array_length(ids, 1), 0) BY 200 LOOP
        PERFORM pg_notify('{schema}_notices', '1e' || encode(instance, 'hex') || reason || ' '
            || encode(convert_to(of_user, 'UTF8'), 'hex') || ' '
            || replace(array_to_string(ids[at : at + 199], ''), '-', ''));
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION {schema}.create_session(
    patience text, instance bytea, bucket integer,
    new_id uuid, new_user text, new_stamp bigint, new_record bytea, new_data bytea,
    -- The position at which the login began, if it is to be looked at.
    began bigint,
    -- With a cap: the user's sessions as the caller has read them, each an ID and a stamp,
    -- those to end, and whether the new one is refused.
    seen bytea, ending uuid[], refused boolean,
    OUT outcome text, OUT there_record bytea, OUT there_data bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known record;
    now_seen bytea;
BEGIN
    PERFORM {schema}.begin_write(patience);
    PERFORM {schema}.lock_everything(false);
    PERFORM {schema}.lock_bucket(bucket);
    -- In one query: a sweep forgets an epoch and raises the floor at once.
    SELECT p.position, p.floor, m.since, e.position AS own INTO known
        FROM {schema}.positions p CROSS JOIN {schema}.meta m
        LEFT JOIN {schema}.epochs e ON e.user_id = new_user;
    IF NOT FOUND THEN
        PERFORM {schema}.lost_meta();
    END IF;
    SELECT s.record, s.data INTO there_record, there_data
        FROM {schema}.sessions s WHERE s.id = new_id AND s.position >= known.since;
    IF FOUND THEN
        outcome := 'exists';
        RETURN;
    END IF;
    IF began < greatest(known.floor, known.own) OR began > known.position THEN
        outcome := 'superseded';
        RETURN;
    END IF;
    IF seen IS NOT NULL THEN
        -- Held to the end: what is decided from them shows no earlier than what becomes of
        -- them.
        SELECT coalesce(string_agg(uuid_send(s.id) || int8send(s.stamp), ''::bytea ORDER BY s.id), ''::bytea)
            INTO now_seen
            FROM (
                SELECT s.id, s.stamp FROM {schema}.sessions s
                    WHERE s.user_id = new_user AND s.position >= known.since
                    ORDER BY s.id FOR UPDATE) AS s;
        IF now_seen <> seen THEN
            outcome := 'again';
            RETURN;
        END IF;
        IF refused THEN
            outcome := 'refused';
            RETURN;
        END IF;
        DELETE FROM {schema}.sessions s WHERE s.id = ANY (ending);
        PERFORM {schema}.announce(instance, 'cap', new_user, ending);
    END IF;
    -- What has ended with everything may still be there.
    INSERT INTO {schema}.sessions (id, user_id, position, stamp, record, data)
        VALUES (new_id, new_user, known.position, new_stamp, new_record, new_data)
        ON CONFLICT (id) DO UPDATE SET
            user_id = excluded.user_id, position = excluded.position, stamp = excluded.stamp,
            record = excluded.record, data = excluded.data;
    outcome := 'created';
END $$;

-- Whether the session still was as the caller has read it, and now is as told.
CREATE OR REPLACE FUNCTION {schema}.update_session(
    patience text, of_id uuid, seen bigint, new_stamp bigint,
    new_record bytea, new_data bytea, is_touch boolean, is_told boolean
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.begin_write(patience);
    IF is_touch THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    UPDATE {schema}.sessions s
        SET stamp = new_stamp, record = new_record, data = coalesce(new_data, s.data)
        WHERE s.id = of_id AND s.stamp = seen
            AND s.position >= (SELECT m.since FROM {schema}.meta m);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF is_told THEN
        PERFORM pg_notify('{schema}_notices', '1c' || replace(of_id::text, '-', ''));
    END IF;
    RETURN true;
END $$;

-- Whose session it was, if it was there.
CREATE OR REPLACE FUNCTION {schema}.revoke_session(
    patience text, instance bytea, bucket integer, of_id uuid, reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    removed record;
BEGIN
    PERFORM {schema}.begin_write(patience);
    PERFORM {schema}.lock_everything(false);
    PERFORM {schema}.share_bucket(bucket);
    -- Also where it is not known what has ended with everything.
    DELETE FROM {schema}.sessions s WHERE s.id = of_id
        RETURNING s.user_id,
            s.position >= coalesce((SELECT m.since FROM {schema}.meta m), s.position) AS was_there
        INTO removed;
    IF NOT FOUND OR NOT removed.was_there THEN
        RETURN NULL;
    END IF;
    PERFORM {schema}.announce(instance, reason, removed.user_id, ARRAY[of_id]);
    RETURN removed.user_id;
END $$;

CREATE OR REPLACE FUNCTION {schema}.revoke_user(
    patience text, instance bytea, bucket integer,
    of_user text, keep uuid, reason text, now_ms bigint,
    OUT taken bigint, OUT ended uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known record;
BEGIN
    PERFORM {schema}.begin_write(patience);
    PERFORM {schema}.lock_everything(false);
    PERFORM {schema}.lock_bucket(bucket);
    WITH removed AS (
        DELETE FROM {schema}.sessions s
            WHERE s.user_id = of_user AND s.id IS DISTINCT FROM keep
            RETURNING s.id, s.position
    )
    SELECT array_agg(r.id ORDER BY r.id) INTO ended
        FROM removed r WHERE r.position >= (SELECT m.since FROM {schema}.meta m);
    ended := coalesce(ended, ARRAY[]::uuid[]);
    -- Held to the end, so that positions are committed in their order.
    UPDATE {schema}.positions SET position = {schema}.position_after(position)
        RETURNING position INTO taken;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM {schema}.meta) THEN
        PERFORM {schema}.lost_meta();
    END IF;
    INSERT INTO {schema}.epochs AS e (user_id, position, at_ms) VALUES (of_user, taken, now_ms)
        ON CONFLICT (user_id) DO UPDATE
            SET position = excluded.position, at_ms = greatest(e.at_ms, excluded.at_ms);
    PERFORM {schema}.announce(instance, reason, of_user, ended);
END $$;

-- How many sessions have ended. They are not deleted: that is left to the sweep. Of more
-- than 40 MB they are not counted either, for nobody logs in meanwhile and it has to be done
-- within the time-out: the number is the server's estimate.
CREATE OR REPLACE FUNCTION {schema}.revoke_everything(
    patience text, instance bytea, reason text
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    before bigint;
    taken bigint;
    ended bigint;
BEGIN
    PERFORM {schema}.begin_write(patience);
    PERFORM {schema}.lock_everything(true);
    SELECT m.since INTO before FROM {schema}.meta m;
    SELECT {schema}.position_after(p.position) INTO taken FROM {schema}.positions p FOR UPDATE;
    IF before IS NULL OR taken IS NULL THEN
        -- One of the two was deleted. Above everything that there may be, without a look at
        -- all of it: positions begin below 2^48.
        taken := greatest(taken, {schema}.position_after(coalesce(before, 0)));
        before := coalesce(before, 0);
        INSERT INTO {schema}.positions (position, floor) VALUES (taken, taken)
            ON CONFLICT DO NOTHING;
        INSERT INTO {schema}.meta (layout, functions, since, life)
            VALUES (1, 1, taken, uuid_send(gen_random_uuid())) ON CONFLICT DO NOTHING;
    END IF;
    UPDATE {schema}.positions SET position = taken, floor = taken;
    UPDATE {schema}.meta SET since = taken;
    IF pg_relation_size('{schema}.sessions') < 40000000 THEN
        SELECT count(*) INTO ended FROM {schema}.sessions s WHERE s.position >= before;
    ELSE
        -- As the server has counted them last; it may never have.
        SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples
                ELSE pg_relation_size('{schema}.sessions') / 350 END::bigint INTO ended
            FROM pg_class c WHERE c.oid = '{schema}.sessions'::regclass;
    END IF;
    PERFORM pg_notify('{schema}_notices',
        '1a' || encode(instance, 'hex') || reason || ' ' || ended);
    RETURN ended;
END $$;

-- Removes what is as it was seen, and tells which that was. One alone is waited for;
-- of several, those in somebody's hands are left out.
CREATE OR REPLACE FUNCTION {schema}.expire(
    patience text, instance bytea, seen_ids uuid[], seen_stamps bigint[]
) RETURNS TABLE (removed_user text, removed_ids uuid[]) LANGUAGE plpgsql AS $$
DECLARE
    held uuid[];
    since bigint;
BEGIN
    PERFORM {schema}.begin_write(patience);
    PERFORM {schema}.lock_everything(false);
    SELECT m.since INTO since FROM {schema}.meta m;
    IF array_length(seen_ids, 1) = 1 THEN
        SELECT array_agg(s.id) INTO held FROM (
            SELECT s.id FROM {schema}.sessions s
                WHERE s.id = seen_ids[1] AND s.stamp = seen_stamps[1] AND s.position >= since
                FOR UPDATE) AS s;
    ELSE
        SELECT array_agg(s.id) INTO held FROM (
            SELECT s.id FROM {schema}.sessions s
                JOIN unnest(seen_ids, seen_stamps) AS seen (id, stamp)
                    ON s.id = seen.id AND s.stamp = seen.stamp
                WHERE s.position >= since
                FOR UPDATE OF s SKIP LOCKED) AS s;
    END IF;
    FOR removed_user, removed_ids IN
        WITH removed AS (
            DELETE FROM {schema}.sessions s WHERE s.id = ANY (held) RETURNING s.id, s.user_id
        )
        SELECT r.user_id, array_agg(r.id) FROM removed r GROUP BY r.user_id
    LOOP
        PERFORM {schema}.announce(instance, 'expired', removed_user, removed_ids);
        RETURN NEXT;
    END LOOP;
END $$;

-- Removes what has ended with everything.
CREATE OR REPLACE FUNCTION {schema}.remove_ended(patience text, ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.begin_write(patience);
    DELETE FROM {schema}.sessions WHERE id = ANY (ARRAY(
        SELECT s.id FROM {schema}.sessions s
            WHERE s.id = ANY (ids) AND s.position < (SELECT m.since FROM {schema}.meta m)
            FOR UPDATE SKIP LOCKED));
END $$;

-- Looks at so many epochs behind that user, forgets the old ones, and tells at which to go
-- on; nothing when that was the last.
CREATE OR REPLACE FUNCTION {schema}.forget(
    patience text, behind text, most integer, before_ms bigint,
    OUT forgotten bigint, OUT next_behind text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    highest bigint;
    looked integer;
BEGIN
    PERFORM {schema}.begin_write(patience);
    -- In the order in which a revocation takes its locks.
    PERFORM FROM {schema}.positions FOR UPDATE;
    SELECT count(*), max(e.user_id) INTO looked, next_behind FROM (
        SELECT e.user_id FROM {schema}.epochs e WHERE e.user_id > behind
            ORDER BY e.user_id LIMIT most) AS e;
    WITH gone AS (
        DELETE FROM {schema}.epochs e WHERE e.user_id IN (
            SELECT o.user_id FROM {schema}.epochs o
                WHERE o.user_id > behind AND o.user_id <= next_behind AND o.at_ms < before_ms
                FOR UPDATE SKIP LOCKED)
            RETURNING e.position
    )
    SELECT count(*), max(g.position) INTO forgotten, highest FROM gone g;
    IF forgotten > 0 THEN
        UPDATE {schema}.positions SET floor = greatest(floor, highest);
        IF NOT FOUND THEN
            PERFORM {schema}.lost_meta();
        END IF;
    END IF;
    IF looked < most THEN
        next_behind := NULL;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {schema}.check_health(patience text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.begin_write(patience);
    INSERT INTO {schema}.health (at) VALUES (clock_timestamp())
        ON CONFLICT (only_row) DO UPDATE SET at = excluded.at;
    RETURN EXISTS (SELECT FROM {schema}.meta CROSS JOIN {schema}.positions);
END $$;
