//! Commands ahead of the store, step by step: the test says what becomes of each append, and when.

use es_core::{Error, EventStore, EventStoreExt, ExecuteError, ExpectedVersion, Outcome, Retry, Version};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use crate::clients::ID;
use crate::domain::{self, AccountEvent, TooLittle};
use crate::slow::{Asked, Slow};

type Account = domain::Account<true>;
type Move = domain::Move<true>;
type Told = JoinHandle<Result<Outcome<Account>, ExecuteError<TooLittle>>>;

struct Bench {
    store: Slow,
    asked: UnboundedReceiver<Asked>,
}

impl Bench {
    fn new() -> Self {
        let (store, asked) = Slow::by_hand();
        Self { store, asked }
    }

    /// A deposit into an account whose state is not kept.
    fn deposit_fleeting(&self, amount: u64) -> JoinHandle<Outcome<domain::Account<false>>> {
        let store = self.store.clone();
        let command =
            domain::Move { account: ID.to_owned(), events: vec![AccountEvent::Deposited { amount }], times: 1 };
        tokio::spawn(async move { store.execute(command).retry(Retry::never()).await.unwrap() })
    }

    /// A command that is tried once.
    fn send(&self, event: AccountEvent, times: usize, expected: ExpectedVersion) -> Told {
        let store = self.store.clone();
        let command = Move { account: ID.to_owned(), events: vec![event], times };
        tokio::spawn(async move { store.execute(command).expect(expected).retry(Retry::never()).await })
    }

    fn deposit(&self, amount: u64) -> Told {
        self.send(AccountEvent::Deposited { amount }, 1, ExpectedVersion::Any)
    }

    fn withdraw(&self, amount: u64) -> Told {
        self.send(AccountEvent::Withdrawn { amount }, 1, ExpectedVersion::Any)
    }

    /// The next append that is on its way.
    async fn next(&mut self) -> Asked {
        in_time(self.asked.recv()).await.unwrap()
    }

    /// Lets an append come to whatever it comes to.
    async fn let_in(&self, (append, answer): Asked) {
        let _ = answer.send(self.store.inner().append(append).await);
    }

    /// Lets everything come that comes without another answer of the store. All of it is on this thread.
    async fn idle(&self) {
        for _ in 0..200 {
            yield_now().await;
        }
    }

    /// Another process writes.
    async fn rival(&self, amount: u64) {
        let event = AccountEvent::Deposited { amount };
        self.store.inner().append_events::<Account>(ID, ExpectedVersion::Any, event).await.unwrap();
    }

    async fn nothing_is_asked(&mut self) -> bool {
        self.idle().await;
        self.asked.is_empty()
    }
}

fn fail((_, answer): Asked) {
    answer.send(Err(Error::unavailable("connection refused"))).unwrap();
}

/// What should come at once. A test that waits for ever tells nothing.
async fn in_time<T>(comes: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), comes).await.unwrap()
}

async fn done(told: Told) -> Outcome<Account> {
    in_time(told).await.unwrap().unwrap()
}

/// The balance and the version that a command was refused for.
async fn refused(told: Told) -> (i64, u64) {
    match in_time(told).await.unwrap() {
        Err(ExecuteError::Rejected(TooLittle { balance, version, .. })) => (balance, version.0),
        other => panic!("{other:?}"),
    }
}

/// What was expected, and what is there.
async fn conflict(told: Told) -> (ExpectedVersion, u64) {
    match in_time(told).await.unwrap() {
        Err(ExecuteError::Conflict(conflict)) => (conflict.expected, conflict.actual.0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_goes_behind_another_event_in_the_place_of_the_one_it_was_decided_upon() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let (first_append, first_answer) = bench.next().await;
    let second = bench.withdraw(3);
    let second_append = bench.next().await;
    assert_eq!(second_append.0.behind, Some(first_append.events[0].id));
    // The first one is lost, and somebody else's event stands where it would have been.
    bench.rival(1).await;
    first_answer.send(Err(Error::UnknownOutcome { stream: first_append.stream, source: "no answer".into() })).unwrap();
    assert!(matches!(first.await.unwrap(), Err(ExecuteError::Store(Error::UnknownOutcome { .. }))));
    bench.let_in(second_append).await;
    assert_eq!(refused(second).await, (1, 1), "decided again, upon what is there");
}

#[tokio::test]
async fn where_one_fails_all_behind_it_are_decided_again_at_once() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let first_append = bench.next().await;
    let others = [bench.withdraw(3), bench.deposit(2), bench.withdraw(1)];
    let mut in_vain = Vec::new();
    for _ in &others {
        in_vain.push(bench.next().await);
    }
    fail(first_append);
    assert!(first.await.unwrap().unwrap_err().is_transient());
    // They wait for no answer of their own, which could not be another.
    let again = bench.next().await;
    assert_eq!(again.0.behind, None);
    assert!(in_vain.iter().all(|(_, answer)| answer.is_closed()));
    bench.let_in(again).await;
    let [three, two, one] = others;
    assert_eq!(refused(three).await.0, 0);
    assert_eq!(done(two).await.version, Version(1));
    let last = bench.next().await;
    bench.let_in(last).await;
    assert_eq!(done(one).await.state.balance, 1);
}

#[tokio::test]
async fn a_refusal_waits_until_it_is_stored_what_it_is_for() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let first_append = bench.next().await;
    let (too_much, in_time) = (bench.withdraw(9), bench.deposit(1));
    // It keeps nobody waiting.
    let behind = bench.next().await;
    assert!(bench.nothing_is_asked().await && !too_much.is_finished());
    bench.let_in(first_append).await;
    done(first).await;
    assert_eq!(refused(too_much).await, (5, 1));
    bench.let_in(behind).await;
    assert_eq!(done(in_time).await.state.balance, 6);
}

#[tokio::test]
async fn a_refusal_for_what_is_not_stored_is_thought_over() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let append = bench.next().await;
    bench.let_in(append).await;
    done(first).await;
    let all = bench.withdraw(5);
    let append = bench.next().await;
    let too_much = bench.withdraw(2);
    assert!(bench.nothing_is_asked().await && !too_much.is_finished());
    fail(append);
    assert!(all.await.unwrap().is_err());
    let append = bench.next().await;
    bench.let_in(append).await;
    assert_eq!(done(too_much).await.state.balance, 3);
}

#[tokio::test]
async fn a_refusal_takes_in_what_has_come_meanwhile() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let append = bench.next().await;
    let too_much = bench.withdraw(9);
    assert!(bench.nothing_is_asked().await);
    let (append, answer) = append;
    let appended = bench.store.inner().append(append).await;
    bench.rival(10).await;
    answer.send(appended).unwrap();
    done(first).await;
    let append = bench.next().await;
    bench.let_in(append).await;
    let outcome = done(too_much).await;
    assert_eq!((outcome.state.balance, outcome.version), (6, Version(3)));
}

#[tokio::test]
async fn a_conflict_names_what_is_stored() {
    let mut bench = Bench::new();
    let [one, seven] = [1, 7].map(|version| ExpectedVersion::Exact(Version(version)));
    let deposited = || AccountEvent::Deposited { amount: 1 };
    let first = bench.deposit(5);
    let append = bench.next().await;
    let upon_the_first = bench.send(deposited(), 1, one);
    let behind = bench.next().await;
    let never = bench.send(deposited(), 1, seven);
    assert!(bench.nothing_is_asked().await && !never.is_finished(), "version 2 is not there yet");
    for _ in 0..3 {
        bench.rival(1).await;
    }
    fail(append);
    assert!(first.await.unwrap().is_err());
    assert_eq!(conflict(upon_the_first).await, (one, 3));
    assert_eq!(conflict(never).await, (seven, 3));
    assert!(behind.1.is_closed() && bench.nothing_is_asked().await);
}

#[tokio::test]
async fn what_was_never_there_is_no_conflict() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let append = bench.next().await;
    let holds = bench.send(AccountEvent::Deposited { amount: 1 }, 1, ExpectedVersion::NoStream);
    assert!(bench.nothing_is_asked().await && !holds.is_finished(), "version 1 is not there yet");
    fail(append);
    assert!(first.await.unwrap().is_err());
    let append = bench.next().await;
    bench.let_in(append).await;
    assert_eq!(done(holds).await.version, Version(1));
}

#[tokio::test]
async fn a_snapshot_is_offered_when_its_events_are_stored() {
    let mut bench = Bench::new();
    let first = bench.send(AccountEvent::Deposited { amount: 1 }, 12, ExpectedVersion::Any);
    let append = bench.next().await;
    let second = bench.send(AccountEvent::Deposited { amount: 1 }, 12, ExpectedVersion::Any);
    let behind = bench.next().await;
    assert_eq!(bench.store.offered(), []);
    bench.let_in(append).await;
    done(first).await;
    assert_eq!(bench.store.offered(), [Version(12)]);
    fail(behind);
    assert!(second.await.unwrap().is_err());
    assert_eq!(bench.store.offered(), [Version(12)]);
}

#[tokio::test]
async fn who_gives_up_leaves_it_to_those_behind_to_find_out() {
    for is_stored in [true, false] {
        let mut bench = Bench::new();
        let first = bench.deposit(5);
        let (append, answer) = bench.next().await;
        let (second, too_much) = (bench.withdraw(3), bench.withdraw(9));
        let behind = bench.next().await;
        assert!(bench.nothing_is_asked().await);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(answer.is_closed());
        if is_stored {
            bench.store.inner().append(append).await.unwrap();
        }
        bench.let_in(behind).await;
        if is_stored {
            assert_eq!(done(second).await.state.balance, 2);
            assert_eq!(refused(too_much).await, (2, 2));
        } else {
            assert_eq!(refused(second).await, (0, 0));
            assert_eq!(refused(too_much).await, (0, 0));
        }
    }
}

#[tokio::test]
async fn a_command_under_a_key_is_decided_in_turn() {
    let mut bench = Bench::new();
    let first = bench.deposit(5);
    let first_append = bench.next().await;
    let (store, command) = (bench.store.clone(), |amount| Move {
        account: ID.to_owned(),
        events: vec![AccountEvent::Withdrawn { amount }],
        times: 1,
    });
    let keyed = tokio::spawn(async move { store.execute(command(2)).idempotency_key("key").await });
    let third = bench.withdraw(1);
    assert!(bench.nothing_is_asked().await, "it waits for what is under way, and keeps its turn");
    bench.let_in(first_append).await;
    done(first).await;
    let keyed_append = bench.next().await;
    assert!(keyed_append.0.key.is_some());
    assert!(bench.nothing_is_asked().await);
    let last = keyed_append.0.events.last().map(|event| event.id);
    bench.let_in(keyed_append).await;
    assert_eq!(keyed.await.unwrap().unwrap().state.balance, 3);
    let behind = bench.next().await;
    assert_eq!(behind.0.behind, last);
    bench.let_in(behind).await;
    assert_eq!(done(third).await.state.balance, 2);
}

/// The command behind is told of its append before the one that it rests on. What it has left at hand stays.
#[tokio::test]
async fn an_answer_that_comes_late_leaves_nothing_older_at_hand() {
    let mut bench = Bench::new();
    let first = bench.deposit(1);
    let (append, answer) = bench.next().await;
    let stored = bench.store.inner().append(append).await;
    bench.store.answer_the_next_at_once();
    assert_eq!(done(bench.deposit(2)).await.version, Version(2));
    answer.send(stored).unwrap();
    assert_eq!(done(first).await.version, Version(1));

    let third = bench.deposit(4);
    let append = bench.next().await;
    assert_eq!(append.0.expected, ExpectedVersion::Exact(Version(2)), "it is decided upon the newer state");
    bench.let_in(append).await;
    assert_eq!(done(third).await.state.balance, 7);
}

#[tokio::test]
async fn a_state_that_is_not_kept_is_handed_on_to_those_who_wait() {
    let mut bench = Bench::new();
    let first = bench.deposit_fleeting(1);
    let append = bench.next().await;
    // Nobody waited when it set out, so it has kept its turn.
    let others = [2, 3, 4].map(|amount| bench.deposit_fleeting(amount));
    assert!(bench.nothing_is_asked().await);
    bench.let_in(append).await;
    assert_eq!(in_time(first).await.unwrap().state.balance, 1);
    // Now each but the last has somebody behind it, and passes its turn on.
    let under_way = [bench.next().await, bench.next().await, bench.next().await];
    let behind: Vec<_> = under_way.iter().map(|(append, _)| append.behind).collect();
    assert!(behind.iter().all(Option::is_some), "{behind:?}");
    for append in under_way {
        bench.let_in(append).await;
    }
    let [.., last] = others;
    assert_eq!(in_time(last).await.unwrap().state.balance, 10);
    assert_eq!(bench.store.loads(), 1);
}

#[tokio::test]
async fn a_state_that_is_not_kept_is_loaded_where_nobody_hands_it_on() {
    let mut bench = Bench::new();
    for nth in 1..=3 {
        let deposited = bench.deposit_fleeting(1);
        let append = bench.next().await;
        assert_eq!((append.0.behind, bench.store.loads()), (None, nth));
        bench.let_in(append).await;
        assert_eq!(in_time(deposited).await.unwrap().state.balance, i64::from(nth));
    }
    assert!(EventStore::cache(&bench.store).unwrap().is_empty());
}
