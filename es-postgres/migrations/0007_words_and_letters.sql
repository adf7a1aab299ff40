-- Words that outlast a refusal, and dead letters page by page.

-- Takes the task that the lease of the part `first` tells of as done, because it was refused, without moving any checkpoint. A
-- rewind that was asked for beside a rebuild stays: it was accepted, and nobody has refused it. False when the lease is not the
-- newest.
CREATE FUNCTION {schema}.refuse_task(of_name text, of_version bigint, first smallint, under bigint)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    beside bigint;
BEGIN
    SELECT p.rewind_to INTO beside FROM {schema}.projections p
     WHERE p.name = of_name AND p.version = of_version AND p.rebuild_requested FOR NO KEY UPDATE;
    IF NOT {schema}.dismiss_task(of_name, of_version, first, under) THEN
        RETURN false;
    END IF;
    IF beside IS NOT NULL THEN
        UPDATE {schema}.projections SET rewind_to = beside WHERE name = of_name AND version = of_version;
    END IF;
    RETURN true;
END $$;

-- Letters are listed in the order of the log, from behind a place on. Of a place there is one event, and so one letter.
CREATE INDEX dead_letters_by_place ON {schema}.dead_letters (name, version, position);
