//! The shop at work, on any store.
//!
//! Shows: one runner for everything that follows from events: reactions, effects, and read models.

use es_core::{OnFailure, ReadModelStore, Runner, Settings};

use crate::partners::{Carrier, Partners, PaymentProvider, Pretended};
use crate::reactions::Fulfilment;
use crate::read_models::{OrderDetails, OrderSummary, StockLevel};

/// Everything that has to run, not started yet. The partners are pretended.
pub fn runner<S: ReadModelStore>(store: &S) -> Runner<S> {
    runner_with(store, &Pretended, Settings::default())
}

/// The same with partners, and with settings, of your own.
///
/// An event that cannot be taken in parks its stream: one order waits for somebody to look, and all others go on.
pub fn runner_with<S: ReadModelStore, P: Partners>(store: &S, partners: &P, settings: Settings) -> Runner<S> {
    Runner::new(store.clone())
        .settings(settings.on_failure(OnFailure::park()))
        .react(Fulfilment)
        .effect(PaymentProvider { store: store.clone(), partners: partners.clone() })
        .effect(Carrier { store: store.clone(), partners: partners.clone() })
        .document::<OrderSummary>()
        .document::<OrderDetails>()
        .document::<StockLevel>()
}
