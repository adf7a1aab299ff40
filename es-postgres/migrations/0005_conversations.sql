-- By which an event is found without its stream: everything of one conversation, and one event by its id. Together they make the
-- tree of what led to what.
--
-- To make either, the whole table is read once, and appends wait meanwhile. For a large table see docs/POSTGRES.md: both can be made
-- beforehand, under these names, while appends go on. `IF NOT EXISTS` then finds them.

-- The events of one conversation, causes before effects. `pk` stands behind, because a page that had to be sorted would read the
-- whole conversation each time. Events without a conversation take no room here.
CREATE INDEX IF NOT EXISTS events_conversation ON {schema}.events (correlation_id, pk) WHERE correlation_id IS NOT NULL;

-- An event by its id, and so the one that begins a conversation under its own. Not UNIQUE: the key of a stream is the arbiter of
-- appends. With a second one, the repeat of an append that was stored would be a failure, where now it is a conflict with itself.
CREATE INDEX IF NOT EXISTS events_event_id ON {schema}.events (event_id);

-- What was made beforehand, and not to its end, is there but is never used.
DO $$
DECLARE
    invalid text;
BEGIN
    SELECT indexrelid::regclass INTO invalid FROM pg_index
     WHERE indexrelid IN ('{schema}.events_conversation'::regclass, '{schema}.events_event_id'::regclass)
       AND NOT indisvalid;
    IF FOUND THEN
        RAISE EXCEPTION 'index % was not made to its end: drop it, and migrate again', invalid
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;
