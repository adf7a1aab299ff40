//! The stock's books: no piece is promised twice, none is lost.

use es_core::testing::{expect_snapshots_to_be_caches, given, given_nothing};
use order::domain::OrderId;
use order::domain::stock::{Stock, StockCommand, StockError, StockEvent};

use crate::words::sku;

fn order(number: u32) -> OrderId {
    OrderId(number.to_string())
}

fn receive(quantity: u32) -> StockCommand {
    StockCommand::Receive { id: sku("cup"), quantity }
}

fn reserve(number: u32, quantity: u32) -> StockCommand {
    StockCommand::Reserve { id: sku("cup"), order: order(number), quantity }
}

fn release(number: u32) -> StockCommand {
    StockCommand::Release { id: sku("cup"), order: order(number) }
}

fn take_out(number: u32) -> StockCommand {
    StockCommand::TakeOut { id: sku("cup"), order: order(number) }
}

fn received() -> StockEvent {
    StockEvent::Received { quantity: 10 }
}

fn reserved(number: u32, quantity: u32) -> StockEvent {
    StockEvent::Reserved { order: order(number), quantity }
}

fn books(on_hand: u64, available: u64) -> impl FnOnce(&Stock) {
    move |stock| assert_eq!((stock.on_hand, stock.available), (on_hand, available))
}

#[test]
fn what_is_reserved_is_on_hand_and_not_available() {
    given::<Stock>(received()).when(reserve(1, 4)).then(reserved(1, 4)).then_state(books(10, 6));
}

#[test]
fn the_last_piece_can_be_reserved_and_not_one_more() {
    given::<Stock>(received())
        .when(reserve(1, 10))
        .then(reserved(1, 10))
        .when(reserve(2, 1))
        .then(StockEvent::ReservationFailed { order: order(2), wanted: 1, available: 0 });
}

#[test]
fn of_an_unknown_article_there_is_nothing() {
    let failed = StockEvent::ReservationFailed { order: order(1), wanted: 1, available: 0 };
    given_nothing::<Stock>().when(reserve(1, 1)).then(failed);
}

#[test]
fn a_repeated_reservation_is_no_second_one() {
    given::<Stock>([received(), reserved(1, 4)]).when(reserve(1, 4)).then_nothing().then_state(books(10, 6));
}

#[test]
fn the_first_answer_stands_also_when_there_is_more_later() {
    let failed = StockEvent::ReservationFailed { order: order(1), wanted: 4, available: 0 };
    given::<Stock>([failed, received()]).when(reserve(1, 4)).then_nothing();
}

#[test]
fn what_is_released_is_available_again_once() {
    given::<Stock>([received(), reserved(1, 4)])
        .when(release(1))
        .then(StockEvent::Released { order: order(1), quantity: 4 })
        .then_state(books(10, 10))
        .when(release(1))
        .then_nothing()
        .when(reserve(1, 4))
        .then_nothing();
}

#[test]
fn what_is_released_before_it_is_reserved_is_not_reserved_any_more() {
    given::<Stock>(received())
        .when(release(1))
        .then(StockEvent::Released { order: order(1), quantity: 0 })
        .when(reserve(1, 4))
        .then_nothing()
        .then_state(books(10, 10));
}

#[test]
fn what_is_taken_out_is_gone_once() {
    given::<Stock>([received(), reserved(1, 4)])
        .when(take_out(1))
        .then(StockEvent::TakenOut { order: order(1), quantity: 4 })
        .then_state(books(6, 6))
        .when(take_out(1))
        .then_nothing()
        .when(release(1))
        .then_nothing();
}

#[test]
fn only_what_is_reserved_is_taken_out() {
    given::<Stock>(received()).when(take_out(1)).then_rejected(StockError::NotReserved(order(1)));
    let released = StockEvent::Released { order: order(1), quantity: 0 };
    given::<Stock>([received(), released]).when(take_out(1)).then_rejected(StockError::NotReserved(order(1)));
}

#[test]
fn a_delivery_of_nothing_is_none() {
    given_nothing::<Stock>().when(receive(0)).then_rejected(StockError::NothingReceived);
    given_nothing::<Stock>().when(receive(10)).then(received());
}

#[test]
fn snapshots_are_only_a_cache() {
    expect_snapshots_to_be_caches::<Stock>(vec![
        received(),
        reserved(1, 4),
        reserved(2, 5),
        StockEvent::ReservationFailed { order: order(3), wanted: 2, available: 1 },
        StockEvent::Released { order: order(2), quantity: 5 },
        StockEvent::TakenOut { order: order(1), quantity: 4 },
    ]);
}
