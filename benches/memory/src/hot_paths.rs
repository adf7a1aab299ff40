//! The paths that everything goes along, each alone and so many times: to be timed, profiled, and counted.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use es_core::{
    Append, EncodedEvent, Event, EventId, EventStore, EventStoreExt, ExpectedVersion, Metadata, NewEvent, StreamId,
    Timestamp,
};
use es_memory::MemoryStore;

use crate::Result;
use crate::domain::{AccountEvent, Deposit, DepositCached, Loaded};

/// So many commands are for one account, which has from 0 to 9 events before.
const COMMANDS_EACH: usize = 10;

/// So many events are folded at once.
const FOLDED: usize = 1_000;

/// So often a path is timed, and the best time counts.
const ROUNDS: usize = 50;

const STORED: EncodedEvent<'static> = EncodedEvent::new("account", "account.deposited", 1, r#"{"amount":5}"#);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Command,
    CachedCommand,
    Fold,
    Encode,
    Write,
    Decode,
    Id,
    Clock,
}

impl Path {
    pub(crate) const ALL: [Self; 8] = [
        Self::Command,
        Self::CachedCommand,
        Self::Fold,
        Self::Encode,
        Self::Write,
        Self::Decode,
        Self::Id,
        Self::Clock,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::CachedCommand => "cached-command",
            Self::Fold => "fold-1000",
            Self::Encode => "encode",
            Self::Write => "write",
            Self::Decode => "decode",
            Self::Id => "id",
            Self::Clock => "clock",
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Command => "a command on 0 to 9 events, loaded",
            Self::CachedCommand => "a command on a state at hand",
            Self::Fold => "a load of 1,000 events",
            Self::Encode => "an event, made ready to be stored: all of the next three, and a copy of the metadata",
            Self::Write => "its JSON, written",
            Self::Decode => "its JSON, read again before it is stored",
            Self::Id => "its id",
            Self::Clock => "a look at the clock",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|path| path.name() == name);
        found.ok_or_else(|| format!("there is no path `{name}`, but {:?}", Self::ALL.map(Self::name)).into())
    }

    /// How often it is gone along in one go, so that it takes some milliseconds.
    fn times(self) -> usize {
        match self {
            Self::Command | Self::CachedCommand => 5_000,
            Self::Fold => 20,
            _ => 20_000,
        }
    }
}

/// What each takes, in nanoseconds.
pub(crate) fn table() -> Result<String> {
    let mut table = "| what | ns |\n|---|---:|\n".to_owned();
    for path in Path::ALL {
        writeln!(table, "| {} | {:.0} |", path.meaning(), best_of(path)?)?;
    }
    Ok(table)
}

fn best_of(path: Path) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        run(path, path.times())?;
        best = best.min(began.elapsed().as_nanos() as f64 / path.times() as f64);
    }
    Ok(best)
}

pub(crate) fn run(path: Path, times: usize) -> Result<()> {
    match path {
        Path::Command => wait_for(command(times)),
        Path::CachedCommand => wait_for(cached_command(times)),
        Path::Fold => wait_for(fold(times)),
        Path::Encode => encode(times),
        Path::Write => write(times),
        Path::Decode => decode(times),
        Path::Id => repeat(times, EventId::new),
        Path::Clock => repeat(times, Timestamp::now),
    }
}

fn wait_for(future: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(future)
}

async fn command(times: usize) -> Result<()> {
    let store = MemoryStore::new();
    for number in 0..times {
        store.execute(Deposit { id: (number / COMMANDS_EACH).to_string(), amount: 1 }).await?;
    }
    Ok(())
}

async fn cached_command(times: usize) -> Result<()> {
    let store = MemoryStore::new();
    for number in 0..times {
        store.execute(DepositCached { id: (number % COMMANDS_EACH).to_string(), amount: 1 }).await?;
    }
    Ok(())
}

async fn fold(times: usize) -> Result<()> {
    let store = MemoryStore::new();
    let event = || NewEvent::encode(&AccountEvent::Deposited { amount: 5 }, &Metadata::default());
    let stream = StreamId::new("account", "ada")?;
    for _ in 0..FOLDED {
        store.append(Append::new(stream.clone(), ExpectedVersion::Any, vec![event()?])).await?;
    }
    for _ in 0..times {
        black_box(store.load::<Loaded>("ada").await?);
    }
    Ok(())
}

fn encode(times: usize) -> Result<()> {
    let metadata = Metadata::default();
    for _ in 0..times {
        black_box(NewEvent::encode(black_box(&AccountEvent::Deposited { amount: 5 }), &metadata)?);
    }
    Ok(())
}

fn write(times: usize) -> Result<()> {
    for _ in 0..times {
        black_box(black_box(AccountEvent::Deposited { amount: 5 }).encode()?);
    }
    Ok(())
}

fn decode(times: usize) -> Result<()> {
    for _ in 0..times {
        black_box(AccountEvent::decode(black_box(STORED))?);
    }
    Ok(())
}

fn repeat<T>(times: usize, act: impl Fn() -> T) -> Result<()> {
    (0..times).for_each(|_| drop(black_box(act())));
    Ok(())
}
