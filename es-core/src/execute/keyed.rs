//! A command under an idempotency key.

use serde::Serialize;

use crate::aggregate::{Loaded, stream_of};
use crate::command::Command;
use crate::error::Error;
use crate::execute::{Decide, Execute, Outcome};
use crate::idempotency::{IdempotencyKey, InvalidIdempotencyKey, KeyUse, Keyed};
use crate::recorded::Recorded;
use crate::store::{EventStore, EventStoreExt, replay_while};

/// The key expired in the moment between the append and the look at what was stored under it.
#[derive(Debug, thiserror::Error)]
#[error("the idempotency key expired while the command was on its way")]
pub(super) struct Forgotten;

impl<S, C: Command, D> Execute<'_, S, C, D> {
    /// Has the command take effect once, however often it is sent with this key: by whichever process, at the same time or one
    /// after the other, also after a crash between its commit and its answer. A repeat gets the first outcome again
    /// ([`Outcome::repeated`]), whatever it [expects](Self::expect). Another command with the same key is refused, with
    /// [`ExecuteError::KeyReused`](crate::ExecuteError::KeyReused).
    ///
    /// The same command is one for the same aggregate, of a type of the same name, with the same JSON, in which the order of an
    /// object's fields does not matter. A release that gives the command another JSON therefore refuses repeats of requests that
    /// an older one has answered; [`keyed`](Self::keyed) lets you say yourself what is the same.
    ///
    /// A rejection and a command without events leave nothing, neither events nor the key: a repeat is decided anew. Keys are
    /// forgotten after a time that the store states, 7 days by default; later, a repeat is a new command. It costs one look-up
    /// more for each try.
    ///
    /// The key may be a text, a [`Uuid`](uuid::Uuid), an [`EventId`](crate::EventId), or an [`IdempotencyKey`]. A text that
    /// cannot be a key is told when the command is awaited, as [`Error::InvalidKey`].
    ///
    /// # Example: the answer was lost, and the request is sent again
    ///
    /// ```
    /// # use es_core::{Aggregate, Command, Context, Event};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "account")]
    /// # enum AccountEvent { Deposited { amount: u64 } }
    /// # #[derive(Aggregate, Default)]
    /// # #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
    /// # struct Account { balance: u64 }
    /// # impl Account {
    /// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
    /// #     fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, std::convert::Infallible> {
    /// #         Ok(AccountEvent::Deposited { amount: command.amount })
    /// #     }
    /// # }
    /// use es_core::{EventStoreExt, ExecuteError};
    ///
    /// #[derive(Clone, Command, serde::Serialize)]
    /// #[command(aggregate = Account, handle = Account::decide, error = std::convert::Infallible)]
    /// struct Deposit { id: String, amount: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = es_memory::MemoryStore::new();
    /// let deposit = |amount| Deposit { id: "ada".into(), amount };
    /// let first = store.execute(deposit(5)).idempotency_key("request-7").await?;
    /// let again = store.execute(deposit(5)).idempotency_key("request-7").await?;
    /// assert!(again.repeated);
    /// assert_eq!((first.state.balance, again.state.balance), (5, 5));
    /// assert_eq!(first.events[0].id, again.events[0].id);
    ///
    /// let another = store.execute(deposit(6)).idempotency_key("request-7").await.unwrap_err();
    /// assert!(matches!(another, ExecuteError::KeyReused(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn idempotency_key<K>(self, key: K) -> Self
    where
        C: Serialize,
        K: TryInto<IdempotencyKey>,
        K::Error: Into<InvalidIdempotencyKey>,
    {
        // A stream that cannot be named is an error of its own, which the command meets first.
        let Ok(stream) = stream_of::<C::Aggregate>(self.command.aggregate_id()) else { return self };
        let key = key.try_into().map_err(Into::into);
        let keyed = key.and_then(|key| Keyed::command(key, &stream, &self.command));
        Self { key: Some(Box::new(keyed)), ..self }
    }

    /// Like [`idempotency_key`](Self::idempotency_key), with a fingerprint that you made yourself: for commands that are not
    /// `Serialize`, and where commands that differ are the same. With one fingerprint for all, the key and the aggregate alone decide.
    ///
    /// # Example: one command for each message, whatever a later release makes of it
    ///
    /// ```
    /// # use es_core::{Aggregate, Command, Context, Event};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "account")]
    /// # enum AccountEvent { Deposited { amount: u64 } }
    /// # #[derive(Aggregate, Default)]
    /// # #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
    /// # struct Account { balance: u64 }
    /// # impl Account {
    /// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
    /// #     fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, std::convert::Infallible> {
    /// #         Ok(AccountEvent::Deposited { amount: command.amount })
    /// #     }
    /// # }
    /// # #[derive(Clone, Command)]
    /// # #[command(aggregate = Account, handle = Account::decide, error = std::convert::Infallible)]
    /// # struct Deposit { id: String, amount: u64 }
    /// use es_core::{EventStoreExt, IdempotencyKey, Keyed};
    /// use uuid::Uuid;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = es_memory::MemoryStore::new();
    /// let message = || Keyed::new(IdempotencyKey::from(Uuid::from_u128(7)), Uuid::nil());
    /// store.execute(Deposit { id: "ada".into(), amount: 5 }).keyed(message()).await?;
    /// let again = store.execute(Deposit { id: "ada".into(), amount: 6 }).keyed(message()).await?;
    /// assert_eq!((again.repeated, again.state.balance), (true, 5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn keyed(self, keyed: Keyed) -> Self {
        Self { key: Some(Box::new(Ok(keyed))), ..self }
    }
}

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    /// What became of the command when it was done first, if it was. Where the loaded state is what it led to, it is taken.
    pub(super) async fn first_outcome(
        &self,
        keyed: Option<&Keyed>,
        loaded: &mut Loaded<C::Aggregate>,
    ) -> Result<Option<Box<Outcome<C::Aggregate>>>, Error> {
        match keyed {
            // Boxes of their own, because few commands have a key, and all of them would carry the room for it.
            Some(keyed) => Ok(Box::pin(self.outcome_under(keyed, loaded)).await?.map(Box::new)),
            None => Ok(None),
        }
    }

    async fn outcome_under(
        &self,
        keyed: &Keyed,
        loaded: &mut Loaded<C::Aggregate>,
    ) -> Result<Option<Outcome<C::Aggregate>>, Error> {
        let Some(first) = self.store.find_key(&keyed.key).await? else { return Ok(None) };
        keyed.check(&first, &loaded.stream)?;
        let state = if loaded.version == first.last {
            std::mem::take(&mut loaded.state)
        } else {
            let up_to = |recorded: &Recorded<_>| recorded.version <= first.last;
            replay_while(self.store, first.stream.clone(), up_to).await?.state
        };
        let events = self.store.stream_events(first.stream.clone()).from(first.first).limit(count(&first));
        let events = events.collect().await?;
        let KeyUse { stream, last: version, .. } = first;
        Ok(Some(Outcome { stream, version, events, state, attempts: 1, repeated: true }))
    }
}

/// How many events were appended.
fn count(first: &KeyUse) -> u64 {
    first.last.0.saturating_sub(first.first.0).saturating_add(1)
}
