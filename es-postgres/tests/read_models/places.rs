//! The place in the log that belongs to a time.

use es_core::{EventStore, Position, ReadModelStore, Timestamp};
use es_postgres::PgStore;
use sqlx::Row;

use crate::fixture::*;

/// Events of the last six hours in ticks of a few each, which now and then were recorded long before they were committed. Some
/// ticks are by a clock that was set back for a while.
const HISTORY: &str = "
DO $$
DECLARE
    now_is timestamptz;
BEGIN
    PERFORM setseed(0.5);
    FOR tick IN 1..300 LOOP
        now_is := clock_timestamp() - interval '6 hours' + tick * interval '70 seconds'
                  - CASE WHEN tick % 40 BETWEEN 20 AND 22 THEN interval '30 minutes' ELSE interval '0' END;
        INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice, recorded_at)
        SELECT 'account', tick || '-' || n, 1, gen_random_uuid(), 'account.noted', 1, '{}', 0,
               now_is - interval '1 second' - CASE WHEN random() < 0.1 THEN interval '10 minutes' ELSE interval '0' END
          FROM generate_series(1, 1 + tick % 4) n;
        COMMIT;
        PERFORM es.tick(true);
        COMMIT;
        UPDATE es.ticks SET at = now_is WHERE upto = (SELECT max(upto) FROM es.ticks) AND upto > 0;
        COMMIT;
    END LOOP;
END $$";

/// Each event's place and time, in the order of the log.
async fn events(store: &PgStore) -> Vec<(Position, Timestamp)> {
    let mut events = Vec::new();
    let mut next = Position::START;
    loop {
        let read = es_core::ReadLog::after(next);
        let mut visit = |raw: es_core::RawEvent<'_>| {
            events.push((raw.position.unwrap(), raw.recorded_at));
            Ok(())
        };
        let page = store.read_log(read, &mut visit).await.unwrap();
        next = page.next;
        if page.at_end {
            return events;
        }
    }
}

#[tokio::test]
async fn everything_up_to_the_place_of_a_time_was_recorded_before_it() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    assert_eq!(store.position_at(Timestamp::now()).await.unwrap(), Position::START, "an empty log has no other place");
    run(&mut admin, "UPDATE es.ticks SET at = clock_timestamp() - interval '7 hours'").await;
    run(&mut admin, HISTORY).await;
    let events = events(&store).await;
    let times =
        "SELECT (extract(epoch FROM clock_timestamp() - interval '7 hours' + n * interval '3 minutes 7 seconds')
                         * 1000000)::bigint FROM generate_series(1, 160) n";
    let rows = sqlx::query(times).fetch_all(&mut admin).await.unwrap();
    let mut places = std::collections::BTreeSet::new();
    for time in rows.iter().map(|row| Timestamp::from_micros(row.get(0))) {
        let place = store.position_at(time).await.unwrap();
        let expected = events.iter().take_while(|(_, at)| *at < time).count();
        let found = events.iter().filter(|(position, _)| *position <= place).count();
        assert_eq!(found, expected, "{time:?}: the last place, everything up to which was recorded before");
        places.insert(place);
    }
    assert!(places.len() > 50, "the times are spread over the log: {places:?}");
    for (time, place) in [(i64::MIN, Position::START), (0, Position::START), (i64::MAX, store.log_end().await.unwrap())]
    {
        assert_eq!(store.position_at(Timestamp::from_micros(time)).await.unwrap(), place);
    }
}
