//! The payment's states, and that money is taken and given back once.

use es_core::testing::{given, given_nothing};
use order::domain::payment::{Decline, Payment, PaymentCommand, PaymentError, PaymentEvent};

use crate::words::{TOTAL, card, id};

fn request() -> PaymentCommand {
    PaymentCommand::Request { id: id(), amount: TOTAL, card: card() }
}

fn requested() -> PaymentEvent {
    PaymentEvent::Requested { amount: TOTAL, card: card() }
}

fn authorise() -> PaymentCommand {
    PaymentCommand::Authorise { id: id() }
}

fn capture() -> PaymentCommand {
    PaymentCommand::Capture { id: id() }
}

fn cancel() -> PaymentCommand {
    PaymentCommand::Cancel { id: id() }
}

fn fail() -> PaymentCommand {
    PaymentCommand::Fail { id: id(), why: Decline::CardDeclined }
}

fn captured() -> [PaymentEvent; 3] {
    [requested(), PaymentEvent::Authorised, PaymentEvent::Captured { amount: TOTAL }]
}

#[test]
fn what_is_requested_is_authorised_and_captured() {
    given_nothing::<Payment>()
        .when(request())
        .then(requested())
        .when(authorise())
        .then(PaymentEvent::Authorised)
        .when(capture())
        .then(PaymentEvent::Captured { amount: TOTAL })
        .then_state(|payment| assert_eq!(*payment, Payment::Captured { amount: TOTAL }));
}

#[test]
fn each_step_is_taken_once() {
    for again in [request(), authorise(), capture()] {
        given::<Payment>(captured()).when(again).then_nothing();
    }
}

#[test]
fn no_step_is_left_out() {
    for early in [authorise(), capture(), fail()] {
        given_nothing::<Payment>().when(early).then_rejected(PaymentError::NotRequested);
    }
    given::<Payment>(requested()).when(capture()).then_rejected(PaymentError::NotAuthorised);
}

#[test]
fn what_the_provider_declines_has_failed_for_good() {
    given::<Payment>(requested())
        .when(fail())
        .then(PaymentEvent::Failed { why: Decline::CardDeclined })
        .when(authorise())
        .then_nothing()
        .when(capture())
        .then_nothing()
        .when(cancel())
        .then_nothing();
}

#[test]
fn what_was_captured_is_given_back_once() {
    given::<Payment>(captured())
        .when(cancel())
        .then(PaymentEvent::Refunded { amount: TOTAL })
        .when(cancel())
        .then_nothing()
        .when(capture())
        .then_nothing();
}

#[test]
fn what_is_cancelled_in_time_is_never_captured() {
    given::<Payment>([requested(), PaymentEvent::Authorised])
        .when(cancel())
        .then(PaymentEvent::Cancelled)
        .when(capture())
        .then_nothing();
}

#[test]
fn what_is_cancelled_before_it_is_requested_is_not_requested_any_more() {
    given_nothing::<Payment>().when(cancel()).then(PaymentEvent::Cancelled).when(request()).then_nothing();
}
