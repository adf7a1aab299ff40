//! Successive ticks that are read at once, beside each tick read by itself.

use es_core::{EventFilter, EventStore, Position, ReadLog, Slices};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{PgConnection, Row};

use crate::fixture::{add, connection, log, run, store, stream};

/// Every event that has a place, found through its tick's own slice.
async fn tick_by_tick(connection: &mut PgConnection) -> Vec<(u64, String, String)> {
    let sql = "SELECT s.pk + t.shift, s.stream_id || ' ' || s.version, s.type
                 FROM es.ticks t CROSS JOIN LATERAL es.slice(t.epoch, t.prev, t.snap) s ORDER BY 1";
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (u64::try_from(row.get::<i64, _>(0)).unwrap(), row.get(1), row.get(2))).collect()
}

/// What a reader finds behind a place, page by page.
async fn by_pages(store: &PgStore, read: &ReadLog, end: Position) -> Vec<(u64, String, String)> {
    let (mut seen, mut next) = (Vec::new(), read.after);
    while next < end {
        let mut visit = |event: es_core::RawEvent<'_>| {
            let name = format!("{} {}", event.stream.id(), event.version);
            seen.push((event.position.unwrap().0, name, event.event_type.to_owned()));
            Ok(())
        };
        let mut page = read.clone();
        page.after = next;
        next = store.read_log(page, &mut visit).await.unwrap().next;
    }
    seen
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Writers that commit late, in another order than they drew their numbers, or not at all, and numbers that nobody has. With
/// `gap` so many of them are lost at once, now and then.
async fn write(database: &Database, dice: &mut Dice, version: &mut u64, gap: u64) {
    let mut ticker = connection(database.url()).await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        writers.push((connection(database.url()).await, false));
    }
    for _ in 0..120 {
        let (writer, open) = &mut writers[usize::try_from(dice.below(4)).unwrap()];
        match dice.below(20) {
            0..3 if *open => (*open, _) = (false, run(writer, "COMMIT").await),
            3 if *open => (*open, _) = (false, run(writer, "ROLLBACK").await),
            4 if !*open => (*open, _) = (true, run(writer, "BEGIN").await),
            5 if gap > 0 => {
                run(writer, &format!("SELECT nextval('es.events_pk_seq') FROM generate_series(1, {gap})")).await;
            }
            6..9 => run(&mut ticker, "SELECT es.tick()").await,
            _ => {
                *version += 1;
                let (id, kind) = (dice.below(3), ["order.noted", "order.sent"][usize::from(dice.below(4) == 0)]);
                let insert = crate::fixture::insert(&id.to_string(), *version).replace("order.noted", kind);
                run(writer, &insert).await;
            }
        }
    }
    for (mut writer, open) in writers {
        if open {
            run(&mut writer, "COMMIT").await;
        }
    }
}

async fn agrees(store: &PgStore, database: &Database, dice: &mut Dice, seed: u64) {
    let end = store.log_end().await.unwrap();
    let all = tick_by_tick(&mut connection(database.url()).await).await;
    let slice = stream("1").slice();
    for limit in [1, 7, 50, 1_000] {
        let after = Position(dice.below(end.0));
        let read = ReadLog::after(after).limit(limit);
        let behind = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<_> {
            all.iter().filter(|(at, name, kind)| *at > after.0 && wanted(name, kind)).cloned().collect()
        };
        assert_eq!(by_pages(store, &read, end).await, behind(&|_, _| true), "seed {seed}, {read:?}");
        let sent = read.clone().filter(EventFilter::categories(["order"]).types(["order.sent"]));
        assert_eq!(by_pages(store, &sent, end).await, behind(&|_, kind| kind == "order.sent"), "seed {seed}, {sent:?}");
        let one = read.slices(Slices::new(slice, slice).unwrap());
        assert_eq!(by_pages(store, &one, end).await, behind(&|name, _| name.starts_with("1 ")), "seed {seed}, {one:?}");
    }
}

#[tokio::test]
async fn what_is_read_at_once_is_what_each_tick_has() {
    for (seed, gap) in (0..6).zip([0, 1, 40].into_iter().cycle()) {
        let (store, database) = store().await;
        let (mut dice, mut version) = (Dice(seed), 0);
        for _ in 0..2 {
            write(&database, &mut dice, &mut version, gap).await;
            agrees(&store, &database, &mut dice, seed).await;
        }
    }
}

#[tokio::test]
async fn an_event_that_is_late_is_no_part_of_the_run_it_lies_in() {
    let (store, database) = store().await;
    let mut late = connection(database.url()).await;
    add(&store, "a", 2).await;
    run(&mut late, &format!("BEGIN; {}", crate::fixture::insert("late", 1))).await;
    add(&store, "b", 2).await;
    store.log_end().await.unwrap();
    add(&store, "c", 2).await;
    let end = store.log_end().await.unwrap();
    run(&mut late, "COMMIT").await;
    let seen = log(&store, Position::START, 100).await.0;
    assert_eq!(seen, ["order-a 1", "order-a 2", "order-b 1", "order-b 2", "order-c 1", "order-c 2", "order-late 1"]);
    assert_eq!(log(&store, end, 100).await.0, ["order-late 1"]);
}
