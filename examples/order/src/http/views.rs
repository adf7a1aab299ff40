//! What clients are answered with. Amounts are in cents.
//!
//! Shows: words of their own, for the same reason as in `requests.rs`.

use es_core::Version;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::order::{CancelReason, Order, Status};
use crate::domain::payment::Decline;
use crate::domain::stock::Stock;
use crate::domain::{Line, Money, OrderId, Sku};
use crate::read_models::{OrderDetails, OrderSummary, PaymentDetails, PaymentStatus, StockLevel};

/// How far an order is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    Draft,
    CheckedOut,
    ReadyToShip,
    Shipped,
    Cancelled,
}

/// An order, as a change has left it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    #[schema(example = "order-1")]
    pub id: String,
    /// How many changes the order has seen. The same number is in the `ETag`.
    #[schema(example = 1)]
    pub version: u64,
    pub status: OrderStatus,
    pub lines: Vec<LineView>,
}

/// Pieces of one article.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    #[schema(example = "teapot")]
    pub sku: String,
    #[schema(example = 2)]
    pub quantity: u32,
    /// Of a piece.
    #[schema(example = 1200)]
    pub price: u64,
}

/// An order with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderDetailsView {
    #[schema(example = "order-1")]
    pub id: String,
    /// How many changes the order itself has seen.
    pub version: u64,
    #[schema(example = "ada")]
    pub customer: String,
    pub status: OrderStatus,
    pub lines: Vec<LineView>,
    /// Settled when the order is checked out.
    pub total: Option<u64>,
    /// Why it was cancelled, if it was.
    pub cancelled: Option<CancelledView>,
    pub payment: Option<PaymentView>,
    pub shipment: Option<ShipmentView>,
}

/// Why an order was cancelled.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum CancelledView {
    CustomerWish,
    OutOfStock { sku: String },
    PaymentFailed { why: DeclineView },
}

/// Why the payment provider said no.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclineView {
    CardDeclined,
    OverLimit,
}

/// The payment of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentView {
    pub status: PaymentState,
    pub amount: u64,
    /// Why it failed, if it did.
    pub failure: Option<DeclineView>,
}

/// How far a payment is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    Requested,
    Authorised,
    Captured,
    Failed,
    Cancelled,
    Refunded,
}

/// The shipment of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShipmentView {
    /// There is none until the carrier has collected it.
    pub tracking: Option<String>,
}

/// A page of the list of orders, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderPage {
    pub orders: Vec<OrderListItem>,
    /// Where the next page is; also in the header `Link`. There is none on the last page.
    #[schema(example = "/orders?after=order-20&limit=20")]
    pub next: Option<String>,
}

/// An order in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderListItem {
    pub id: String,
    pub customer: String,
    pub status: OrderStatus,
    /// Settled when the order is checked out.
    pub total: Option<u64>,
}

/// How much there is of an article.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockView {
    #[schema(example = "teapot")]
    pub sku: String,
    pub on_hand: u64,
    /// Of what is on hand, what is not held for orders.
    pub available: u64,
}

impl From<Status> for OrderStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Draft => Self::Draft,
            Status::CheckedOut => Self::CheckedOut,
            Status::ReadyToShip => Self::ReadyToShip,
            Status::Shipped => Self::Shipped,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl From<OrderStatus> for Status {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Draft => Self::Draft,
            OrderStatus::CheckedOut => Self::CheckedOut,
            OrderStatus::ReadyToShip => Self::ReadyToShip,
            OrderStatus::Shipped => Self::Shipped,
            OrderStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl OrderView {
    pub(super) fn new(id: &str, version: Version, order: &Order) -> Self {
        Self { id: id.to_owned(), version: version.0, status: order.status.into(), lines: lines(&order.lines) }
    }
}

fn lines(lines: &[Line]) -> Vec<LineView> {
    let view = |line: &Line| LineView { sku: line.sku.0.clone(), quantity: line.quantity, price: line.price.0 };
    lines.iter().map(view).collect()
}

impl OrderDetailsView {
    pub(super) fn new(id: OrderId, order: &OrderDetails) -> Self {
        Self {
            id: id.0,
            version: order.version,
            customer: order.customer.0.clone(),
            status: order.status.into(),
            lines: lines(&order.lines),
            total: cents(order.total),
            cancelled: order.cancelled.as_ref().map(CancelledView::from),
            payment: order.payment.as_ref().map(PaymentView::from),
            shipment: order.shipment.as_ref().map(|shipment| ShipmentView { tracking: shipment.tracking.clone() }),
        }
    }
}

fn cents(money: Option<Money>) -> Option<u64> {
    money.map(|money| money.0)
}

impl From<&CancelReason> for CancelledView {
    fn from(reason: &CancelReason) -> Self {
        match reason {
            CancelReason::CustomerWish => Self::CustomerWish,
            CancelReason::OutOfStock { sku } => Self::OutOfStock { sku: sku.0.clone() },
            CancelReason::PaymentFailed { why } => Self::PaymentFailed { why: (*why).into() },
        }
    }
}

impl From<Decline> for DeclineView {
    fn from(why: Decline) -> Self {
        match why {
            Decline::CardDeclined => Self::CardDeclined,
            Decline::OverLimit => Self::OverLimit,
        }
    }
}

impl From<&PaymentDetails> for PaymentView {
    fn from(payment: &PaymentDetails) -> Self {
        let PaymentDetails { status, amount, failure } = payment;
        Self { status: (*status).into(), amount: amount.0, failure: failure.map(DeclineView::from) }
    }
}

impl From<PaymentStatus> for PaymentState {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::Requested => Self::Requested,
            PaymentStatus::Authorised => Self::Authorised,
            PaymentStatus::Captured => Self::Captured,
            PaymentStatus::Failed => Self::Failed,
            PaymentStatus::Cancelled => Self::Cancelled,
            PaymentStatus::Refunded => Self::Refunded,
        }
    }
}

impl OrderListItem {
    pub(super) fn new(id: String, order: OrderSummary) -> Self {
        let OrderSummary { customer, status, total } = order;
        Self { id, customer: customer.0, status: status.into(), total: cents(total) }
    }
}

impl StockView {
    pub(super) fn new(sku: Sku, stock: &StockLevel) -> Self {
        Self { sku: sku.0, on_hand: stock.on_hand, available: stock.on_hand.saturating_sub(stock.reserved) }
    }

    pub(super) fn after(sku: &str, stock: &Stock) -> Self {
        Self { sku: sku.to_owned(), on_hand: stock.on_hand, available: stock.available }
    }
}
