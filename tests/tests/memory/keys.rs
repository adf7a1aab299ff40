//! What stores get wrong about idempotency keys.

use std::time::Duration;

use es_core::{
    Append, Appended, Conflict, Error, EventStore, ExpectedVersion, IdempotencyKey, KeyUse, Keyed, StreamId, Timestamp,
    Version,
};
use uuid::Uuid;

use super::{Fault, Faulty};

/// As long as somebody else takes to come in between.
const GAP: Duration = Duration::from_millis(2);

impl Faulty {
    fn spoiled_key(&self, key: IdempotencyKey) -> IdempotencyKey {
        match self.fault {
            Fault::MixesUpKeys => IdempotencyKey::new(format!("-{}", key.as_str().trim().to_lowercase())).unwrap(),
            _ => key,
        }
    }

    /// What the fault makes of the append's key.
    pub(super) fn spoil_key(&self, append: &mut Append) {
        let Some(Keyed { key, fingerprint, .. }) = append.key.take() else { return };
        append.key = match self.fault {
            Fault::ForgetsKeys => None,
            Fault::IgnoresFingerprints => Some(Keyed::new(key, Uuid::nil())),
            _ => Some(Keyed::new(self.spoiled_key(key), fingerprint)),
        };
    }

    /// The answer to an append under a key, where the fault gives one of its own.
    pub(super) async fn answer_wrongly(&self, append: &Append, actual: Version) -> Option<Result<Appended, Error>> {
        let (keyed, stream, expected) = (append.key.as_ref()?, append.stream.clone(), append.expected);
        let first = self.inner.find_key(&keyed.key).await.unwrap();
        match (self.fault, first) {
            (Fault::LooksForConflictsBeforeKeys, _) if !expected.allows(actual) => {
                Some(Err(Conflict { stream, expected, actual }.into()))
            }
            (Fault::AnswersForOtherStreams, Some(first)) => Some(Ok(Appended::again(&first))),
            (Fault::AnswersRepeatsWithTheVersionNow, Some(first)) => {
                let mut again = Appended::again(&first);
                again.version = actual;
                Some(Ok(again))
            }
            (Fault::KeepsKeysOfRefusedAppends, None) if !expected.allows(actual) && !append.events.is_empty() => {
                let elsewhere = StreamId::new("elsewhere", "1").unwrap();
                let kept = Append { stream: elsewhere, expected: ExpectedVersion::Any, ..append.clone() };
                self.inner.append(kept).await.unwrap();
                Some(Err(Conflict { stream, expected, actual }.into()))
            }
            (Fault::LooksAtKeysFirst, _) => Some(self.look_at_the_key_first(append.clone()).await),
            _ => None,
        }
    }

    /// In three steps, where somebody else can come in between.
    async fn look_at_the_key_first(&self, mut append: Append) -> Result<Appended, Error> {
        let Some(keyed) = append.key.take() else { return self.inner.append(append).await };
        let known = self.keys.lock().unwrap().get(&keyed.key).cloned();
        if let Some(first) = known {
            keyed.check(&first, &append.stream)?;
            return Ok(Appended::again(&first));
        }
        tokio::time::sleep(GAP).await;
        let (stream, events) = (append.stream.clone(), append.events.len() as u64);
        let appended = self.inner.append(append).await?;
        tokio::time::sleep(GAP).await;
        let first = Version(appended.version.0 + 1 - events);
        let first = KeyUse::new(stream, first, appended.version, keyed.fingerprint, appended.recorded_at);
        self.keys.lock().unwrap().insert(keyed.key, first);
        Ok(appended)
    }

    pub(super) async fn find_wrongly(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        match self.fault {
            Fault::FindsNoKeys => Ok(None),
            Fault::LooksAtKeysFirst => Ok(self.keys.lock().unwrap().get(key).cloned()),
            Fault::InventsKeys => {
                let elsewhere = StreamId::new("elsewhere", "1").unwrap();
                Ok(Some(KeyUse::new(elsewhere, Version(1), Version(1), Uuid::nil(), Timestamp::UNIX_EPOCH)))
            }
            _ => self.inner.find_key(&self.spoiled_key(key.clone())).await,
        }
    }
}
