//! What stores get wrong about events of the past.

use std::time::Duration;

use es_core::{
    Append, Conflict, Error, EventStore, ExpectedVersion, ImportBatch, ImportEvent, ImportStore, ImportStream,
    PastEvent, Timestamp, Version,
};

use super::{Fault, Faulty};

/// As long as somebody else takes to come in between.
const GAP: Duration = Duration::from_millis(1);

fn past(of: &ImportStream, event: &ImportEvent) -> PastEvent {
    let ImportEvent { version, recorded_at, event, .. } = event;
    let mut past = PastEvent::new(
        of.stream.clone(),
        *version,
        event.event_type.clone(),
        event.schema_version,
        event.payload.clone(),
    )
    .id(event.id)
    .metadata(event.metadata.clone());
    past.recorded_at = *recorded_at;
    past
}

fn batch(events: impl IntoIterator<Item = PastEvent>) -> ImportBatch {
    let mut batch = ImportBatch::default();
    events.into_iter().for_each(|event| {
        batch.push(event).unwrap();
    });
    batch
}

impl ImportStore for Faulty {
    async fn import_batch(&self, given: &ImportBatch) -> Result<u64, Error> {
        let mut events: Vec<PastEvent> = given.events().map(|(of, event)| past(of, event)).collect();
        events.iter_mut().for_each(|event| event.stream = self.renamed(event.stream.clone()));
        match self.fault {
            Fault::ImportsByAppending => return self.append_past(&events).await,
            Fault::ChecksThenActs => return self.check_then_append(given, &events).await,
            Fault::SplitsAppends => return self.import_one_by_one(events).await,
            Fault::CountsABatchAsThereByItsFirst if self.is_there(&events).await => return Ok(0),
            Fault::RefusesWhatIsThere | Fault::ImportsIntoEmptyStreamsOnly => self.refuse(given).await?,
            Fault::TakesAnyEventForTheSame => events = self.behind_what_is_there(events).await,
            Fault::LosesMetadata => events.iter_mut().for_each(|event| event.metadata = Default::default()),
            Fault::RewritesJson => events.iter_mut().for_each(|event| event.payload = "{\"amount\":0}".into()),
            Fault::TimesImportsAtTheBeginning => {
                events
                    .iter_mut()
                    .for_each(|event| event.recorded_at = event.recorded_at.or(Some(Timestamp::UNIX_EPOCH)));
            }
            Fault::LosesTheLastOfABatch => drop(events.pop()),
            _ => {}
        }
        let wanted = events.len() as u64;
        match self.inner.import_batch(&batch(events)).await {
            Ok(_) if self.fault == Fault::CountsWhatWasThere => Ok(wanted + 1),
            Ok(stored) if self.fault == Fault::LosesTheLastOfABatch => Ok(stored + 1),
            Err(Error::Conflict(conflict)) if self.fault == Fault::StoresTheGoodPartOfARefusedBatch => {
                let good = given.events().map(|(of, event)| past(of, event));
                self.inner.import_batch(&batch(good.filter(|event| event.stream != conflict.stream))).await?;
                Err(conflict.into())
            }
            result => result.map_err(|error| self.spoil_conflict(error)),
        }
    }
}

impl Faulty {
    /// Whatever their versions, and whatever is there.
    async fn append_past(&self, events: &[PastEvent]) -> Result<u64, Error> {
        for event in events {
            self.append_as(event, ExpectedVersion::Any).await?;
        }
        Ok(events.len() as u64)
    }

    async fn append_as(&self, event: &PastEvent, expected: ExpectedVersion) -> Result<(), Error> {
        let mut new =
            es_core::NewEvent::new(event.event_type.clone(), event.schema_version, event.payload.clone().to_string());
        new.id = event.id.unwrap_or(new.id);
        new.metadata = event.metadata.clone();
        self.inner.append(Append::new(event.stream.clone(), expected, vec![new])).await.map(drop)
    }

    /// Whoever comes in between is not seen.
    async fn check_then_append(&self, given: &ImportBatch, events: &[PastEvent]) -> Result<u64, Error> {
        let mut at = Vec::new();
        for of in given.streams() {
            at.push(self.version(&of.stream).await);
        }
        tokio::time::sleep(GAP).await;
        for ((_, event), past) in given.events().zip(events) {
            if event.version == at[event.number].after(1) {
                self.append_as(past, ExpectedVersion::Any).await?;
                at[event.number] = event.version;
            } else if event.version > at[event.number] {
                let expected = ExpectedVersion::Exact(Version(event.version.0 - 1));
                return Err(Conflict { stream: past.stream.clone(), expected, actual: at[event.number] }.into());
            }
        }
        Ok(events.len() as u64)
    }

    async fn import_one_by_one(&self, events: Vec<PastEvent>) -> Result<u64, Error> {
        let mut stored = 0;
        for event in events {
            stored += self.inner.import_batch(&batch([event])).await?;
            // Long enough for a reader on another thread to look.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(stored)
    }

    async fn is_there(&self, events: &[PastEvent]) -> bool {
        match events.first() {
            Some(first) => self.version(&first.stream).await >= first.version,
            None => true,
        }
    }

    async fn refuse(&self, given: &ImportBatch) -> Result<(), Error> {
        for of in given.streams() {
            let actual = self.version(&of.stream).await;
            let last = if self.fault == Fault::RefusesWhatIsThere { of.first } else { Version::FIRST };
            if last <= actual {
                let expected = ExpectedVersion::Exact(Version(of.first.0 - 1));
                return Err(Conflict { stream: of.stream.clone(), expected, actual }.into());
            }
        }
        Ok(())
    }

    async fn behind_what_is_there(&self, events: Vec<PastEvent>) -> Vec<PastEvent> {
        let mut behind = Vec::new();
        for event in events {
            if event.version > self.version(&event.stream).await {
                behind.push(event);
            }
        }
        behind
    }
}
