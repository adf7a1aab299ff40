//! The payment provider and the carrier: other houses that are asked over the network. Here they are pretended.
//!
//! Shows: effects. What lies outside of the store takes place at least once, whatever one does; so the partner gets a token, the id of
//! the event that it is asked because of, by which it knows a repeat. Its answer comes in as a command. That needs no token: an
//! aggregate that has the answer already decides nothing.

use std::future::Future;

use es_core::{BeginsAt, BoxError, Effect, EventId, EventStore, EventStoreExt, Recorded};

use crate::domain::payment::{Decline, PaymentCommand, PaymentEvent};
use crate::domain::shipment::{ShipmentCommand, ShipmentEvent};
use crate::domain::{CardToken, Money, OrderId};

/// The pretended provider declines this card.
pub const DECLINED_CARD: &str = "declined";
/// The pretended provider authorises no more than this at once.
pub const LIMIT: Money = Money(100_000);

/// What other houses do for the shop: a request each, with the token as its idempotency key. A request that fails is made again, with
/// the same token.
pub trait Partners: Clone + Send + Sync + 'static {
    fn authorise(
        &self,
        token: EventId,
        id: &OrderId,
        card: &CardToken,
        amount: Money,
    ) -> impl Future<Output = Result<Authorisation, BoxError>> + Send;

    /// Takes what was authorised.
    fn capture(&self, token: EventId, id: &OrderId, amount: Money)
    -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Gives back what was captured.
    fn refund(&self, token: EventId, id: &OrderId, amount: Money) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Has the parcel collected, and gives its tracking number: the same one for the same token.
    fn collect(&self, token: EventId, id: &OrderId) -> impl Future<Output = Result<String, BoxError>> + Send;
}

/// What the provider says to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Authorisation {
    Granted,
    Declined(Decline),
}

/// Nobody is asked. The answers are always the same.
#[derive(Clone, Copy, Debug)]
pub struct Pretended;

impl Partners for Pretended {
    async fn authorise(
        &self,
        _: EventId,
        _: &OrderId,
        card: &CardToken,
        amount: Money,
    ) -> Result<Authorisation, BoxError> {
        Ok(match card.0.as_str() {
            DECLINED_CARD => Authorisation::Declined(Decline::CardDeclined),
            _ if amount > LIMIT => Authorisation::Declined(Decline::OverLimit),
            _ => Authorisation::Granted,
        })
    }

    async fn capture(&self, _: EventId, _: &OrderId, _: Money) -> Result<(), BoxError> {
        Ok(())
    }

    async fn refund(&self, _: EventId, _: &OrderId, _: Money) -> Result<(), BoxError> {
        Ok(())
    }

    async fn collect(&self, token: EventId, _: &OrderId) -> Result<String, BoxError> {
        Ok(format!("track-{token}"))
    }
}

/// Asks the payment provider for whatever was requested, and tells it what was captured and refunded.
#[derive(Clone, Debug)]
pub struct PaymentProvider<S, P> {
    pub store: S,
    pub partners: P,
}

impl<S: EventStore + 'static, P: Partners> Effect for PaymentProvider<S, P> {
    const NAME: &'static str = "payment_provider";
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = PaymentEvent;
    type Error = BoxError;

    async fn perform(&self, event: &Recorded<PaymentEvent>, token: EventId) -> Result<(), BoxError> {
        let id = OrderId(event.stream.id().to_owned());
        match &event.event {
            PaymentEvent::Requested { amount, card } => {
                let answer = match self.partners.authorise(token, &id, card, *amount).await? {
                    Authorisation::Granted => PaymentCommand::Authorise { id },
                    Authorisation::Declined(why) => PaymentCommand::Fail { id, why },
                };
                self.store.execute(answer).await?;
                Ok(())
            }
            PaymentEvent::Captured { amount } => self.partners.capture(token, &id, *amount).await,
            PaymentEvent::Refunded { amount } => self.partners.refund(token, &id, *amount).await,
            PaymentEvent::Authorised | PaymentEvent::Failed { .. } | PaymentEvent::Cancelled => Ok(()),
        }
    }
}

/// Hands over to the carrier whatever was prepared.
#[derive(Clone, Debug)]
pub struct Carrier<S, P> {
    pub store: S,
    pub partners: P,
}

impl<S: EventStore + 'static, P: Partners> Effect for Carrier<S, P> {
    const NAME: &'static str = "carrier";
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = ShipmentEvent;
    type Error = BoxError;

    async fn perform(&self, event: &Recorded<ShipmentEvent>, token: EventId) -> Result<(), BoxError> {
        let ShipmentEvent::Prepared { .. } = &event.event else { return Ok(()) };
        let id = OrderId(event.stream.id().to_owned());
        let tracking = self.partners.collect(token, &id).await?;
        self.store.execute(ShipmentCommand::Ship { id, tracking }).await?;
        Ok(())
    }
}
