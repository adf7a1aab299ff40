-- Classes of failures: beside the text of what went wrong, a word for its kind, which code can decide by.
--
-- Null in what an earlier release has written. There is no list of the words here, so that a later release can add one without
-- a migration; a release that does not know a word takes it for none.
ALTER TABLE {schema}.dead_letters ADD COLUMN class text;

-- Of what is in `stopped`, and in `last_error`.
ALTER TABLE {schema}.projection_parts ADD COLUMN stopped_class text, ADD COLUMN last_error_class text;

-- Forgets why a projection stopped, because somebody is about to run it: who waits for it from then on is not to be told of
-- what was before.
--
-- It looks before it locks, as there is nothing to forget most of the time.
CREATE FUNCTION {schema}.forget_stops(of_name text, of_version bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM {schema}.projection_parts a WHERE a.name = of_name AND a.version = of_version AND a.stopped IS NOT NULL;
    IF FOUND THEN
        -- In the order of all who touch several parts.
        PERFORM FROM {schema}.projections p WHERE p.name = of_name AND p.version = of_version FOR NO KEY UPDATE;
        UPDATE {schema}.projection_parts SET stopped = NULL, stopped_class = NULL
         WHERE name = of_name AND version = of_version AND stopped IS NOT NULL;
    END IF;
END $$;
