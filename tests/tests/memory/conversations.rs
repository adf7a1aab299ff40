//! What stores get wrong about conversations.

use es_core::{
    Bookmark, Error, EventId, EventStore, Position, RawEvent, ReadConversation, ReadLog, ReadStream, StreamId,
    Timestamp, Visit,
};

use super::{Fault, Faulty, YOUNG};

impl Faulty {
    pub(super) async fn read_conversation_wrongly(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        if self.fault == Fault::ReadsConversationsByStream {
            return self.read_by_stream(read, visit).await;
        }
        let (fault, now) = (self.fault, Timestamp::now());
        let (mut category, mut visited) = (None, 0);
        let mut spoiled = |mut raw: RawEvent<'_>| {
            visited += 1;
            let first = category.get_or_insert_with(|| raw.stream.category().to_owned());
            match fault {
                Fault::ReadsOneCategory if raw.stream.category() != *first => return Ok(()),
                Fault::ForgetsBeginnings if raw.metadata.correlation_id.is_none() => return Ok(()),
                Fault::SkipsYoungEvents if now.since(raw.recorded_at) < YOUNG => return Ok(()),
                Fault::PlacesConversations => raw.position = Some(Position(1)),
                _ => {}
            }
            visit(raw)
        };
        let result = match fault {
            Fault::MixesUpConversations => {
                let everything = ReadLog::after(Position::START).limit(u32::MAX);
                self.inner.read_log(everything, &mut spoiled).await.map(|_| None)
            }
            _ => self.inner.read_conversation(read, &mut spoiled).await,
        };
        match fault {
            Fault::SwallowsErrors => Ok(result.unwrap_or_default()),
            Fault::FailsOnUnknownStreams if visited == 0 => Err(Error::store("no such conversation")),
            Fault::SkipsAtTheBookmark => Ok(result?.map(|bookmark| Bookmark(bookmark.0 + 1))),
            Fault::EndsAfterAPage => result.map(|_| None),
            _ => result,
        }
    }

    /// All of it, but one stream after the other.
    async fn read_by_stream(&self, read: ReadConversation, visit: &mut Visit<'_>) -> Result<Option<Bookmark>, Error> {
        let mut streams: Vec<StreamId> = Vec::new();
        let mut note = |raw: RawEvent<'_>| {
            streams.push(raw.stream);
            Ok(())
        };
        self.inner.read_conversation(read, &mut note).await?;
        streams.sort();
        streams.dedup();
        for stream in streams {
            let mut of_it = |raw: RawEvent<'_>| {
                let wanted = raw.metadata.conversation(raw.id) == read.correlation;
                if wanted { visit(raw) } else { Ok(()) }
            };
            self.inner.read_stream(ReadStream::forwards(stream), &mut of_it).await?;
        }
        Ok(None)
    }

    pub(super) async fn find_event_wrongly(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        let _held = match self.fault {
            Fault::HoldsALock => Some(self.lock.lock().await),
            _ => None,
        };
        match self.fault {
            Fault::FindsNoEvents => Ok(()),
            Fault::FindsAnyEvent => {
                let first = ReadLog::after(Position::START).limit(1);
                self.inner.read_log(first, visit).await.map(drop)
            }
            Fault::SwallowsErrors => {
                self.inner.find_event(id, visit).await.ok();
                Ok(())
            }
            _ => self.inner.find_event(id, visit).await,
        }
    }
}
