//! Stores that break one sentence of the contract each, as stores in the wild do.

mod conversations;
mod imports;
mod keys;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::{
    Append, Appended, Bookmark, Direction, EncodedEvent, Error, EventFilter, EventId, EventStore, ExpectedVersion,
    Fold, IdempotencyKey, KeyUse, LogPage, Metadata, NewEvent, Position, RawEvent, ReadConversation, ReadLog,
    ReadStream, Slices, Snapshot, StreamId, Timestamp, Version, Visit,
};
use es_memory::MemoryStore;
use tokio::task::yield_now;

/// For how long a commit is late, where that is the fault.
const YOUNG: Duration = Duration::from_millis(2);

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Nothing,
    // Appends.
    LosesTheSecondEvent,
    AnswersWithTheFirstVersion,
    NamesTheWrongActualVersion,
    NamesTheWrongExpectation,
    AcceptsAVersionAhead,
    TakesNoStreamForAny,
    TakesExistsForAny,
    TakesExactZeroForAny,
    StoresAPartOfARefusedAppend,
    StoresTheGoodPartOfAMalformedAppend,
    LooksAtTheVersionFirst,
    LooksAtVersionsOnly,
    ShowsAppendsLate,
    MixesUpCategories,
    IgnoresCase,
    TrimsIds,
    LosesMetadata,
    LosesTheTraceState,
    CutsMetadataAtNul,
    MakesItsOwnEventIds,
    RunsTheClockBackwards,
    RewritesJson,
    CountsWithSigns,
    SwallowsTheLastOfThousands,
    TakesAnyForExists,
    TrimsTypes,
    DropsEmptyTexts,
    RefusesWhatIsDeepOrLong,
    // Concurrent appends.
    RefusesParallelAny,
    ClaimsLostAppends,
    ChecksThenActs,
    SplitsAppends,
    // Idempotency keys.
    ForgetsKeys,
    MixesUpKeys,
    FindsNoKeys,
    InventsKeys,
    IgnoresFingerprints,
    AnswersForOtherStreams,
    AnswersRepeatsWithTheVersionNow,
    LooksForConflictsBeforeKeys,
    KeepsKeysOfRefusedAppends,
    LooksAtKeysFirst,
    // Reads of streams.
    IgnoresTheLimit,
    StartsBehindFrom,
    ReadsBackwardsForwards,
    FailsOnUnknownStreams,
    SwallowsErrors,
    HoldsALock,
    LosesTheFirstEvent,
    StaysBusy,
    // The log.
    NeverSaysTheEnd,
    VisitsThePlaceItself,
    SkipsAtThePageBorder,
    RepeatsAtThePageBorder,
    SwapsTwoEvents,
    ShowsNoPlaces,
    MovesPlaces,
    StaysBehindTheFilter,
    IgnoresTypes,
    IgnoresSlices,
    LosesTheLastSlice,
    ForgetsSlicesBesideAFilter,
    SaysTheEndTooEarly,
    EndsTheLogTooEarly,
    FallsBackAtTheEnd,
    PassesLateCommits,
    SkipsYoungEvents,
    // Conversations.
    ReadsOneCategory,
    MixesUpConversations,
    PlacesConversations,
    ForgetsBeginnings,
    ReadsConversationsByStream,
    SkipsAtTheBookmark,
    EndsAfterAPage,
    FindsNoEvents,
    FindsAnyEvent,
    // Imports.
    ImportsByAppending,
    ImportsIntoEmptyStreamsOnly,
    CountsABatchAsThereByItsFirst,
    CountsWhatWasThere,
    RefusesWhatIsThere,
    TakesAnyEventForTheSame,
    TimesImportsAtTheBeginning,
    LosesTheLastOfABatch,
    StoresTheGoodPartOfARefusedBatch,
    // Snapshots.
    MixesUpStateVersions,
    HandsOutSnapshotsAhead,
    HandsOutUnaskedSnapshots,
    LoadsTheSnapshotsEventAgain,
    OverwritesNewerSnapshots,
    OffersOverwriteNewerSnapshots,
    KeepsUnreadableSnapshots,
    ReplacesWhateverIsSaid,
    DeletesNoSnapshots,
    DeletesAllSnapshots,
    SharesSnapshotsBetweenStreams,
    CutsStatesAtNul,
}

/// A store in memory with one fault.
#[derive(Clone)]
pub struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    /// Whatever was saved, for the faults that hand out what they should not.
    saved: Arc<Mutex<Vec<Snapshot>>>,
    lock: Arc<tokio::sync::Mutex<()>>,
    busy: Arc<AtomicBool>,
    /// The keys of a store that looks at them first.
    keys: Arc<Mutex<HashMap<IdempotencyKey, KeyUse>>>,
}

impl Faulty {
    pub fn new(fault: Fault) -> Self {
        let inner = MemoryStore::new();
        let (saved, lock, busy, keys) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        Self { inner, fault, saved, lock, busy, keys }
    }

    async fn version(&self, stream: &StreamId) -> Version {
        let mut version = Version::NONE;
        let mut visit = |raw: RawEvent<'_>| {
            version = raw.version;
            Ok(())
        };
        self.inner.read_stream(ReadStream::backwards(stream.clone()).limit(1), &mut visit).await.unwrap();
        version
    }

    /// The stream under the name that the fault makes of it.
    fn renamed(&self, stream: StreamId) -> StreamId {
        match self.fault {
            Fault::MixesUpCategories => StreamId::new("all", stream.id()).unwrap(),
            Fault::IgnoresCase => StreamId::new(stream.category(), stream.id().to_lowercase()).unwrap(),
            Fault::TrimsIds => match stream.id().trim() {
                "" => stream,
                id => StreamId::new(stream.category(), id).unwrap(),
            },
            _ => stream,
        }
    }

    fn spoil_expectation(&self, expected: ExpectedVersion, actual: Version) -> ExpectedVersion {
        match (self.fault, expected) {
            (Fault::AcceptsAVersionAhead, ExpectedVersion::Exact(v)) if v > actual => ExpectedVersion::Any,
            (Fault::TakesNoStreamForAny, ExpectedVersion::NoStream) => ExpectedVersion::Any,
            (Fault::TakesExistsForAny, ExpectedVersion::Exists) => ExpectedVersion::Any,
            (Fault::TakesExactZeroForAny, ExpectedVersion::Exact(Version::NONE)) => ExpectedVersion::Any,
            (Fault::TakesAnyForExists, ExpectedVersion::Any) => ExpectedVersion::Exists,
            // The sign bit reads as "no version stated".
            (Fault::CountsWithSigns, ExpectedVersion::Exact(v)) if v.0 > i64::MAX.unsigned_abs() => {
                ExpectedVersion::Any
            }
            _ => expected,
        }
    }

    fn spoil_events(&self, events: &mut Vec<NewEvent>) {
        match self.fault {
            Fault::LosesTheSecondEvent if events.len() > 1 => {
                events.remove(1);
            }
            Fault::SwallowsTheLastOfThousands => events.truncate(4_096),
            Fault::StoresTheGoodPartOfAMalformedAppend => {
                let good = |event: &NewEvent| {
                    let alone = vec![event.clone()];
                    Append::new(StreamId::new("a", "1").unwrap(), ExpectedVersion::Any, alone).check().is_ok()
                };
                events.retain(good);
            }
            _ => {}
        }
        events.iter_mut().for_each(|event| self.spoil_event(event));
    }

    fn spoil_event(&self, event: &mut NewEvent) {
        let cut = |text: &mut String| text.truncate(text.find('\0').unwrap_or(text.len()));
        match self.fault {
            Fault::LosesMetadata => event.metadata = Metadata::default(),
            Fault::LosesTheTraceState => {
                event.metadata.trace =
                    event.metadata.trace.as_ref().and_then(|trace| es_core::TraceContext::new(trace.traceparent()));
            }
            Fault::CutsMetadataAtNul => {
                event.metadata.actor.iter_mut().for_each(cut);
                event.metadata.headers.values_mut().for_each(cut);
            }
            Fault::TrimsTypes => event.event_type = event.event_type.trim().to_owned().into(),
            Fault::DropsEmptyTexts => {
                event.metadata.actor = event.metadata.actor.take().filter(|text| !text.is_empty())
            }
            Fault::MakesItsOwnEventIds => event.id = es_core::EventId::new(),
            Fault::RewritesJson => {
                let value: serde_json::Value = serde_json::from_str(&event.payload).unwrap_or_default();
                event.payload = value.to_string().into();
            }
            _ => {}
        }
    }

    fn spoil_conflict(&self, error: Error) -> Error {
        let Error::Conflict(mut conflict) = error else { return error };
        match self.fault {
            Fault::NamesTheWrongActualVersion => {
                if let ExpectedVersion::Exact(expected) = conflict.expected {
                    conflict.actual = expected;
                }
            }
            Fault::NamesTheWrongExpectation => {
                conflict.expected = ExpectedVersion::Exact(Version(conflict.actual.0 + 1));
            }
            _ => {}
        }
        conflict.into()
    }

    async fn append_one_by_one(&self, append: Append) -> Result<Appended, Error> {
        let Append { stream, mut expected, events, .. } = append;
        let mut last = None;
        for event in events {
            last = Some(self.inner.append(Append::new(stream.clone(), expected, vec![event])).await?);
            expected = ExpectedVersion::Any;
            yield_now().await;
        }
        last.ok_or_else(|| es_core::InvalidAppend::Empty.into())
    }

    /// The snapshot that the fault hands out although it should not.
    fn wrong_snapshot(&self, stream: &StreamId, state_version: Option<u32>) -> Option<Snapshot> {
        let saved = self.saved.lock().unwrap();
        let mut newest_first = saved.iter().rev();
        match self.fault {
            Fault::MixesUpStateVersions => newest_first.find(|s| s.stream == *stream),
            Fault::HandsOutSnapshotsAhead => {
                newest_first.find(|s| s.stream == *stream && Some(s.state_version) == state_version)
            }
            Fault::HandsOutUnaskedSnapshots if state_version.is_none() => newest_first.find(|s| s.stream == *stream),
            Fault::SharesSnapshotsBetweenStreams => newest_first.find(|s| s.stream.id() == stream.id()),
            _ => None,
        }
        .cloned()
    }
}

impl EventStore for Faulty {
    async fn append(&self, mut append: Append) -> Result<Appended, Error> {
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        append.stream = self.renamed(append.stream);
        let actual = self.version(&append.stream).await;
        self.spoil_key(&mut append);
        if let Some(answer) = self.answer_wrongly(&append, actual).await {
            return answer;
        }
        let stated = append.expected;
        append.expected = self.spoil_expectation(stated, actual);
        if self.fault == Fault::LooksAtVersionsOnly || append.expected != stated {
            append.behind = None;
        }
        self.spoil_events(&mut append.events);
        let first_alone = Append { events: append.events.iter().take(1).cloned().collect(), ..append.clone() };
        let too_much =
            |event: &NewEvent| event.payload.matches(['[', '{']).count() > 100 || event.payload.len() > 1_000_000;
        let result = match self.fault {
            Fault::RefusesWhatIsDeepOrLong if append.events.iter().any(too_much) => Err(Error::store("too much")),
            Fault::LooksAtTheVersionFirst if !append.expected.allows(actual) => {
                let Append { stream, expected, .. } = append;
                Err(es_core::Conflict { stream, expected, actual }.into())
            }
            Fault::SplitsAppends => self.append_one_by_one(append).await,
            Fault::RefusesParallelAny | Fault::ClaimsLostAppends if stated == ExpectedVersion::Any => {
                yield_now().await;
                let exact = Append { expected: ExpectedVersion::Exact(actual), ..append };
                match self.inner.append(exact).await {
                    Err(Error::Conflict(_)) if self.fault == Fault::ClaimsLostAppends => {
                        Ok(Appended::new(actual.after(1), Timestamp::now()))
                    }
                    result => result,
                }
            }
            Fault::ChecksThenActs if append.expected.allows(actual) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.inner.append(Append { expected: ExpectedVersion::Any, ..append }).await
            }
            Fault::ShowsAppendsLate => {
                let (inner, stream) = (self.inner.clone(), append.stream.clone());
                let events = append.events.len() as u64;
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    inner.append(append).await
                });
                drop(stream);
                return Ok(Appended::new(actual.after(events), Timestamp::now()));
            }
            _ => self.inner.append(append).await,
        };
        match result {
            Ok(appended) if self.fault == Fault::AnswersWithTheFirstVersion => {
                Ok(Appended::new(actual.after(1), appended.recorded_at))
            }
            Err(Error::Conflict(conflict)) if self.fault == Fault::StoresAPartOfARefusedAppend => {
                self.inner.append(Append { expected: ExpectedVersion::Any, ..first_alone }).await?;
                Err(conflict.into())
            }
            result => result.map_err(|error| self.spoil_conflict(error)),
        }
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.find_wrongly(key).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        let stream = &self.renamed(stream.clone());
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        if let Some(snapshot) = self.wrong_snapshot(stream, state_version) {
            fold.snapshot(snapshot.version, &snapshot.state);
            let mut behind = Behind { version: snapshot.version, fold };
            return self.inner.fold_stream(stream, None, &mut behind).await;
        }
        match self.fault {
            Fault::LosesTheFirstEvent => {
                let mut behind = Behind { version: Version::FIRST, fold };
                self.inner.fold_stream(stream, state_version, &mut behind).await
            }
            Fault::FailsOnUnknownStreams if self.version(stream).await == Version::NONE => {
                Err(Error::store("no such stream"))
            }
            Fault::LoadsTheSnapshotsEventAgain => {
                let mut known = Known(None);
                self.inner.fold_stream(stream, state_version, &mut known).await?;
                let Some((version, state)) = known.0 else {
                    return self.inner.fold_stream(stream, state_version, fold).await;
                };
                fold.snapshot(version, &state);
                let mut behind = Behind { version: Version(version.0 - 1), fold };
                self.inner.fold_stream(stream, None, &mut behind).await
            }
            Fault::SwallowsErrors => {
                self.inner.fold_stream(stream, state_version, fold).await.ok();
                Ok(())
            }
            _ => self.inner.fold_stream(stream, state_version, fold).await,
        }
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut read = read;
        read.stream = self.renamed(read.stream);
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        match self.fault {
            Fault::FailsOnUnknownStreams if self.version(&read.stream).await == Version::NONE => {
                return Err(Error::store("no such stream"));
            }
            Fault::IgnoresTheLimit => read.limit = None,
            Fault::StartsBehindFrom if read.direction == Direction::Forwards => {
                read.from = read.from.map(|from| from.after(1));
            }
            Fault::ReadsBackwardsForwards => read.direction = Direction::Forwards,
            _ => {}
        }
        let mut spoiled = |mut raw: RawEvent<'_>| {
            if self.fault == Fault::RunsTheClockBackwards {
                raw.recorded_at = raw.recorded_at - Duration::from_secs(raw.version.0);
            }
            visit(raw)
        };
        if self.fault == Fault::StaysBusy {
            if self.busy.swap(true, Ordering::SeqCst) {
                return Err(Error::store("still busy with another call"));
            }
            yield_now().await;
        }
        let result = self.inner.read_stream(read, &mut spoiled).await;
        self.busy.store(false, Ordering::SeqCst);
        if self.fault == Fault::SwallowsErrors { Ok(()) } else { result }
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        let (fault, limit, after) = (self.fault, read.limit, read.after);
        let end = self.inner.log_end().await?;
        let filter = read.filter.clone();
        let read = match fault {
            Fault::VisitsThePlaceItself => {
                ReadLog::after(Position(after.0.saturating_sub(1))).filter(filter.clone()).limit(limit)
            }
            Fault::IgnoresTypes => {
                let categories = read.filter.wanted_categories().to_vec();
                read.filter(EventFilter::categories(categories))
            }
            Fault::IgnoresSlices => read.slices(Slices::ALL),
            Fault::LosesTheLastSlice => {
                let last = read.slices.last().saturating_sub(1).max(read.slices.first());
                let slices = Slices::new(read.slices.first(), last).unwrap();
                read.slices(slices)
            }
            Fault::ForgetsSlicesBesideAFilter if filter != EventFilter::all() => read.slices(Slices::ALL),
            Fault::MovesPlaces => ReadLog::after(Position(after.0 / end.0.max(1))).filter(filter.clone()).limit(limit),
            _ => read,
        };
        let now = Timestamp::now();
        let (mut visited, mut last, mut held_back) = (0, after, None::<(es_core::EventId, String, Position)>);
        let mut spoiled = |mut raw: RawEvent<'_>| {
            visited += 1;
            last = raw.position.unwrap_or(last);
            match fault {
                Fault::ShowsNoPlaces => raw.position = None,
                Fault::MovesPlaces => raw.position = Some(Position(last.0 * end.0.max(1))),
                Fault::PassesLateCommits | Fault::SkipsYoungEvents if now.since(raw.recorded_at) < YOUNG => {
                    return Ok(());
                }
                Fault::SwapsTwoEvents if visited == 2 => {
                    held_back = Some((raw.id, raw.payload.to_owned(), last));
                }
                Fault::SwapsTwoEvents if visited == 3 => {
                    raw.version = Version(raw.version.0.saturating_sub(1).max(1));
                    raw.id = held_back.as_ref().map_or(raw.id, |held| held.0);
                }
                _ => {}
            }
            visit(raw)
        };
        let result = self.inner.read_log(read, &mut spoiled).await;
        if fault == Fault::SwallowsErrors && result.is_err() {
            return Ok(LogPage { next: end, at_end: true });
        }
        let mut page = result?;
        let full = visited >= limit && !page.at_end;
        match fault {
            Fault::SkipsAtThePageBorder if full && limit < 500 => page.next = Position(page.next.0 + 1),
            Fault::RepeatsAtThePageBorder if full && limit > 1 => page.next = Position(page.next.0 - 1),
            Fault::StaysBehindTheFilter if !page.at_end => page.next = last,
            Fault::StaysBehindTheFilter => page = LogPage { next: last, at_end: true },
            Fault::SaysTheEndTooEarly => page.at_end = true,
            Fault::NeverSaysTheEnd => page.at_end = false,
            Fault::FallsBackAtTheEnd if page.at_end => page.next = end,
            Fault::MovesPlaces => page.next = Position(page.next.0 * end.0.max(1)),
            _ => {}
        }
        Ok(page)
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.read_conversation_wrongly(read, visit).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.find_event_wrongly(id, visit).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        if self.fault == Fault::PassesLateCommits {
            tokio::time::sleep(2 * YOUNG).await;
        }
        let end = self.inner.log_end().await?;
        Ok(match self.fault {
            Fault::EndsTheLogTooEarly => Position(end.0.saturating_sub(1)),
            Fault::MovesPlaces => Position(end.0 * end.0),
            _ => end,
        })
    }

    async fn save_snapshot(&self, mut snapshot: Snapshot) -> Result<(), Error> {
        snapshot.stream = self.renamed(snapshot.stream);
        self.saved.lock().unwrap().push(snapshot.clone());
        match self.fault {
            Fault::OverwritesNewerSnapshots => self.inner.delete_snapshots(&snapshot.stream).await?,
            Fault::KeepsUnreadableSnapshots => snapshot.replaces = None,
            Fault::CutsStatesAtNul => snapshot.state = snapshot.state.replace("\\u0000", ""),
            Fault::ReplacesWhateverIsSaid if snapshot.replaces.is_some() => {
                self.inner.delete_snapshots(&snapshot.stream).await?;
            }
            _ => {}
        }
        self.inner.save_snapshot(snapshot).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        if self.fault == Fault::OffersOverwriteNewerSnapshots {
            let saved = self.saved.lock().unwrap().last().cloned();
            let replaces = saved.map(|saved| saved.version);
            let mut snapshot = snapshot;
            snapshot.replaces = replaces;
            return self.inner.offer_snapshot(snapshot);
        }
        self.inner.offer_snapshot(snapshot);
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        let stream = &self.renamed(stream.clone());
        match self.fault {
            Fault::DeletesNoSnapshots => Ok(()),
            Fault::DeletesAllSnapshots => {
                let streams: Vec<_> = self.saved.lock().unwrap().iter().map(|s| s.stream.clone()).collect();
                for stream in streams {
                    self.inner.delete_snapshots(&stream).await?;
                }
                Ok(())
            }
            _ => self.inner.delete_snapshots(stream).await,
        }
    }
}

/// Passes on only what lies behind a version.
struct Behind<'a> {
    version: Version,
    fold: &'a mut dyn Fold,
}

impl Fold for Behind<'_> {
    fn snapshot(&mut self, _: Version, _: &str) {}

    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        if version > self.version { self.fold.event(version, event) } else { Ok(()) }
    }
}

/// Keeps the snapshot of a load and nothing else.
struct Known(Option<(Version, String)>);

impl Fold for Known {
    fn snapshot(&mut self, version: Version, state: &str) {
        self.0 = Some((version, state.to_owned()));
    }

    fn event(&mut self, _: Version, _: EncodedEvent<'_>) -> Result<(), Error> {
        Ok(())
    }
}
