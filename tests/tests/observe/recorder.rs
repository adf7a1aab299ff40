//! A recorder that keeps what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

/// What is known of each metric, by its name and labels: `name{label=value,…}`.
#[derive(Clone, Default)]
pub struct Recorder {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    values: BTreeMap<String, f64>,
    /// How many values each histogram has.
    counts: BTreeMap<String, u64>,
    units: BTreeMap<String, Option<Unit>>,
}

impl Recorder {
    pub fn value(&self, key: &str) -> Option<f64> {
        self.kept().values.get(key).copied()
    }

    /// How many values the histogram has.
    pub fn count(&self, key: &str) -> Option<u64> {
        self.kept().counts.get(key).copied()
    }

    /// The names of all metrics that a value is known of.
    pub fn names(&self) -> Vec<String> {
        let kept = self.kept();
        let keys = kept.values.keys().chain(kept.counts.keys());
        let mut names: Vec<String> = keys.map(|key| key.split('{').next().unwrap_or_default().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The names of all metrics that were described, each with its unit.
    pub fn units(&self) -> BTreeMap<String, Option<Unit>> {
        self.kept().units.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(One { key: format!("{}{{{}}}", key.name(), labels.join(",")), recorder: self.clone() })
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>) {
        self.kept().units.insert(key.as_str().to_owned(), unit);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }
    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

/// One metric.
struct One {
    key: String,
    recorder: Recorder,
}

impl One {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut kept = self.recorder.kept();
        let value = kept.values.entry(self.key.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.change(|before| before + f64::from(u32::try_from(value).unwrap()));
    }
    fn absolute(&self, value: u64) {
        self.change(|_| f64::from(u32::try_from(value).unwrap()));
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|before| before + value);
    }
    fn decrement(&self, value: f64) {
        self.change(|before| before - value);
    }
    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for One {
    fn record(&self, _: f64) {
        *self.recorder.kept().counts.entry(self.key.clone()).or_default() += 1;
    }
}
