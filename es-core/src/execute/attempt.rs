//! One try of a command: load, decide, append.
//!
//! Commands of one process for one stream take turns. Where the store takes appends in their order, the turn is passed on as soon as
//! the append is under way, with the state that it leads to. The next command is decided upon that state, and its append goes behind
//! the event that the state rests on, so that it cannot be stored where that event is not.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use crate::aggregate::{Aggregate, Loaded};
use crate::basis::Basis;
use crate::command::Command;
use crate::error::{Conflict, Error, ExecuteError};
use crate::execute::decided::Decided;
use crate::execute::{Decide, Execute, Outcome, keyed};
use crate::fresh_id::Moment;
use crate::idempotency::Keyed;
use crate::recorded::{Append, Appended, Recorded};
use crate::snapshot::{Snapshot, Snapshots};
use crate::store::EventStore;
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::turns::Turn;

/// So often a command is decided ahead of the store in vain. Then it waits for what is under way, and keeps its turn to the end.
const SETBACKS: u32 = 3;

/// How a command goes through one try.
struct Way<'t, A> {
    turn: Option<Turn<'t>>,
    snapshots: Snapshots<A>,
    /// Whether it may be decided ahead of the store, and pass on its turn while its append is under way.
    is_ahead: bool,
}

/// What became of what was decided.
enum Step<T> {
    Done(T),
    /// An earlier command under the same key has done it.
    Before,
    /// Something has come since, and was taken in.
    Behind,
    /// What it rests on is not there.
    InVain,
}

/// How a try ends.
enum End<T, O> {
    Done(T),
    /// An earlier command under the same key has done it.
    Before(Box<O>),
    InVain,
}

type EventOf<C> = <<C as Command>::Aggregate as Aggregate>::Event;
type RecordedOf<C> = Vec<Recorded<EventOf<C>>>;
type EndOf<C> = End<RecordedOf<C>, Outcome<<C as Command>::Aggregate>>;

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    pub(super) async fn attempt(
        &mut self,
        stream: &StreamId,
        keyed: Option<&Keyed>,
    ) -> Result<Outcome<C::Aggregate>, ExecuteError<D::Error>> {
        // Commands of this process for the same stream come one after the other, instead of being in each other's way.
        let turn = self.store.cache().filter(|_| D::AT_ONCE).and_then(|cache| cache.turn(stream));
        // Whether a key was used only the store knows, which has to be asked in turn.
        let is_ahead = keyed.is_none() && self.store.appends_in_order() && C::Aggregate::caching().decides_ahead();
        let mut way = Way { turn, snapshots: C::Aggregate::snapshots(), is_ahead };
        let mut setbacks = 0;
        loop {
            let mut basis = way.begin(self.store, stream).await?;
            match self.attempt_upon(&mut basis, &mut way, keyed).await? {
                End::Done(events) => return Ok(done(basis, events)),
                End::Before(first) => return Ok(*first),
                End::InVain => {}
            }
            setbacks += 1;
            way.is_ahead &= setbacks < SETBACKS;
        }
    }

    async fn attempt_upon(
        &mut self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        keyed: Option<&Keyed>,
    ) -> Result<EndOf<C>, ExecuteError<D::Error>> {
        loop {
            // Only now: what was done under the key before the load is found, so the state is one without it.
            if let Some(first) = self.first_outcome(keyed, &mut basis.load.loaded).await? {
                return Ok(End::Before(first));
            }
            // One look at the clock for the decision and for all ids.
            let now = Moment::now();
            let step = match self.decide(&basis.load.loaded, now).await {
                Ok(events) if events.is_empty() => Box::pin(self.look(basis, way)).await?,
                Ok(_) if way.has_passed_on() => Step::InVain,
                Ok(events) => {
                    let (decided, append) = self.encode(basis, events, now, keyed)?;
                    let mut appending = pin!(self.store.append(append));
                    match poll_fn(|context| Poll::Ready(appending.as_mut().poll(context))).await {
                        Poll::Ready(Ok(appended)) => self.end_in_turn(basis, way, decided, appended),
                        Poll::Ready(Err(error)) => Box::pin(self.refused(basis, way, error)).await?,
                        Poll::Pending => Box::pin(self.end_later(basis, way, decided, appending)).await?,
                    }
                }
                Err(refusal) => match Box::pin(self.look(basis, way)).await? {
                    Step::Done(_) => return Err(refusal),
                    step => step,
                },
            };
            match step {
                Step::Done(events) => return Ok(End::Done(events)),
                Step::Behind => {}
                Step::InVain => return Ok(End::InVain),
                Step::Before => {
                    let first = self.first_outcome(keyed, &mut basis.load.loaded).await?;
                    return Ok(End::Before(first.ok_or_else(|| Error::unavailable(keyed::Forgotten))?));
                }
            }
        }
    }

    async fn decide(
        &mut self,
        loaded: &Loaded<C::Aggregate>,
        now: Moment,
    ) -> Result<Vec<EventOf<C>>, ExecuteError<D::Error>> {
        let Loaded { stream, version, state } = loaded;
        self.check_expectation(stream, *version)?;
        let metadata = self.context.prepare(stream, *version, self.now.unwrap_or_else(|| now.into()));
        Self::begin_conversation(metadata, now);
        self.decider.decide(state, self.command.clone(), &self.context).await.map_err(ExecuteError::Rejected)
    }

    fn check_expectation(&self, stream: &StreamId, actual: Version) -> Result<(), Error> {
        if self.expected.allows(actual) {
            return Ok(());
        }
        Err(Conflict { stream: stream.clone(), expected: self.expected, actual }.into())
    }

    /// Before an answer is given that stores nothing. What was decided upon a state that was not loaded for it is believed where the
    /// store let it in behind that state, and nowhere else: so here the store is asked. Others need not wait meanwhile.
    async fn look(
        &self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        if basis.is_ahead() {
            way.pass_on();
        }
        if !basis.settle().await {
            return Ok(Step::InVain);
        }
        let has_come = Box::pin(basis.confirm(self.store, &way.snapshots)).await?;
        Ok(if has_come { Step::Behind } else { Step::Done(Vec::new()) })
    }

    /// What the store is asked for: to let the events in where nothing has come since, and behind nothing else than what is known.
    fn encode(
        &self,
        basis: &Basis<C::Aggregate>,
        events: Vec<EventOf<C>>,
        now: Moment,
        keyed: Option<&Keyed>,
    ) -> Result<(Decided<EventOf<C>>, Append), Error> {
        let Loaded { stream, version, .. } = &basis.load.loaded;
        // Who decides in his own time has taken some since.
        let now = if D::AT_ONCE { now } else { Moment::now() };
        let (decided, new) = Decided::encode(events, *version, self.context.metadata(), now)?;
        let append = Append::new(stream.clone(), ExpectedVersion::Exact(*version), new);
        Ok((decided, Append { key: keyed.cloned(), behind: basis.last(), ..append }))
    }

    /// The append was stored while others waited for their turn. The state takes the events in as a later load will: from their
    /// stored form.
    fn end_in_turn(
        &mut self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        mut decided: Decided<EventOf<C>>,
        appended: Appended,
    ) -> Step<RecordedOf<C>> {
        if appended.repeated {
            return Step::Before;
        }
        basis.take_in(decided.take_reread(), decided.last());
        basis.load.loaded.version = appended.version;
        if let Some(snapshot) = due_snapshot(basis, &way.snapshots) {
            self.store.offer_snapshot(snapshot);
        }
        basis.keep(self.store);
        if let Some(turn) = &mut way.turn {
            basis.leave(turn);
        }
        Step::Done(decided.recorded(&basis.load.loaded.stream, self.context.metadata_mut(), appended))
    }

    /// The append was not stored, and others waited for their turn meanwhile.
    async fn refused(
        &self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        error: Error,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        match error.is_conflict() {
            true if basis.is_ahead() => Ok(Step::InVain),
            true if basis.confirm(self.store, &way.snapshots).await? => Ok(Step::Behind),
            _ => Err(self.as_stated(error)),
        }
    }

    /// The append is under way, and has its place in the stream from now on.
    async fn end_later(
        &mut self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        decided: Decided<EventOf<C>>,
        appending: Pin<&mut (impl Future<Output = Result<Appended, Error>> + Send)>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        if way.is_to_pass_on() {
            return self.end_ahead(basis, way, decided, appending).await;
        }
        match appending.await {
            Ok(appended) => Ok(self.end_in_turn(basis, way, decided, appended)),
            Err(error) => self.refused(basis, way, error).await,
        }
    }

    /// Meanwhile the next command is decided upon what it leads to.
    async fn end_ahead(
        &mut self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        mut decided: Decided<EventOf<C>>,
        appending: Pin<&mut (impl Future<Output = Result<Appended, Error>> + Send)>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        let is_unconfirmed = basis.is_unconfirmed();
        basis.take_in(decided.take_reread(), decided.last());
        let snapshot = due_snapshot(basis, &way.snapshots);
        let failed = basis.failed();
        let lead = way.turn.as_mut().and_then(|turn| basis.lead(turn));
        let answer = unless(failed, appending).await;
        if let Some(lead) = lead {
            lead.end(self.store, &basis.load.loaded.stream, answer.as_ref());
        }
        match answer {
            None => Ok(Step::InVain),
            Some(Ok(appended)) => {
                if let Some(snapshot) = snapshot {
                    self.store.offer_snapshot(snapshot);
                }
                Ok(Step::Done(decided.recorded(&basis.load.loaded.stream, self.context.metadata_mut(), appended)))
            }
            Some(Err(error)) if error.is_conflict() && is_unconfirmed => Ok(Step::InVain),
            Some(Err(error)) => Err(self.as_stated(error)),
        }
    }

    /// The append expects the version that was loaded, of which the caller knows nothing: what he stated tells him more.
    fn as_stated(&self, error: Error) -> Error {
        match error {
            Error::Conflict(conflict) => Conflict { expected: self.expected, ..conflict }.into(),
            error => error,
        }
    }
}

impl<A: Aggregate> Way<'_, A> {
    async fn begin<S: EventStore>(&mut self, store: &S, stream: &StreamId) -> Result<Basis<A>, Error> {
        if let Some(turn) = &mut self.turn {
            if !turn.is_held() {
                Box::pin(turn.take()).await;
            }
            if let Some(ahead) = turn.ahead() {
                return Basis::find_ahead(store, stream, &self.snapshots, ahead, self.is_ahead).await;
            }
        }
        Basis::find(store, stream, &self.snapshots).await
    }

    fn pass_on(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.pass_on();
        }
    }

    fn has_passed_on(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| !turn.is_held())
    }

    /// Whether to pass on the turn while an append is under way. A state that is not kept is copied for those only who wait for it.
    fn is_to_pass_on(&self) -> bool {
        self.is_ahead && self.turn.as_ref().is_some_and(|turn| A::caching().is_kept() || turn.is_wanted())
    }
}

fn done<A: Aggregate>(basis: Basis<A>, events: Vec<Recorded<A::Event>>) -> Outcome<A> {
    let Loaded { stream, version, state } = basis.load.loaded;
    Outcome { stream, version, events, state, attempts: 1, repeated: false }
}

/// A snapshot of the state, if one is due. The policy counts from it at once.
fn due_snapshot<A: Aggregate>(basis: &mut Basis<A>, snapshots: &Snapshots<A>) -> Option<Snapshot> {
    let snapshot = basis.load.due_snapshot(snapshots)?;
    basis.load.snapshot = basis.load.loaded.version;
    Some(snapshot)
}

/// What a future comes to, unless another ends before.
async fn unless<T>(
    ends: impl Future<Output = ()> + Send,
    mut future: Pin<&mut (impl Future<Output = T> + Send)>,
) -> Option<T> {
    let mut ends = pin!(ends);
    poll_fn(|context| match ends.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(context).map(Some),
    })
    .await
}
