//! The read models, through everything that may happen to them on the way.

use es_core::testing::{AllDocuments, ReadModelTest, read_model_on};
use es_core::{Document, EventStoreExt, ExpectedVersion, ReadModels, Runner};
use es_memory::MemoryStore;
use order::domain::order::{CancelReason, Order, OrderEvent, Status};
use order::domain::payment::{Decline, Payment, PaymentEvent};
use order::domain::shipment::{Shipment, ShipmentEvent};
use order::domain::stock::{Stock, StockEvent};
use order::domain::{CustomerId, OrderId};
use order::read_models::{OrderDetails, OrderSummary, PaymentDetails, PaymentStatus, ShipmentDetails, StockLevel};

use crate::words::{TOTAL, ada, card, id, line, lines, sku};

fn placed() -> OrderEvent {
    OrderEvent::Placed { customer: ada(), lines: lines() }
}

fn checked_out() -> OrderEvent {
    OrderEvent::CheckedOut { lines: lines(), total: TOTAL, card: card() }
}

fn cancelled(reason: CancelReason) -> OrderEvent {
    OrderEvent::Cancelled { reason, lines: lines() }
}

fn documents<D: Document>() -> ReadModelTest<MemoryStore, AllDocuments<D>> {
    read_model_on(|| async { MemoryStore::new() }).documents::<D>()
}

#[tokio::test]
async fn the_list_shows_who_and_how_far_and_how_much() {
    documents::<OrderSummary>()
        .given::<Order>(id(), [placed(), checked_out(), OrderEvent::Paid { amount: TOTAL }])
        .given::<Order>(OrderId("8".into()), [placed(), OrderEvent::LineRemoved { sku: sku("cup") }])
        .given::<Order>(OrderId("9".into()), [placed(), cancelled(CancelReason::CustomerWish)])
        .given::<Order>(id(), OrderEvent::ReadyToShip { lines: lines() })
        .expect("7", OrderSummary { customer: ada(), status: Status::ReadyToShip, total: Some(TOTAL) })
        .expect("8", OrderSummary { customer: ada(), status: Status::Draft, total: None })
        .expect("9", OrderSummary { customer: ada(), status: Status::Cancelled, total: None })
        .verify()
        .await;
}

#[tokio::test]
async fn the_details_show_the_payment_and_the_shipment_of_a_shipped_order() {
    documents::<OrderDetails>()
        .given::<Order>(id(), [placed(), OrderEvent::LineAdded { line: line("spoon", 6, 250) }])
        .given::<Order>(id(), [OrderEvent::LineRemoved { sku: sku("spoon") }, checked_out()])
        .given::<Payment>(id(), [PaymentEvent::Requested { amount: TOTAL, card: card() }, PaymentEvent::Authorised])
        .given::<Payment>(id(), PaymentEvent::Captured { amount: TOTAL })
        .given::<Order>(id(), [OrderEvent::Paid { amount: TOTAL }, OrderEvent::ReadyToShip { lines: lines() }])
        .given::<Shipment>(id(), ShipmentEvent::Prepared { lines: lines() })
        .given::<Shipment>(id(), ShipmentEvent::Shipped { lines: lines(), tracking: "track-1".into() })
        .given::<Order>(id(), OrderEvent::Shipped { tracking: "track-1".into() })
        .expect(
            "7",
            OrderDetails {
                version: 7,
                others: 5,
                customer: ada(),
                status: Status::Shipped,
                lines: lines(),
                total: Some(TOTAL),
                cancelled: None,
                payment: Some(PaymentDetails { status: PaymentStatus::Captured, amount: TOTAL, failure: None }),
                shipment: Some(ShipmentDetails { tracking: Some("track-1".into()) }),
            },
        )
        .verify()
        .await;
}

#[tokio::test]
async fn the_details_show_why_an_order_was_cancelled() {
    let reason = CancelReason::PaymentFailed { why: Decline::CardDeclined };
    documents::<OrderDetails>()
        .given::<Order>(id(), [placed(), checked_out()])
        .given::<Payment>(id(), PaymentEvent::Requested { amount: TOTAL, card: card() })
        .given::<Payment>(id(), PaymentEvent::Failed { why: Decline::CardDeclined })
        .given::<Order>(id(), cancelled(reason.clone()))
        .expect(
            "7",
            OrderDetails {
                version: 3,
                others: 2,
                customer: ada(),
                status: Status::Cancelled,
                lines: lines(),
                total: Some(TOTAL),
                cancelled: Some(reason),
                payment: Some(PaymentDetails {
                    status: PaymentStatus::Failed,
                    amount: TOTAL,
                    failure: Some(Decline::CardDeclined),
                }),
                shipment: None,
            },
        )
        .verify()
        .await;
}

#[tokio::test]
async fn the_stock_shows_what_is_there_and_what_of_it_is_held() {
    let (one, two, three) = (OrderId("1".into()), OrderId("2".into()), OrderId("3".into()));
    documents::<StockLevel>()
        .given::<Stock>(sku("cup"), StockEvent::Received { quantity: 10 })
        .given::<Stock>(sku("cup"), StockEvent::Reserved { order: one.clone(), quantity: 4 })
        .given::<Stock>(sku("cup"), StockEvent::Reserved { order: two.clone(), quantity: 3 })
        .given::<Stock>(sku("cup"), StockEvent::ReservationFailed { order: three.clone(), wanted: 4, available: 3 })
        .given::<Stock>(sku("cup"), StockEvent::TakenOut { order: one, quantity: 4 })
        .given::<Stock>(sku("spoon"), StockEvent::Received { quantity: 6 })
        .given::<Stock>(sku("spoon"), StockEvent::Reserved { order: two.clone(), quantity: 6 })
        .given::<Stock>(sku("spoon"), StockEvent::Released { order: two, quantity: 6 })
        .expect("cup", StockLevel { version: 5, on_hand: 6, reserved: 3 })
        .expect("spoon", StockLevel { version: 3, on_hand: 6, reserved: 0 })
        .verify()
        .await;
}

/// Forty orders of two customers, every fourth one checked out.
async fn forty_orders() -> MemoryStore {
    let store = MemoryStore::new();
    for number in 0..40_u32 {
        let customer = CustomerId(if number % 2 == 0 { "ada" } else { "bob" }.into());
        let placed = OrderEvent::Placed { customer, lines: lines() };
        let events = if number % 4 == 0 { vec![placed, checked_out()] } else { vec![placed] };
        let id = OrderId(format!("{number:02}"));
        store.append_events::<Order>(id, ExpectedVersion::NoStream, events).await.unwrap();
    }
    store
}

#[tokio::test]
async fn the_list_is_asked_for_by_status_and_customer_a_page_at_a_time() {
    let store = forty_orders().await;
    let running = Runner::new(store.clone()).document::<OrderSummary>().start().await.unwrap();
    running.catch_up().await.unwrap();

    let drafts_of_ada = || {
        let orders = store.documents::<OrderSummary>().unwrap();
        orders.filter("status", Status::Draft).filter("customer", ada())
    };
    let keys = |page: Vec<(String, OrderSummary)>| page.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let first = keys(drafts_of_ada().list(None, 4).await.unwrap());
    assert_eq!(first, ["02", "06", "10", "14"]);
    let second = keys(drafts_of_ada().list(first.last().map(String::as_str), 10).await.unwrap());
    assert_eq!(second, ["18", "22", "26", "30", "34", "38"]);

    let checked_out = store.documents::<OrderSummary>().unwrap().filter("status", Status::CheckedOut);
    assert_eq!(checked_out.list(None, 100).await.unwrap().len(), 10);
    running.stop().await;
}
