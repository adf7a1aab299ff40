//! A configuration that cannot work is refused at the start, in words that say what to do; and then nothing has begun.

use std::time::Duration;

use es_core::{
    Document, Error, EventStore, IntoKeys, OnFailure, ReadModelStore, Recorded, Retry, Runner, Settings, StartError,
};
use es_postgres::PgStore;
use es_test_support::Database;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountEvent, Statement};
use crate::homes::{Home, Postgres};
use crate::world::{Notes, Script, World};

on_both_stores! {
    settings_that_cannot_work_are_refused
    plans_that_cannot_work_are_refused
    the_least_that_can_work_is_not_refused
}

macro_rules! named {
    ($($of:ident $name:literal)*) => {
        $(
            #[derive(Default, Serialize, Deserialize)]
            struct $of;

            impl Document for $of {
                const NAME: &'static str = $name;
                type Event = AccountEvent;

                fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}

                fn apply(&mut self, _: &Recorded<AccountEvent>) {}
            }
        )*
    };
}

named! {
    Nameless ""
    Capital "Statement"
    Numbered "2nd_statement"
    Spaced "a statement"
    TooLong "a_name_of_forty_one_letters_is_one_too_mu"
    KeptAsNotes "notes"
}

/// The error and what caused it, as a person would see it.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn assert_refused<S: World>(runner: Runner<S>, told: &str) -> StartError {
    let refused = runner.start().await.expect_err(told);
    assert_eq!(refused.to_string(), told);
    refused
}

async fn settings_that_cannot_work_are_refused<H: Home>(home: H) {
    let store = home.open().await;
    let settings = Settings::default();
    let refused = [
        (settings.batch(0), "a batch of 0 events never gets anywhere"),
        (settings.lease(Duration::ZERO), "the lease is shorter than 300 ms, and would run out between its renewals"),
        (
            settings.lease(Duration::from_millis(299)),
            "the lease is shorter than 300 ms, and would run out between its renewals",
        ),
        (
            settings.lease(Settings::LONGEST_LEASE + Duration::from_nanos(1)),
            "the lease is longer than a day, for which nobody would take over from an owner that has vanished",
        ),
        (
            settings.on_failure(OnFailure::park().after(Retry::attempts(0))),
            "an event that is tried 0 times is never taken in: 1 is one try",
        ),
        (settings.poll(Duration::ZERO), "a poll interval of 0 would keep a processor busy with nothing"),
        (settings.poll(Duration::from_millis(10_001)), "the poll interval is longer than the lease"),
    ];
    for (settings, problem) in refused {
        // One among others that could work.
        let runner = Runner::new(store.clone()).add(Notes::<H::Store>::new(&Script::new()));
        let runner = runner.settings(settings).document::<Statement<1>>();
        let refused = assert_refused(runner, &format!("projection `statement v1`: {problem}")).await;
        assert!(matches!(refused, StartError::Settings { id, .. } if id.name() == "statement"));
        assert_eq!(store.projections().await.unwrap(), [], "nothing has begun");
    }
}

async fn plans_that_cannot_work_are_refused<H: Home>(home: H) {
    let store = home.open().await;
    let runner = || Runner::new(store.clone());
    let nothing = "a runner needs at least one projection: call `add`, `document`, `react` or `effect` before `start`";
    assert_refused(runner(), nothing).await;
    let twice = runner().document::<Statement<1>>().document::<Statement<2>>().document::<Statement<1>>();
    assert_refused(twice, "projection `statement v1` was added twice").await;
    // A projector and documents share the names.
    let both = runner().add(Notes::<H::Store>::new(&Script::new())).document::<KeptAsNotes>();
    assert_refused(both, "projection `notes v1` was added twice").await;
    for (misnamed, name) in [
        (runner().document::<Nameless>(), ""),
        (runner().document::<Capital>(), "Statement"),
        (runner().document::<Numbered>(), "2nd_statement"),
        (runner().document::<Spaced>(), "a statement"),
        (runner().document::<TooLong>(), "a_name_of_forty_one_letters_is_one_too_mu"),
    ] {
        let told = format!(
            "{name:?} cannot be the name of a projection: 1 to 40 lower-case letters, digits and `_`, with a letter first"
        );
        let refused = assert_refused(misnamed.document::<Statement<1>>(), &told).await;
        assert!(matches!(refused, StartError::Name(_)));
    }
    assert_eq!(store.projections().await.unwrap(), [], "nothing has begun");
}

async fn the_least_that_can_work_is_not_refused<H: Home>(home: H) {
    let store = home.open().await;
    let lease = Settings::SHORTEST_LEASE;
    let least = Settings::default().batch(1).lease(lease).poll(lease).on_failure(OnFailure::park());
    let running = Runner::new(store).settings(least).document::<Statement<1>>().start().await.unwrap();
    running.catch_up().await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_projector_that_becomes_documents_is_refused() {
    let home = Postgres::new().await;
    let store = home.open().await;
    let notes = Runner::new(store.clone()).add(Notes::<PgStore>::new(&Script::new()));
    notes.start().await.unwrap().stop().await;
    let told = "projection `notes v1` is kept as a projector, and cannot be documents now: give it another name, or a new version";
    let refused = Runner::new(store).document::<KeptAsNotes>().start().await.unwrap_err();
    assert!(
        matches!(&refused, StartError::Store(Error::Setup { .. })) && words(&refused).contains(told),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_store_that_cannot_work_is_refused() {
    let database = Database::create().await;
    let told = "a store with `max_connections(0)` could not do anything: take 1 or more";
    let refused = PgStore::options().max_connections(0).connect(database.url()).await.unwrap_err();
    assert!(matches!(&refused, Error::Setup { .. }) && words(&refused).contains(told), "{refused:?}");

    let store = PgStore::connect(database.url()).await.unwrap();
    let told = "schema `es` is not there or not complete: call `store.migrate()` once at the start of the program";
    let refused = Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap_err();
    assert!(
        matches!(&refused, StartError::Store(Error::Setup { .. })) && words(&refused).contains(told),
        "{refused:?}"
    );
    store.migrate().await.unwrap();
    Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap().stop().await;
    store.log_end().await.unwrap();
}
