-- Read models: where each projection is, who may move it there, what it could not take in, and documents.

-- One row for each version of each projection: its checkpoint and its lease.
--
-- Whoever works on a projection moves `position` in the transaction that also holds the effect, and only while `token` is the
-- one it was given. All that takes the lease away raises `token`. So an owner that slept past its lease finds, as the last
-- thing before it commits, that its token is not the newest, and commits nothing. Between the check and the commit the
-- row is locked: nobody can be granted a lease before it is known whether the checkpoint has moved.
--
-- Should a projection be shared among several owners some day, then by slices of its streams (`events.slice`): a column
-- `first_slice smallint NOT NULL DEFAULT 0` in this key and in that of the dead letters, and `last_slice` beside it, so that a
-- part is a row with a checkpoint and a lease of its own, and what is here today is the part of all slices.
CREATE TABLE {schema}.projections (
    -- Everything up to this place has been taken in.
    position          bigint      NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- Up to here the log is history: it was there when the projection was first started, or when its rebuild began.
    live_from         bigint      NOT NULL,
    -- How many events it has taken in.
    events            bigint      NOT NULL DEFAULT 0,
    token             bigint      NOT NULL DEFAULT 0,
    -- By the clock of this database, the only one that all owners share.
    leased_until      timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    version           bigint      NOT NULL,
    owner             uuid,
    -- Words left for whoever works on it.
    paused            boolean     NOT NULL DEFAULT false,
    rebuild_requested boolean     NOT NULL DEFAULT false,
    -- The name becomes part of a table's name.
    name              text        NOT NULL COLLATE "C" CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    kind              text        NOT NULL CHECK (kind IN ('projector', 'documents')),
    -- Why it stopped by itself; null when it did not.
    stopped           text,
    CONSTRAINT projections_pk PRIMARY KEY (name, version),
    CONSTRAINT projections_lease CHECK ((owner IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 20); -- each row changes with each batch, and finds room for its next form on its own page

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

-- Makes room for a projection that is not known yet, and tells of what kind it is. Documents get a table,
-- `doc_<name>_v<version>`.
--
-- Safe when several call it at once: the second waits at the key of the first, and then finds everything done.
--
-- It makes tables with the rights of the schema's owner, so that an application's role needs none to make any. What it makes
-- is for whoever may use the table of checkpoints, in the same way.
--
-- Documents are `json` and not `jsonb`, which cannot hold every text (`\u0000`), writes numbers in its own way, and takes
-- twice the time. An index on a field, `((body ->> 'owner'))`, works all the same. No key is empty.
CREATE FUNCTION {schema}.register_projection(of_name text, of_version bigint, of_kind text, log_end bigint)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    doc text := format('doc_%s_v%s', of_name, of_version);
    r   record;
BEGIN
    INSERT INTO {schema}.projections (name, version, kind, live_from) VALUES (of_name, of_version, of_kind, log_end)
    ON CONFLICT (name, version) DO NOTHING;
    IF NOT FOUND THEN
        RETURN (SELECT p.kind FROM {schema}.projections p WHERE p.name = of_name AND p.version = of_version);
    END IF;
    IF of_kind = 'documents' THEN
        EXECUTE format('CREATE TABLE {schema}.%I (key text NOT NULL COLLATE "C", body json NOT NULL, '
                       'CONSTRAINT %I PRIMARY KEY (key)) WITH (fillfactor = 80)', doc, doc || '_pk');
        FOR r IN SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
                   FROM pg_class c, aclexplode(c.relacl) a
                  WHERE c.oid = '{schema}.projections'::regclass
                    AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        LOOP
            EXECUTE format('GRANT %s ON {schema}.%I TO %s', r.privilege_type, doc, r.grantee);
        END LOOP;
    END IF;
    RETURN of_kind;
END $$;
REVOKE ALL ON FUNCTION {schema}.register_projection FROM PUBLIC;

-- As before, and read models. It has to be called again after this migration. Document tables that are made later follow
-- the table of checkpoints by themselves.
CREATE OR REPLACE FUNCTION {schema}.grant_to(application name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    doc name;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA {schema} TO %I', application);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO %I', application);
    -- Not `pk`, `xid`, `epoch` and `recorded_at`: these are the database's to say.
    EXECUTE format('GRANT INSERT (category, stream_id, version, slice, event_id, type, schema_version, payload, metadata,
                                  correlation_id, causation_id) ON {schema}.events TO %I', application);
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON {schema}.snapshots, {schema}.projections, {schema}.dead_letters TO %I',
                   application);
    EXECUTE format('GRANT EXECUTE ON FUNCTION {schema}.register_projection TO %I', application);
    FOR doc IN SELECT c.relname FROM pg_class c
                 JOIN {schema}.projections p ON c.relname = format('doc_%s_v%s', p.name, p.version)
                WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'r'
    LOOP
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON {schema}.%I TO %I', doc, application);
    END LOOP;
END $$;
