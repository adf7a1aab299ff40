//! What is run: a projector, and documents over several streams. Some events make them fail, until those are healed.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::{
    BoxError, Document, Error, IntoKeys, OnFailure, Position, Projector, ReadModelStore, Recorded, Retry, Runner,
    Settings,
};
use serde::{Deserialize, Serialize};

use crate::domain::{AccountEvent, Everything, OrderEvent, Tally, Told};
use crate::random::Random;
use crate::world::{Note, World};

/// Longer than any lease here.
const FREEZE: Duration = Duration::from_millis(700);

/// The texts of all runs that nobody can take in yet. Documents have nothing of their own to look it up in.
static AILING: Mutex<Option<HashSet<String>>> = Mutex::new(None);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// The events of one run that cannot be taken in. Each is born so, and healed once and for all.
#[derive(Clone)]
pub struct Ailments {
    run: u64,
    born: Arc<AtomicU64>,
}

impl Ailments {
    pub fn new() -> Self {
        Self { run: RUNS.fetch_add(1, Ordering::SeqCst), born: Arc::default() }
    }

    /// The text of one more event that cannot be taken in.
    pub fn another(&self) -> String {
        let text = format!("ails {} {}", self.run, self.born.fetch_add(1, Ordering::SeqCst));
        AILING.lock().unwrap().get_or_insert_default().insert(text.clone());
        text
    }

    /// Heals so many in a hundred.
    pub fn heal(&self, random: &mut Random, percent: u64) {
        let ours = format!("ails {} ", self.run);
        let mut ailing = AILING.lock().unwrap();
        ailing.get_or_insert_default().retain(|text| !text.starts_with(&ours) || !random.percent(percent));
    }
}

fn ails(event: &AccountEvent) -> bool {
    match event {
        AccountEvent::Noted { text } if text.starts_with("ails") => {
            AILING.lock().unwrap().as_ref().is_some_and(|ailing| ailing.contains(text))
        }
        _ => false,
    }
}

/// Writes a note for each event, not always at the first try, and now and then its process freezes.
pub struct Keeper<S> {
    random: Mutex<Random>,
    /// How many of a thousand events meet trouble. It freezes with a tenth as many.
    trouble: u64,
    of: PhantomData<fn() -> S>,
}

impl<S> Keeper<S> {
    pub fn new(random: Random, trouble: u64) -> Self {
        Self { random: Mutex::new(random), trouble, of: PhantomData }
    }

    /// Whether chance has it so, for so many times in ten thousand.
    fn happens(&self, times: u64) -> bool {
        self.random.lock().unwrap().below(10_000) < times
    }
}

impl<S: World> Projector for Keeper<S> {
    const NAME: &'static str = "notes";
    type Event = AccountEvent;
    type Target = S::Target;
    type Error = BoxError;

    async fn project(&self, event: &Recorded<AccountEvent>, target: &mut S::Target) -> Result<(), BoxError> {
        let (stream, text) = (event.stream.id().to_owned(), event.event.text());
        let (version, position) = (event.version.0, event.position.unwrap().0);
        S::note(target, Note { stream, version, position, replay: false, text }).await?;
        if ails(&event.event) {
            return Err("it ails".into());
        }
        if self.happens(self.trouble * 10) {
            return Err(Error::unavailable("a deadlock").into());
        }
        if self.happens(self.trouble * 10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if self.happens(self.trouble) {
            std::thread::sleep(FREEZE);
        }
        Ok(())
    }

    async fn clear(&self, target: &mut S::Target) -> Result<(), BoxError> {
        S::forget(target).await
    }

    async fn rewind(&self, to: Position, target: &mut S::Target) -> Result<(), BoxError> {
        S::forget_behind(target, to.0).await
    }
}

/// Whatever concerns an account: its own events, those of accounts that share with it, and its orders.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Trail {
    pub events: Vec<(String, u64)>,
}

impl Trail {
    /// The accounts that an event concerns.
    pub fn concerned(event: &Recorded<Everything>) -> Vec<String> {
        let own = event.stream.id().to_owned();
        match &event.event {
            Everything::Account(AccountEvent::SharedWith { accounts }) => [&[own], &accounts[..]].concat(),
            Everything::Account(_) => vec![own],
            Everything::Order(OrderEvent::Placed { account }) => vec![account.clone()],
        }
    }
}

impl Document for Trail {
    const NAME: &'static str = "trail";
    type Event = Everything;

    fn key(event: &Recorded<Everything>) -> impl IntoKeys {
        match &event.event {
            // No document has an empty key, so it cannot be taken in.
            Everything::Account(event) if ails(event) => vec![String::new()],
            _ => Self::concerned(event),
        }
    }

    fn apply(&mut self, event: &Recorded<Everything>) {
        self.events.push((event.stream.to_string(), event.version.0));
    }
}

/// A runner of some or all projections, as chance has it set up; without trouble, of all of them.
pub fn runner<S: World + ReadModelStore>(store: S, random: &mut Random, trouble: u64) -> Runner<S> {
    let park = OnFailure::park().after(Retry::attempts(2).base(Duration::from_millis(1)));
    let settings = Settings::default()
        .batch(if trouble == 0 { 500 } else { [1, 3, 20, 500][random.index(4)] })
        .lease(Duration::from_millis(300 + random.below(300)))
        .poll(Duration::from_millis(2 + random.below(30)))
        .parts(u16::try_from(1 + random.below(5)).unwrap())
        .serve_when_caught_up(random.percent(20))
        .on_failure(park);
    let keeper = Keeper::<S>::new(Random::of(random.next(), 0), trouble);
    let mut runner = Runner::new(store).settings(settings);
    if random.percent(90) || trouble == 0 {
        runner = runner.add(keeper);
    }
    if random.percent(50) || trouble == 0 {
        runner = runner.document::<Tally<2>>();
    }
    runner.document::<Trail>().document::<Tally<1>>()
}
