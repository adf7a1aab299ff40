//! The shop under chaos: three hundred orders, on PostgreSQL, in processes that are killed again and again.
//!
//! Two processes at a time run the shop and answer its customers. Each is killed with SIGKILL, at some moment or right behind a
//! step, and another one takes its place. In between, whatever it does may fail, may be slow, and may be done and then
//! fail, so that it is done again:
//!
//! - **A reaction comes again.** Its commands are executed, and then the checkpoint is not moved: the transaction cannot be begun, or
//!   the process dies. Or some of its commands are executed, and one fails.
//! - **A partner is asked again.** He has done what he was asked for, and then his answer is lost, or the process dies; or the answer is
//!   recorded, and the shop does not learn that it was.
//! - **A customer asks again**, with the same key, until there is an answer; and some ask both processes at once.
//!
//! The partners keep books of their own, in a database of their own, as other houses do. When the customers have their answers, one
//! process in which nothing fails does what is left, and then everything has to be right: [`oracle`] says what that is.
//!
//! A run is its seed: `ES_CHAOS_SEED` repeats the choices of one. `ES_CHAOS_ORDERS` is the number of orders, `ES_CHAOS_SECONDS` how long
//! chaos reigns at the least, and `ES_CHAOS_RUNS` makes so many runs, each with the next seed.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

#[path = "../shop/model/books.rs"]
mod books;
#[allow(dead_code, reason = "the model has them act by turns")]
#[path = "../shop/model/people.rs"]
mod people;
#[path = "../shop/model/random.rs"]
mod random;

mod faults;
mod flaky;
mod houses;
mod request;
mod process;
mod desk;
mod killer;
mod customers;
mod quiet;
mod oracle;
mod tampering;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_postgres::PgStore;
use es_test_support::Database;

use books::Books;
use customers::{Customers, Told};
use desk::Desks;
use killer::{Killer, Kills, Operator};
use oracle::Verdict;
use process::{How, Task};
use random::Random;

const ORDERS: u32 = 300;
/// How long chaos reigns at the least, by default. It lasts until the customers have their answers, and, up to four times as long, until
/// hardly anything is left to be done.
const SECONDS: u64 = 15;
/// Nobody waits for as long as that.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_is_shipped_or_cancelled_and_the_books_balance() {
    for seed in seeds() {
        let orders = u32::try_from(number("ES_CHAOS_ORDERS").unwrap_or(ORDERS.into())).unwrap();
        let run = Run::of(seed, How::Right, orders, number("ES_CHAOS_SECONDS").unwrap_or(SECONDS)).await;
        println!("{}; {}\n{}; {}", run.books, run.verdict, run.kills, run.told);
        run.verdict.assert_none(seed);
        if orders >= ORDERS {
            run.books.check_that_all_sorts_of_things_happened([50, 5, 5, 2, 1]);
            run.check_that_there_was_chaos();
        }
    }
}

/// The oracle must be able to tell. A partner who is asked by another token each time does not know a repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_who_are_asked_by_a_fresh_token_each_time_do_it_twice() {
    let run = Run::of(seeds().next().unwrap(), How::FreshTokens, 40, 4).await;
    assert!(run.verdict.says("was booked twice"), "seed {}: nothing was doubled: {}", run.seed, run.verdict);
}

/// And customers without keys have theirs done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_again_without_a_key_is_done_twice() {
    let run = Run::of(seeds().next().unwrap(), How::NoKeys, 40, 4).await;
    assert!(run.verdict.says("led to"), "seed {}: nothing was doubled: {}", run.seed, run.verdict);
}

/// And of everything that it looks at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_tampered_with_is_found() {
    let run = Run::of(seeds().next().unwrap(), How::Right, 40, 4).await;
    run.verdict.assert_none(run.seed);
    tampering::is_found(&run.task, &run.store, &run.told).await;
}

/// Not a test, but what a killer starts. Without its task it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_process() {
    process::serve_until_killed().await;
}

/// How it went.
struct Run {
    seed: u64,
    books: Books,
    verdict: Verdict,
    kills: Kills,
    told: Told,
    task: Task,
    store: PgStore,
    /// The shop's, and the partners'.
    _databases: [Database; 2],
}

impl Run {
    async fn of(seed: u64, how: How, orders: u32, seconds: u64) -> Self {
        let (shop, partners) = (Database::create().await, Database::create().await);
        let store = PgStore::connect(shop.url()).await.unwrap();
        store.migrate().await.unwrap();
        houses::build(partners.url()).await;
        let task = Task { seed, how, orders, nth: 0, store: shop.url().into(), partners: partners.url().into() };

        let (reign, desks) = (Duration::from_secs(seconds), Arc::new(Desks::default()));
        let began = Instant::now();
        let mut killer = Killer::start(task.clone(), &desks);
        let operator = Operator::start(store.clone());
        let customers = Customers::new(&task, reign);
        let told = tokio::select! {
            told = customers.are_served(&desks) => told,
            why = killer.gave_up() => panic!("seed {seed}: nobody starts processes any more: {why}"),
            () = tokio::time::sleep(PATIENCE) => panic!("seed {seed}: somebody never got an answer"),
        };
        quiet::nearly(&store, began + reign, began + 4 * reign).await;
        let kills = killer.stop().await;
        let kills = Kills { retried: operator.stop().await, left: quiet::lag(&store).await, ..kills };

        quiet::finish(&task, &store).await;
        let books = Books::of(&store).await;
        books.check(&store).await;
        let verdict = Verdict::of(&task, &store, &told).await;
        Self { seed, books, verdict, kills, told, task, store, _databases: [shop, partners] }
    }

    /// A run in which nothing goes wrong would show nothing.
    fn check_that_there_was_chaos(&self) {
        let Self { seed, kills, verdict, told, .. } = self;
        let (asked_again, tries) = (verdict.asked_again, told.tries);
        let few_kills = kills.all < 3 || kills.behind_a_step < 3 || kills.all + kills.behind_a_step < 12;
        let tame = few_kills || kills.retried == 0 || asked_again < 20;
        assert!(!tame, "seed {seed}: too tame: {kills}; partners were asked again {asked_again} times, {tries} tries");
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = number("ES_CHAOS_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 16);
    (first..first + number("ES_CHAOS_RUNS").unwrap_or(1)).inspect(|seed| println!("ES_CHAOS_SEED={seed}"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// The choices of one who takes part.
fn chance(seed: u64, actor: u64) -> Random {
    Random::new(seed ^ (actor + 1).wrapping_mul(0xd134_2543_de82_ef95))
}
