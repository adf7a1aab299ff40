//! Appends that go out as one statement.
//!
//! The first event of each append competes for its version, as in an append that goes alone. The further ones are inserted only
//! for those that won, and those that follow an append count as its further events. So each append is stored as a whole or not at all, and one that loses takes nobody along. Streams are
//! taken in the order of their names, so that two statements cannot wait for each other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use es_core::{Appended, Error, IdempotencyKey, NewEvent, StreamId, Timestamp, Version};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use crate::PgStore;
use crate::append::Prepared;
use crate::columns::Columns;
use crate::connections::{Lent, is_complete};
use crate::error;
use crate::group::lines::Flight;
use crate::group::{Outcome, Waiting, Wish};
use crate::queue::{self, PATIENCE};
use crate::row::Column;
use crate::sql::{Groups, Sql};

/// Where the statements say for how long they wait.
const PATIENCE_IN_MS: &str = "{patience_in_ms}";

/// The appends of one statement, at the most.
const MOST_APPENDS: usize = 256;
/// The bytes of their payloads together, about.
const MOST_BYTES: usize = 1 << 20;
/// What is larger goes alone.
const LARGE_EVENTS: usize = 32;
const LARGE_BYTES: usize = 64 << 10;

/// The first events. `{upons}`, `{upon}` and `{is_upon}` are what [`upon`] says, or nothing. The row of the settings comes before all
/// others, and applies to the statement alone.
const FIRST: &str = "
    INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata, slice)
    SELECT category, stream_id, follows + 1, event_id, type, schema_version, payload,
           correlation_id, causation_id, metadata, slice
      FROM (SELECT set_config('lock_timeout', '{patience_in_ms}', true) OFFSET 0) patience,
           unnest($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::uuid[], $6::text[], $7::int[], $8::json[],
                  $9::uuid[], $10::uuid[], $11::json[]{upons})
           new(category, stream_id, follows, slice, event_id, type, schema_version, payload,
               correlation_id, causation_id, metadata{upon})
     WHERE follows = 0 OR (SELECT true FROM {schema}.events e
                       WHERE e.category = new.category AND e.stream_id = new.stream_id AND e.version = new.follows{is_upon})
    ON CONFLICT (category, stream_id, version) DO NOTHING
    RETURNING category, stream_id, recorded_at";

/// The further events, and the keys, of those that won. `IS TRUE` has the winners looked up in a table made once.
const FURTHER: &str = ", further AS (
    INSERT INTO {schema}.events (category, stream_id, version, slice, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata)
    SELECT category, stream_id, follows + 1, slice, event_id, type, schema_version, payload,
           correlation_id, causation_id, metadata
      FROM unnest($12::text[], $13::text[], $14::bigint[], $15::smallint[], $16::uuid[], $17::text[], $18::int[],
                  $19::json[], $20::uuid[], $21::uuid[], $22::json[])
           new(category, stream_id, follows, slice, event_id, type, schema_version, payload,
               correlation_id, causation_id, metadata)
     WHERE ((category, stream_id) IN (SELECT category, stream_id FROM first)) IS TRUE
), key AS (
    INSERT INTO {schema}.idempotency_keys (category, stream_id, first_version, last_version, key, fingerprint, recorded_at)
    SELECT *, statement_timestamp()
      FROM unnest($23::text[], $24::text[], $25::bigint[], $26::bigint[], $27::text[], $28::uuid[])
           new(category, stream_id, first_version, last_version, key, fingerprint)
     WHERE ((category, stream_id) IN (SELECT category, stream_id FROM first)) IS TRUE
)";

/// For appends of one event each, without keys.
pub(crate) fn ones() -> String {
    FIRST.replace(PATIENCE_IN_MS, &PATIENCE.as_millis().to_string())
}

/// For any appends.
pub(crate) fn any() -> String {
    format!("\nWITH first AS ({}\n){FURTHER}\nSELECT category, stream_id, recorded_at FROM first", ones())
}

/// For appends of which some name the event they go behind, in a parameter of that number.
pub(crate) fn upon(statement: &str, parameter: u32) -> String {
    let is_upon = " AND (new.upon IS NULL OR e.event_id = new.upon)";
    with_upon(statement, &format!(", ${parameter}::uuid[]"), ", upon", is_upon)
}

/// For appends of which none does.
pub(crate) fn upon_any(statement: &str) -> String {
    with_upon(statement, "", "", "")
}

fn with_upon(statement: &str, parameter: &str, name: &str, condition: &str) -> String {
    statement.replace("{upons}", parameter).replace("{upon}", name).replace("{is_upon}", condition)
}

/// Whether an append may share a statement: one that names the version it follows, and is not large.
pub(crate) fn may_join(append: &Prepared) -> bool {
    append.follows().is_some() && append.events().len() <= LARGE_EVENTS && bytes(append) <= LARGE_BYTES
}

fn bytes(append: &Prepared) -> usize {
    append.events().map(|(event, _)| event.payload.len()).sum()
}

/// What still fits into a statement.
#[derive(Default)]
pub(crate) struct Room {
    appends: usize,
    bytes: usize,
    keys: HashSet<IdempotencyKey>,
}

impl Room {
    /// Whether an append fits. Of two under one key the second must find what became of the first.
    pub(crate) fn take(&mut self, append: &Prepared) -> bool {
        let is_new = append.key().is_none_or(|keyed| self.keys.insert(keyed.key.clone()));
        if is_new {
            self.appends += 1;
            self.bytes += bytes(append);
        }
        is_new
    }

    pub(crate) fn is_full(&self) -> bool {
        self.appends >= MOST_APPENDS || self.bytes >= MOST_BYTES
    }
}

/// Appends of one stream that go out as one, each behind the one before.
pub(crate) struct Run {
    first: Waiting,
    further: Vec<Waiting>,
}

impl Run {
    pub(crate) fn new(first: Waiting) -> Self {
        Self { first, further: Vec::new() }
    }

    pub(crate) fn push(&mut self, next: Waiting) {
        self.further.push(next);
    }

    pub(crate) fn len(&self) -> usize {
        self.further.len() + 1
    }

    pub(crate) fn stream(&self) -> &StreamId {
        self.first().stream()
    }

    /// Whether an append goes right behind the last one, and nothing has to be asked but that. What has a key is not taken along: it
    /// may turn out to be stored already, and the others with it would go behind what is not there.
    pub(crate) fn leads_to(&self, next: &Prepared) -> bool {
        let last = self.further.last().map_or(self.first(), |waiting| &*waiting.wish.append);
        let is_behind = next.behind().is_some_and(|event| last.last() == Some(event));
        let follows = next.follows().is_some_and(|version| version == behind(last, last.events().len()));
        is_behind && follows && may_join(next) && next.key().is_none() && last.key().is_none()
    }

    fn first(&self) -> &Prepared {
        &self.first.wish.append
    }

    fn appends(&self) -> impl Iterator<Item = &Prepared> {
        let further = self.further.iter().map(|waiting| &*waiting.wish.append);
        std::iter::once(self.first()).chain(further)
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.appends().flat_map(rows)
    }

    fn tell(self, what: impl Fn(&Prepared) -> Outcome) {
        for waiting in self.further.into_iter().chain([self.first]) {
            let outcome = what(&waiting.wish.append);
            waiting.tell(outcome);
        }
    }

    /// Has the first go on alone. The others wait until it is through.
    fn part(mut self, store: &PgStore, flight: impl FnOnce(Flight) -> Flight) {
        if let Some(group) = store.group() {
            group.lines.put_back(self.first.wish.append.stream(), self.further);
        }
        let flight = self.first.wish.flight.take().map(flight);
        self.first.tell(Outcome::Again(flight));
    }
}

/// Appends that go out together, in the order of the names of their streams.
pub(crate) struct Batch {
    runs: Vec<Run>,
    room: Room,
    /// Whose callers have gone. They are dropped when the queue is free: others of their streams come into it then.
    _gone: Vec<Waiting>,
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// When those were stored that were, by their streams.
type Stored<'r> = HashMap<(&'r str, &'r str), Timestamp>;

impl queue::Batch<Wish, Outcome> for Batch {
    fn collect(queue: &mut VecDeque<Waiting>) -> Self {
        let mut room = Room::default();
        let (mut taken, mut left, mut gone) = (Vec::new(), VecDeque::new(), Vec::new());
        let mut seen = HashSet::new();
        while let Some(waiting) = queue.pop_front() {
            if waiting.is_gone() {
                gone.push(waiting);
                continue;
            }
            // Whoever is held back holds back what comes for the same stream behind it.
            let is_first = seen.insert(waiting.wish.append.stream().clone());
            if is_first && room.take(&waiting.wish.append) {
                taken.push(Run::new(waiting));
            } else {
                left.push_back(waiting);
            }
            if room.is_full() {
                break;
            }
        }
        left.append(queue);
        *queue = left;
        Self::new(taken, room, gone)
    }

    fn len(&self) -> usize {
        self.runs.len()
    }

    /// Stores what can be stored, and tells each what became of it.
    async fn run(mut self, store: &PgStore, mut lent: Lent<'_>) {
        self.take_along(store);
        match self.insert(store.sql(), lent.connection()).await {
            Ok(rows) => {
                lent.release();
                self.tell_outcomes(store, &rows);
            }
            Err(error) if error::is_lost(&error) => {
                let backend = lent.backend().clone();
                drop(lent);
                let error = Arc::new(error);
                self.tell(|_| Outcome::Lost(backend.clone(), Arc::clone(&error)));
            }
            Err(error) => {
                if is_complete(&error) {
                    lent.release();
                }
                self.part(store);
            }
        }
    }

    /// What is wrong for good, each finds out by itself.
    fn give_up(self, store: &PgStore, error: Error) {
        if error.is_transient() {
            let error = Arc::new(error);
            self.tell(|_| Outcome::Unavailable(Arc::clone(&error)));
        } else {
            self.part(store);
        }
    }
}

impl Batch {
    pub(crate) fn new(mut runs: Vec<Run>, room: Room, gone: Vec<Waiting>) -> Self {
        runs.sort_unstable_by(|a, b| name(a.first()).cmp(&name(b.first())));
        Self { runs, room, _gone: gone }
    }

    /// The first of each stream have their places. Those who follow share what room is left.
    fn take_along(&mut self, store: &PgStore) {
        let Some(group) = store.group() else { return };
        for run in &mut self.runs {
            group.lines.take_along(run, &mut self.room);
        }
    }

    fn tell_outcomes(self, store: &PgStore, rows: &[PgRow]) {
        let Ok(stored) = rows.iter().map(stored).collect::<Result<Stored<'_>, _>>() else {
            // What cannot be read here is found there by the ids of the events.
            return self.part(store);
        };
        for run in self.runs {
            match stored.get(&name(run.first())).copied() {
                Some(at) => run.tell(|append| Outcome::Stored(Appended::new(last_version(append), at))),
                None => run.part(store, |flight| flight),
            }
        }
    }

    fn part(self, store: &PgStore) {
        self.runs.into_iter().for_each(|run| run.part(store, Flight::alone));
    }

    fn tell(self, what: impl Fn(&Prepared) -> Outcome) {
        self.runs.into_iter().for_each(|run| run.tell(&what));
    }

    async fn insert(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
        let is_one =
            |run: &Run| run.further.is_empty() && run.first().events().len() == 1 && run.first().key().is_none();
        let is_simple = self.runs.iter().all(is_one);
        let is_upon = self.runs.iter().any(|run| run.first().behind().is_some());
        let Groups { ones, ones_upon, any, any_upon } = &sql.group;
        let query = if is_simple {
            self.bind_first(sqlx::query(if is_upon { ones_upon } else { ones }.clone()))
        } else {
            self.bind_keys(
                self.bind_further(self.bind_first(sqlx::query(if is_upon { any_upon } else { any }.clone()))),
            )
        };
        let query = if is_upon { self.bind_upon(query) } else { query };
        query.fetch_all(connection).await
    }

    fn bind_upon<'q>(&'q self, query: Statement<'q>) -> Statement<'q> {
        query.bind(self.runs.iter().map(|run| Some(run.first().behind()?.0)).collect::<Vec<_>>())
    }

    fn bind_first<'q>(&'q self, query: Statement<'q>) -> Statement<'q> {
        bind(query, self.runs.iter().flat_map(|run| run.rows().take(1)))
    }

    fn bind_further<'q>(&'q self, query: Statement<'q>) -> Statement<'q> {
        bind(query, self.runs.iter().flat_map(|run| run.rows().skip(1)))
    }

    fn bind_keys<'q>(&'q self, query: Statement<'q>) -> Statement<'q> {
        let keyed = || self.appends().filter_map(|append| Some((append, append.key()?)));
        query
            .bind(keyed().map(|(append, _)| append.stream().category()).collect::<Vec<_>>())
            .bind(keyed().map(|(append, _)| append.stream().id()).collect::<Vec<_>>())
            .bind(keyed().map(|(append, _)| behind(append, 1)).collect::<Vec<_>>())
            .bind(keyed().map(|(append, _)| behind(append, append.events().len())).collect::<Vec<_>>())
            .bind(keyed().map(|(_, keyed)| keyed.key.as_str()).collect::<Vec<_>>())
            .bind(keyed().map(|(_, keyed)| keyed.fingerprint).collect::<Vec<_>>())
    }

    fn appends(&self) -> impl Iterator<Item = &Prepared> {
        self.runs.iter().flat_map(Run::appends)
    }
}

/// An event of an append, where it goes, and what of its metadata has no column of its own.
struct Row<'a> {
    append: &'a Prepared,
    follows: i64,
    event: &'a NewEvent,
    metadata: Option<&'a str>,
}

fn rows(append: &Prepared) -> impl Iterator<Item = Row<'_>> {
    let events = append.events().enumerate();
    events.map(move |(nth, (event, metadata))| Row { append, follows: behind(append, nth), event, metadata })
}

fn bind<'q>(query: Statement<'q>, rows: impl Iterator<Item = Row<'q>>) -> Statement<'q> {
    let (mut categories, mut ids, mut versions, mut slices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut columns = Columns::default();
    for Row { append, follows, event, metadata } in rows {
        categories.push(append.stream().category());
        ids.push(append.stream().id());
        versions.push(follows);
        slices.push(append.slice());
        columns.push(event, metadata);
    }
    columns.bind(query.bind(categories).bind(ids).bind(versions).bind(slices))
}

fn name(append: &Prepared) -> (&str, &str) {
    (append.stream().category(), append.stream().id())
}

/// The version of so many events of an append. One that may join names the version it follows, and all of its own fit behind it.
fn behind(append: &Prepared, events: usize) -> i64 {
    append.follows().unwrap_or_default().saturating_add(i64::try_from(events).unwrap_or(i64::MAX))
}

fn last_version(append: &Prepared) -> Version {
    Version(behind(append, append.events().len()).unsigned_abs())
}

fn stored(row: &PgRow) -> Result<((&str, &str), Timestamp), sqlx::Error> {
    Ok(((row.text(0)?, row.text(1)?), row.timestamp(2)?))
}
