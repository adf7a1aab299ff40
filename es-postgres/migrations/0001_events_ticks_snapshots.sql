-- The library puts the quoted name of the schema wherever {schema} stands. Whoever reads this by eye: it is `es` by default.

-- Every event. A stream is `category` and `stream_id`; its events count 1, 2, 3, ... in `version`.
--
-- Columns stand in the order that wastes no padding: eight bytes, sixteen, four, two, then the ones of any length.
CREATE TABLE {schema}.events (
    -- Drawn after the version check of the append, one by one (CACHE 1). The order within a stream rests on that: who
    -- writes version n + 1 has seen version n committed, and n drew its number before it committed. It is not the place
    -- in the log, because commits come in another order: see `ticks`.
    pk             bigint      NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    version        bigint      NOT NULL CHECK (version > 0),
    -- The transaction that stored the event, which is what a snapshot can be asked about.
    xid            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    -- The beginning of the statement, not of the transaction (`now()`), which may be hours older than the append, and not
    -- `clock_timestamp()`, which would tear the events of one append apart.
    recorded_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    event_id       uuid        NOT NULL,
    correlation_id uuid,
    causation_id   uuid,
    schema_version integer     NOT NULL,
    -- Which of the 1024 equal parts of all streams this one belongs to, so that readers can share the log.
    slice          smallint    NOT NULL,
    -- Which cluster's transaction ids `xid` counts in: one more after each move to another cluster. See `reanchor`.
    epoch          smallint    NOT NULL DEFAULT 1,
    -- Names are compared byte by byte ("C"), so that no upgrade of the system's collations can corrupt the index.
    category       text        NOT NULL COLLATE "C",
    stream_id      text        NOT NULL COLLATE "C",
    type           text        NOT NULL COLLATE "C",
    -- `json` and not `jsonb`: it comes back as it was written, in half the time, and takes less room.
    payload        json        NOT NULL,
    metadata       json,
    -- What the library writes is checked before it comes here. These are for rows that are written by hand: one that no
    -- reader could read would stand in the way of all that read the log, and could not be removed.
    CONSTRAINT events_names CHECK (category <> '' AND strpos(category, '-') = 0 AND stream_id <> '' AND type <> ''),
    CONSTRAINT events_schema_version CHECK (schema_version > 0),
    CONSTRAINT events_slice CHECK (slice BETWEEN 0 AND 1023),
    CONSTRAINT events_metadata CHECK (json_typeof(metadata) = 'object'),
    CONSTRAINT events_pk PRIMARY KEY (pk),
    -- The arbiter of all concurrent appends.
    CONSTRAINT events_stream UNIQUE (category, stream_id, version)
);
-- How a tick finds what became visible since the last one.
CREATE INDEX events_xid ON {schema}.events (xid);

-- What was stored stays as it was stored, whoever asks. Statement triggers cost an INSERT nothing.
CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: events are facts, and are only ever added',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Store a further event that says what changed.';
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

-- The log. A tick gives the events that it is the first to see their places: `pk + shift`.
--
-- Commits do not come in the order of `pk`. So the log does not ask whether everything below some number is there; it asks
-- what became visible between two snapshots. Each event became visible between exactly one pair of successive ticks, so
-- it gets exactly one place; and later ticks give higher places, so nothing ever appears behind a reader.
CREATE TABLE {schema}.ticks (
    -- The highest place given so far.
    upto   bigint      NOT NULL CONSTRAINT ticks_pk PRIMARY KEY,
    shift  bigint      NOT NULL,
    -- How many events have a place so far.
    events bigint      NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch  smallint    NOT NULL,
    -- What this tick saw, and what the one before it saw.
    snap   pg_snapshot NOT NULL,
    prev   pg_snapshot NOT NULL
);
-- The snapshot `1:1:` sees nothing.
INSERT INTO {schema}.ticks (upto, shift, events, epoch, snap, prev) VALUES (0, 0, 0, 1, '1:1:', '1:1:');

CREATE TABLE {schema}.snapshots (
    version       bigint NOT NULL,
    state_version bigint NOT NULL,
    category      text   NOT NULL COLLATE "C",
    stream_id     text   NOT NULL COLLATE "C",
    state         json   NOT NULL,
    CONSTRAINT snapshots_pk PRIMARY KEY (category, stream_id, state_version)
) WITH (fillfactor = 80);

-- The cluster in which the transaction ids of the newest epoch count.
CREATE TABLE {schema}.cluster (
    system_identifier bigint NOT NULL
);

-- The identifier of the cluster we are in; null where the role may not ask.
CREATE FUNCTION {schema}.this_cluster() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT c.system_identifier FROM pg_control_system() c);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN NULL;
END $$;
INSERT INTO {schema}.cluster SELECT c FROM {schema}.this_cluster() c WHERE c IS NOT NULL;

-- The events that became visible after `prev` and up to `snap`: those whose transaction began after `prev` was taken, and
-- those whose transaction was under way then. Two branches, because as one OR no index serves them; an array of the latter,
-- because a join with them may be planned as one that reads every event.
CREATE FUNCTION {schema}.slice(epoch smallint, prev pg_snapshot, snap pg_snapshot)
RETURNS SETOF {schema}.events LANGUAGE sql STABLE AS $$
    SELECT e.* FROM {schema}.events e
     WHERE e.xid >= pg_snapshot_xmax($2) AND e.xid < pg_snapshot_xmax($3)
       AND pg_visible_in_snapshot(e.xid, $3) AND e.epoch = $1
    UNION ALL
    SELECT e.* FROM {schema}.events e
     WHERE e.xid = ANY (ARRAY(SELECT pg_snapshot_xip($2)))
       AND pg_visible_in_snapshot(e.xid, $3) AND e.epoch = $1
$$;

-- The key of the lock that makes ticks come one after the other; each schema has its own.
CREATE FUNCTION {schema}.tick_lock() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (1702060907::bigint << 32) | '{schema}.ticks'::regclass::oid::bigint
$$;

-- Gives a place to every event that was committed before the call and has none. True when it looked; false when somebody else
-- was ticking and `wait` was not asked for.
--
-- The order of the statements is the proof. Each sees more than the one before it, because each takes a new snapshot (READ
-- COMMITTED, and a VOLATILE function). With the lock held, `l` is the newest tick there is. `s` is taken after that, so it
-- sees all that `l` saw. The slice is read after `s` was taken, so every event that `s` calls visible is there to be counted.
-- A transaction that is late is in the list of `s`, and its events wait for the first tick after its commit.
--
-- It runs with the rights of its owner, so that nobody else needs the right to write ticks: a wrong one would disturb all readers.
CREATE FUNCTION {schema}.tick(wait boolean DEFAULT false) RETURNS boolean LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    l  {schema}.ticks;
    s  pg_snapshot;
    n  bigint;
    lo bigint;
    hi bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN false; -- a standby reads the ticks of its primary
    END IF;
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'a tick needs READ COMMITTED, where each statement takes a snapshot of its own'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'a tick must be a transaction of its own: it holds a lock until its transaction ends'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF wait THEN
        -- Whoever else ticks is done in a millisecond, unless somebody ticks inside a longer transaction.
        PERFORM set_config('lock_timeout', '5s', true) WHERE current_setting('lock_timeout') = '0';
        PERFORM pg_advisory_xact_lock({schema}.tick_lock());
    ELSIF NOT pg_try_advisory_xact_lock({schema}.tick_lock()) THEN
        RETURN false;
    END IF;
    SELECT t.* INTO STRICT l FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1;
    s := pg_current_snapshot();
    IF NOT {schema}.is_home() THEN
        RAISE EXCEPTION 'these events were restored from another cluster, where transactions were counted differently'
            USING ERRCODE = 'ES001', HINT = 'Call reanchor() of this schema once, before anything is appended.';
    END IF;
    SELECT count(*), min(e.pk), max(e.pk) INTO n, lo, hi FROM {schema}.slice(l.epoch, l.snap, s) e;
    IF n > 0 THEN
        IF current_setting('synchronous_commit') = 'off' THEN
            -- A place that a reader has seen must survive a crash.
            PERFORM set_config('synchronous_commit', 'local', true);
        END IF;
        INSERT INTO {schema}.ticks (upto, shift, events, epoch, snap, prev)
        VALUES (l.upto + 1 + hi - lo, l.upto + 1 - lo, l.events + n, l.epoch, s, l.snap);
    END IF;
    RETURN true;
END $$;

-- Whether this is the cluster that the newest transaction ids were counted in. A role that may not ask for its name is
-- believed, unless this cluster has not counted that far yet.
CREATE FUNCTION {schema}.is_home() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM {schema}.cluster c WHERE c.system_identifier <> {schema}.this_cluster())
       AND pg_snapshot_xmax(pg_current_snapshot())
           >= (SELECT pg_snapshot_xmax(t.snap) FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1)
$$;

-- The highest place given so far, after giving one to every event that was committed before the call. It waits for its
-- turn to tick, and ticks itself, because a tick that was already under way may have looked too early.
CREATE FUNCTION {schema}.log_end() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT {schema}.tick(true) THEN
        RAISE EXCEPTION 'a standby cannot tell where the log of its primary ends'
            USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN (SELECT max(t.upto) FROM {schema}.ticks t);
END $$;

-- Up to which place the log was announced to whoever listens. A sequence and not a row, because it is overwritten in place: of a
-- row, each version that an old transaction might still want to see would be kept, and have to be passed over.
CREATE SEQUENCE {schema}.announced MINVALUE 0 START 0;

-- What announcements are heard on: `LISTEN` to this name. A name has 63 bytes at the most.
CREATE FUNCTION {schema}.channel() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(s.name) <= 57 THEN s.name ELSE md5(s.name) END || '.ticks'
      FROM (SELECT btrim('{schema}', '"') AS name) s
$$;

-- Ticks, and tells all who listen how far the log goes, if nobody has told them yet. So there is at most one announcement for
-- each tick, whoever made it: a reader may have, between the append and this call.
--
-- Never call it where appends are made. A transaction that notifies holds a lock of the whole server while it commits, and so
-- they would queue. It is a transaction of its own, on a connection of its own, some time after many of them.
--
-- It waits for its turn to tick, as `log_end` does, because a tick that was already under way may have looked too early.
-- The lock is held until the announcement is committed, so there is nobody else between the look and the mark. If that commit
-- fails, the mark stays, and these events are not announced; whoever polls finds them.
CREATE FUNCTION {schema}.announce() RETURNS void LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reached bigint;
BEGIN
    IF NOT {schema}.tick(true) THEN
        RETURN; -- a standby has nothing to announce
    END IF;
    SELECT max(t.upto) INTO reached FROM {schema}.ticks t;
    IF reached > (SELECT a.last_value FROM {schema}.announced a) THEN
        PERFORM setval('{schema}.announced', reached);
        PERFORM pg_notify({schema}.channel(), reached::text);
    END IF;
END $$;

-- Up to which place a reader at `after` reads next, so that the ticks in between hold about `wanted` events. It ticks when
-- the ticks that are there do not hold as many; `at_end` tells that it did, and that there is nothing behind `upto`.
--
-- A tick with very many events (an import in one transaction) is read alone, and in the order of the primary key when that
-- touches fewer rows than reading the whole tick for each page: then `dense` is true, and the tick comes along.
--
-- `may_tick` promises that the transaction ends with the statement. A tick holds its lock until then, and everybody's next tick
-- waits for that; so whoever has only begun to read, and then idles, must not have ticked.
CREATE FUNCTION {schema}.log_window(
    after bigint, wanted bigint, may_tick boolean DEFAULT true,
    OUT upto bigint, OUT at_end boolean, OUT dense boolean,
    OUT shift bigint, OUT epoch smallint, OUT prev text, OUT snap text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b {schema}.ticks; -- the last one the reader has passed
    f {schema}.ticks; -- the first one it has not passed
    z {schema}.ticks; -- the last one of the window
    n bigint;
BEGIN
    at_end := false;
    dense := false;
    SELECT t.* INTO STRICT b FROM {schema}.ticks t WHERE t.upto <= after ORDER BY t.upto DESC LIMIT 1;
    SELECT t.* INTO z FROM {schema}.ticks t
     WHERE t.upto > after AND t.events >= b.events + wanted ORDER BY t.upto LIMIT 1;
    IF NOT FOUND THEN
        IF may_tick AND pg_current_xact_id_if_assigned() IS NULL
           AND current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
            at_end := {schema}.tick(true);
        END IF;
        SELECT t.* INTO STRICT z FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1;
        at_end := at_end OR pg_is_in_recovery();
    END IF;
    upto := z.upto;
    SELECT t.* INTO f FROM {schema}.ticks t WHERE t.upto > after ORDER BY t.upto LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    n := f.events - b.events;
    IF n > 4 * wanted THEN
        at_end := at_end AND f.upto = upto;
        upto := f.upto;
        dense := (f.upto - b.upto)::float8 * wanted < n::float8 * n;
        shift := f.shift;
        epoch := f.epoch;
        prev := f.prev;
        snap := f.snap;
    ELSIF z.upto > f.upto THEN
        SELECT t.* INTO STRICT b FROM {schema}.ticks t WHERE t.upto < z.upto ORDER BY t.upto DESC LIMIT 1;
        IF z.events - b.events > 4 * wanted THEN
            at_end := false;
            upto := b.upto;
        END IF;
    END IF;
END $$;

-- For readers in plain SQL: the next events behind place `after`, in order. Nothing means that there is nothing more. Remember
-- the last `position` and ask again from there. Nothing will ever appear at or before it.
--
-- It gives places to new events only where it can be sure to be a transaction of its own, which is the case in psql outside
-- of BEGIN, but not with drivers that prepare their statements. With these, call `tick()` or `log_end()` first, outside of
-- any transaction, unless a program with a store reads the log anyway.
CREATE FUNCTION {schema}.read_log(after bigint, max_events integer DEFAULT 500)
RETURNS TABLE ("position" bigint, stream text, version bigint, type text, schema_version integer, payload json,
               recorded_at timestamptz, event_id uuid, correlation_id uuid, causation_id uuid, metadata json)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    reached bigint := after;
    w record;
BEGIN
    LOOP
        SELECT * INTO w FROM {schema}.log_window(reached, max_events, now() = statement_timestamp());
        IF w.dense THEN
            RETURN QUERY
            SELECT e.pk + w.shift, e.category || '-' || e.stream_id, e.version, e.type, e.schema_version, e.payload,
                   e.recorded_at, e.event_id, e.correlation_id, e.causation_id, e.metadata
              FROM {schema}.events e
             WHERE e.pk > reached - w.shift AND e.pk <= w.upto - w.shift AND e.epoch = w.epoch
               AND pg_visible_in_snapshot(e.xid, w.snap::pg_snapshot)
               AND NOT pg_visible_in_snapshot(e.xid, w.prev::pg_snapshot)
             ORDER BY e.pk LIMIT max_events;
        ELSE
            RETURN QUERY
            SELECT s.pk + t.shift, s.category || '-' || s.stream_id, s.version, s.type, s.schema_version, s.payload,
                   s.recorded_at, s.event_id, s.correlation_id, s.causation_id, s.metadata
              FROM {schema}.ticks t CROSS JOIN LATERAL {schema}.slice(t.epoch, t.prev, t.snap) s
             WHERE t.upto > reached AND t.upto <= w.upto AND s.pk + t.shift > reached
             ORDER BY t.upto, s.pk LIMIT max_events;
        END IF;
        EXIT WHEN FOUND OR w.upto <= reached;
        reached := w.upto;
    END LOOP;
END $$;

-- Makes a home of a cluster into which the events were restored from another one. Call it once, as the owner of the schema,
-- before anything is appended there. Calling it where the events are at home does nothing.
--
-- In the other cluster transactions were counted differently, so its snapshots say nothing about this one's transactions.
-- What came along without a place gets one now, in the order of `pk`: a dump holds committed events only, so all of them are
-- visible. Events of the new epoch are then told apart by their `epoch`, and its first tick has seen nothing yet.
CREATE FUNCTION {schema}.reanchor() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    l   {schema}.ticks;
    top xid8;
    n   bigint;
    lo  bigint;
    hi  bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({schema}.tick_lock());
    LOCK TABLE {schema}.events IN ACCESS EXCLUSIVE MODE;
    SELECT t.* INTO STRICT l FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1;
    IF {schema}.is_home() THEN
        RETURN;
    END IF;
    SELECT e.xid INTO top FROM {schema}.events e WHERE e.epoch = l.epoch ORDER BY e.xid DESC LIMIT 1;
    top := greatest(top::text::bigint + 1, pg_snapshot_xmax(l.snap)::text::bigint)::text::xid8;
    SELECT count(*), min(e.pk), max(e.pk) INTO n, lo, hi
      FROM {schema}.slice(l.epoch, l.snap, (top || ':' || top || ':')::pg_snapshot) e;
    IF n > 0 THEN
        INSERT INTO {schema}.ticks (upto, shift, events, epoch, snap, prev)
        VALUES (l.upto + 1 + hi - lo, l.upto + 1 - lo, l.events + n, l.epoch,
                (top || ':' || top || ':')::pg_snapshot, l.snap)
        RETURNING * INTO l;
    END IF;
    INSERT INTO {schema}.ticks (upto, shift, events, epoch, snap, prev)
    VALUES (l.upto + 1, 0, l.events, l.epoch + 1, '1:1:', '1:1:');
    EXECUTE format('ALTER TABLE {schema}.events ALTER COLUMN epoch SET DEFAULT %s', l.epoch + 1);
    DELETE FROM {schema}.cluster;
    INSERT INTO {schema}.cluster SELECT c FROM {schema}.this_cluster() c WHERE c IS NOT NULL;
END $$;

-- Lets an application's role append and read, and nothing else: it can neither change nor remove an event.
CREATE FUNCTION {schema}.grant_to(application name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA {schema} TO %I', application);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO %I', application);
    -- Not `pk`, `xid`, `epoch` and `recorded_at`: these are the database's to say.
    EXECUTE format('GRANT INSERT (category, stream_id, version, slice, event_id, type, schema_version, payload, metadata,
                                  correlation_id, causation_id) ON {schema}.events TO %I', application);
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON {schema}.snapshots TO %I', application);
END $$;
