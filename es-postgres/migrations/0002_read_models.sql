-- Read models: where each projection is, who may move it there, what it could not take in, and documents.

-- One row for each version of each projection: what is true of all its parts, and the words that were left for those who work
-- on it.
--
-- Who locks what. Locks are taken in this order, so that no two transactions wait for each other:
--
--   documents, dead letters, the row of the projection, the rows of its parts.
--
-- An owner writes documents and letters and then moves the checkpoint of its own part, which is one row: it does not touch the
-- row of the projection, but for the foreign key of a letter (FOR KEY SHARE). All who touch several parts (words, `reset`,
-- `seize`, a division) lock the row of the projection before, FOR NO KEY UPDATE, which lets the foreign keys pass: so at most
-- one of them is among the parts at a time, and an owner, which holds one part and waits for nothing behind it, cannot be in
-- a ring with it. A claim locks the row of the projection FOR SHARE, so it waits for a word that is being left, and a word for
-- it. What makes or drops tables and views comes one after the other, by `ddl_lock`. Two that write letters of several streams
-- take them in the order of the log.
--
-- What touches several rows is a function, because each statement in it has a snapshot of its own: behind the lock of the
-- projection it sees the parts that are there now, and not those of before a division.
CREATE TABLE {schema}.projections (
    -- Up to here the log is history: it was there when the projection was first started, or when its rebuild began.
    live_from         bigint   NOT NULL,
    -- Take in again whatever comes behind this place.
    rewind_to         bigint   CHECK (rewind_to >= 0),
    -- Where all parts meet before they are divided anew: the checkpoint of the one that was furthest ahead.
    barrier           bigint   CHECK (barrier >= 0),
    version           bigint   NOT NULL,
    -- Into how many parts it is to be divided; null when it stays as it is.
    wanted_parts      integer  CHECK (wanted_parts BETWEEN 1 AND 1024),
    paused            boolean  NOT NULL DEFAULT false,
    rebuild_requested boolean  NOT NULL DEFAULT false,
    -- Written in the append's own transaction, by nobody in particular.
    inline            boolean  NOT NULL,
    -- Whether readers of the name read this version.
    serving           boolean  NOT NULL,
    -- The name becomes part of a table's name.
    name              text     NOT NULL COLLATE "C" CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    kind              text     NOT NULL CHECK (kind IN ('projector', 'documents', 'reactor')),
    -- The fields of its documents that have an index.
    indexed           text[]   NOT NULL DEFAULT '{}',
    CONSTRAINT projections_pk PRIMARY KEY (name, version),
    CONSTRAINT projections_division CHECK ((wanted_parts IS NULL) = (barrier IS NULL))
);
CREATE UNIQUE INDEX projections_serving ON {schema}.projections (name) WHERE serving;

-- One row for each part of each projection: its checkpoint and its lease. A part is for a range of the slices of all streams
-- (`events.slice`), and all parts together are for all of them.
--
-- Whoever works on a part moves `position` in the transaction that also holds the effect, and only while `token` is the
-- one it was given. All that takes the lease away raises `token`. So an owner that slept past its lease finds, as the last
-- thing before it commits, that its token is not the newest, and commits nothing. Between the check and the commit the
-- row is locked: nobody can be granted a lease before it is known whether the checkpoint has moved.
--
-- No token is ever given twice, also where a part is made again by a division, or a projection after it was dropped.
CREATE TABLE {schema}.projection_parts (
    -- Everything up to this place has been taken in.
    position      bigint      NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- How many events it has taken in.
    events        bigint      NOT NULL DEFAULT 0,
    token         bigint      NOT NULL,
    -- How many places of the log its owner passes in a second.
    rate          bigint      NOT NULL DEFAULT 0,
    -- By the clock of this database, the only one that all owners share.
    leased_until  timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When somebody else last asked for the lease.
    challenged_at timestamptz,
    version       bigint      NOT NULL,
    owner         uuid,
    -- Who that was.
    challenger    uuid,
    first_slice   smallint    NOT NULL,
    last_slice    smallint    NOT NULL,
    name          text        NOT NULL COLLATE "C",
    -- Why it stopped by itself; null when it did not.
    stopped       text,
    -- What goes wrong, while its owner tries again.
    last_error    text,
    CONSTRAINT projection_parts_pk PRIMARY KEY (name, version, first_slice),
    CONSTRAINT projection_parts_projection FOREIGN KEY (name, version) REFERENCES {schema}.projections ON DELETE CASCADE,
    CONSTRAINT projection_parts_slices CHECK (first_slice >= 0 AND first_slice <= last_slice AND last_slice <= 1023),
    CONSTRAINT projection_parts_lease CHECK ((owner IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 20); -- each row changes with each batch, and finds room for its next form on its own page

-- Where the tokens of a newly made projection begin: four billion behind those of the one before it.
CREATE SEQUENCE {schema}.projection_tokens MINVALUE 0 START 0 MAXVALUE 2147483647;

-- Pointers to events that could not be taken in. The events stay where they are, and are read again at a retry.
CREATE TABLE {schema}.dead_letters (
    first_version   bigint      NOT NULL,
    -- Up to here the stream waits behind the failed event.
    last_version    bigint      NOT NULL,
    position        bigint      NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    version         bigint      NOT NULL,
    attempts        bigint      NOT NULL,
    event_id        uuid        NOT NULL,
    name            text        NOT NULL COLLATE "C",
    category        text        NOT NULL COLLATE "C",
    stream_id       text        NOT NULL COLLATE "C",
    status          text        NOT NULL
        CHECK (status IN ('parked', 'retry_requested', 'discard_requested', 'skipped', 'discarded')),
    error           text        NOT NULL,
    -- Why somebody wants it discarded, or did so.
    reason          text,
    CONSTRAINT dead_letters_pk PRIMARY KEY (name, version, category, stream_id, first_version),
    CONSTRAINT dead_letters_projection FOREIGN KEY (name, version) REFERENCES {schema}.projections ON DELETE CASCADE
);

-- All slices in `parts` contiguous ranges, which differ by one slice at the most, the larger ones first.
CREATE FUNCTION {schema}.divided(parts integer) RETURNS TABLE (first_slice smallint, last_slice smallint)
LANGUAGE sql IMMUTABLE AS $$
    SELECT (n * (1024 / parts) + least(n, 1024 % parts))::smallint,
           ((n + 1) * (1024 / parts) + least(n + 1, 1024 % parts) - 1)::smallint
      FROM generate_series(0, parts - 1) n
$$;

-- Locks a projection and all its parts, and takes all leases away. False when there is no such projection.
CREATE FUNCTION {schema}.take_leases(of_name text, of_version bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM {schema}.projections p WHERE p.name = of_name AND p.version = of_version FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE {schema}.projection_parts
       SET token = token + 1, owner = NULL, leased_until = NULL, challenger = NULL, challenged_at = NULL
     WHERE name = of_name AND version = of_version;
    RETURN true;
END $$;

-- Leaves word for those who work on a projection: 'pause', 'resume', 'rebuild', 'rewind' to the place `argument`, or 'divide'
-- into `argument` parts. Answers 'done', or why not: 'unknown', 'inline', 'dividing' (parts have to meet first), 'task' (a
-- rebuild or a rewind has to be done first).
CREATE FUNCTION {schema}.leave_word(of_name text, of_version bigint, word text, argument bigint DEFAULT NULL)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p {schema}.projections;
    lowest bigint;
    highest bigint;
BEGIN
    SELECT * INTO p FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF p.inline THEN
        RETURN 'inline';
    ELSIF word IN ('rebuild', 'rewind') AND p.wanted_parts IS NOT NULL THEN
        RETURN 'dividing';
    ELSIF word = 'divide' AND (p.rebuild_requested OR p.rewind_to IS NOT NULL) THEN
        RETURN 'task';
    END IF;
    PERFORM {schema}.take_leases(of_name, of_version);
    -- Nobody moves them any more, so this is where they are.
    SELECT min(a.position), max(a.position) INTO lowest, highest
      FROM {schema}.projection_parts a WHERE a.name = of_name AND a.version = of_version;
    CASE word
        WHEN 'pause' THEN p.paused := true;
        WHEN 'resume' THEN p.paused := false;
        WHEN 'rebuild' THEN p.rebuild_requested := true;
        WHEN 'rewind' THEN p.rewind_to := least(p.rewind_to, argument, lowest);
        WHEN 'divide' THEN
            p.wanted_parts := argument;
            p.barrier := highest;
    END CASE;
    UPDATE {schema}.projections q
       SET paused = p.paused, rebuild_requested = p.rebuild_requested, rewind_to = p.rewind_to,
           wanted_parts = p.wanted_parts, barrier = p.barrier
     WHERE q.name = of_name AND q.version = of_version;
    RETURN 'done';
END $$;

-- Decides about parked streams: about the one that waits at this event, or about all that nobody has decided to discard. Answers
-- 'done', 'unknown' when nothing waits, or 'inline'.
--
-- The letters are locked before the checkpoints, like in the transaction of an owner. An owner that has a letter in memory and
-- writes it back as it was is fenced, because the lease is taken away in the same transaction.
CREATE FUNCTION {schema}.settle_letters(of_name text, of_version bigint, new_status text, why text DEFAULT NULL,
                                        of_category text DEFAULT NULL, of_stream text DEFAULT NULL, first bigint DEFAULT NULL)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM {schema}.projections p WHERE p.name = of_name AND p.version = of_version AND p.inline;
    IF FOUND THEN
        RETURN 'inline';
    END IF;
    IF of_stream IS NOT NULL THEN
        UPDATE {schema}.dead_letters SET status = new_status, reason = why
         WHERE name = of_name AND version = of_version
           AND category = of_category AND stream_id = of_stream AND first_version = first
           AND status IN ('parked', 'retry_requested', 'discard_requested');
    ELSE
        PERFORM FROM {schema}.dead_letters d
          WHERE d.name = of_name AND d.version = of_version AND d.status IN ('parked', 'retry_requested')
          ORDER BY d.position, d.first_version FOR UPDATE;
        UPDATE {schema}.dead_letters SET status = new_status, reason = why
         WHERE name = of_name AND version = of_version AND status IN ('parked', 'retry_requested');
    END IF;
    IF FOUND AND {schema}.take_leases(of_name, of_version) THEN
        RETURN 'done';
    END IF;
    RETURN 'unknown';
END $$;

-- Moves the checkpoints of all parts to `new_position`, wherever they are, and takes the task as done. Letters behind it are
-- forgotten, because their events come again. Back at the start, the count of events begins anew. False, and then nothing of
-- the transaction may be committed, when the lease of the part `first` is not the newest.
CREATE FUNCTION {schema}.reset_projection(of_name text, of_version bigint, first smallint, under bigint,
                                          new_position bigint, new_live_from bigint)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    DELETE FROM {schema}.dead_letters WHERE name = of_name AND version = of_version AND position > new_position;
    IF NOT {schema}.dismiss_task(of_name, of_version, first, under) THEN
        RETURN false;
    END IF;
    UPDATE {schema}.projections p
       SET live_from = new_live_from, barrier = CASE WHEN p.wanted_parts > 0 THEN new_position END
     WHERE p.name = of_name AND p.version = of_version;
    UPDATE {schema}.projection_parts
       SET position = new_position, events = CASE WHEN new_position > 0 THEN events ELSE 0 END,
           updated_at = clock_timestamp()
     WHERE name = of_name AND version = of_version;
    RETURN true;
END $$;

-- Takes the task as done without moving any checkpoint. False when the lease of the part `first` is not the newest.
CREATE FUNCTION {schema}.dismiss_task(of_name text, of_version bigint, first smallint, under bigint)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE {schema}.projections SET rebuild_requested = false, rewind_to = NULL
     WHERE name = of_name AND version = of_version;
    -- Who takes a lease away locks the row above before, so what holds here holds until the transaction ends.
    PERFORM FROM {schema}.projection_parts a
      WHERE a.name = of_name AND a.version = of_version AND a.first_slice = first AND a.token = under FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- See the statement that moves the checkpoint of a batch.
    PERFORM set_config('idle_in_transaction_session_timeout', '5s', true);
    RETURN true;
END $$;

-- Divides a projection anew, if that was asked for and all its parts have come to one place. Answers whether it did.
--
-- The new parts' tokens begin behind all that were given so far, so that no lease of an old part is one of a new part.
CREATE FUNCTION {schema}.divide_projection(of_name text, of_version bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    wanted integer;
    old    record;
BEGIN
    -- A look before the locks, as parts that wait for the others ask again and again.
    PERFORM FROM {schema}.projections p
      WHERE p.name = of_name AND p.version = of_version AND p.wanted_parts IS NOT NULL
        AND NOT EXISTS (SELECT FROM {schema}.projection_parts a
                         WHERE a.name = of_name AND a.version = of_version AND a.position <> p.barrier);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT p.wanted_parts INTO wanted FROM {schema}.projections p
     WHERE p.name = of_name AND p.version = of_version AND p.wanted_parts IS NOT NULL FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT {schema}.take_leases(of_name, of_version) THEN
        RETURN false;
    END IF;
    SELECT min(a.position) AS lowest, max(a.position) AS highest, sum(a.events)::bigint AS events, max(a.token) AS token,
           min(a.updated_at) AS updated_at
      INTO old FROM {schema}.projection_parts a WHERE a.name = of_name AND a.version = of_version;
    IF old.lowest <> old.highest THEN
        -- A word came in between, and asked for something else. Whoever worked claims again.
        RETURN false;
    END IF;
    DELETE FROM {schema}.projection_parts WHERE name = of_name AND version = of_version;
    INSERT INTO {schema}.projection_parts (name, version, first_slice, last_slice, position, token, events, updated_at)
    SELECT of_name, of_version, d.first_slice, d.last_slice, old.lowest, old.token + 1,
           CASE WHEN d.first_slice = 0 THEN old.events ELSE 0 END, old.updated_at
      FROM {schema}.divided(wanted) d;
    UPDATE {schema}.projections SET wanted_parts = NULL, barrier = NULL WHERE name = of_name AND version = of_version;
    RETURN true;
END $$;

-- What makes and drops tables, and says which version serves, comes one after the other. Each schema has its own key.
CREATE FUNCTION {schema}.ddl_lock() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock((1702060908::bigint << 32) | '{schema}.projections'::regclass::oid::bigint)
$$;

-- Whoever waits for a reader of a table or a view makes all others wait behind it, and so gives up after 5 seconds.
CREATE FUNCTION {schema}.wait_briefly() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT set_config('lock_timeout', '5s', true) WHERE current_setting('lock_timeout') = '0'
$$;

-- Gives whoever may use the table of projections the same rights to another one.
CREATE FUNCTION {schema}.grant_alike(relation text, rights text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
               FROM pg_class c, aclexplode(c.relacl) a
              WHERE c.oid = '{schema}.projections'::regclass AND a.privilege_type = ANY (rights)
    LOOP
        EXECUTE format('GRANT %s ON {schema}.%I TO %s', r.privilege_type, relation, r.grantee);
    END LOOP;
END $$;

-- How a value of a field is compared: texts as they are. An index has no room for a very long one, so its end stands for itself
-- by its checksum.
CREATE FUNCTION {schema}.comparable(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN length(value) <= 250 THEN value ELSE left(value, 218) || md5(value) END
$$;

-- What a field at the top of a document is compared by; null when it is not there. Fields that queries may ask for have an index
-- of it.
--
-- Not `body ->> field` alone, which fails where a text anywhere in the document holds a NUL, and a failing index would refuse
-- the document. There U+FFFF stands for it, which is no character and so in nobody's texts.
CREATE FUNCTION {schema}.field(body json, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF strpos(body::text, '\u0000') > 0 THEN
        RETURN {schema}.comparable(replace(body::text, '\u0000', '\uffff')::json ->> field);
    END IF;
    RETURN {schema}.comparable(body ->> field);
END $$;

-- Makes the table for documents, `doc_<name>_v<version>`, if it is not there. No key is empty.
--
-- Documents are `json` and not `jsonb`, which cannot hold every text (`\u0000`), writes numbers in its own way, and takes
-- twice the time.
--
-- Whoever clears documents calls it too, because inline ones are built, and that begins from nothing, before they are registered.
CREATE FUNCTION {schema}.make_documents(of_name text, of_version bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    doc text := format('doc_%s_v%s', of_name, of_version);
BEGIN
    IF to_regclass(format('{schema}.%I', doc)) IS NULL AND of_name ~ '^[a-z][a-z0-9_]{0,39}$' THEN
        EXECUTE format('CREATE TABLE IF NOT EXISTS {schema}.%I (key text NOT NULL COLLATE "C", body json NOT NULL, '
                       'CONSTRAINT %I PRIMARY KEY (key)) WITH (fillfactor = 80)', doc, doc || '_pk');
        PERFORM {schema}.grant_alike(doc, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
    END IF;
END $$;
REVOKE ALL ON FUNCTION {schema}.make_documents FROM PUBLIC;

-- Sees to it that `docs_<name>` shows the documents of the version that serves: their keys and bodies.
CREATE FUNCTION {schema}.show_documents(of_name text, of_version bigint, of_kind text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF of_kind = 'documents' THEN
        EXECUTE format('CREATE OR REPLACE VIEW {schema}.%I AS SELECT key, body FROM {schema}.%I',
                       'docs_' || of_name, format('doc_%s_v%s', of_name, of_version));
        PERFORM {schema}.grant_alike('docs_' || of_name, ARRAY['SELECT']);
    ELSE
        EXECUTE format('DROP VIEW IF EXISTS {schema}.%I', 'docs_' || of_name);
    END IF;
END $$;

-- Makes room for a projection that is not known yet, and tells of what kind it is. Documents get a table with an index for each
-- field that queries may ask for; fields that are new to a known projection get theirs now.
--
-- Safe when several call it at once: the second waits for the first, and then finds everything done.
--
-- It makes tables with the rights of the schema's owner, so that an application's role needs none to make any. What it makes
-- is for whoever may use the table of projections, in the same way.
CREATE FUNCTION {schema}.register_projection(
    of_name text, of_version bigint, of_kind text, of_inline boolean, parts integer, fields text[], log_end bigint,
    OUT known_kind text, OUT known_inline boolean, OUT is_new boolean
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    doc   text := format('doc_%s_v%s', of_name, of_version);
    p     {schema}.projections;
    field text;
BEGIN
    is_new := false;
    SELECT * INTO p FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version;
    IF NOT FOUND OR NOT p.indexed @> fields THEN
        PERFORM {schema}.ddl_lock();
        INSERT INTO {schema}.projections (name, version, kind, inline, live_from, serving)
        SELECT of_name, of_version, of_kind, of_inline, log_end,
               NOT EXISTS (SELECT FROM {schema}.projections o WHERE o.name = of_name)
        ON CONFLICT (name, version) DO NOTHING;
        is_new := FOUND;
        SELECT * INTO p FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version;
    END IF;
    known_kind := p.kind;
    known_inline := p.inline;
    IF is_new THEN
        INSERT INTO {schema}.projection_parts (name, version, first_slice, last_slice, token, updated_at)
        SELECT of_name, of_version, d.first_slice, d.last_slice, t.token, t.at
          FROM (SELECT nextval('{schema}.projection_tokens') << 32 AS token, clock_timestamp() AS at OFFSET 0) t, {schema}.divided(CASE WHEN of_inline THEN 1 ELSE parts END) d;
        IF p.kind = 'documents' THEN
            PERFORM {schema}.make_documents(of_name, of_version);
        END IF;
        IF p.serving THEN
            PERFORM {schema}.show_documents(of_name, of_version, p.kind);
        END IF;
    END IF;
    IF p.kind = 'documents' AND of_kind = p.kind AND of_inline = p.inline THEN
        FOREACH field IN ARRAY fields LOOP
            CONTINUE WHEN field = ANY (p.indexed);
            -- The server finds a name that is free.
            EXECUTE format('CREATE INDEX ON {schema}.%1$I (({schema}.field(body, %2$L) COLLATE "C"), key) '
                           'WHERE {schema}.field(body, %2$L) IS NOT NULL', doc, field);
            p.indexed := p.indexed || field;
            UPDATE {schema}.projections SET indexed = p.indexed WHERE name = of_name AND version = of_version;
        END LOOP;
    END IF;
END $$;
REVOKE ALL ON FUNCTION {schema}.register_projection FROM PUBLIC;

-- Makes this version the one that serves, in the place of the one that did, for those who ask the store and for those who read
-- the view. Answers 'done', 'unknown', 'task' while a rebuild or a rewind has to be done first, and 'behind' with the
-- checkpoint and the end of history while it has not caught up.
CREATE FUNCTION {schema}.serve_projection(of_name text, of_version bigint,
                                          OUT answer text, OUT reached bigint, OUT history bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p {schema}.projections;
BEGIN
    PERFORM {schema}.ddl_lock(), {schema}.wait_briefly();
    SELECT * INTO p FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        answer := 'unknown';
        RETURN;
    END IF;
    SELECT min(a.position) INTO reached FROM {schema}.projection_parts a WHERE a.name = of_name AND a.version = of_version;
    history := p.live_from;
    IF p.serving THEN
        answer := 'done';
    ELSIF p.rebuild_requested OR p.rewind_to IS NOT NULL THEN
        answer := 'task';
    ELSIF NOT p.inline AND reached < history THEN
        answer := 'behind';
    ELSE
        answer := 'done';
        UPDATE {schema}.projections SET serving = false WHERE name = of_name AND serving AND version <> of_version;
        UPDATE {schema}.projections SET serving = true WHERE name = of_name AND version = of_version;
        PERFORM {schema}.show_documents(of_name, of_version, p.kind);
    END IF;
END $$;
REVOKE ALL ON FUNCTION {schema}.serve_projection FROM PUBLIC;

-- Forgets a projection with its checkpoints, its letters and its documents. Answers 'done', 'unknown', 'owned' while somebody
-- works on it, and 'serving' while it serves and there is another version that could.
--
-- It asks before it locks, because it would wait for the transaction of an owner, and asks again behind the locks.
CREATE FUNCTION {schema}.drop_projection(of_name text, of_version bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    doc text := format('doc_%s_v%s', of_name, of_version);
    p   {schema}.projections;
BEGIN
    PERFORM {schema}.ddl_lock(), {schema}.wait_briefly();
    FOR turn IN 1..2 LOOP
        SELECT * INTO p FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version;
        IF NOT FOUND THEN
            RETURN 'unknown';
        END IF;
        PERFORM FROM {schema}.projection_parts a
          WHERE a.name = of_name AND a.version = of_version AND a.leased_until > clock_timestamp();
        IF FOUND THEN
            RETURN 'owned';
        END IF;
        PERFORM FROM {schema}.projections o WHERE o.name = of_name AND o.version <> of_version AND p.serving;
        IF FOUND THEN
            RETURN 'serving';
        END IF;
        IF turn = 1 THEN
            IF p.serving THEN
                EXECUTE format('DROP VIEW IF EXISTS {schema}.%I', 'docs_' || of_name);
            END IF;
            IF p.kind = 'documents' THEN
                EXECUTE format('LOCK TABLE {schema}.%I IN ACCESS EXCLUSIVE MODE', doc);
            END IF;
            DELETE FROM {schema}.dead_letters WHERE name = of_name AND version = of_version;
            PERFORM FROM {schema}.projections q WHERE q.name = of_name AND q.version = of_version FOR UPDATE;
        END IF;
    END LOOP;
    DELETE FROM {schema}.projections WHERE name = of_name AND version = of_version;
    IF p.kind = 'documents' THEN
        EXECUTE format('DROP TABLE {schema}.%I', doc);
    END IF;
    RETURN 'done';
END $$;
REVOKE ALL ON FUNCTION {schema}.drop_projection FROM PUBLIC;

-- Until the transaction ends no other one stores events. Ticks go on, because they only read them.
--
-- Whoever waits for a transaction that has appended and idles makes all later appends wait behind it, so it gives up after 2
-- seconds. It locks with the rights of the schema's owner, because a role that can only append may not.
CREATE FUNCTION {schema}.hold_appends() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before text := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    LOCK TABLE {schema}.events IN SHARE ROW EXCLUSIVE MODE;
    PERFORM set_config('lock_timeout', before, true);
END $$;
REVOKE ALL ON FUNCTION {schema}.hold_appends FROM PUBLIC;

-- The last place of the log, everything up to which was recorded before `time`.
--
-- All events of a tick were recorded before the tick looked. So the place is right before the first event that was recorded at
-- `time` or later in the ticks since then. The tick to begin with is found by halves, an hour earlier, so that a clock that
-- was set back by less than that leads nobody astray.
CREATE FUNCTION {schema}.position_at("time" timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- All ticks up to `low` are older than that hour, and the first one behind `high` is not.
    low   bigint := 0;
    high  bigint;
    t     {schema}.ticks;
    first bigint;
BEGIN
    SELECT max(k.upto) INTO STRICT high FROM {schema}.ticks k;
    WHILE low < high LOOP
        SELECT k.* INTO t FROM {schema}.ticks k WHERE k.upto > low + (high - low) / 2 ORDER BY k.upto LIMIT 1;
        IF t.at < "time" - interval '1 hour' THEN
            low := t.upto;
        ELSE
            high := low + (high - low) / 2;
        END IF;
    END LOOP;
    FOR t IN SELECT k.* FROM {schema}.ticks k WHERE k.upto > low AND k.at >= "time" ORDER BY k.upto LOOP
        SELECT min(e.pk) INTO first FROM {schema}.slice(t.epoch, t.prev, t.snap) e WHERE e.recorded_at >= "time";
        IF first IS NOT NULL THEN
            RETURN first + t.shift - 1;
        END IF;
    END LOOP;
    RETURN (SELECT max(k.upto) FROM {schema}.ticks k);
END $$;

-- As before, and read models. It has to be called again after this migration. Document tables that are made later follow
-- the table of projections by themselves.
CREATE OR REPLACE FUNCTION {schema}.grant_to(application name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    doc name;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA {schema} TO %I', application);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO %I', application);
    -- Not `pk`, `xid`, `epoch` and `recorded_at`: these are the database's to say.
    EXECUTE format('GRANT INSERT (category, stream_id, version, slice, event_id, type, schema_version, payload, metadata,
                                  correlation_id, causation_id) ON {schema}.events TO %I', application);
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON {schema}.snapshots, {schema}.projections, {schema}.projection_parts,
                                                    {schema}.dead_letters TO %I', application);
    EXECUTE format('GRANT EXECUTE ON FUNCTION {schema}.register_projection, {schema}.serve_projection,
                                              {schema}.drop_projection, {schema}.make_documents, {schema}.hold_appends
                      TO %I', application);
    FOR doc IN SELECT c.relname FROM pg_class c
                 JOIN {schema}.projections p ON c.relname = format('doc_%s_v%s', p.name, p.version)
                WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'r'
    LOOP
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON {schema}.%I TO %I', doc, application);
    END LOOP;
END $$;
