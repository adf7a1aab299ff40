-- Idempotency keys: which append was stored under which.
--
-- A row is inserted by the statement that inserts the events, or by the transaction around it, so it is there if and only if
-- they are. The primary key is the arbiter: of several appends under one key, in whichever streams, the second waits until the
-- first has ended, and fails as a whole if that one was committed.
--
-- Beside the events and not among them, because keys are forgotten and events are not. How long a key is known is asked when it
-- is looked up, of each row's own age; when it is removed after that makes no difference.
CREATE TABLE {schema}.idempotency_keys (
    first_version bigint      NOT NULL,
    last_version  bigint      NOT NULL CHECK (last_version >= first_version),
    recorded_at   timestamptz NOT NULL,
    -- What is done under the key again must have the same one.
    fingerprint   uuid        NOT NULL,
    key           text        NOT NULL COLLATE "C" CHECK (octet_length(key) BETWEEN 1 AND 255),
    category      text        NOT NULL COLLATE "C",
    stream_id     text        NOT NULL COLLATE "C",
    CONSTRAINT idempotency_keys_pk PRIMARY KEY (key)
);

-- By which the old ones are found.
CREATE INDEX idempotency_keys_by_age ON {schema}.idempotency_keys (recorded_at);

-- Whoever may run projections may use keys, so that `grant_to` need not be called again after this migration.
SELECT {schema}.grant_alike('idempotency_keys', ARRAY['SELECT', 'INSERT', 'DELETE']);

-- As before, and keys.
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
    EXECUTE format('GRANT INSERT, DELETE ON {schema}.idempotency_keys TO %I', application);
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
