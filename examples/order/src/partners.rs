//! The payment provider and the carrier: other houses that are asked over the network. Here they are pretended.
//!
//! Shows: effects. What lies outside of the store takes place at least once, whatever one does; so the partner gets a token, the id of
//! the event that it is asked because of, by which it knows a repeat. Its answer comes in as a command. That needs no token: an
//! aggregate that has the answer already decides nothing.

use es_core::{BeginsAt, BoxError, Effect, EventId, EventStore, EventStoreExt, Recorded};

use crate::domain::payment::{Decline, PaymentCommand, PaymentEvent};
use crate::domain::shipment::{ShipmentCommand, ShipmentEvent};
use crate::domain::{CardToken, Money, OrderId};

/// The pretended provider declines this card.
pub const DECLINED_CARD: &str = "declined";
/// The pretended provider authorises no more than this at once.
pub const LIMIT: Money = Money(100_000);

/// Asks the payment provider for whatever was requested.
#[derive(Clone, Debug)]
pub struct PaymentProvider<S> {
    pub store: S,
}

impl<S: EventStore + 'static> Effect for PaymentProvider<S> {
    const NAME: &'static str = "payment_provider";
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = PaymentEvent;
    type Error = BoxError;

    async fn perform(&self, event: &Recorded<PaymentEvent>, token: EventId) -> Result<(), BoxError> {
        let PaymentEvent::Requested { amount, card } = &event.event else { return Ok(()) };
        let id = OrderId(event.stream.id().to_owned());
        let answer = match authorise(token, card, *amount).await {
            Ok(()) => PaymentCommand::Authorise { id },
            Err(why) => PaymentCommand::Fail { id, why },
        };
        self.store.execute(answer).await?;
        Ok(())
    }
}

/// A real one would be a request, with the token as its idempotency key. It would also be told of what is captured and refunded.
async fn authorise(_: EventId, card: &CardToken, amount: Money) -> Result<(), Decline> {
    match card.0.as_str() {
        DECLINED_CARD => Err(Decline::CardDeclined),
        _ if amount > LIMIT => Err(Decline::OverLimit),
        _ => Ok(()),
    }
}

/// Hands over to the carrier whatever was prepared.
#[derive(Clone, Debug)]
pub struct Carrier<S> {
    pub store: S,
}

impl<S: EventStore + 'static> Effect for Carrier<S> {
    const NAME: &'static str = "carrier";
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = ShipmentEvent;
    type Error = BoxError;

    async fn perform(&self, event: &Recorded<ShipmentEvent>, token: EventId) -> Result<(), BoxError> {
        let ShipmentEvent::Prepared { .. } = &event.event else { return Ok(()) };
        let id = OrderId(event.stream.id().to_owned());
        let tracking = collect(token).await;
        self.store.execute(ShipmentCommand::Ship { id, tracking }).await?;
        Ok(())
    }
}

/// The same token gets the same tracking number.
async fn collect(token: EventId) -> String {
    format!("track-{token}")
}
