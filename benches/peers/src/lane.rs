//! What a system did in all its turns.

use std::time::Instant;

use crate::Result;
use crate::cpu::{self, Cpu};
use crate::number::{median, quantile};
use crate::system::{About, Side};

/// One turn of one system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu: Option<Cpu>,
    /// Of each operation, in microseconds; none where operations are not done one by one.
    pub(crate) latencies: Vec<f64>,
    /// How often it was tried; 0 where nothing can be lost.
    pub(crate) attempts: u64,
}

impl Turn {
    /// The turn in which that was done.
    pub(crate) async fn of(postmaster: Option<u32>, work: impl Future<Output = Result<Done>>) -> Result<Self> {
        let (before, begun) = (cpu::read(postmaster), Instant::now());
        let Done { operations, latencies, attempts } = work.await?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = cpu::read(postmaster).zip(before).map(|(after, before)| after - before);
        Ok(Self { operations, seconds, cpu, latencies, attempts })
    }

    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }
}

/// What was done in a turn.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    pub(crate) latencies: Vec<f64>,
    pub(crate) attempts: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) about: About,
    pub(crate) turns: Vec<Turn>,
    /// Round trips for an operation, where they were counted.
    pub(crate) trips: Option<f64>,
}

impl Lane {
    pub(crate) fn new(about: About) -> Self {
        Self { about, turns: Vec::new(), trips: None }
    }

    pub(crate) fn rate(&self) -> f64 {
        median(self.rates())
    }

    pub(crate) fn rates(&self) -> Vec<f64> {
        self.turns.iter().map(Turn::rate).collect()
    }

    /// The median of the quotients of all rounds.
    pub(crate) fn beside(&self, other: &Self) -> f64 {
        median(self.rates().iter().zip(other.rates()).map(|(a, b)| a / b).collect())
    }

    pub(crate) fn operations(&self) -> u64 {
        self.turns.iter().map(|turn| turn.operations).sum()
    }

    /// In microseconds, of all operations of all turns.
    pub(crate) fn latency(&self, share: f64) -> Option<f64> {
        let all: Vec<f64> = self.turns.iter().flat_map(|turn| turn.latencies.iter().copied()).collect();
        (!all.is_empty()).then(|| quantile(all, share))
    }

    /// Tries for an operation, where there can be several.
    pub(crate) fn attempts(&self) -> Option<f64> {
        let attempts: u64 = self.turns.iter().map(|turn| turn.attempts).sum();
        (attempts > 0).then(|| attempts as f64 / self.operations() as f64)
    }

    /// Microseconds of a processor for each operation: client, and server where it is known.
    pub(crate) fn cpu(&self) -> Option<(f64, Option<f64>)> {
        let each = |seconds: Option<f64>| seconds.map(|sum| sum * 1e6 / self.operations() as f64);
        let client = each(self.turns.iter().map(|turn| turn.cpu.map(|cpu| cpu.client)).sum());
        let server = each(self.turns.iter().map(|turn| turn.cpu.and_then(|cpu| cpu.server)).sum());
        client.map(|client| (client, server))
    }
}

/// The fastest of the peers, as their documentation recommends to use them.
pub(crate) fn best_peer(lanes: &[Lane]) -> Option<&Lane> {
    let peers = lanes.iter().filter(|lane| lane.about.side == Side::Peer);
    peers.max_by(|a, b| a.rate().total_cmp(&b.rate()))
}

pub(crate) fn by_hand(lanes: &[Lane]) -> Option<&Lane> {
    lanes.iter().find(|lane| lane.about.side == Side::ByHand)
}
