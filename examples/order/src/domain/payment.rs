//! The payment of one order: authorised by the provider, captured by us, given back if need be.
//!
//! Shows: an aggregate that is an enum, one variant for each state, so that what belongs to a state is there in no other. A decision
//! is then one `match` on where the payment is and what is asked of it.
//!
//! Only the provider can say whether a card is good (`partners.rs` asks it). It cannot refuse to capture what it has authorised,
//! and an authorisation that is not captured lapses. So `Captured` is decided here, and so is that a payment which is cancelled in
//! time is never captured.

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

use super::{CardToken, Money, OrderId};

#[derive(Clone, Debug, Deserialize, Event, PartialEq, Serialize)]
#[event(category = "payment")]
pub enum PaymentEvent {
    Requested { amount: Money, card: CardToken },
    Authorised,
    Captured { amount: Money },
    Failed { why: Decline },
    // Nothing was captured, and nothing will be, not even when the request comes later than this.
    Cancelled,
    Refunded { amount: Money },
}

/// Why the provider says no.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    CardDeclined,
    OverLimit,
}

#[derive(Aggregate, Debug, Default, PartialEq)]
#[aggregate(id = OrderId, event = PaymentEvent, apply = apply)]
pub enum Payment {
    #[default]
    NotRequested,
    Requested {
        amount: Money,
    },
    Authorised {
        amount: Money,
    },
    Captured {
        amount: Money,
    },
    Failed,
    Cancelled,
    Refunded,
}

fn apply(payment: &mut Payment, event: PaymentEvent) {
    *payment = match event {
        PaymentEvent::Requested { amount, .. } => Payment::Requested { amount },
        PaymentEvent::Authorised => Payment::Authorised { amount: payment.amount() },
        PaymentEvent::Captured { amount } => Payment::Captured { amount },
        PaymentEvent::Failed { .. } => Payment::Failed,
        PaymentEvent::Cancelled => Payment::Cancelled,
        PaymentEvent::Refunded { .. } => Payment::Refunded,
    }
}

impl Payment {
    /// What is due or was taken, nothing where there is neither.
    pub fn amount(&self) -> Money {
        match self {
            Self::Requested { amount } | Self::Authorised { amount } | Self::Captured { amount } => *amount,
            Self::NotRequested | Self::Failed | Self::Cancelled | Self::Refunded => Money::default(),
        }
    }
}

#[derive(Clone, Command, Debug, PartialEq, Serialize)]
#[command(aggregate = Payment, handle = decide, error = PaymentError)]
pub enum PaymentCommand {
    Request { id: OrderId, amount: Money, card: CardToken },
    Authorise { id: OrderId },
    Fail { id: OrderId, why: Decline },
    Capture { id: OrderId },
    // Gives back what was captured, or else sees to it that nothing will be.
    Cancel { id: OrderId },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PaymentError {
    #[error("nobody has requested this payment")]
    NotRequested,
    #[error("the payment is not authorised")]
    NotAuthorised,
}

fn decide(payment: &Payment, command: PaymentCommand, _: &Context) -> Result<Option<PaymentEvent>, PaymentError> {
    use {Payment as P, PaymentCommand as C};
    match (payment, command) {
        (P::NotRequested, C::Request { amount, card, .. }) => Ok(Some(PaymentEvent::Requested { amount, card })),
        (P::NotRequested, C::Authorise { .. } | C::Fail { .. } | C::Capture { .. }) => Err(PaymentError::NotRequested),
        (P::Requested { .. }, C::Authorise { .. }) => Ok(Some(PaymentEvent::Authorised)),
        (P::Requested { .. }, C::Fail { why, .. }) => Ok(Some(PaymentEvent::Failed { why })),
        (P::Requested { .. }, C::Capture { .. }) => Err(PaymentError::NotAuthorised),
        (P::Authorised { amount }, C::Capture { .. }) => Ok(Some(PaymentEvent::Captured { amount: *amount })),
        (P::Captured { amount }, C::Cancel { .. }) => Ok(Some(PaymentEvent::Refunded { amount: *amount })),
        (P::NotRequested | P::Requested { .. } | P::Authorised { .. }, C::Cancel { .. }) => {
            Ok(Some(PaymentEvent::Cancelled))
        }
        // A repeat, or too late: the payment is where it is.
        _ => Ok(None),
    }
}
