//! One document, built anew while its projection runs.

use std::collections::HashSet;
use std::time::Instant;

use crate::document::{self, Document, check_key};
use crate::error::Error;
use crate::read_model::{
    Checkpoint, DeadLetter, ProjectionId, ProjectionState, Reached, ReadModelStore, ReadModelTransaction,
};
use crate::recorded::{Position, RawEvent};
use crate::retry::Retry;
use crate::store::ReadLog;
use crate::stream::{StreamId, Version};

/// What is told apart of dead letters here: the stream, the failed event, and whether others wait behind it.
type Left = HashSet<(StreamId, Version, bool)>;

/// Why it has to be done once more.
enum Trouble {
    /// Something has moved in between: a rebuild, a dead letter.
    Moved,
    Store(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

pub(super) async fn rebuild<S: ReadModelStore, D: Document>(store: &S, key: &str) -> Result<Option<D>, Error> {
    let id = ProjectionId::new(D::NAME, D::VERSION).map_err(|invalid| Error::setup(invalid.to_string()))?;
    check_key(key).map_err(|invalid| Error::setup(invalid.to_string()))?;
    if !store.reads_beside_transactions() {
        return Err(Error::setup(format!(
            "a document of `{id}` cannot be rebuilt over one connection: the log is read beside the transaction that holds the \
             projection up, so allow the store two or more"
        )));
    }
    let (retry, start) = (Retry::default(), Instant::now());
    let mut attempts = 0;
    loop {
        attempts += 1;
        let trouble = match attempt::<S, D>(store, &id, key).await {
            Ok(document) => return Ok(document),
            Err(Trouble::Moved) => {
                Error::unavailable("the projection was rebuilt, or its dead letters changed, meanwhile")
            }
            Err(Trouble::Store(error)) => error,
        };
        if !trouble.is_transient() || !retry.allows(attempts, start.elapsed()) {
            return Err(trouble);
        }
        retry.wait(attempts).await;
    }
}

async fn attempt<S: ReadModelStore, D: Document>(
    store: &S,
    id: &ProjectionId,
    key: &str,
) -> Result<Option<D>, Trouble> {
    // Most of the work is done before anybody is held up.
    let reached = store.reached(std::slice::from_ref(id), None).await?.pop().flatten();
    let Reached { position: reached, state, .. } =
        reached.ok_or_else(|| Error::store(format!("projection `{id}` was never started")))?;
    let before = store.dead_letters(id).await?;
    let mut fold = Fold::<D> { key, document: None, left: left(&before, Position(u64::MAX)) };
    fold.take_in(store, Position::START, &|_| reached, reached).await?;

    let mut transaction = store.begin().await?;
    if state == ProjectionState::Inline {
        // There is no lease to take away from those who append, and the documents are always at the end of the log.
        transaction.hold_appends().await?;
        // What was appended just before gets its place, up to which the log is read.
        store.log_end().await?;
    }
    // In the order in which everybody does it: first the document, then the checkpoint.
    transaction.lock_documents(id, &[key.to_owned()]).await?;
    let checkpoints = transaction.seize(id).await?;
    let now = store.dead_letters(id).await?;
    let is_back = checkpoints.iter().any(|checkpoint| checkpoint.position < reached);
    if is_back || left(&now, reached) != left(&before, reached) {
        return Err(Trouble::Moved);
    }
    fold.left = left(&now, Position(u64::MAX));
    let furthest = checkpoints.iter().map(|checkpoint| checkpoint.position).max().unwrap_or_default();
    fold.take_in(store, reached, &|stream| checkpoint_of(&checkpoints, stream), furthest).await?;
    let encode = |document| document::encode(id, key, document).map_err(Error::from);
    let json = fold.document.as_ref().map(encode).transpose()?;
    transaction.save_documents(id, &[(key.to_owned(), json)]).await?;
    transaction.commit().await?;
    Ok(fold.document)
}

fn checkpoint_of(checkpoints: &[Checkpoint], stream: &StreamId) -> Position {
    let part = checkpoints.iter().find(|checkpoint| checkpoint.slices.contains(stream));
    part.map(|part| part.position).unwrap_or_default()
}

/// What was left out up to a place.
fn left(letters: &[DeadLetter], up_to: Position) -> Left {
    let letters = letters.iter().filter(|letter| letter.position <= up_to);
    letters.map(|letter| (letter.stream.clone(), letter.first, letter.status.is_parked())).collect()
}

struct Fold<'k, D> {
    key: &'k str,
    document: Option<D>,
    left: Left,
}

impl<D: Document> Fold<'_, D> {
    /// Takes in what comes behind `after`, of each stream up to where its part of the projection is.
    async fn take_in<S: ReadModelStore>(
        &mut self,
        store: &S,
        after: Position,
        checkpoint: &(impl Fn(&StreamId) -> Position + Sync),
        furthest: Position,
    ) -> Result<(), Error> {
        let mut next = after;
        while next < furthest {
            let read = ReadLog::after(next).filter(D::filter());
            let mut visit = |raw: RawEvent<'_>| {
                let is_taken = raw.position <= Some(checkpoint(&raw.stream));
                if is_taken && !self.is_left_out(&raw) {
                    document::take_in(&mut self.document, self.key, &raw.decode()?);
                }
                Ok(())
            };
            let page = store.read_log(read, &mut visit).await?;
            next = if page.at_end { furthest } else { page.next };
        }
        Ok(())
    }

    fn is_left_out(&self, raw: &RawEvent<'_>) -> bool {
        let left_out = |(stream, first, parked): &(StreamId, Version, bool)| {
            *stream == raw.stream && (raw.version == *first || *parked && raw.version > *first)
        };
        self.left.iter().any(left_out)
    }
}
