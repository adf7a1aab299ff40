//! What whoever watches projections is told: spans and events of `tracing`, and metrics.
//!
//! A subscriber and a recorder of each test's own hear what its thread says, on which everything runs. Every test begins with
//! [`store`], which sees to it that they hear everything.

#[path = "observe/listener.rs"]
mod listener;
#[path = "observe/recorder.rs"]
mod recorder;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{
    Aggregate, BoxError, Command, Context, Control, Error, Event, EventStoreExt, ExpectedVersion, OnFailure,
    ProjectionId, Projector, ReadModelStore, Recorded, Retry, Runner, Settings, StartError,
};
use es_memory::{MemoryStore, Tables};
use listener::{Listener, Told};
use recorder::Recorder;
use serde::{Deserialize, Serialize};
use tracing::Level;

/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Noted { text: String },
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Account::pass_by)]
struct Account;

impl Account {
    fn pass_by(&mut self, _: AccountEvent) {}
}

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = write, error = Infallible)]
struct Write {
    id: String,
    text: String,
}

fn write(_: &Account, command: Write, _: &Context) -> Result<AccountEvent, Infallible> {
    Ok(AccountEvent::Noted { text: command.text })
}

/// Takes in everything but poison, and has trouble that passes when it is told to.
#[derive(Clone, Default)]
struct Notes {
    trouble: Arc<AtomicBool>,
    trouble_at_first: Arc<AtomicBool>,
}

impl Projector for Notes {
    const NAME: &'static str = "notes";
    const VERSION: u32 = 3;
    type Event = AccountEvent;
    type Target = Tables;
    type Error = BoxError;

    async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), BoxError> {
        let AccountEvent::Noted { text } = &event.event;
        if text == "poison" {
            return Err("it is poison".into());
        }
        if self.trouble.swap(false, Ordering::SeqCst) {
            return Err(Error::unavailable("the connection was lost").into());
        }
        Ok(tables.put("notes", &event.id.0.to_string(), text)?)
    }

    async fn replay_begins(&self, _: &mut Tables) -> Result<(), BoxError> {
        let has_trouble = self.trouble_at_first.swap(false, Ordering::SeqCst);
        if has_trouble { Err(Error::unavailable("the server restarts").into()) } else { Ok(()) }
    }

    async fn clear(&self, tables: &mut Tables) -> Result<(), BoxError> {
        tables.clear("notes");
        Ok(())
    }
}

fn store() -> MemoryStore {
    listener::ask_every_time();
    MemoryStore::new()
}

async fn note(store: &MemoryStore, texts: &[&str]) {
    for text in texts {
        let event = AccountEvent::Noted { text: (*text).to_owned() };
        store.append_events::<Account>(&"ada".to_owned(), ExpectedVersion::Any, event).await.unwrap();
    }
}

fn id() -> ProjectionId {
    ProjectionId::new("notes", 3).unwrap()
}

/// Two tries, then the policy.
fn after_two(policy: OnFailure) -> Settings {
    Settings::default().on_failure(policy.after(Retry::attempts(2).base(Duration::from_millis(1))))
}

/// A runner of the notes, which asks the store all the time.
fn runner(store: &MemoryStore, settings: Settings) -> Runner<MemoryStore> {
    Runner::new(store.clone()).observe_every(Duration::from_millis(1)).settings(settings).add(Notes::default())
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

fn levels(told: &[Told]) -> Vec<(Level, &str)> {
    told.iter().map(|told| (told.level, told.message.as_str())).collect()
}

#[test]
fn who_listens_hears_also_what_others_have_come_past_before() {
    listener::ask_every_time();
    let listener = Listener::up_to(Level::INFO);
    let _listens = listener.listen();
    let say = || tracing::info!(target: "es_core", "hello");
    std::thread::spawn(say).join().unwrap();
    say();
    listener.only("hello");
}

#[tokio::test]
async fn the_life_of_a_projection_is_told_in_order() {
    let (store, listener) = (store(), Listener::up_to(Level::INFO));
    note(&store, &["a", "poison", "b"]).await;
    let _listens = listener.listen();

    let running = runner(&store, after_two(OnFailure::skip())).start().await.unwrap();
    running.catch_up().await.unwrap();
    until("it is at the end", || listener.messages().contains(&"caught up".to_owned())).await;
    running.stop().await;

    let told = listener.told();
    let expected = [
        (Level::INFO, "started"),
        (Level::INFO, "lease claimed"),
        (Level::INFO, "replay begins"),
        (Level::WARN, "trying again"),
        (Level::ERROR, "an event was not taken in"),
        (Level::INFO, "replay ends"),
        (Level::INFO, "caught up"),
        (Level::INFO, "stopped"),
    ];
    assert_eq!(levels(&told), expected);
    // Each says whose it is, either itself or by its span.
    for told in &told {
        let span = told.spans.last().map_or(&told.fields, |span| &span.fields);
        assert_eq!((span["projection"].as_str(), span["version"].as_str()), ("notes", "3"), "{told:?}");
    }
    assert_eq!(listener.only("lease claimed").spans[0].fields["slices"], "0..=1023");
}

#[tokio::test]
async fn trouble_says_what_how_often_and_how_long_it_waits() {
    let (store, listener) = (store(), Listener::up_to(Level::DEBUG));
    note(&store, &["a", "poison", "b"]).await;
    let _listens = listener.listen();

    runner(&store, after_two(OnFailure::park())).run_to_end().await.unwrap();

    let again = listener.only("trying again");
    assert_eq!((again.fields["error"].as_str(), again.fields["attempts"].as_str()), ("it is poison", "1"));
    let wait: f64 = again.fields["wait_seconds"].parse().unwrap();
    assert!((0.0..=0.001).contains(&wait), "{wait}");
    let letter = listener.only("an event was not taken in").fields;
    let expected = [
        ("attempts", "2"),
        ("class", "refused"),
        ("error", "it is poison"),
        ("position", "2"),
        ("status", "parked"),
        ("stream", "account-ada"),
        ("stream_version", "2"),
    ];
    assert_eq!(letter, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn a_batch_has_a_span_in_that_of_its_projection() {
    let (store, listener) = (store(), Listener::up_to(Level::DEBUG));
    note(&store, &["a", "b"]).await;
    let _listens = listener.listen();

    let running = runner(&store, Settings::default()).start().await.unwrap();
    running.catch_up().await.unwrap();
    note(&store, &["c"]).await;
    running.catch_up().await.unwrap();
    running.stop().await;

    let batches = listener.spans("batch");
    let fields = |nth: usize| ["events", "replay", "from", "to"].map(|name| batches[nth].fields[name].clone());
    assert_eq!(batches.len(), 2);
    assert_eq!(fields(0), ["2", "true", "0", "2"]);
    assert_eq!(fields(1), ["1", "false", "2", "3"]);
    for batch in &batches {
        assert!(batch.fields["elapsed_seconds"].parse::<f64>().unwrap() >= 0.0);
    }
    assert_eq!(listener.spans("projection").len(), 1);
    let replay = listener.only("replay begins");
    assert_eq!(replay.spans.iter().map(|span| span.name).collect::<Vec<_>>(), ["batch", "projection"]);
}

#[tokio::test]
async fn a_filter_for_errors_alone_still_learns_whose_they_are() {
    let (store, listener) = (store(), Listener::up_to(Level::ERROR));
    note(&store, &["poison"]).await;
    let _listens = listener.listen();

    runner(&store, after_two(OnFailure::skip())).run_to_end().await.unwrap();

    let letter = listener.only("an event was not taken in");
    assert_eq!(letter.spans.iter().map(|span| span.name).collect::<Vec<_>>(), ["projection"]);
    assert_eq!(letter.spans[0].fields["projection"], "notes");
}

#[tokio::test]
async fn a_stop_by_failure_is_an_error_and_is_counted() {
    let (store, listener, recorder) = (store(), Listener::up_to(Level::INFO), Recorder::default());
    note(&store, &["a", "poison", "b", "c"]).await;
    let (_listens, _records) = (listener.listen(), metrics::set_default_local_recorder(&recorder));

    let running = runner(&store, after_two(OnFailure::stop())).start().await.unwrap();
    running.stopped().await;
    let stopped = listener.only("stopped by a failure");
    assert_eq!(stopped.level, Level::ERROR);
    assert!(stopped.fields["reason"].ends_with("could not be taken in after 2 tries: it is poison"));

    let failures =
        |kind: &str| recorder.value(&format!("es_projection_failures_total{{projection=notes,version=3,kind={kind}}}"));
    assert_eq!(failures("stopped"), Some(1.0));
    // The batch, its first half, and the event twice.
    assert_eq!(failures("refused"), Some(4.0));
    assert_eq!((failures("store"), failures("unreadable")), (Some(0.0), Some(0.0)));
    // Whoever only watches still learns that events wait; that it has not moved for long, it cannot know yet.
    let gauge = |name: &str| recorder.value(&format!("es_projection_{name}{{projection=notes,version=3}}"));
    until("the observer has seen the stop", || gauge("lag_events") == Some(3.0)).await;
    assert_eq!(gauge("position"), Some(1.0));
    assert_eq!(gauge("stalled"), Some(0.0));
    assert!(gauge("lag_seconds").unwrap() > 0.0);
    running.stop().await;
}

#[tokio::test]
async fn everything_is_counted_under_its_name_and_labels() {
    let (store, recorder) = (store(), Recorder::default());
    note(&store, &["a", "poison", "b"]).await;
    let _records = metrics::set_default_local_recorder(&recorder);

    let running = runner(&store, after_two(OnFailure::park())).start().await.unwrap();
    running.catch_up().await.unwrap();
    let value = |name: &str| recorder.value(&format!("es_projection_{name}"));
    until("the observer has seen it", || value("parked_streams{projection=notes,version=3}") == Some(1.0)).await;

    assert_eq!(value("events_total{projection=notes,version=3}"), Some(1.0));
    assert_eq!(value("dead_letters_total{projection=notes,version=3,status=parked}"), Some(1.0));
    assert_eq!(value("dead_letters_total{projection=notes,version=3,status=skipped}"), Some(0.0));
    // The event before the poison, and the one behind it, which waits.
    assert_eq!(value("batches_total{projection=notes,version=3}"), Some(2.0));
    assert_eq!(recorder.count("es_projection_batch_seconds{projection=notes,version=3}"), Some(2));
    assert_eq!(value("position{projection=notes,version=3}"), Some(3.0));
    assert_eq!(value("lag_events{projection=notes,version=3}"), Some(0.0));
    assert_eq!(value("stalled{projection=notes,version=3}"), Some(0.0));
    assert_eq!(value("owned{projection=notes,version=3,slices=0..=1023}"), Some(1.0));

    running.stop().await;
    assert_eq!(value("owned{projection=notes,version=3,slices=0..=1023}"), Some(0.0));
    // Nothing has a name that is not described, with a unit.
    let units = recorder.units();
    assert_eq!(recorder.names(), units.keys().cloned().collect::<Vec<_>>());
    assert!(units.values().all(Option::is_some), "{units:?}");
}

#[tokio::test]
async fn trouble_that_passes_is_the_stores() {
    let (store, listener, recorder) = (store(), Listener::up_to(Level::INFO), Recorder::default());
    note(&store, &["a"]).await;
    let (_listens, _records) = (listener.listen(), metrics::set_default_local_recorder(&recorder));

    let notes = Notes::default();
    notes.trouble.store(true, Ordering::SeqCst);
    notes.trouble_at_first.store(true, Ordering::SeqCst);
    Runner::new(store.clone()).add(notes).run_to_end().await.unwrap();

    // Some trouble is with a batch, some with the transaction around it.
    for (message, error) in
        [("trying again", "the connection was lost"), ("the store is in trouble", "the server restarts")]
    {
        let told = listener.only(message);
        assert!(told.fields["error"].contains(error), "{told:?}");
        assert_eq!((told.level, told.fields["attempts"].as_str()), (Level::WARN, "1"));
        assert!(told.fields.contains_key("wait_seconds"));
    }
    let failures = "es_projection_failures_total{projection=notes,version=3,kind=store}";
    assert_eq!(recorder.value(failures), Some(2.0));
}

#[tokio::test]
async fn a_pause_and_a_rebuild_are_told() {
    let (store, listener, recorder) = (store(), Listener::up_to(Level::INFO), Recorder::default());
    note(&store, &["a"]).await;
    let (_listens, _records) = (listener.listen(), metrics::set_default_local_recorder(&recorder));
    let heard = |message: &str| listener.messages().iter().any(|told| told == message);
    let owned = || recorder.value("es_projection_owned{projection=notes,version=3,slices=0..=1023}");
    let lag = || recorder.value("es_projection_lag_events{projection=notes,version=3}");

    // A word is noticed when the lease is renewed.
    let settings = Settings::default().lease(Settings::SHORTEST_LEASE);
    let running = runner(&store, settings).start().await.unwrap();
    running.catch_up().await.unwrap();
    assert!(store.control(&id(), Control::Pause).await.unwrap().is_accepted());
    until("the pause is noticed", || heard("lease lost")).await;
    assert_eq!(listener.only("lease lost").fields["why"], "it is paused");
    assert_eq!(owned(), Some(0.0));
    note(&store, &["b"]).await;
    until("somebody sees that it is behind", || lag() == Some(1.0)).await;
    assert_eq!(recorder.value("es_projection_stalled{projection=notes,version=3}"), Some(0.0));

    assert!(store.control(&id(), Control::Rebuild).await.unwrap().is_accepted());
    assert!(store.control(&id(), Control::Resume).await.unwrap().is_accepted());
    running.catch_up().await.unwrap();
    running.stop().await;
    let back = listener.only("went back");
    assert_eq!((back.fields["position"].as_str(), back.fields["live_from"].as_str()), ("0", "2"));
    let messages = listener.messages();
    let place = |message: &str| messages.iter().rposition(|told| told == message).unwrap();
    assert!(place("rebuild begins") < place("went back") && place("went back") < place("replay begins"));
}

#[tokio::test]
async fn each_part_is_owned_by_itself() {
    let (store, listener, recorder) = (store(), Listener::up_to(Level::INFO), Recorder::default());
    let (_listens, _records) = (listener.listen(), metrics::set_default_local_recorder(&recorder));
    let owned =
        |slices: &str| recorder.value(&format!("es_projection_owned{{projection=notes,version=3,slices={slices}}}"));

    let settings = Settings::default().lease(Settings::SHORTEST_LEASE).parts(2);
    let running = runner(&store, settings).start().await.unwrap();
    until("both are owned", || owned("0..=511") == Some(1.0) && owned("512..=1023") == Some(1.0)).await;
    assert!(store.control(&id(), Control::Divide { parts: 1 }).await.unwrap().is_accepted());
    until("the whole is owned", || owned("0..=1023") == Some(1.0)).await;
    until("no half is", || owned("0..=511") == Some(0.0) && owned("512..=1023") == Some(0.0)).await;
    until("the span says so", || listener.spans("projection").iter().any(|span| span.fields["slices"] == "0..=1023"))
        .await;
    running.stop().await;
}

#[tokio::test]
async fn whoever_asks_for_other_parts_than_there_are_is_warned() {
    let (store, listener) = (store(), Listener::up_to(Level::WARN));
    let _listens = listener.listen();
    for parts in [4, 4, 1] {
        runner(&store, Settings::default().parts(parts)).start().await.unwrap().stop().await;
        assert!(listener.told().is_empty(), "it is new, or as it is asked for, or nothing was asked for");
    }
    runner(&store, Settings::default().parts(8)).start().await.unwrap().stop().await;
    let told = listener.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].level == Level::WARN && told[0].message.contains("`Control::Divide`"), "{told:?}");
    let field = |name: &str| told[0].fields[name].as_str();
    assert_eq!([field("projection"), field("version"), field("asked"), field("has")], ["notes", "3", "8", "4"]);
}

#[tokio::test]
async fn without_an_observer_there_are_counters_alone() {
    let (store, recorder) = (store(), Recorder::default());
    note(&store, &["a"]).await;
    let _records = metrics::set_default_local_recorder(&recorder);

    runner(&store, Settings::default()).observe_never().run_to_end().await.unwrap();
    let names = recorder.names();
    assert!(names.contains(&"es_projection_events_total".to_owned()));
    assert!(!names.contains(&"es_projection_lag_events".to_owned()), "{names:?}");

    let refused = runner(&store, Settings::default()).observe_every(Duration::ZERO).start().await.unwrap_err();
    assert!(matches!(refused, StartError::ObserveEvery), "{refused}");
}

#[tokio::test]
async fn a_command_has_a_span_for_who_listens_closely() {
    let write = |text: &str| Write { id: "ada".to_owned(), text: text.to_owned() };
    let (store, listener, coarse) = (store(), Listener::up_to(Level::DEBUG), Listener::up_to(Level::INFO));
    let by_name = Listener::named("execute");
    for (listener, text) in [(&listener, "a"), (&coarse, "b"), (&by_name, "c")] {
        let _listens = listener.listen();
        store.execute(write(text)).await.unwrap();
    }
    let [span] = listener.spans("execute").try_into().unwrap();
    assert_eq!(span.fields["stream"], "account-ada");
    assert!(span.fields["command"].ends_with("::Write"), "{span:?}");
    assert_eq!((span.fields["attempts"].as_str(), span.fields["stream_version"].as_str()), ("1", "1"));
    assert_eq!(coarse.spans("execute").len(), 0);
    assert_eq!(by_name.spans("execute").len(), 1);
}
