//! Steps: a page is read and taken in, or there is none, and it waits for one.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::error::Error;
use crate::read_model::{Control, DeadLetterStatus, ReadModelStore};
use crate::recorded::Position;
use crate::runner::engine::{Engine, Halt};
use crate::runner::observe;
use crate::runner::owned::Owned;
use crate::runner::page::Page;
use crate::runner::work::Work;
use crate::runner::{Phase, Settings};

/// A checkpoint that moved only past events of no interest is written down at most this often on the way to the end of the log,
/// where another batch will come.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// The same at the end of the log, where somebody may wait for it.
const AT_THE_END: Duration = Duration::from_millis(100);

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    pub(super) async fn step(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if self.is_asked_to_stop() {
            self.write_down(owned).await?;
            return Err(Halt::Claim);
        }
        if owned.is_wanted() && self.is_its_turn_to_yield() {
            self.write_down(owned).await?;
            return Err(Halt::Yield);
        }
        if owned.lease.barrier.is_some_and(|barrier| owned.position >= barrier) {
            return self.meet(owned).await;
        }
        if W::ACTS && owned.position < owned.lease.live_from {
            return self.pass_over_history(owned).await;
        }
        let store = self.store.clone();
        // Called before the read, so that an append that the read has just missed is remembered.
        let appended = store.appended();
        let before = owned.position;
        let page = match self.ahead.take() {
            Some(page) => page,
            None => self.read_behind(before, 0, owned).await?,
        };
        if !page.is_empty() {
            owned.poll = self.settings.poll;
            self.take_in_and_read_ahead(owned, page).await?;
            return self.serve(owned).await;
        }
        if page.next > before {
            self.reach(owned, page.next, 0);
        }
        let between = if page.at_end { AT_THE_END } else { ON_THE_WAY };
        if owned.written_at.elapsed() > between || owned.has_passed_history() {
            self.write_down(owned).await?;
        }
        self.serve(owned).await?;
        // A page that is no end, but gets nowhere either, is not asked for again at once.
        if page.at_end || page.next <= before {
            self.idle(owned, appended).await;
        }
        Ok(())
    }

    /// Takes in a page, and reads the next one meanwhile if there is one, in a task of its own: another core decodes the one while
    /// this one folds the other. What was read ahead and does not serve is simply read again.
    async fn take_in_and_read_ahead(&mut self, owned: &mut Owned, page: Page<W::Event>) -> Result<(), Halt> {
        // A set, because it ends what is in it when it is dropped.
        let mut ahead = JoinSet::new();
        self.pace.weighs(page.events.len(), page.bytes);
        if page.has_more() {
            ahead.spawn(self.read_behind(page.next, page.events.len(), owned).in_current_span());
        }
        let (events, end) = (page.events.len(), page.next);
        self.pace.begins();
        // On the heap: the futures of users' code, with all that it calls, may be larger than a stack is deep.
        let taken = Box::pin(self.take_in_page(owned, page)).await;
        self.pace.ended(if taken.is_ok() { events } else { 0 });
        taken?;
        // Trouble with the next page is met again when it is read.
        let ahead = ahead.join_next().await.and_then(|read| read.ok()?.ok());
        // An empty page was read before the call that remembers appends, so it is no reason to wait.
        self.ahead = ahead.filter(|ahead| owned.position == end && !ahead.is_empty());
        Ok(())
    }

    /// Waits for something to do: an append of this process wakes it, and otherwise it looks again after a while.
    async fn idle(&mut self, owned: &mut Owned, appended: impl Future<Output = ()>) {
        self.part.at_end(owned.position);
        self.publish(|progress| progress.phase = Phase::Idle);
        tokio::select! {
            // When both are true it must look itself, and not take an answer that is older than the append.
            biased;
            () = appended => (owned.poll, owned.is_round) = (self.settings.poll, false),
            () = self.rest(owned.poll) => {
                (owned.poll, owned.is_round) = ((owned.poll * 2).min(Settings::LONGEST_POLL.max(owned.poll)), true);
            }
        }
    }

    /// At the place where all parts meet before they are divided anew: whoever comes last divides.
    async fn meet(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        self.write_down(owned).await?;
        if self.store.divide(&self.id).await? {
            tracing::info!(position = owned.position.0, "divided anew");
            return Err(Halt::Claim);
        }
        self.publish(|progress| progress.phase = Phase::Idle);
        self.rest(self.settings.poll).await;
        Ok(())
    }

    /// Makes this version the one that serves, if that is wanted and it has caught up. It takes the place of an older version only:
    /// an old program that is started once more, or takes over a lease, must not turn the clock back.
    async fn serve(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if self.serves || owned.must_not_serve || owned.position < owned.lease.live_from {
            return Ok(());
        }
        self.write_down(owned).await?;
        let serving = self.store.serving(self.id.name()).await?;
        if serving.is_some_and(|serving| serving.version() >= self.id.version()) {
            self.serves = true;
            return Ok(());
        }
        if self.lacks_history(owned).await? {
            owned.must_not_serve = true;
            return Ok(());
        }
        match self.store.control(&self.id, Control::Serve).await {
            Ok(_) => {
                tracing::info!(position = owned.position.0, "serves");
                self.serves = true;
                Ok(())
            }
            // Another part has not caught up yet, and will see to it; or a task is to be done first, and takes the lease away.
            Err(Error::Setup { .. }) => {
                owned.must_not_serve = true;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether events of its history were not taken in. Readers of the older version would miss them unasked, so somebody has to
    /// look. What was discarded, somebody has decided on. Words about letters take the lease away, so it is asked again then.
    async fn lacks_history(&self, owned: &Owned) -> Result<bool, Halt> {
        let mut letters = self.store.dead_letters(&self.id).await?;
        letters.retain(|letter| {
            letter.position <= owned.lease.live_from && !matches!(letter.status, DeadLetterStatus::Discarded { .. })
        });
        if !letters.is_empty() {
            observe::does_not_serve(&letters);
        }
        Ok(!letters.is_empty())
    }

    /// What is history leads to nothing, and so it is not even read.
    async fn pass_over_history(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        let live_from = owned.lease.live_from;
        let to = owned.lease.barrier.map_or(live_from, |barrier| barrier.min(live_from));
        self.reach(owned, to, 0);
        self.write_down(owned).await
    }

    /// Sees to it that history has ended, before anything is taken in that comes behind it.
    pub(super) async fn end_history(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if owned.written < owned.lease.live_from {
            self.reach(owned, owned.lease.live_from, 0);
            self.write_down(owned).await?;
        }
        Ok(())
    }

    /// Writes the checkpoint down, where it moved only past events of no interest.
    async fn write_down(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if owned.position > owned.written {
            let transaction = self.open(owned).await?;
            let to = owned.position;
            self.close(owned, to, 0, transaction).await?;
        }
        owned.is_written();
        Ok(())
    }

    /// Everything up to `to` is done, and written down if there were events.
    pub(super) fn reach(&self, owned: &mut Owned, to: Position, events: u64) {
        owned.position = owned.position.max(to);
        let position = owned.position;
        self.part.taken_in(events);
        self.publish(|progress| {
            progress.position = position;
            progress.events += events;
            // At once with the position, so that nobody who has waited for it is told of trouble that is over.
            progress.phase = Phase::Working;
        });
    }
}
