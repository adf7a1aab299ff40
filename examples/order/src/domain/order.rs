//! The order: what the customer wants, and the one place where it is decided whether it is shipped or cancelled.
//!
//! Shows: a life cycle, typed refusals, and the two kinds of commands. Those of people (`Place` to `Cancel`) may be refused. Those that
//! report what has happened elsewhere (`Mark…`) are never refused by an order that was placed: what comes twice, or too late,
//! decides nothing.
//!
//! `ReadyToShip` and `Cancelled` exclude each other, because both are decided here. So whatever is under way elsewhere, nobody ships
//! what somebody else cancels.

use std::collections::BTreeSet;
use std::fmt;

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

use super::payment::Decline;
use super::{CardToken, CustomerId, Line, Money, OrderId, Sku, total};

/// Each line is a reservation, and several events name them all.
pub const MAX_LINES: usize = 100;

/// Whoever acts upon an event sees nothing but the event. So those that others act upon say what is needed for that: the lines.
#[derive(Clone, Debug, Deserialize, Event, PartialEq, Serialize)]
#[event(category = "order")]
pub enum OrderEvent {
    Placed { customer: CustomerId, lines: Vec<Line> },
    LineAdded { line: Line },
    LineRemoved { sku: Sku },
    CheckedOut { lines: Vec<Line>, total: Money, card: CardToken },
    StockReserved { sku: Sku },
    Paid { amount: Money },
    // All is reserved and paid. From here on it cannot be cancelled.
    ReadyToShip { lines: Vec<Line> },
    Shipped { tracking: String },
    // With the lines that were checked out, for which something has to be undone. A draft has none.
    Cancelled { reason: CancelReason, lines: Vec<Line> },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    CustomerWish,
    OutOfStock { sku: Sku },
    PaymentFailed { why: Decline },
}

#[derive(Aggregate, Debug, Default)]
#[aggregate(id = OrderId, event = OrderEvent, apply = apply)]
pub struct Order {
    pub status: Status,
    pub lines: Vec<Line>,
    /// What was checked out and is not reserved yet.
    awaited: BTreeSet<Sku>,
    paid: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Draft,
    CheckedOut,
    ReadyToShip,
    Shipped,
    Cancelled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "a draft",
            Self::CheckedOut => "checked out",
            Self::ReadyToShip => "ready to ship",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        })
    }
}

fn apply(order: &mut Order, event: OrderEvent) {
    match event {
        OrderEvent::Placed { lines, .. } => order.lines = lines,
        OrderEvent::LineAdded { line } => order.lines.push(line),
        OrderEvent::LineRemoved { sku } => order.lines.retain(|line| line.sku != sku),
        OrderEvent::CheckedOut { lines, .. } => {
            order.awaited = lines.into_iter().map(|line| line.sku).collect();
            order.status = Status::CheckedOut;
        }
        OrderEvent::StockReserved { sku } => {
            order.awaited.remove(&sku);
        }
        OrderEvent::Paid { .. } => order.paid = true,
        OrderEvent::ReadyToShip { .. } => order.status = Status::ReadyToShip,
        OrderEvent::Shipped { .. } => order.status = Status::Shipped,
        OrderEvent::Cancelled { .. } => order.status = Status::Cancelled,
    }
}

#[derive(Clone, Command, Debug, PartialEq, Serialize)]
#[command(aggregate = Order, handle = decide, error = OrderError)]
pub enum OrderCommand {
    Place { id: OrderId, customer: CustomerId, lines: Vec<Line> },
    AddLine { id: OrderId, line: Line },
    RemoveLine { id: OrderId, sku: Sku },
    CheckOut { id: OrderId, card: CardToken },
    Cancel { id: OrderId, reason: CancelReason },
    MarkReserved { id: OrderId, sku: Sku },
    MarkPaid { id: OrderId, amount: Money },
    MarkShipped { id: OrderId, tracking: String },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrderError {
    #[error("the order was placed already")]
    AlreadyPlaced,
    #[error("there is no such order")]
    NotPlaced,
    #[error("the order is {0}, and only a draft can be changed or checked out")]
    NotADraft(Status),
    #[error("the order has a line of `{0}` already")]
    AlreadyInOrder(Sku),
    #[error("the order would have two lines of `{0}`")]
    TwoLinesOf(Sku),
    #[error("the order has no line of `{0}`")]
    NotInOrder(Sku),
    #[error("a line of `{0}` needs at least one piece")]
    NoPieces(Sku),
    #[error("an order has at most {MAX_LINES} lines")]
    TooManyLines,
    #[error("the lines cost more than can be counted")]
    TooExpensive,
    #[error("an order without lines cannot be checked out")]
    NothingToCheckOut,
    #[error("the order is {0}, and it is too late to cancel it")]
    TooLateToCancel(Status),
}

fn decide(order: &Order, command: OrderCommand, context: &Context) -> Result<Vec<OrderEvent>, OrderError> {
    match command {
        OrderCommand::Place { customer, lines, .. } if context.is_new() => place(customer, lines),
        OrderCommand::Place { .. } => Err(OrderError::AlreadyPlaced),
        _ if context.is_new() => Err(OrderError::NotPlaced),
        OrderCommand::AddLine { line, .. } => order.add(line),
        OrderCommand::RemoveLine { sku, .. } => order.remove(sku),
        OrderCommand::CheckOut { card, .. } => order.check_out(card),
        OrderCommand::Cancel { reason, .. } => order.cancel(reason),
        OrderCommand::MarkReserved { sku, .. } => Ok(order.mark_reserved(sku)),
        OrderCommand::MarkPaid { amount, .. } => Ok(order.mark_paid(amount)),
        OrderCommand::MarkShipped { tracking, .. } => Ok(order.mark_shipped(tracking)),
    }
}

fn place(customer: CustomerId, lines: Vec<Line>) -> Result<Vec<OrderEvent>, OrderError> {
    check(&lines)?;
    Ok(vec![OrderEvent::Placed { customer, lines }])
}

/// An article has one line at most, so that the order and the article name a reservation.
fn check(lines: &[Line]) -> Result<Money, OrderError> {
    if lines.len() > MAX_LINES {
        return Err(OrderError::TooManyLines);
    }
    let mut seen = BTreeSet::new();
    for Line { sku, quantity, .. } in lines {
        if *quantity == 0 {
            return Err(OrderError::NoPieces(sku.clone()));
        }
        if !seen.insert(sku) {
            return Err(OrderError::TwoLinesOf(sku.clone()));
        }
    }
    total(lines).ok_or(OrderError::TooExpensive)
}

impl Order {
    fn add(&self, line: Line) -> Result<Vec<OrderEvent>, OrderError> {
        self.check_draft()?;
        if self.has(&line.sku) {
            return Err(OrderError::AlreadyInOrder(line.sku));
        }
        let mut lines = self.lines.clone();
        lines.push(line.clone());
        check(&lines)?;
        Ok(vec![OrderEvent::LineAdded { line }])
    }

    fn remove(&self, sku: Sku) -> Result<Vec<OrderEvent>, OrderError> {
        self.check_draft()?;
        if !self.has(&sku) {
            return Err(OrderError::NotInOrder(sku));
        }
        Ok(vec![OrderEvent::LineRemoved { sku }])
    }

    fn has(&self, sku: &Sku) -> bool {
        self.lines.iter().any(|line| line.sku == *sku)
    }

    fn check_out(&self, card: CardToken) -> Result<Vec<OrderEvent>, OrderError> {
        self.check_draft()?;
        if self.lines.is_empty() {
            return Err(OrderError::NothingToCheckOut);
        }
        let total = check(&self.lines)?;
        Ok(vec![OrderEvent::CheckedOut { lines: self.lines.clone(), total, card }])
    }

    fn cancel(&self, reason: CancelReason) -> Result<Vec<OrderEvent>, OrderError> {
        match self.status {
            Status::Draft => Ok(vec![OrderEvent::Cancelled { reason, lines: vec![] }]),
            Status::CheckedOut => Ok(vec![OrderEvent::Cancelled { reason, lines: self.lines.clone() }]),
            Status::Cancelled => Ok(vec![]),
            Status::ReadyToShip | Status::Shipped => Err(OrderError::TooLateToCancel(self.status)),
        }
    }

    fn mark_reserved(&self, sku: Sku) -> Vec<OrderEvent> {
        if self.status != Status::CheckedOut || !self.awaited.contains(&sku) {
            return vec![];
        }
        let is_last = self.awaited.len() == 1;
        self.ready_if(is_last && self.paid, OrderEvent::StockReserved { sku })
    }

    fn mark_paid(&self, amount: Money) -> Vec<OrderEvent> {
        if self.status != Status::CheckedOut || self.paid {
            return vec![];
        }
        self.ready_if(self.awaited.is_empty(), OrderEvent::Paid { amount })
    }

    /// Whichever report comes last makes the order ready, in the same append.
    fn ready_if(&self, complete: bool, event: OrderEvent) -> Vec<OrderEvent> {
        let ready = complete.then(|| OrderEvent::ReadyToShip { lines: self.lines.clone() });
        [event].into_iter().chain(ready).collect()
    }

    fn mark_shipped(&self, tracking: String) -> Vec<OrderEvent> {
        match self.status {
            Status::ReadyToShip => vec![OrderEvent::Shipped { tracking }],
            _ => vec![],
        }
    }

    fn check_draft(&self) -> Result<(), OrderError> {
        if self.status == Status::Draft { Ok(()) } else { Err(OrderError::NotADraft(self.status)) }
    }
}
