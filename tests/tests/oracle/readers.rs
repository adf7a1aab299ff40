//! Readers of the log: right ones, and one that is known to be wrong.

use std::sync::Arc;
use std::time::Duration;

use es_core::{EventFilter, EventStore, Position, RawEvent, ReadLog};
use sqlx::{Connection, PgConnection, Row};

use crate::checker::{Seen, Stored};
use crate::random::Random;
use crate::world::World;

/// How a reader goes about it.
#[derive(Clone)]
pub struct Habits {
    pub name: &'static str,
    pub smallest_page: u64,
    pub largest_page: u64,
    /// So many times in a hundred pages it forgets what it did since its checkpoint.
    pub restarts: u64,
    pub filter: EventFilter,
}

/// Follows the log with a checkpoint.
pub struct Reader {
    world: Arc<World>,
    habits: Habits,
    random: Random,
    /// Everything it was ever given, in order.
    seen: Vec<Seen>,
    /// How many of these it has processed in its present life. What it is given again must be the same.
    processed: usize,
    after: Position,
    checkpoint: (usize, Position),
}

impl Reader {
    pub fn new(world: Arc<World>, number: u64, habits: Habits) -> Self {
        let random = Random::of(world.seed, 1000 + number);
        Self {
            world,
            habits,
            random,
            seen: Vec::new(),
            processed: 0,
            after: Position::START,
            checkpoint: (0, Position::START),
        }
    }

    /// Reads until it has passed the announced end, and hands out what it has seen.
    pub async fn run(mut self) -> Vec<Seen> {
        while self.world.end().is_none_or(|end| self.after < end) {
            self.read_page().await;
            self.live().await;
        }
        self.seen
    }

    async fn read_page(&mut self) {
        let size =
            self.habits.smallest_page + self.random.below(self.habits.largest_page - self.habits.smallest_page + 1);
        let limit = u32::try_from(size).unwrap();
        let read = ReadLog::after(self.after).filter(self.habits.filter.clone()).limit(limit);
        let mut page = Vec::new();
        let visit = &mut |event: RawEvent<'_>| {
            page.push(seen(&event));
            Ok(())
        };
        match self.world.reading.read_log(read, visit).await {
            Ok(end) => self.take(page, end.next, end.at_end).await,
            Err(error) if error.is_transient() => self.world.truth.count("reads unavailable"),
            Err(error) => self.scandal(&format!("was refused with {error:?}")),
        }
    }

    async fn take(&mut self, page: Vec<Seen>, next: Position, at_end: bool) {
        let last = page.last().map_or(self.after.0, |seen| seen.position);
        if next < self.after || next.0 < last {
            self.scandal(&format!("read up to {last}, and was told to go on after {next}"));
        }
        if page.iter().any(|seen| seen.position <= self.after.0) {
            self.scandal(&format!("asked for what is after {}, and was given {page:?}", self.after));
        }
        let empty = page.is_empty();
        page.into_iter().for_each(|seen| self.process(seen));
        self.after = next;
        if empty && at_end {
            tokio::time::sleep(Duration::from_millis(self.random.below(8))).await;
        }
    }

    fn process(&mut self, seen: Seen) {
        match self.seen.get(self.processed) {
            Some(before) if *before != seen => {
                self.scandal(&format!("was given {before:?} in an earlier life, and now {seen:?}"));
            }
            Some(_) => (),
            None => self.seen.push(seen),
        }
        self.processed += 1;
    }

    /// Keeps a checkpoint, sometimes in the middle of what it read, or goes back to the one it kept.
    async fn live(&mut self) {
        if self.random.percent(self.habits.restarts) {
            (self.processed, self.after) = self.checkpoint;
            self.world.truth.count("readers restarted");
        } else if self.random.percent(30) && self.processed > self.checkpoint.0 {
            let kept = self.checkpoint.0 + 1 + self.random.index(self.processed - self.checkpoint.0);
            self.checkpoint = (kept, Position(self.seen[kept - 1].position));
        } else if self.random.percent(30) {
            self.checkpoint = (self.processed, self.after);
        }
    }

    fn scandal(&self, what: &str) {
        self.world.truth.scandal(format!("reader `{}` {what}", self.habits.name));
    }
}

fn seen(event: &RawEvent<'_>) -> Seen {
    let position = event.position.expect("an event of the log has a position").0;
    Seen { position, event: Stored { id: event.id.0, stream: event.stream.to_string(), version: event.version.0 } }
}

/// The whole log, once more from the start, in pages of one size.
pub async fn reread(world: &World, filter: EventFilter, page: u32) -> Vec<Seen> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let read = ReadLog::after(after).filter(filter.clone()).limit(page);
        let visit = &mut |event: RawEvent<'_>| {
            all.push(seen(&event));
            Ok(())
        };
        let end = world.reading.read_log(read, visit).await.unwrap();
        after = end.next;
        if end.at_end {
            return all;
        }
    }
}

/// Follows `es.read_log`, as a reader in plain SQL does.
pub async fn follow_by_sql(world: Arc<World>) -> Vec<Seen> {
    const NEXT: &str = "
        SELECT event_id, stream, version, position FROM es.read_log($1, 20)";
    let at_end = |world: &World, after| world.end().is_some_and(|end| after >= i64::try_from(end.0).unwrap());
    follow(&world, NEXT, at_end, |_, _| ()).await
}

/// Reads what every event store reads that knows no better: whatever is above the highest number seen. It must fail.
pub async fn follow_naively(world: Arc<World>) -> Vec<Seen> {
    const NEXT: &str = "
        SELECT event_id, category || '-' || stream_id, version, pk FROM es.events WHERE pk > $1 ORDER BY pk LIMIT 500";
    let at_end = |world: &World, _| world.end().is_some();
    follow(&world, NEXT, at_end, |given, highest| world.note_naive(given, highest)).await
}

/// Asks again and again from the last number it was given, and once more after it may stop.
async fn follow(
    world: &World,
    next: &'static str,
    may_stop: impl Fn(&World, i64) -> bool,
    note: impl Fn(usize, i64),
) -> Vec<Seen> {
    let (mut all, mut after) = (Vec::new(), 0_i64);
    let mut connection = None;
    loop {
        let stop = may_stop(world, after);
        let Some(open) = &mut connection else {
            connection = PgConnection::connect(world.database.url()).await.ok();
            continue;
        };
        note(all.len(), after);
        match sqlx::query(next).bind(after).fetch_all(open).await {
            Ok(rows) if rows.is_empty() && stop => return all,
            Ok(rows) if rows.is_empty() => tokio::time::sleep(Duration::from_millis(2)).await,
            Ok(rows) => all.extend(rows.iter().map(|row| {
                let count = |column| u64::try_from(row.get::<i64, _>(column)).unwrap();
                after = row.get(3);
                Seen { position: count(3), event: Stored { id: row.get(0), stream: row.get(1), version: count(2) } }
            })),
            Err(_) => connection = None,
        }
    }
}
