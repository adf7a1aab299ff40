-- Filters of projections: what those who run one want to see, so that one which wants more than before is not taken for one that
-- has seen it.

-- Null in what an earlier release has registered, until it is taken up again; an empty list is for all.
ALTER TABLE {schema}.projections ADD COLUMN wanted_categories text[], ADD COLUMN wanted_types text[];

-- Somebody is about to run a projection: keeps what is wanted from now on, and forgets why it stopped before.
--
-- It looks before it locks, as nothing is different most of the time.
CREATE FUNCTION {schema}.take_up(of_name text, of_version bigint, categories text[], types text[])
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE {schema}.projections p SET wanted_categories = categories, wanted_types = types
     WHERE p.name = of_name AND p.version = of_version
       AND (p.wanted_categories, p.wanted_types) IS DISTINCT FROM (categories, types);
    PERFORM {schema}.forget_stops(of_name, of_version);
END $$;
