//! The chain from each older schema version to the next.

use crate::ctxt::Ctxt;
use crate::model::{EventType, Step};

/// More missing steps than these are not named one by one.
const NAMED_STEPS: usize = 5;

/// The chain must be exactly 1, 2, … up to the version before the current one.
pub(super) fn chain(ctxt: &Ctxt, event_type: &EventType<'_>) {
    let steps = &event_type.upcasts;
    for (i, step) in steps.iter().enumerate() {
        one_step(ctxt, event_type, step, steps.get(..i).unwrap_or_default());
    }
    if let Some(version) = &event_type.version {
        if version.value == 0 {
            ctxt.mistake(&version.literal, "schema versions start at 1");
        }
        let missing = missing(version.value, steps);
        if !missing.is_empty() && !event_type.seen.excuses("upcast") {
            ctxt.mistake(&version.literal, lacks(version.value, &missing));
        }
    }
}

fn one_step(ctxt: &Ctxt, event_type: &EventType<'_>, step: &Step, before: &[Step]) {
    let from = step.from.value;
    let mistake = |message: String| ctxt.mistake(&step.from.literal, message);
    if from == 0 {
        return mistake("schema versions start at 1, so the first step is `1 = …`".to_owned());
    }
    if before.iter().any(|earlier| earlier.from.value == from) {
        return mistake(format!("the step from version {from} is there twice, remove one"));
    }
    match &event_type.version {
        None => {
            let last = event_type.upcasts.iter().map(|step| step.from.value).max().unwrap_or(from);
            if before.is_empty() && !event_type.seen.excuses("version") {
                mistake(format!("`upcast` leads to a version that is not given: add `version = {}`", last + 1));
            }
        }
        Some(version) if from >= version.value && version.value > 0 => mistake(format!(
            "a step from version {from} to {}, but the current version is {}: remove the step, or raise `version`",
            from + 1,
            version.value
        )),
        Some(_) => {}
    }
}

fn missing(version: u64, steps: &[Step]) -> Vec<u64> {
    let is_missing = |from: &u64| steps.iter().all(|step| step.from.value != *from);
    (1..version).filter(is_missing).take(NAMED_STEPS).collect()
}

fn lacks(version: u64, missing: &[u64]) -> String {
    let steps: Vec<_> = missing.iter().map(|from| format!("{from} = from_{from}_to_{}", from + 1)).collect();
    format!("version {version} lacks upcasters: add `upcast({})`, so that older events stay readable", steps.join(", "))
}
