//! Projections that are run by several processes at once, all of which come and go as chance has it, while somebody leaves word
//! after word: whatever happened, in the end every event has taken effect exactly once.
//!
//! A run is its seed: `ES_CHAOS_SEED` repeats the choices of one, `ES_CHAOS_SECONDS` makes it last.

#[allow(dead_code, reason = "the oracle of the log has more to choose")]
#[path = "oracle/random.rs"]
mod random;

// What the runner's own suite has, and the traps.
#[allow(dead_code, reason = "the suite has more cases")]
#[path = "runner/domain.rs"]
mod domain;
#[allow(dead_code, reason = "the suite has more cases")]
#[path = "runner/world.rs"]
mod world;
#[path = "runner/on_memory.rs"]
mod on_memory;
#[allow(dead_code, reason = "the suite opens stores in its own way")]
#[path = "runner/on_postgres.rs"]
mod on_postgres;
#[allow(dead_code, reason = "the traps need more")]
#[path = "traps/homes.rs"]
#[macro_use]
mod homes;

#[path = "chaos/readers.rs"]
mod readers;
#[path = "chaos/writers.rs"]
mod writers;
#[path = "chaos/words.rs"]
mod words;
#[path = "chaos/runners.rs"]
mod runners;
#[path = "chaos/verdict.rs"]
mod verdict;
#[path = "chaos/found.rs"]
mod found;

use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::ReadModelStore;

use homes::Home;
use random::Random;
use readers::Ailments;
use world::until;

/// How long chance reigns, by default.
const SECONDS: u64 = 4;
/// How many processes there are at a time.
const PROCESSES: u64 = 3;
const WRITERS: u64 = 2;

on_both_stores! {
    every_event_takes_effect_once
}

/// What all who take part in a run know.
#[derive(Clone)]
pub struct Run<H> {
    pub home: H,
    pub seed: u64,
    pub ailments: Ailments,
    pub until: Instant,
    /// Whoever asks for a rebuild has it to himself, and whoever waits for his own writes shares it: what is rebuilt is not
    /// there for a while.
    pub whole: Arc<tokio::sync::RwLock<()>>,
}

impl<H: Home> Run<H> {
    fn new(home: H) -> Self {
        let seed = number("ES_CHAOS_SEED").unwrap_or_else(Random::fresh_seed);
        let seconds = number("ES_CHAOS_SECONDS").unwrap_or(SECONDS);
        eprintln!("ES_CHAOS_SEED={seed} ES_CHAOS_SECONDS={seconds}");
        let until = Instant::now() + Duration::from_secs(seconds);
        Self { home, seed, ailments: Ailments::new(), until, whole: Arc::default() }
    }

    /// The choices of one who takes part.
    pub fn random(&self, actor: u64) -> Random {
        Random::of(self.seed, actor)
    }

    pub fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

async fn every_event_takes_effect_once<H: Home>(home: H) {
    let run = Run::new(home);
    let mut actors = tokio::task::JoinSet::new();
    for nth in 0..WRITERS {
        actors.spawn(writers::write(run.clone(), 100 + nth));
    }
    for nth in 0..PROCESSES {
        actors.spawn(runners::come_and_go(run.clone(), 200 + nth));
    }
    let store = run.home.open().await;
    until("somebody has started them", || async {
        store.reached(&words::all(), None).await.unwrap().iter().all(Option::is_some)
    })
    .await;
    actors.spawn(words::leave(run.clone(), 300));
    actors.spawn(writers::wait_for_own(run.clone(), 400));
    actors.spawn(verdict::watch(run.clone(), 600));
    while let Some(ended) = actors.join_next().await {
        ended.unwrap();
    }
    verdict::settle(&run).await;
}
