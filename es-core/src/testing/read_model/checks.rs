//! What is done to a read model, and what must come of it every time.

use std::sync::Arc;
use std::time::Duration;

use crate::read_model::{Control, ReadModelStore};
use crate::retry::Retry;
use crate::runner::guard::chain;
use crate::runner::{OnFailure, Runner, Running, Settings};
use crate::testing::read_model::opened::Opened;
use crate::testing::read_model::rig::{Accident, Rig};
use crate::testing::read_model::seen::Seen;
use crate::testing::read_model::story::Story;
use crate::testing::read_model::{ReadModelTest, Rebuilds};
use crate::testing::text::diff;

/// How long a run may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// As many at once as there are.
const ALL_AT_ONCE: u32 = Settings::DEFAULT_BATCH;

/// One thing that is done to a read model.
struct Check<'a> {
    /// The read model, …
    what: String,
    story: &'a Story,
    accident: Accident,
    batch: u32,
    /// What is wrong, most likely, if something is.
    hint: &'static str,
}

impl<'a> Check<'a> {
    fn new(what: impl Into<String>, story: &'a Story, hint: &'static str) -> Self {
        Self { what: what.into(), story, accident: Accident::Nothing, batch: ALL_AT_ONCE, hint }
    }

    fn accident(self, accident: Accident) -> Self {
        Self { accident, ..self }
    }

    fn one_at_a_time(self) -> Self {
        Self { batch: 1, ..self }
    }
}

impl<S: ReadModelStore, R: Seen> ReadModelTest<S, R> {
    pub(super) async fn check_all(&self) {
        if let Err(wrong) = (self.alone)(&self.id, &self.story) {
            self.fail(&format!(": {wrong}"), &self.story);
        }
        let first = self.check_expected().await;
        self.check_batches(&first).await;
        self.check_accidents(&first).await;
        if self.any_order {
            self.check_interleavings(&first).await;
        }
        self.check_live_and_rebuilt(&first).await;
        if self.redelivery {
            self.check_redelivery(&first).await;
        }
    }

    async fn check_expected(&self) -> R {
        let check = Check::new("taken in all at once", &self.story, "");
        let (opened, seen) = self.run(&check).await;
        if let Some((expected, actual)) = seen.differs(&self.expected) {
            self.fail(&format!(" is not as expected\n{}", diff(&expected, &actual)), &self.story);
        }
        drop(opened);
        seen
    }

    async fn check_batches(&self, first: &R) {
        let hint = "It depends on where batches end: look for what is kept between calls, or done once for each batch.";
        self.check(Check::new("taken in one event at a time", &self.story, hint).one_at_a_time(), first).await;
    }

    async fn check_accidents(&self, first: &R) {
        let died = "What is written elsewhere than to the transaction is not undone, and what is kept in memory is lost: \
                    the events come again, and find it so.";
        let failed = "What is kept in memory, or written elsewhere than to the transaction, is not undone with it: the \
                      events come again, and find it so.";
        let dies = "whose process dies between each effect and its commit";
        let check = |what, hint, accident| Check::new(what, &self.story, hint).accident(accident);
        self.check(check(dies, died, Accident::Dies).one_at_a_time(), first).await;
        self.check(check(dies, died, Accident::Dies), first).await;
        self.check(check("whose transactions fail and are tried again", failed, Accident::Fails), first).await;
    }

    async fn check_interleavings(&self, first: &R) {
        let hint = "Only within a stream is there an order that lasts. Where the order between these streams is part of the \
                    meaning, say `.order_between_streams_matters()`.";
        for (how, story) in self.story.interleavings(self.seed) {
            self.check(Check::new(how, &story, hint), first).await;
        }
    }

    async fn check_redelivery(&self, first: &R) {
        let hint = "Its events were to do no harm when they come twice: `.survives_redelivery()`.";
        for (what, accident) in
            [("handed each event twice", Accident::EachTwice), ("handed all events twice", Accident::AllTwice)]
        {
            self.check(Check::new(what, &self.story, hint).accident(accident), first).await;
        }
    }

    /// Events that arrive while it runs, and a rebuild with the same projector.
    async fn check_live_and_rebuilt(&self, first: &R) {
        let hint = "The same events were history before, and are the present now: look for `Batch::is_replay`, `replay_begins` \
                    and `replay_ends`.";
        let live = Check::new("that runs while the events arrive", &self.story, hint);
        let opened = self.open().await;
        let rig = Rig::new(live.accident, self.story.times());
        // A short lease, as word from outside is noticed when it is renewed.
        let settings = settings(ALL_AT_ONCE).lease(Duration::from_millis(500));
        let running = self.start(&live, &opened, settings, &rig).await;
        let (singly, together) = self.story.split_at(self.story.len().div_ceil(2));
        for event in singly.single_events() {
            self.happen(&live, &event, &opened).await;
            self.catch_up(&live, &running).await;
        }
        self.happen(&live, &together, &opened).await;
        self.catch_up(&live, &running).await;
        let seen = self.compare(&live, &opened, first).await;
        if self.rebuilds == Rebuilds::Expected {
            self.check_rebuilt(&opened, &running, &rig, &seen).await;
        }
        running.stop().await;
    }

    async fn check_rebuilt(&self, opened: &Opened<S>, running: &Running<S>, rig: &Rig, live: &R) {
        let hint = "`clear` has to remove all that was written, in every table, and whatever is kept in memory.";
        let rebuilt = Check::new("rebuilt", &self.story, hint);
        match opened.store.control(&self.id, Control::Rebuild).await {
            Ok(answer) if answer.is_accepted() => {}
            Ok(_) => self.trouble(&rebuilt, "the store does not know it"),
            Err(error) => self.trouble(&rebuilt, &chain(&error)),
        }
        let caught_up = running.catch_up_within(PATIENCE).await;
        // Asked first, because whoever waits may be told of the place it has kept.
        if let Some(refusal) = rig.refusal() {
            let advice = "Where it is not meant to be rebuilt, say `.cannot_be_rebuilt()`.";
            self.trouble(&rebuilt, &format!("{refusal}\n{advice}"));
        }
        if let Err(error) = caught_up {
            self.trouble(&rebuilt, &chain(&error));
        }
        self.compare(&rebuilt, opened, live).await;
    }

    async fn check(&self, check: Check<'_>, first: &R) {
        let (_opened, seen) = self.run(&check).await;
        self.compare_seen(&check, &seen, first);
    }

    async fn compare(&self, check: &Check<'_>, opened: &Opened<S>, before: &R) -> R {
        let seen = (self.look)(opened.store.clone()).await;
        self.compare_seen(check, &seen, before);
        seen
    }

    fn compare_seen(&self, check: &Check<'_>, seen: &R, before: &R) {
        if !seen.equals(before) {
            let diff = diff(&before.text(), &seen.text());
            self.fail(&format!(", {}, shows something else\n{diff}{}", check.what, check.hint), check.story);
        }
    }

    /// Takes in the whole story in a store of its own, through the runner, process by process.
    async fn run(&self, check: &Check<'_>) -> (Opened<S>, R) {
        let opened = self.open().await;
        self.happen(check, check.story, &opened).await;
        let rig = Rig::new(check.accident, self.story.times());
        loop {
            let running = self.start(check, &opened, settings(check.batch), &rig).await;
            tokio::select! {
                () = rig.death.notified() => drop(running.stop_within(Duration::ZERO).await),
                () = self.catch_up(check, &running) => {
                    running.stop().await;
                    break;
                }
            }
        }
        let seen = (self.look)(opened.store.clone()).await;
        (opened, seen)
    }

    async fn open(&self) -> Opened<S> {
        (self.open)().await
    }

    async fn happen(&self, check: &Check<'_>, story: &Story, opened: &Opened<S>) {
        if let Err(error) = story.happen(&opened.store).await {
            self.trouble(check, &format!("the events cannot be stored: {}", chain(&error)));
        }
    }

    async fn start(&self, check: &Check<'_>, opened: &Opened<S>, settings: Settings, rig: &Arc<Rig>) -> Running<S> {
        let runner = Runner::new(opened.store.clone()).settings(settings);
        match (self.plan)(runner, Arc::clone(rig)).start().await {
            Ok(running) => running,
            Err(error) => self.trouble(check, &chain(&error)),
        }
    }

    async fn catch_up(&self, check: &Check<'_>, running: &Running<S>) {
        if let Err(error) = running.catch_up_within(PATIENCE).await {
            self.trouble(check, &chain(&error));
        }
    }

    fn trouble(&self, check: &Check<'_>, what: &str) -> ! {
        self.fail(&format!(", {}: {what}", check.what), check.story)
    }

    fn fail(&self, what: &str, story: &Story) -> ! {
        panic!("read model `{}`{}\nthe events, in the order of the log:\n{}", self.id, what.trim_end(), story.text())
    }
}

/// A failure is told at once; one that was made to happen is over at the second try.
fn settings(batch: u32) -> Settings {
    let retry = Retry::attempts(3).base(Duration::from_millis(1));
    Settings::default().batch(batch).on_failure(OnFailure::stop().after(retry))
}
