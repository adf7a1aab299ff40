//! Given, when, then: tests of aggregates that read like prose and need no store; tests of reactors, which [`when_reacting`] begins;
//! and tests of read models, which [`read_model_on`] begins.
//!
//! Behind the feature `testing`, which belongs in `[dev-dependencies]`. The functions panic when an expectation is not met:
//! that is how a Rust test fails.
//!
//! # Example: the three steps
//!
//! ```
//! # use es_core::{Aggregate, Command, Context, Event};
//! # #[derive(Event, serde::Serialize, serde::Deserialize)]
//! # #[event(category = "account")]
//! # enum AccountEvent { Deposited { amount: u64 }, Withdrawn { amount: u64 } }
//! # #[derive(Aggregate, Default)]
//! # #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
//! # struct Account { balance: u64 }
//! # impl Account {
//! #     fn apply(&mut self, event: AccountEvent) {
//! #         match event {
//! #             AccountEvent::Deposited { amount } => self.balance += amount,
//! #             AccountEvent::Withdrawn { amount } => self.balance -= amount,
//! #         }
//! #     }
//! #     fn withdraw(&self, command: Withdraw, _: &Context) -> Result<AccountEvent, Broke> {
//! #         if command.amount > self.balance { return Err(Broke) }
//! #         Ok(AccountEvent::Withdrawn { amount: command.amount })
//! #     }
//! # }
//! # #[derive(Debug, PartialEq, thiserror::Error)]
//! # #[error("broke")]
//! # struct Broke;
//! # #[derive(Clone, Command)]
//! # #[command(aggregate = Account, handle = Account::withdraw, error = Broke)]
//! # struct Withdraw { id: String, amount: u64 }
//! use es_core::testing::given;
//!
//! let ada = || "ada".to_owned();
//! given::<Account>(AccountEvent::Deposited { amount: 50 })
//!     .when(Withdraw { id: ada(), amount: 30 })
//!     .then(AccountEvent::Withdrawn { amount: 30 })
//!     .then_state(|account| assert_eq!(account.balance, 20))
//!     .when(Withdraw { id: ada(), amount: 30 })
//!     .then_rejected(Broke);
//! ```
#![allow(clippy::panic, reason = "a failed expectation fails the test")]

mod reactor;
mod read_model;
mod text;

use std::fmt::Debug;

use serde_json::Value;

use crate::aggregate::Aggregate;
use crate::command::{Command, Context, Handle, HandleWith};
use crate::event::{AggregateEvent, EncodedEvent, Event, IntoEvents};
use crate::metadata::Metadata;
use crate::runner::guard::chain;
use crate::snapshot::Snapshots;
use crate::stream::Version;
use crate::timestamp::Timestamp;
use text::{diff, pretty};

pub use reactor::{Reacted, WhenReacting, when_reacting};
pub use read_model::{AllDocuments, OnStore, ReadBack, ReadModelTest, TestStore, read_model_on};

/// What has happened before.
///
/// # Example: an aggregate with a past, at a time of day
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = Door::apply)]
/// # struct Door { open: bool }
/// # impl Door { fn apply(&mut self, _: DoorEvent) { self.open = true } }
/// use es_core::testing::given;
///
/// given::<Door>(DoorEvent::Opened)
///     .at("2026-11-21T12:00:00Z".parse()?)
///     .then_state(|door| assert!(door.open));
/// # Ok::<(), es_core::InvalidTimestamp>(())
/// ```
#[derive(Debug)]
pub struct Given<A> {
    state: A,
    version: Version,
    now: Timestamp,
    metadata: Metadata,
}

/// What came of a command: the events that were decided, or the refusal.
///
/// # Example: a story of two commands
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
/// # struct Door { open: bool }
/// # fn apply(door: &mut Door, event: DoorEvent) { door.open = matches!(event, DoorEvent::Opened) }
/// # fn close(door: &Door, _: Close, _: &Context) -> Result<Option<DoorEvent>, std::convert::Infallible> {
/// #     Ok(door.open.then_some(DoorEvent::Closed))
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Door, handle = close, error = std::convert::Infallible)]
/// # struct Close { id: u32 }
/// use es_core::testing::given;
///
/// given::<Door>(DoorEvent::Opened)
///     .when(Close { id: 7 })
///     .then(DoorEvent::Closed)
///     .when(Close { id: 7 })
///     .then_nothing();
/// ```
#[derive(Debug)]
pub struct Then<A: Aggregate, R> {
    given: Given<A>,
    decided: Result<Vec<Stored>, R>,
}

/// An event in its stored form, which is what counts: two events that are stored alike are alike.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    event_type: &'static str,
    schema_version: u32,
    payload: String,
}

/// Begins with what has happened before: an event, several, or `()` for nothing.
///
/// # Example: two events ago
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
/// # struct Door { open: bool }
/// # fn apply(door: &mut Door, event: DoorEvent) { door.open = matches!(event, DoorEvent::Opened) }
/// # fn close(door: &Door, _: Close, _: &Context) -> Result<Option<DoorEvent>, std::convert::Infallible> {
/// #     Ok(door.open.then_some(DoorEvent::Closed))
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Door, handle = close, error = std::convert::Infallible)]
/// # struct Close { id: u32 }
/// use es_core::testing::given;
///
/// given::<Door>([DoorEvent::Opened, DoorEvent::Closed]).when(Close { id: 7 }).then_nothing();
/// ```
#[track_caller]
#[must_use = "a past alone tests nothing: go on with `when`"]
pub fn given<A: Aggregate>(events: impl IntoEvents<A::Event>) -> Given<A> {
    Given { state: A::default(), version: Version::NONE, now: Timestamp::UNIX_EPOCH, metadata: Metadata::default() }
        .and(events)
}

/// Begins with an aggregate that nothing ever happened to.
///
/// # Example: what was never opened cannot be closed
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
/// # struct Door { open: bool }
/// # fn apply(door: &mut Door, event: DoorEvent) { door.open = matches!(event, DoorEvent::Opened) }
/// # fn close(door: &Door, _: Close, _: &Context) -> Result<Option<DoorEvent>, std::convert::Infallible> {
/// #     Ok(door.open.then_some(DoorEvent::Closed))
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Door, handle = close, error = std::convert::Infallible)]
/// # struct Close { id: u32 }
/// use es_core::testing::given_nothing;
///
/// given_nothing::<Door>().when(Close { id: 7 }).then_nothing();
/// ```
#[must_use = "a past alone tests nothing: go on with `when`"]
pub fn given_nothing<A: Aggregate>() -> Given<A> {
    given(())
}

impl<A: Aggregate> Given<A> {
    /// Adds what has happened after that.
    #[track_caller]
    pub fn and(self, events: impl IntoEvents<A::Event>) -> Self {
        let mut given = self;
        for event in into_stored(events) {
            given = given.and_one(&event);
        }
        given
    }

    /// Adds an event as an older release stored it: the name it had, the version of its shape, its content.
    ///
    /// # Panics
    /// When today's event set cannot read it, with the reason.
    #[track_caller]
    pub fn and_stored(self, event_type: &str, schema_version: u32, payload: Value) -> Self {
        self.and_encoded(event_type, schema_version, &payload.to_string())
    }

    /// Sets the time that the decision sees. The default is the Unix epoch.
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Sets the metadata that the decision sees.
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Has the command decided.
    pub fn when<C>(self, command: C) -> Then<A, <A as Handle<C>>::Error>
    where
        C: Command<Aggregate = A>,
        A: Handle<C>,
    {
        let decided = self.state.handle(command, &self.context()).map(into_stored);
        self.then(decided)
    }

    /// Has the command decided with the help of services.
    pub async fn when_with<C, S>(self, command: C, services: &S) -> Then<A, <A as HandleWith<C, S>>::Error>
    where
        C: Command<Aggregate = A>,
        A: HandleWith<C, S>,
    {
        let context = self.context();
        let decided = self.state.handle_with(command, &context, services).await.map(into_stored);
        self.then(decided)
    }

    /// Looks at the state that the past adds up to.
    pub fn then_state(self, look: impl FnOnce(&A)) -> Self {
        look(&self.state);
        self
    }

    fn context(&self) -> Context {
        Context::for_test().at(self.now).at_version(self.version).with_metadata(self.metadata.clone())
    }

    #[track_caller]
    fn and_one(self, event: &Stored) -> Self {
        self.and_encoded(event.event_type, event.schema_version, &event.payload)
    }

    #[track_caller]
    fn and_encoded(mut self, event_type: &str, schema_version: u32, payload: &str) -> Self {
        let stored = EncodedEvent::new(A::Event::CATEGORY, event_type, schema_version, payload);
        match A::Event::decode(stored) {
            Ok(event) => self.state.apply(event),
            Err(error) => panic!("the past cannot be read: {}", chain(&error)),
        }
        self.version = self.version.after(1);
        self
    }

    /// The decided events become part of the past, so that a story can go on.
    fn then<R>(self, decided: Result<Vec<Stored>, R>) -> Then<A, R> {
        let given = decided.iter().flatten().fold(self, Self::and_one);
        Then { given, decided }
    }
}

impl<A: Aggregate, R: Debug> Then<A, R> {
    /// Expects these events, and no others. They are compared as they are stored.
    ///
    /// # Panics
    /// When something else happened, with a diff.
    #[track_caller]
    pub fn then(self, events: impl IntoEvents<A::Event>) -> Self {
        let expected = into_stored(events);
        match &self.decided {
            Ok(actual) if *actual == expected => self,
            Ok(actual) => panic!("the decision differs\n{}", diff(&story(&expected), &story(actual))),
            Err(rejection) => {
                panic!("expected events, but the command was rejected: {rejection:?}\n{}", story(&expected))
            }
        }
    }

    /// Expects that nothing happened, and that this was no refusal.
    ///
    /// # Panics
    /// When an event was decided, or the command was rejected.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then(())
    }

    /// Expects this very refusal.
    ///
    /// # Panics
    /// When the command was accepted, or rejected for another reason, with a diff.
    #[track_caller]
    pub fn then_rejected(self, expected: R) -> Self
    where
        R: PartialEq,
    {
        match &self.decided {
            Err(rejection) if *rejection == expected => self,
            Err(rejection) => {
                panic!("the refusal differs\n{}", diff(&format!("{expected:#?}\n"), &format!("{rejection:#?}\n")))
            }
            Ok(events) => panic!("expected the refusal {expected:?}, but this happened:\n{}", story(events)),
        }
    }

    /// Expects a refusal that `accept` recognises, for refusals that cannot be compared.
    ///
    /// # Panics
    /// When the command was accepted, or rejected for another reason.
    #[track_caller]
    pub fn then_rejected_with(self, accept: impl FnOnce(&R) -> bool) -> Self {
        match &self.decided {
            Err(rejection) if accept(rejection) => self,
            Err(rejection) => panic!("rejected for another reason: {rejection:?}"),
            Ok(events) => panic!("expected a refusal, but this happened:\n{}", story(events)),
        }
    }

    /// Looks at the state after the decision.
    pub fn then_state(self, look: impl FnOnce(&A)) -> Self {
        look(&self.given.state);
        self
    }

    /// Goes on with another command, upon what has happened so far.
    pub fn when<C>(self, command: C) -> Then<A, <A as Handle<C>>::Error>
    where
        C: Command<Aggregate = A>,
        A: Handle<C>,
    {
        self.given.when(command)
    }

    /// Goes on at another time.
    pub fn at(self, now: Timestamp) -> Given<A> {
        self.given.at(now)
    }
}

/// Expects that snapshots are only a cache: wherever in the story one is taken, the state after the whole story is the same
/// as without any. It catches a state that serde does not keep whole, such as a skipped field that later events build on.
///
/// # Panics
/// When the aggregate takes no snapshots, when one cannot be written or read, and when a state differs, with a diff.
///
/// # Example: every place in a story of three events
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
/// # #[aggregate(id = String, event = AccountEvent, apply = Account::apply, snapshot(every = 100))]
/// # struct Account { balance: u64 }
/// # impl Account {
/// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
/// # }
/// use es_core::testing::expect_snapshots_to_be_caches;
///
/// expect_snapshots_to_be_caches::<Account>((1..=3).map(|amount| AccountEvent::Deposited { amount }).collect::<Vec<_>>());
/// ```
#[track_caller]
pub fn expect_snapshots_to_be_caches<A: Aggregate>(story: impl IntoEvents<A::Event>) {
    let (events, snapshots) = (into_stored(story), A::snapshots());
    let replay = |from: Given<A>, events: &[Stored]| events.iter().fold(from, Given::and_one);
    let whole = state_text(&snapshots, &replay(given_nothing::<A>(), &events));
    for taken_at in 0..=events.len() {
        let (before, behind) = events.split_at(taken_at);
        let halfway = replay(given_nothing::<A>(), before);
        let text = state_text(&snapshots, &halfway);
        let Some(state) = snapshots.decode(&text) else { panic!("the snapshot after event {taken_at} cannot be read") };
        let state = state_text(&snapshots, &replay(Given { state, ..halfway }, behind));
        assert!(
            state == whole,
            "a snapshot after event {taken_at} changes the state\n{}",
            diff(&pretty(&whole), &pretty(&state))
        );
    }
}

#[track_caller]
fn state_text<A: Aggregate>(snapshots: &Snapshots<A>, given: &Given<A>) -> String {
    match snapshots.state_text(&given.state) {
        Some(Ok(text)) => text,
        Some(Err(error)) => panic!("the state cannot be written: {error}"),
        None => panic!("`{}` takes no snapshots", std::any::type_name::<A>()),
    }
}

#[track_caller]
fn into_stored<E: Event>(events: impl IntoEvents<E>) -> Vec<Stored> {
    let mut typed = Vec::new();
    events.append_to(&mut typed);
    typed.iter().map(stored).collect()
}

#[track_caller]
fn stored<E: Event>(event: &E) -> Stored {
    let event_type = event.event_type();
    match event.encode() {
        Ok(payload) => Stored { event_type: event_type.name(), schema_version: event_type.schema_version(), payload },
        Err(error) => panic!("an event cannot be written: {}", chain(&error)),
    }
}

/// The events one below the other, as a person would want to read them.
fn story(events: &[Stored]) -> String {
    if events.is_empty() {
        return "(nothing)\n".into();
    }
    events.iter().map(|event| format!("{} {}", event.event_type, pretty(&event.payload))).collect()
}
