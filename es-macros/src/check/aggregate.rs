//! Whether an aggregate is complete.

use crate::check::{no_attributes_inside, no_lifetimes, no_rust_union, not_the_trait_itself};
use crate::ctxt::Ctxt;
use crate::model::{Aggregate, Policy, Snapshot};

const POLICIES: [&str; 3] = ["every", "slower_than_ms", "when"];

pub(crate) fn aggregate(ctxt: &Ctxt, aggregate: &Aggregate<'_>) {
    no_rust_union(ctxt, aggregate.input, "Aggregate");
    no_lifetimes(ctxt, aggregate.input, "an aggregate");
    no_attributes_inside(ctxt, &aggregate.input.data, "aggregate");
    complete(ctxt, aggregate);
    if let Some(path) = &aggregate.apply {
        not_the_trait_itself(ctxt, path, "apply", "Aggregate");
    }
    if let Some(snapshot) = &aggregate.snapshot {
        check_snapshot(ctxt, snapshot);
    }
}

fn complete(ctxt: &Ctxt, aggregate: &Aggregate<'_>) {
    let Aggregate { input, id, event, seen, .. } = aggregate;
    let ident = &input.ident;
    let missing: Vec<_> = [
        (id.is_none() && !seen.excuses("id")).then(|| format!("id = {ident}Id")),
        (event.is_none() && !seen.excuses("event")).then(|| format!("event = {ident}Event")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !missing.is_empty() {
        let message = format!("incomplete aggregate: write `#[aggregate(…)]` with `{}`", missing.join(", "));
        ctxt.mistake(ident, message);
    }
}

fn check_snapshot(ctxt: &Ctxt, snapshot: &Snapshot) {
    match snapshot.policies.as_slice() {
        [] if POLICIES.iter().any(|policy| snapshot.seen.excuses(policy)) => {}
        [] => ctxt.mistake(
            &snapshot.key,
            "when are snapshots taken? Write `every = 100`, `slower_than_ms = 20` or `when = path::to_predicate`",
        ),
        [(_, policy)] => check_policy(ctxt, policy),
        [(first, _), others @ ..] => others
            .iter()
            .for_each(|(other, _)| ctxt.mistake(other, format!("`{first}` says already when snapshots are taken"))),
    }
    if let Some(version) = snapshot.version.as_ref().filter(|version| version.value == 0) {
        ctxt.mistake(&version.literal, "versions of a state start at 1");
    }
}

fn check_policy(ctxt: &Ctxt, policy: &Policy) {
    if let Policy::Every(events) = policy
        && events.value == 0
    {
        ctxt.mistake(&events.literal, "every 0 events is no policy: write 1 or more, or leave `snapshot` out");
    }
}
