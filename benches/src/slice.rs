//! A short run of one side: the unit that is compared.

use std::time::{Duration, Instant};

use crate::Result;
use crate::cpu::{Cpu, Meter};
use crate::ledger::Standing;

pub(crate) struct Slice {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) wall: Duration,
    pub(crate) cpu: Option<Cpu>,
    /// Where every account stood, so that two sides can be seen to have done the same.
    pub(crate) standings: Vec<Standing>,
}

impl Slice {
    /// Runs `operation` so many times, one after the other.
    pub(crate) async fn of(
        meter: Meter,
        operations: usize,
        mut operation: impl AsyncFnMut(usize) -> Result<Standing>,
    ) -> Result<Self> {
        let mut latencies = Vec::with_capacity(operations);
        let mut standings = Vec::with_capacity(operations);
        let before = meter.read();
        let start = Instant::now();
        let mut last = start;
        for number in 0..operations {
            standings.push(operation(number).await?);
            let now = Instant::now();
            latencies.push(now - last);
            last = now;
        }
        let wall = last - start;
        let cpu = meter.read().zip(before).map(|(after, before)| after - before);
        Ok(Self { latencies, wall, cpu, standings })
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&mut micros(&self.latencies), 0.5)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }

    pub(crate) fn cpu_per_operation(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.total().as_secs_f64() * 1e6 / self.latencies.len() as f64)
    }
}

pub(crate) fn micros(durations: &[Duration]) -> Vec<f64> {
    durations.iter().map(|duration| duration.as_secs_f64() * 1e6).collect()
}

/// The value that a share of the values lies below; 0 of none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}
