//! The shop at work, on any store.
//!
//! Shows: one runner for everything that follows from events: reactions, effects, and read models.

use es_core::{OnFailure, ReadModelStore, Runner, Settings};

use crate::partners::{Carrier, PaymentProvider};
use crate::reactions::Fulfilment;
use crate::read_models::{OrderDetails, OrderSummary, StockLevel};

/// Everything that has to run, not started yet.
///
/// An event that cannot be taken in parks its stream: one order waits for somebody to look, and all others go on.
pub fn runner<S: ReadModelStore>(store: &S) -> Runner<S> {
    Runner::new(store.clone())
        .settings(Settings::default().on_failure(OnFailure::park()))
        .react(Fulfilment)
        .effect(PaymentProvider { store: store.clone() })
        .effect(Carrier { store: store.clone() })
        .document::<OrderSummary>()
        .document::<OrderDetails>()
        .document::<StockLevel>()
}
