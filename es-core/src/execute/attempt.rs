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
use crate::command::{Command, Context};
use crate::error::{Conflict, Error, ExecuteError};
use crate::execute::{Decide, Execute, Outcome, keyed};
use crate::idempotency::Keyed;
use crate::metadata::EventId;
use crate::recorded::{Append, Appended, NewEvent, Recorded};
use crate::snapshot::{Snapshot, Snapshots};
use crate::store::EventStore;
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;
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

/// The events of a command.
struct Decided<E> {
    events: Vec<E>,
    ids: Vec<EventId>,
    /// As a later load will find them.
    reread: Vec<E>,
}

type EventOf<C> = <<C as Command>::Aggregate as Aggregate>::Event;
type RecordedOf<C> = Vec<Recorded<EventOf<C>>>;

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    pub(super) async fn attempt(
        &self,
        stream: &StreamId,
        keyed: Option<&Keyed>,
    ) -> Result<Outcome<C::Aggregate>, ExecuteError<D::Error>> {
        // Commands of this process for the same stream come one after the other, instead of being in each other's way.
        let turn = match self.store.cache() {
            Some(cache) if D::AT_ONCE => cache.turn(stream).await,
            _ => None,
        };
        // Whether a key was used only the store knows, which has to be asked in turn.
        let is_ahead = keyed.is_none() && self.store.appends_in_order() && C::Aggregate::caching().decides_ahead();
        let mut way = Way { turn, snapshots: C::Aggregate::snapshots(), is_ahead };
        let mut setbacks = 0;
        loop {
            let basis = way.begin(self.store, stream).await?;
            if let Some(outcome) = self.attempt_upon(basis, &mut way, keyed).await? {
                return Ok(outcome);
            }
            setbacks += 1;
            way.is_ahead &= setbacks < SETBACKS;
        }
    }

    /// `None` when it was in vain.
    async fn attempt_upon(
        &self,
        mut basis: Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        keyed: Option<&Keyed>,
    ) -> Result<Option<Outcome<C::Aggregate>>, ExecuteError<D::Error>> {
        loop {
            // Only now: what was done under the key before the load is found, so the state is one without it.
            if let Some(first) = self.first_outcome(keyed, &mut basis.load.loaded).await? {
                return Ok(Some(first));
            }
            let step = match self.decide(&basis.load.loaded).await {
                Ok(events) if events.is_empty() => Box::pin(self.look(&mut basis, way)).await?,
                Ok(_) if way.has_passed_on() => Step::InVain,
                Ok(events) => self.store_events(&mut basis, way, events, keyed).await?,
                Err(refusal) => match Box::pin(self.look(&mut basis, way)).await? {
                    Step::Done(_) => return Err(refusal),
                    step => step,
                },
            };
            match step {
                Step::Done(events) => return Ok(Some(done(basis, events))),
                Step::Behind => {}
                Step::InVain => return Ok(None),
                Step::Before => {
                    let first = self.first_outcome(keyed, &mut basis.load.loaded).await?;
                    return Ok(Some(first.ok_or_else(|| Error::unavailable(keyed::Forgotten))?));
                }
            }
        }
    }

    async fn decide(&self, loaded: &Loaded<C::Aggregate>) -> Result<Vec<EventOf<C>>, ExecuteError<D::Error>> {
        let Loaded { stream, version, state } = loaded;
        self.check_expectation(stream, *version)?;
        let now = self.now.unwrap_or_else(Timestamp::now);
        let context = Context::new(stream.clone(), *version, now, self.metadata.clone());
        self.decider.decide(state, self.command.clone(), &context).await.map_err(ExecuteError::Rejected)
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

    /// Appends the events, and has the state take them in as a later load will: from their stored form.
    async fn store_events(
        &self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        events: Vec<EventOf<C>>,
        keyed: Option<&Keyed>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        let (decided, new) = self.encode(events)?;
        let loaded = &basis.load.loaded;
        let append = Append {
            key: keyed.cloned(),
            behind: basis.last(),
            ..Append::new(loaded.stream.clone(), ExpectedVersion::Exact(loaded.version), new)
        };
        let mut appending = pin!(self.store.append(append));
        if !way.is_to_pass_on() {
            let answer = appending.await;
            return self.end_in_turn(basis, way, decided, answer).await;
        }
        // From now on it has its place in the stream, if it is under way at all.
        match poll_fn(|context| Poll::Ready(appending.as_mut().poll(context))).await {
            Poll::Ready(answer) => self.end_in_turn(basis, way, decided, answer).await,
            Poll::Pending => Box::pin(self.end_ahead(basis, way, decided, appending)).await,
        }
    }

    fn encode(&self, events: Vec<EventOf<C>>) -> Result<(Decided<EventOf<C>>, Vec<NewEvent>), Error> {
        let mut new_events = Vec::with_capacity(events.len());
        let mut reread = Vec::with_capacity(events.len());
        let mut ids = Vec::with_capacity(events.len());
        for event in &events {
            let (new, event) = NewEvent::encode_and_reread(event, &self.metadata)?;
            ids.push(new.id);
            new_events.push(new);
            reread.push(event);
        }
        Ok((Decided { events, ids, reread }, new_events))
    }

    /// The append was answered while others waited for their turn.
    async fn end_in_turn(
        &self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        decided: Decided<EventOf<C>>,
        answer: Result<Appended, Error>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        match answer {
            Ok(appended) if appended.repeated => Ok(Step::Before),
            Ok(appended) => {
                let before = take_in(basis, decided.reread, decided.ids.last());
                basis.load.loaded.version = appended.version;
                if let Some(snapshot) = due_snapshot(basis, &way.snapshots) {
                    self.store.offer_snapshot(snapshot);
                }
                basis.keep(self.store);
                if let Some(turn) = &mut way.turn {
                    basis.leave(turn);
                }
                Ok(Step::Done(self.recorded(&basis.load.loaded.stream, before, decided.events, decided.ids, appended)))
            }
            Err(error) if error.is_conflict() && basis.is_ahead() => Ok(Step::InVain),
            Err(error) if error.is_conflict() && Box::pin(basis.confirm(self.store, &way.snapshots)).await? => {
                Ok(Step::Behind)
            }
            Err(error) => Err(self.as_stated(error)),
        }
    }

    /// The append is under way. Meanwhile the next command is decided upon what it leads to.
    async fn end_ahead(
        &self,
        basis: &mut Basis<C::Aggregate>,
        way: &mut Way<'_, C::Aggregate>,
        decided: Decided<EventOf<C>>,
        appending: Pin<&mut (impl Future<Output = Result<Appended, Error>> + Send)>,
    ) -> Result<Step<RecordedOf<C>>, Error> {
        let is_unconfirmed = basis.is_unconfirmed();
        let before = take_in(basis, decided.reread, decided.ids.last());
        let snapshot = due_snapshot(basis, &way.snapshots);
        let failed = basis.failed();
        let lead = way.turn.as_mut().and_then(|turn| basis.lead(turn));
        let stream = &basis.load.loaded.stream;
        let answer = unless(failed, appending).await;
        if let Some(lead) = lead {
            lead.end(self.store, stream, answer.as_ref());
        }
        match answer {
            None => Ok(Step::InVain),
            Some(Ok(appended)) => {
                if let Some(snapshot) = snapshot {
                    self.store.offer_snapshot(snapshot);
                }
                Ok(Step::Done(self.recorded(stream, before, decided.events, decided.ids, appended)))
            }
            Some(Err(error)) if error.is_conflict() && is_unconfirmed => Ok(Step::InVain),
            Some(Err(error)) => Err(self.as_stated(error)),
        }
    }

    /// The events as they are stored, behind that version.
    fn recorded(
        &self,
        stream: &StreamId,
        before: Version,
        events: Vec<EventOf<C>>,
        ids: Vec<EventId>,
        Appended { recorded_at, .. }: Appended,
    ) -> RecordedOf<C> {
        let stored = (before.0 + 1..).zip(ids).zip(events);
        stored
            .map(|((version, id), event)| Recorded {
                id,
                stream: stream.clone(),
                version: Version(version),
                position: None,
                recorded_at,
                metadata: self.metadata.clone(),
                event,
            })
            .collect()
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
        let Some(turn) = &mut self.turn else { return Basis::find(store, stream, &self.snapshots).await };
        turn.take().await;
        Basis::find_in_turn(store, stream, &self.snapshots, turn, self.is_ahead).await
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

/// Has the state take in what the command leads to. Gives back the version before.
fn take_in<A: Aggregate>(basis: &mut Basis<A>, reread: Vec<A::Event>, last: Option<&EventId>) -> Version {
    let before = basis.load.loaded.version;
    basis.take_in(reread, last.copied());
    before
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
