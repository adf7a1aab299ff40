//! One busy account: what it is worth that commands are decided ahead of the store, and go out together.
//!
//! `cargo run --release -p es-postgres --example hot -- [seconds]`
//!
//! The same command on one server with durable settings, one at a time on an account that is loaded for each, and on one that is at hand; and
//! ahead of the store on one whose state is handed on, as by default, and on one that is at hand. Read the multiples.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement has nobody to hand an error to")]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use es_core::{Aggregate, Caching, Command, Context, Event, EventStoreExt, ExpectedVersion, Handle, IntoEvents, Retry};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use tokio::task::JoinSet;

const CALLERS: [u32; 4] = [1, 4, 16, 64];
const ROUNDS: u32 = 3;

const LOADED: u8 = 0;
const AT_HAND: u8 = 1;
const HANDED_ON: u8 = 2;
const AHEAD: u8 = 3;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { amount: u64, note: String },
}

#[derive(Clone, Default)]
struct Account<const HOW: u8> {
    balance: u64,
}

impl<const HOW: u8> Aggregate for Account<HOW> {
    type Id = String;
    type Event = AccountEvent;

    fn apply(&mut self, AccountEvent::Deposited { amount, .. }: AccountEvent) {
        self.balance += amount;
    }

    fn caching() -> Caching<Self> {
        match HOW {
            LOADED => Caching::never(),
            AT_HAND => Caching::cloned().one_at_a_time(),
            HANDED_ON => Caching::while_busy(),
            _ => Caching::cloned(),
        }
    }
}

#[derive(Clone)]
struct Deposit<const HOW: u8>(String);

impl<const HOW: u8> Command for Deposit<HOW> {
    type Aggregate = Account<HOW>;

    fn aggregate_id(&self) -> &String {
        &self.0
    }
}

impl<const HOW: u8> Handle<Deposit<HOW>> for Account<HOW> {
    type Error = Infallible;

    fn handle(&self, _: Deposit<HOW>, _: &Context) -> Result<impl IntoEvents<AccountEvent>, Infallible> {
        Ok(AccountEvent::Deposited { amount: 5, note: "paid in at the counter".to_owned() })
    }
}

struct Turn {
    rate: f64,
    waits: Vec<Duration>,
}

/// A new account of ten events, and everybody at it.
async fn turn<const HOW: u8>(store: &PgStore, callers: u32, lasts: Duration) -> Turn {
    let id = uuid::Uuid::now_v7().to_string();
    let ten = (0..10).map(|_| AccountEvent::Deposited { amount: 1, note: String::new() }).collect::<Vec<_>>();
    store.append_events::<Account<HOW>>(&id, ExpectedVersion::NoStream, ten).await.unwrap();
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let (store, id) = (store.clone(), id.clone());
        running.spawn(async move {
            let mut waits = Vec::new();
            while begun.elapsed() < lasts {
                let asked = Instant::now();
                let command = store.execute(Deposit::<HOW>(id.clone())).retry(Retry::attempts(1_000));
                command.await.unwrap();
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    let mut waits = running.join_all().await.concat();
    waits.sort_unstable();
    let rate = waits.len() as f64 / begun.elapsed().as_secs_f64();
    let loaded = store.load::<Account<HOW>>(&id).await.unwrap();
    assert_eq!(loaded.balance, 10 + 5 * waits.len() as u64, "each is stored once");
    Turn { rate, waits }
}

fn median(turns: &[Turn]) -> f64 {
    let mut rates: Vec<f64> = turns.iter().map(|turn| turn.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn at(turns: &[Turn], percent: usize) -> Duration {
    let waits = &turns[turns.len() / 2].waits;
    waits[waits.len().saturating_sub(1) * percent / 100]
}

#[tokio::main]
async fn main() {
    let lasts = std::env::args().nth(1).map_or(1.0, |seconds| seconds.parse().unwrap());
    let lasts = Duration::from_secs_f64(lasts);
    let database = Database::create_on(&Server::durable().await).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    println!(
        "| callers | one at a time, loaded | at hand | ahead, handed on | at hand | p50, p99 handed on | at hand |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for callers in CALLERS {
        let mut ways = [const { Vec::new() }; 4];
        for round in 0..=ROUNDS {
            let turns = [
                turn::<LOADED>(&store, callers, lasts).await,
                turn::<AT_HAND>(&store, callers, lasts).await,
                turn::<HANDED_ON>(&store, callers, lasts).await,
                turn::<AHEAD>(&store, callers, lasts).await,
            ];
            // The first round opens connections.
            if round > 0 {
                ways.iter_mut().zip(turns).for_each(|(way, turn)| way.push(turn));
            }
        }
        let [loaded, at_hand, handed_on, ahead] = &ways;
        let times = |way| format!("{:.0} (× {:.2})", median(way), median(way) / median(loaded));
        println!(
            "| {callers} | {:.0} | {} | {} | {} | {:.2?}, {:.2?} | {:.2?}, {:.2?} |",
            median(loaded),
            times(at_hand),
            times(handed_on),
            times(ahead),
            at(handed_on, 50),
            at(handed_on, 99),
            at(ahead, 50),
            at(ahead, 99)
        );
    }
}
