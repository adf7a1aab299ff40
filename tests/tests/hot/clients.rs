//! Clients of one account, and what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use es_core::{Conflict, EventStore, EventStoreExt, ExecuteError, ExpectedVersion, Outcome, Retry, Version};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::domain::{Account, AccountEvent, Move, TooLittle};
use crate::random::Random;

pub const ID: &str = "hot";

/// A command, and what became of it.
pub struct Told<const KEPT: bool> {
    /// Names the command in the events' metadata.
    pub actor: String,
    /// A version that was acknowledged to somebody before the command was sent.
    pub since: Version,
    pub what: What<KEPT>,
}

pub enum What<const KEPT: bool> {
    Done(Outcome<Account<KEPT>>),
    Refused(TooLittle),
    /// The stream was not at the version that was known before.
    Overtaken(Conflict),
    /// Nothing was stored.
    Failed(ExecuteError<TooLittle>),
    /// Nobody knows.
    Unknown,
    /// However patient the client was.
    Unanswered,
}

/// How clients behave.
#[derive(Clone, Copy)]
pub struct Habits {
    pub clients: u64,
    pub commands: u64,
    /// One in so many gives up early.
    pub impatient: u64,
    /// One in so many comes under a key.
    pub keyed: u64,
    /// One in so many is large.
    pub large: u64,
    /// One in so many expects that nothing has come since the newest version that anybody was told of.
    pub expecting: u64,
}

/// All clients of these handles, until they are through.
pub async fn run<const KEPT: bool, S: EventStore + Clone + 'static>(
    handles: &[S],
    habits: Habits,
    seed: u64,
) -> Vec<Told<KEPT>> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for client in 0..habits.clients {
        for (nth, store) in handles.iter().enumerate() {
            let (store, acknowledged, name) = (store.clone(), Arc::clone(&acknowledged), format!("{nth}/{client}"));
            let random = Random::of(seed, clients.len() as u64);
            clients.spawn(async move { be(&store, habits, &name, &acknowledged, random).await });
        }
    }
    clients.join_all().await.into_iter().flatten().collect()
}

async fn be<const KEPT: bool, S: EventStore>(
    store: &S,
    habits: Habits,
    name: &str,
    acknowledged: &AtomicU64,
    mut random: Random,
) -> Vec<Told<KEPT>> {
    let mut told = Vec::new();
    for nth in 0..habits.commands {
        let actor = format!("{name}/{nth}");
        let since = Version(acknowledged.load(SeqCst));
        let what = command(store, habits, &actor, since, &mut random).await;
        if let What::Done(outcome) = &what {
            acknowledged.fetch_max(outcome.version.0, SeqCst);
        }
        told.push(Told { actor, since, what });
    }
    told
}

async fn command<const KEPT: bool, S: EventStore>(
    store: &S,
    habits: Habits,
    actor: &str,
    since: Version,
    random: &mut Random,
) -> What<KEPT> {
    let amount = 1 + random.below(9);
    let events = match random.below(8) {
        0 => vec![],
        1 => vec![AccountEvent::Deposited { amount }, AccountEvent::Withdrawn { amount: 2 }],
        2..4 => vec![AccountEvent::Deposited { amount }],
        _ => vec![AccountEvent::Withdrawn { amount }],
    };
    let times = if random.below(habits.large) == 0 { 40 } else { 1 };
    let command = store
        .execute(Move::<KEPT> { account: ID.to_owned(), events, times })
        .retry(Retry::attempts(200).within(Duration::from_secs(60)))
        .actor(actor);
    let command = if random.below(habits.keyed) == 0 { command.idempotency_key(actor) } else { command };
    let command =
        if random.below(habits.expecting) == 0 { command.expect(ExpectedVersion::Exact(since)) } else { command };
    let patience = match random.below(habits.impatient) {
        0 => Duration::from_micros(random.below(3_000)),
        _ => Duration::from_secs(60),
    };
    match timeout(patience, command).await {
        Ok(Ok(outcome)) => What::Done(outcome),
        Ok(Err(ExecuteError::Rejected(refusal))) => What::Refused(refusal),
        Ok(Err(ExecuteError::Conflict(conflict))) if !conflict.is_contention() => What::Overtaken(conflict),
        Ok(Err(ExecuteError::Store(es_core::Error::UnknownOutcome { .. }))) => What::Unknown,
        Ok(Err(error)) => What::Failed(error),
        Err(_) if patience.as_secs() < 1 => What::Unknown,
        Err(_) => What::Unanswered,
    }
}
