//! The whole shop, with its runner.

use std::time::Duration;

use es_core::{Document, EventStoreExt, ReadModels};
use es_memory::MemoryStore;
use order::domain::order::{CancelReason, OrderCommand, Status};
use order::domain::payment::Decline;
use order::domain::stock::StockCommand;
use order::domain::{CardToken, Line, OrderId};
use order::partners::DECLINED_CARD;
use order::read_models::{OrderDetails, PaymentStatus, StockLevel};
use order::service::runner;

use crate::words::{ada, card, line, lines, sku};

/// Looks at a document until it is as wanted: what follows from an event follows by and by.
async fn once<D: Document + std::fmt::Debug>(store: &MemoryStore, key: &str, is_wanted: impl Fn(&D) -> bool) -> D {
    let mut seen = None;
    for _ in 0..10_000 {
        seen = store.documents::<D>().unwrap().get(key).await.unwrap();
        match seen {
            Some(document) if is_wanted(&document) => return document,
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    panic!("`{key}` never became what is wanted: {seen:?}");
}

async fn buy(store: &MemoryStore, id: &str, lines: Vec<Line>, card: CardToken) {
    let id = OrderId(id.into());
    store.execute(OrderCommand::Place { id: id.clone(), customer: ada(), lines }).await.unwrap();
    store.execute(OrderCommand::CheckOut { id, card }).await.unwrap();
}

#[tokio::test]
async fn orders_are_shipped_or_cancelled_by_themselves() {
    let store = MemoryStore::new();
    let running = runner(&store).start().await.unwrap();
    for (name, quantity) in [("teapot", 5), ("cup", 5)] {
        store.execute(StockCommand::Receive { id: sku(name), quantity }).await.unwrap();
    }
    buy(&store, "good", lines(), card()).await;
    buy(&store, "broke", lines(), CardToken(DECLINED_CARD.into())).await;
    buy(&store, "missing", vec![line("cup", 1, 700), line("kettle", 1, 3_000)], card()).await;

    let payment_is = |wanted: &[PaymentStatus], order: &OrderDetails| {
        order.payment.as_ref().is_some_and(|payment| wanted.contains(&payment.status))
    };
    let good = once(&store, "good", |order: &OrderDetails| order.status == Status::Shipped).await;
    assert!(payment_is(&[PaymentStatus::Captured], &good));
    assert!(good.shipment.unwrap().tracking.is_some());

    let broke = once(&store, "broke", |order: &OrderDetails| order.status == Status::Cancelled).await;
    assert_eq!(broke.cancelled, Some(CancelReason::PaymentFailed { why: Decline::CardDeclined }));

    // Whether the money was captured by then is nobody's to say.
    let undone = [PaymentStatus::Refunded, PaymentStatus::Cancelled];
    let missing: OrderDetails = once(&store, "missing", |order| payment_is(&undone, order)).await;
    assert_eq!(missing.cancelled, Some(CancelReason::OutOfStock { sku: sku("kettle") }));

    for (name, on_hand) in [("teapot", 3), ("cup", 4)] {
        once(&store, name, |level: &StockLevel| (level.on_hand, level.reserved) == (on_hand, 0)).await;
    }
    running.stop().await;
}
