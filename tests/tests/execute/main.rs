//! What `execute`, `load` and the typed reads promise on every store, proved on one that fails on demand.

mod faulty;
mod keyed;

use std::convert::Infallible;
use std::time::Duration;

use es_core::{
    Aggregate, Append, CausationId, Command, Context, CorrelationId, Error, EventStore, EventStoreExt, ExecuteError,
    ExpectedVersion, Metadata, NewEvent, Position, Retry, Snapshot, SnapshotInfo, Snapshots, StreamId, TraceContext,
    Version,
};
use es_memory::MemoryStore;
use faulty::Faulty;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, es_core::Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum Event {
    Deposited { amount: u64 },
    Withdrawn { amount: u64 },
}

/// Takes a snapshot every three events.
#[derive(Debug, Default, PartialEq, Aggregate, Serialize, Deserialize)]
#[aggregate(id = String, event = Event, apply = apply, snapshot(every = 3, version = 2))]
pub struct Account {
    balance: u64,
}

fn apply(account: &mut Account, event: Event) {
    match event {
        Event::Deposited { amount } => account.balance += amount,
        Event::Withdrawn { amount } => account.balance -= amount,
    }
}

#[derive(Clone, Debug, Command)]
#[command(aggregate = Account, handle = decide, error = Overdrawn)]
enum Do {
    Deposit { id: String, amount: u64 },
    Withdraw { id: String, amount: u64 },
    Nothing { id: String },
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("overdrawn")]
struct Overdrawn;

fn decide(account: &Account, command: Do, _: &Context) -> Result<Vec<Event>, Overdrawn> {
    match command {
        Do::Deposit { amount, .. } => Ok(vec![Event::Deposited { amount }]),
        Do::Withdraw { amount, .. } if amount > account.balance => Err(Overdrawn),
        Do::Withdraw { amount, .. } => Ok(vec![Event::Withdrawn { amount }]),
        Do::Nothing { .. } => Ok(vec![]),
    }
}

fn ada() -> String {
    "ada".to_owned()
}

fn deposit(amount: u64) -> Do {
    Do::Deposit { id: ada(), amount }
}

fn withdraw(amount: u64) -> Do {
    Do::Withdraw { id: ada(), amount }
}

fn stream() -> StreamId {
    StreamId::new("account", "ada").unwrap()
}

fn quick() -> Retry {
    Retry::default().base(Duration::ZERO)
}

mod metadata {
    use super::*;

    #[tokio::test]
    async fn a_root_command_begins_a_conversation_and_causes_its_events() {
        let store = MemoryStore::new();
        let first = store.execute(deposit(1)).await.unwrap().events.remove(0).metadata;
        let second = store.execute(deposit(1)).await.unwrap().events.remove(0).metadata;
        assert_eq!(first.correlation_id.unwrap().0, first.causation_id.unwrap().0);
        assert_ne!(first.correlation_id, second.correlation_id);
    }

    #[tokio::test]
    async fn the_conversation_goes_on_from_an_event_to_the_command_it_causes() {
        let store = MemoryStore::new();
        let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let cause = store.execute(deposit(5)).trace(trace.clone()).await.unwrap().events.remove(0);
        let effect = store.execute(withdraw(1)).caused_by(&cause).await.unwrap().events.remove(0).metadata;
        assert_eq!(effect.correlation_id, cause.metadata.correlation_id);
        assert_eq!(effect.causation_id, Some(cause.id.into()));
        assert_eq!(effect.trace, Some(trace));
    }

    #[tokio::test]
    async fn an_event_without_a_conversation_begins_one_when_it_causes_a_command() {
        let store = MemoryStore::new();
        store.append_events::<Account>(&ada(), ExpectedVersion::Any, Event::Deposited { amount: 1 }).await.unwrap();
        let cause = store.events::<Account>(&ada()).unwrap().next().await.unwrap().unwrap();
        let effect = store.execute(deposit(1)).caused_by(&cause).await.unwrap().events.remove(0).metadata;
        assert_eq!(effect.correlation_id, Some(CorrelationId(cause.id.0)));
    }

    #[tokio::test]
    async fn whatever_the_caller_says_is_stored_and_returned_alike() {
        let store = MemoryStore::new();
        let (correlation, causation) = (CorrelationId::new(), CausationId::new());
        let outcome = store
            .execute(deposit(1))
            .correlation(correlation)
            .causation(causation)
            .actor("ada")
            .source("phone")
            .header("ticket", "4711")
            .header("empty", "")
            .await
            .unwrap();
        let expected = Metadata::default()
            .with_correlation(correlation)
            .with_causation(causation)
            .with_actor("ada")
            .with_source("phone")
            .with_header("ticket", "4711")
            .with_header("empty", "");
        assert_eq!(outcome.events[0].metadata, expected);
        let stored = store.events::<Account>(&ada()).unwrap().collect().await.unwrap();
        assert_eq!(stored, outcome.events);
    }

    #[tokio::test]
    async fn retries_keep_the_cause() {
        let store = Faulty::default().unavailable(2);
        let outcome = store.execute(deposit(1)).retry(quick()).await.unwrap();
        assert_eq!(outcome.attempts, 3);
        assert!(outcome.events[0].metadata.causation_id.is_some());
    }
}

mod expectations {
    use super::*;

    #[tokio::test]
    async fn a_stated_version_that_does_not_hold_is_a_conflict_before_the_domain_is_asked() {
        let store = Faulty::default();
        store.execute(deposit(1)).await.unwrap();
        let error = store.execute(withdraw(99)).expect(Version(7)).await.unwrap_err();
        let ExecuteError::Conflict(conflict) = error else { panic!("{error}") };
        assert_eq!((conflict.expected, conflict.actual), (ExpectedVersion::Exact(Version(7)), Version(1)));
        assert_eq!(store.appends(), 1);
    }

    #[tokio::test]
    async fn a_stated_version_that_somebody_takes_first_is_not_retried() {
        let store = Faulty::default().rivals(1);
        let error = store.execute(deposit(1)).expect(ExpectedVersion::NoStream).await.unwrap_err();
        let ExecuteError::Conflict(conflict) = error else { panic!("{error}") };
        assert_eq!((conflict.expected, conflict.actual), (ExpectedVersion::NoStream, Version(1)));
        assert!(!conflict.is_contention(), "what was stated does not hold");
        assert_eq!(store.appends(), 1);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_waited_for() {
        let opened = NewEvent::encode(&Event::Deposited { amount: 1 }, &Metadata::default()).unwrap();
        let opened = Append::new(stream(), ExpectedVersion::NoStream, vec![opened]);
        // A second try would find it.
        let store = Faulty::default().after_load(opened);
        assert!(store.execute(deposit(1)).expect(ExpectedVersion::Exists).await.unwrap_err().is_conflict());
        assert_eq!(store.load::<Account>(&ada()).await.unwrap().version, Version(1));
    }

    #[tokio::test]
    async fn exists_refuses_an_unused_id_and_is_retried_like_any() {
        let store = Faulty::default();
        let error = store.execute(deposit(1)).expect(ExpectedVersion::Exists).await.unwrap_err();
        let ExecuteError::Conflict(conflict) = error else { panic!("{error}") };
        assert_eq!((conflict.expected, conflict.is_contention()), (ExpectedVersion::Exists, false));
        store.execute(deposit(1)).await.unwrap();
        let store = store.rivals(2);
        let outcome = store.execute(deposit(1)).expect(ExpectedVersion::Exists).retry(quick()).await.unwrap();
        assert_eq!((outcome.attempts, outcome.state.balance), (3, 4));
    }
}

mod retry {
    use super::*;

    #[tokio::test]
    async fn after_a_conflict_the_command_is_decided_again_on_what_is_there_now() {
        let store = Faulty::default();
        store.execute(deposit(1)).await.unwrap();
        let store = store.rivals(3);
        // Each rival brings one more. The withdrawal of the last attempt is decided on a balance of four.
        let outcome = store.execute(withdraw(1)).retry(quick()).await.unwrap();
        assert_eq!((outcome.attempts, outcome.state.balance, outcome.version), (4, 3, Version(5)));
        assert_eq!(store.load::<Account>(&ada()).await.unwrap().balance, 3);
    }

    #[tokio::test]
    async fn the_last_conflict_comes_back_when_the_tries_are_used_up() {
        let store = Faulty::default().rivals(99);
        let error = store.execute(deposit(1)).retry(Retry::attempts(3).base(Duration::ZERO)).await.unwrap_err();
        let ExecuteError::Conflict(conflict) = error else { panic!("{error}") };
        assert_eq!((conflict.expected, conflict.actual), (ExpectedVersion::Any, Version(3)));
        assert!(conflict.is_contention(), "nobody has stated a version");
        assert_eq!(conflict.to_string(), "stream `account-ada` is at version 3, others were faster to write to it");
        assert_eq!(store.appends(), 3);
    }

    #[tokio::test]
    async fn what_is_to_be_tried_0_times_is_refused() {
        let store = Faulty::default();
        let error = store.execute(deposit(1)).retry(Retry::attempts(0)).await.unwrap_err();
        assert!(matches!(&error, ExecuteError::Store(Error::Setup { .. })), "{error}");
        assert_eq!(store.appends(), 0);
    }

    #[tokio::test]
    async fn what_will_pass_is_tried_again_and_what_will_not_is_not() {
        let store = Faulty::default().unavailable(5);
        assert_eq!(store.execute(deposit(1)).retry(quick()).await.unwrap().attempts, 6);
        let store = Faulty::default().broken(1);
        let error = store.execute(deposit(1)).retry(quick()).await.unwrap_err();
        assert!(matches!(&error, ExecuteError::Store(Error::Store { .. })) && !error.is_transient(), "{error}");
        assert_eq!(store.appends(), 1);
    }

    #[tokio::test]
    async fn a_refusal_is_not_tried_again_and_keeps_its_type() {
        let store = Faulty::default();
        let error = store.execute(withdraw(1)).await.unwrap_err();
        assert_eq!(error.rejection(), Some(&Overdrawn));
        assert_eq!(store.appends(), 0);
    }
}

mod outcome {
    use super::*;

    #[tokio::test]
    async fn a_command_that_changes_nothing_appends_nothing() {
        let store = Faulty::default();
        store.execute(deposit(5)).await.unwrap();
        let outcome = store.execute(Do::Nothing { id: ada() }).await.unwrap();
        assert_eq!((outcome.version, outcome.state.balance, outcome.events.len()), (Version(1), 5, 0));
        assert_eq!(store.appends(), 1);
    }

    #[derive(Debug, es_core::Event, Serialize, Deserialize)]
    #[event(category = "cache")]
    enum CacheEvent {
        Filled {
            #[serde(skip)]
            hint: u64,
        },
    }

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(id = String, event = CacheEvent, apply = Cache::take_in)]
    struct Cache {
        hint: u64,
    }

    impl Cache {
        fn take_in(&mut self, CacheEvent::Filled { hint }: CacheEvent) {
            self.hint = hint;
        }

        fn fill(&self, _: Fill, _: &Context) -> Result<CacheEvent, Infallible> {
            Ok(CacheEvent::Filled { hint: 7 })
        }
    }

    #[derive(Clone, Debug, Command)]
    #[command(aggregate = Cache, handle = Cache::fill, error = Infallible)]
    struct Fill {
        id: String,
    }

    #[tokio::test]
    async fn the_state_that_comes_back_is_the_one_that_the_next_load_finds() {
        let store = MemoryStore::new();
        let outcome = store.execute(Fill { id: ada() }).await.unwrap();
        assert_eq!(outcome.state.hint, store.load::<Cache>(&ada()).await.unwrap().hint);
        assert_eq!(outcome.state.hint, 0, "a field that serde skips is not stored");
    }

    #[derive(Debug, es_core::Event, Serialize, Deserialize)]
    #[event(category = "sensor")]
    enum SensorEvent {
        Measured {
            celsius: Option<f64>,
            #[serde(skip_serializing_if = "String::is_empty")]
            place: String,
        },
    }

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(id = String, event = SensorEvent, apply = Sensor::take_in)]
    struct Sensor;

    impl Sensor {
        fn take_in(&mut self, _: SensorEvent) {}

        fn measure(&self, command: Measure, _: &Context) -> Result<SensorEvent, Infallible> {
            Ok(SensorEvent::Measured { celsius: command.celsius, place: command.place.into() })
        }
    }

    #[derive(Clone, Debug, Command)]
    #[command(aggregate = Sensor, handle = Sensor::measure, error = Infallible)]
    struct Measure {
        id: String,
        celsius: Option<f64>,
        place: &'static str,
    }

    #[tokio::test]
    async fn an_event_that_could_not_be_read_back_is_refused_before_it_is_stored() {
        let store = MemoryStore::new();
        let measure = |celsius, place| Measure { id: ada(), celsius, place };
        for (command, said) in [
            (measure(Some(1.5), ""), "event `sensor.measured` can be written as JSON, but cannot be read back: "),
            (
                measure(Some(f64::NAN), "attic"),
                "event `sensor.measured` cannot be written as JSON: a number that is not finite (NaN, in field `celsius`) ",
            ),
        ] {
            let error = store.execute(command).await.unwrap_err();
            let ExecuteError::Store(Error::Encode(refused)) = &error else { panic!("{error:?}") };
            let source = std::error::Error::source(refused).expect("serde's own words");
            assert_eq!(refused.event_type(), "sensor.measured");
            assert!(format!("{refused}: {source}").starts_with(said), "{refused}: {source}");
        }
        assert!(!store.load::<Sensor>(&ada()).await.unwrap().exists());
        for celsius in [None, Some(21.5)] {
            store.execute(measure(celsius, "attic")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_id_that_cannot_name_a_stream_is_refused() {
        let store = MemoryStore::new();
        for id in [String::new(), "x".repeat(10_000), "a\0b".into()] {
            let error = store.execute(Do::Deposit { id, amount: 1 }).await.unwrap_err();
            assert!(matches!(error, ExecuteError::Store(Error::InvalidStream(_))), "{error}");
        }
    }
}

mod snapshots {
    use super::*;

    async fn deposits(store: &Faulty, count: u64) {
        for _ in 0..count {
            store.execute(deposit(1)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_is_taken_every_so_many_events_and_never_without_an_event() {
        let store = Faulty::default();
        deposits(&store, 7).await;
        store.execute(Do::Nothing { id: ada() }).await.unwrap();
        assert_eq!(store.offered(), [3, 6]);
    }

    #[tokio::test]
    async fn an_append_that_passes_several_borders_takes_one_at_its_end() {
        let store = Faulty::default();
        deposits(&store, 2).await;
        let many: Vec<_> = (0..8).map(|_| Event::Deposited { amount: 1 }).collect();
        store.append_events::<Account>(&ada(), Version(2), many).await.unwrap();
        deposits(&store, 1).await;
        assert_eq!(store.offered(), [11]);
        assert_eq!(store.load::<Account>(&ada()).await.unwrap().balance, 11);
    }

    async fn plant(store: &Faulty, version: u64, state_version: u32, state: &str) {
        store.save_snapshot(Snapshot::new(stream(), Version(version), state_version, state)).await.unwrap();
    }

    #[tokio::test]
    async fn one_that_does_not_decode_is_ignored_and_replaced() {
        let store = Faulty::default();
        deposits(&store, 5).await;
        plant(&store, 5, 2, r#"{"balance":"five"}"#).await;
        assert_eq!(store.load::<Account>(&ada()).await.unwrap().balance, 5);
        store.take_snapshot::<Account>(&ada()).await.unwrap();
        deposits(&store, 1).await;
        let loaded = store.load::<Account>(&ada()).await.unwrap();
        assert_eq!((loaded.balance, loaded.version), (6, Version(6)));
        assert_eq!(store.offered(), [3], "a readable one at version 5 makes the next due at 8, not at 6");
    }

    #[tokio::test]
    async fn one_of_another_state_version_is_not_even_looked_at() {
        let store = Faulty::default();
        deposits(&store, 2).await;
        plant(&store, 2, 1, r#"{"balance":1000}"#).await;
        assert_eq!(store.load::<Account>(&ada()).await.unwrap().balance, 2);
    }

    #[tokio::test]
    async fn one_that_is_ahead_of_its_stream_is_not_trusted() {
        let store = Faulty::default();
        deposits(&store, 2).await;
        plant(&store, 9, 2, r#"{"balance":1000}"#).await;
        let loaded = store.load::<Account>(&ada()).await.unwrap();
        assert_eq!((loaded.balance, loaded.version), (2, Version(2)));
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Choosy {
        balance: u64,
    }

    impl Aggregate for Choosy {
        type Id = String;
        type Event = Event;

        fn apply(&mut self, _: Event) {
            self.balance += 1;
        }

        fn snapshots() -> Snapshots<Self> {
            fn on_fives(info: &SnapshotInfo) -> bool {
                info.version.0.is_multiple_of(5)
            }
            Snapshots::when(on_fives)
        }
    }

    /// What went in for each time that something came out, which is none so far.
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Ratio {
        deposited: f64,
        ratio: Option<f64>,
    }

    impl Aggregate for Ratio {
        type Id = String;
        type Event = Event;

        fn apply(&mut self, _: Event) {
            self.deposited += 1.0;
            self.ratio = Some(self.deposited / 0.0);
        }

        fn snapshots() -> Snapshots<Self> {
            Snapshots::every(2)
        }
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Slow;

    impl Aggregate for Slow {
        type Id = String;
        type Event = Event;

        fn apply(&mut self, _: Event) {
            std::thread::sleep(Duration::from_millis(2));
        }

        fn snapshots() -> Snapshots<Self> {
            Snapshots::slower_than(Duration::from_millis(5))
        }
    }

    macro_rules! poke {
        ($command:ident, $aggregate:ident) => {
            #[derive(Clone, Debug, Command)]
            #[command(aggregate = $aggregate, handle = poke, error = Infallible)]
            struct $command {
                id: String,
            }
        };
    }

    fn poke<A, C>(_: &A, _: C, _: &Context) -> Result<Event, Infallible> {
        Ok(Event::Deposited { amount: 1 })
    }

    poke!(PokeChoosy, Choosy);
    poke!(PokeRatio, Ratio);
    poke!(PokeSlow, Slow);

    #[tokio::test]
    async fn a_predicate_decides() {
        let store = Faulty::default();
        for _ in 0..11 {
            store.execute(PokeChoosy { id: ada() }).await.unwrap();
        }
        assert_eq!(store.offered(), [5, 10]);
    }

    #[tokio::test]
    async fn a_state_that_would_come_back_as_another_one_is_not_offered() {
        let store = Faulty::default();
        for _ in 0..5 {
            store.execute(PokeRatio { id: ada() }).await.unwrap();
        }
        assert_eq!((store.offered(), store.load::<Ratio>(&ada()).await.unwrap().ratio), (vec![], Some(f64::INFINITY)));
    }

    #[tokio::test]
    async fn a_slow_load_is_reason_enough() {
        let store = Faulty::default();
        for _ in 0..4 {
            store.execute(PokeSlow { id: ada() }).await.unwrap();
        }
        // The fourth command replays three events, which takes at least 6 ms, unless an earlier one was slow enough to leave a
        // snapshot; the first replays none.
        assert!(matches!(store.offered().first(), Some(2..=4)), "{:?}", store.offered());
    }
}

mod reads {
    use super::*;

    async fn filled(events: u64) -> MemoryStore {
        let store = MemoryStore::new();
        let many: Vec<_> = (1..=events).map(|amount| Event::Deposited { amount }).collect();
        store.append_events::<Account>(&ada(), ExpectedVersion::NoStream, many).await.unwrap();
        store
    }

    async fn versions(store: &MemoryStore, backwards: bool, from: Option<u64>, limit: Option<u64>) -> Vec<u64> {
        let mut read = store.events::<Account>(&ada()).unwrap();
        read = if backwards { read.backwards() } else { read };
        read = from.map(Version).into_iter().fold(read, es_core::StreamEvents::from);
        read = limit.into_iter().fold(read, es_core::StreamEvents::limit);
        read.collect().await.unwrap().iter().map(|event| event.version.0).collect()
    }

    #[tokio::test]
    async fn pages_join_without_a_seam_in_both_directions() {
        for count in [1, 499, 500, 501, 999, 1000, 1001, 1234] {
            let store = filled(count).await;
            assert_eq!(versions(&store, false, None, None).await, (1..=count).collect::<Vec<_>>());
            assert_eq!(versions(&store, true, None, None).await, (1..=count).rev().collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn limits_hold_across_pages() {
        let store = filled(1234).await;
        for limit in [0, 1, 499, 500, 501, 1000, 1233, 1234, 1235, u64::MAX] {
            assert_eq!(versions(&store, false, None, Some(limit)).await.len() as u64, limit.min(1234));
            assert_eq!(versions(&store, true, None, Some(limit)).await.len() as u64, limit.min(1234));
        }
        assert_eq!(versions(&store, false, Some(1230), Some(3)).await, [1230, 1231, 1232]);
        assert_eq!(versions(&store, true, Some(3), None).await, [3, 2, 1]);
        assert_eq!(versions(&store, false, Some(u64::MAX), None).await, [0; 0]);
    }

    #[tokio::test]
    async fn events_before_an_unreadable_one_are_delivered_first() {
        let store = filled(3).await;
        let poison = NewEvent::new("account.cursed", 1, "{}");
        store.append(Append::new(stream(), ExpectedVersion::Any, vec![poison])).await.unwrap();
        store.append_events::<Account>(&ada(), ExpectedVersion::Any, Event::Deposited { amount: 9 }).await.unwrap();

        let mut log = store.log::<Event>(Position::START);
        for version in 1..=3 {
            assert_eq!(log.next().await.unwrap().unwrap().version, Version(version));
        }
        let error = log.next().await.unwrap_err();
        assert!(matches!(&error, Error::Decode { version: Version(4), .. }), "{error}");
        assert_eq!(error.to_string(), "event 4 of stream `account-ada` cannot be read");
        assert_eq!(log.position(), Position(3), "a reader that starts again meets the same event");
        assert!(log.next().await.unwrap().is_none(), "nothing comes after an error");
        assert!(matches!(store.load::<Account>(&ada()).await.unwrap_err(), Error::Decode { .. }));
    }

    #[tokio::test]
    async fn the_position_moves_past_what_the_filter_passes_over() {
        let store = filled(2).await;
        let other = StreamId::new("other", "1").unwrap();
        store
            .append(Append::new(other, ExpectedVersion::Any, vec![NewEvent::new("other.thing", 1, "{}")]))
            .await
            .unwrap();
        let mut log = store.log::<Event>(Position::START);
        assert_eq!(log.position(), Position::START);
        log.next().await.unwrap().unwrap();
        assert_eq!(log.position(), Position(1));
        while log.next().await.unwrap().is_some() {}
        assert_eq!(log.position(), store.log_end().await.unwrap());
    }

    #[tokio::test]
    async fn a_limited_log_stops_where_it_was_told_and_says_where() {
        let store = filled(20).await;
        let mut log = store.log::<Event>(Position(5)).limit(4);
        let mut seen = Vec::new();
        while let Some(event) = log.next().await.unwrap() {
            seen.push(event.position.unwrap().0);
        }
        assert_eq!((seen, log.position()), (vec![6, 7, 8, 9], Position(9)));
    }

    #[tokio::test]
    async fn the_past_can_be_loaded() {
        let store = MemoryStore::new();
        for amount in 1..=4 {
            store.execute(deposit(amount)).await.unwrap();
        }
        let at = async |version| store.load_at_version::<Account>(&ada(), Version(version)).await.unwrap();
        assert_eq!((at(0).await.balance, at(0).await.exists()), (0, false));
        assert_eq!((at(2).await.balance, at(2).await.version), (3, Version(2)));
        assert_eq!((at(99).await.balance, at(99).await.version), (10, Version(4)));

        let third = store.events::<Account>(&ada()).unwrap().from(Version(3)).next().await.unwrap().unwrap();
        let then = store.load_at_time::<Account>(&ada(), third.recorded_at).await.unwrap();
        assert!(then.version >= Version(3) && then.balance >= 6);
        let before = store.load_at_time::<Account>(&ada(), es_core::Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(!before.exists());
    }
}
