//! What customers were told, and what is stored of it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Log, Verdict};
use crate::request::{Answer, Request};

pub(super) fn check(answers: &BTreeMap<Request, Answer>, log: &Log, verdict: &mut Verdict) {
    let mut stored = BTreeMap::<Uuid, Vec<Uuid>>::new();
    for event in log {
        if let Some(cause) = event.metadata.causation_id {
            stored.entry(cause.0).or_default().push(event.id.0);
        }
    }
    for (request, answer) in answers {
        let led_to = stored.remove(&request.id().0).unwrap_or_default();
        let told: BTreeSet<Uuid> = match answer {
            Answer::Done(ids) => ids.iter().copied().collect(),
            Answer::Refused(_) | Answer::Failed(_) => BTreeSet::new(),
        };
        let is_true = led_to.len() == told.len() && led_to.iter().all(|id| told.contains(id));
        verdict.unless(is_true, || format!("{request:?} led to {led_to:?}, and was answered {answer:?}"));
    }
}
