//! Without the feature `metrics`, nothing is counted.

use std::time::Duration;

use crate::read_model::ProjectionId;
use crate::slices::Slices;

pub(in crate::runner) struct Meter;

impl Meter {
    pub(in crate::runner) fn new(_: &ProjectionId) -> Self {
        Self
    }

    pub(super) fn events(&self, _: u64) {}

    pub(super) fn batch(&self, _: Duration) {}

    pub(in crate::runner) fn failed(&self, _: &'static str) {}

    pub(super) fn dead_letter(&self, _: &'static str) {}

    pub(super) fn owned(&self, _: Slices, _: bool) {}
}

pub(super) fn describe() {}
