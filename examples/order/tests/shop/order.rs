//! The order's life, and what it refuses.

use es_core::testing::{given, given_nothing};
use order::domain::Money;
use order::domain::order::{CancelReason, MAX_LINES, Order, OrderCommand, OrderError, OrderEvent, Status};
use order::domain::payment::Decline;

use crate::words::{TOTAL, ada, card, id, line, lines, sku};

fn place() -> OrderCommand {
    OrderCommand::Place { id: id(), customer: ada(), lines: lines() }
}

fn placed() -> OrderEvent {
    OrderEvent::Placed { customer: ada(), lines: lines() }
}

fn checked_out() -> [OrderEvent; 2] {
    [placed(), OrderEvent::CheckedOut { lines: lines(), total: TOTAL, card: card() }]
}

fn check_out() -> OrderCommand {
    OrderCommand::CheckOut { id: id(), card: card() }
}

fn cancel(reason: CancelReason) -> OrderCommand {
    OrderCommand::Cancel { id: id(), reason }
}

fn add(name: &str, quantity: u32, cents: u64) -> OrderCommand {
    OrderCommand::AddLine { id: id(), line: line(name, quantity, cents) }
}

fn remove(name: &str) -> OrderCommand {
    OrderCommand::RemoveLine { id: id(), sku: sku(name) }
}

fn mark_reserved(name: &str) -> OrderCommand {
    OrderCommand::MarkReserved { id: id(), sku: sku(name) }
}

fn mark_paid() -> OrderCommand {
    OrderCommand::MarkPaid { id: id(), amount: TOTAL }
}

fn mark_shipped() -> OrderCommand {
    OrderCommand::MarkShipped { id: id(), tracking: "track-1".into() }
}

fn reserved(name: &str) -> OrderEvent {
    OrderEvent::StockReserved { sku: sku(name) }
}

fn ready() -> OrderEvent {
    OrderEvent::ReadyToShip { lines: lines() }
}

#[test]
fn an_order_is_placed_once() {
    given_nothing::<Order>().when(place()).then(placed()).when(place()).then_rejected(OrderError::AlreadyPlaced);
}

#[test]
fn what_was_never_placed_is_nothing() {
    for command in [check_out(), mark_paid(), cancel(CancelReason::CustomerWish), add("cup", 1, 700)] {
        given_nothing::<Order>().when(command).then_rejected(OrderError::NotPlaced);
    }
}

#[test]
fn lines_come_and_go_while_it_is_a_draft() {
    let spoon = line("spoon", 6, 250);
    given::<Order>(placed())
        .when(add("spoon", 6, 250))
        .then(OrderEvent::LineAdded { line: spoon.clone() })
        .when(remove("teapot"))
        .then(OrderEvent::LineRemoved { sku: sku("teapot") })
        .then_state(|order| assert_eq!(order.lines, [line("cup", 1, 700), spoon]));
}

#[test]
fn an_article_has_one_line_with_at_least_one_piece() {
    given::<Order>(placed()).when(add("cup", 1, 700)).then_rejected(OrderError::AlreadyInOrder(sku("cup")));
    given::<Order>(placed()).when(add("spoon", 0, 250)).then_rejected(OrderError::NoPieces(sku("spoon")));
    given::<Order>(placed()).when(remove("spoon")).then_rejected(OrderError::NotInOrder(sku("spoon")));
    let twice = OrderCommand::Place { id: id(), customer: ada(), lines: [lines(), lines()].concat() };
    given_nothing::<Order>().when(twice).then_rejected(OrderError::TwoLinesOf(sku("teapot")));
}

#[test]
fn an_order_has_so_many_lines_and_no_more() {
    let many = |count: usize| (0..count).map(|number| line(&format!("cup-{number}"), 1, 700)).collect::<Vec<_>>();
    let place = |count| OrderCommand::Place { id: id(), customer: ada(), lines: many(count) };
    let full = OrderEvent::Placed { customer: ada(), lines: many(MAX_LINES) };
    given_nothing::<Order>().when(place(MAX_LINES + 1)).then_rejected(OrderError::TooManyLines);
    given_nothing::<Order>()
        .when(place(MAX_LINES))
        .then(full)
        .when(add("spoon", 1, 250))
        .then_rejected(OrderError::TooManyLines);
}

#[test]
fn what_cannot_be_counted_cannot_be_ordered() {
    given::<Order>(placed()).when(add("palace", 2, u64::MAX / 2)).then_rejected(OrderError::TooExpensive);
    given::<Order>(placed()).when(add("palace", 3, u64::MAX / 2)).then_rejected(OrderError::TooExpensive);
}

#[test]
fn checking_out_settles_the_lines_and_the_total() {
    given::<Order>(placed())
        .when(add("spoon", 6, 250))
        .when(check_out())
        .then(OrderEvent::CheckedOut {
            lines: [lines(), vec![line("spoon", 6, 250)]].concat(),
            total: Money(4_600),
            card: card(),
        })
        .when(add("fork", 1, 100))
        .then_rejected(OrderError::NotADraft(Status::CheckedOut))
        .when(check_out())
        .then_rejected(OrderError::NotADraft(Status::CheckedOut));
}

#[test]
fn nothing_is_not_checked_out() {
    let empty = OrderEvent::Placed { customer: ada(), lines: vec![] };
    given::<Order>(empty).when(check_out()).then_rejected(OrderError::NothingToCheckOut);
}

#[test]
fn the_last_report_makes_it_ready_whichever_that_is() {
    given::<Order>(checked_out())
        .when(mark_reserved("cup"))
        .then(reserved("cup"))
        .when(mark_reserved("teapot"))
        .then(reserved("teapot"))
        .when(mark_paid())
        .then([OrderEvent::Paid { amount: TOTAL }, ready()]);
    given::<Order>(checked_out())
        .when(mark_paid())
        .then(OrderEvent::Paid { amount: TOTAL })
        .when(mark_reserved("cup"))
        .then(reserved("cup"))
        .when(mark_reserved("teapot"))
        .then([reserved("teapot"), ready()])
        .when(mark_shipped())
        .then(OrderEvent::Shipped { tracking: "track-1".into() });
}

#[test]
fn a_report_that_comes_again_decides_nothing() {
    given::<Order>(checked_out())
        .and([reserved("cup"), OrderEvent::Paid { amount: TOTAL }])
        .when(mark_reserved("cup"))
        .then_nothing()
        .when(mark_paid())
        .then_nothing()
        .when(mark_shipped())
        .then_nothing();
    given::<Order>(checked_out())
        .and([ready(), OrderEvent::Shipped { tracking: "track-1".into() }])
        .when(mark_shipped())
        .then_nothing();
}

#[test]
fn a_report_that_comes_too_late_decides_nothing() {
    given::<Order>(checked_out())
        .when(cancel(CancelReason::OutOfStock { sku: sku("cup") }))
        .then(OrderEvent::Cancelled { reason: CancelReason::OutOfStock { sku: sku("cup") }, lines: lines() })
        .when(mark_reserved("teapot"))
        .then_nothing()
        .when(mark_paid())
        .then_nothing()
        .when(cancel(CancelReason::PaymentFailed { why: Decline::CardDeclined }))
        .then_nothing();
}

#[test]
fn a_cancelled_draft_leaves_nothing_to_undo() {
    given::<Order>(placed())
        .when(cancel(CancelReason::CustomerWish))
        .then(OrderEvent::Cancelled { reason: CancelReason::CustomerWish, lines: vec![] });
}

#[test]
fn what_is_ready_to_ship_is_not_cancelled() {
    given::<Order>(checked_out())
        .and(ready())
        .when(cancel(CancelReason::CustomerWish))
        .then_rejected(OrderError::TooLateToCancel(Status::ReadyToShip));
}
