//! The whole shop, with its runner.

use es_core::{EventStoreExt, ReadModelStore, ReadModels, Running};
use es_memory::MemoryStore;
use order::domain::order::{CancelReason, OrderCommand, Status};
use order::domain::payment::Decline;
use order::domain::stock::StockCommand;
use order::domain::{CardToken, OrderId};
use order::partners::DECLINED_CARD;
use order::read_models::{OrderDetails, PaymentStatus, StockLevel};
use order::service::runner;

use crate::words::{ada, card, lines, sku};

/// Waits until nothing follows any more.
async fn settle<S: ReadModelStore>(store: &S, running: &Running<S>) {
    loop {
        let end = store.log_end().await.unwrap();
        running.catch_up().await.unwrap();
        if store.log_end().await.unwrap() == end {
            return;
        }
    }
}

async fn buy(store: &MemoryStore, id: &str, card: CardToken) {
    let id = OrderId(id.into());
    store.execute(OrderCommand::Place { id: id.clone(), customer: ada(), lines: lines() }).await.unwrap();
    store.execute(OrderCommand::CheckOut { id, card }).await.unwrap();
}

#[tokio::test]
async fn orders_are_shipped_or_cancelled_by_themselves() {
    let store = MemoryStore::new();
    let running = runner(&store).start().await.unwrap();
    for (name, quantity) in [("teapot", 3), ("cup", 5)] {
        store.execute(StockCommand::Receive { id: sku(name), quantity }).await.unwrap();
    }
    for (id, card) in [("broke", CardToken(DECLINED_CARD.into())), ("good", card()), ("late", card())] {
        buy(&store, id, card).await;
        settle(&store, &running).await;
    }

    let orders = store.documents::<OrderDetails>().unwrap();
    let broke = orders.get("broke").await.unwrap().unwrap();
    assert_eq!(broke.cancelled, Some(CancelReason::PaymentFailed { why: Decline::CardDeclined }));
    let good = orders.get("good").await.unwrap().unwrap();
    assert_eq!((good.status, good.payment.unwrap().status), (Status::Shipped, PaymentStatus::Captured));
    assert!(good.shipment.unwrap().tracking.is_some());

    // One teapot is left, and two are wanted. Whether the money was captured by then is nobody's to say.
    let late = orders.get("late").await.unwrap().unwrap();
    assert_eq!(late.cancelled, Some(CancelReason::OutOfStock { sku: sku("teapot") }));
    assert!(matches!(late.payment.unwrap().status, PaymentStatus::Refunded | PaymentStatus::Cancelled));

    let stock = store.documents::<StockLevel>().unwrap();
    for (name, on_hand) in [("teapot", 1), ("cup", 4)] {
        assert_eq!(stock.get(name).await.unwrap().unwrap(), StockLevel { on_hand, reserved: 0 });
    }
    running.stop().await;
}
