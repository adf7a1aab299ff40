-- By which an event is found without its stream: everything of one conversation, and one event by its id. Together they make the
-- tree of what led to what.
--
-- On a large table each takes as long as reading it once, and meanwhile appends wait: see docs/POSTGRES.md for how to make both
-- beforehand, without a lock. `IF NOT EXISTS` then finds them.

-- The events of one conversation, causes before effects: `pk` stands behind, because a page that had to sort would read the whole
-- conversation each time. Events without a conversation take no room here.
CREATE INDEX IF NOT EXISTS events_conversation ON {schema}.events (correlation_id, pk) WHERE correlation_id IS NOT NULL;

-- An event by its id, and so the one that begins a conversation under its own. Not UNIQUE: it is the key of a stream that decides
-- between appends, and a second arbiter would turn a repeat of an append of unknown outcome from a conflict into a failure.
CREATE INDEX IF NOT EXISTS events_event_id ON {schema}.events (event_id);
