//! The domain, tested without a store.

use bank_account::domain::{Account, AccountCommand, AccountError, AccountEvent};
use es_core::testing::{given, given_nothing};

fn open() -> AccountCommand {
    AccountCommand::Open { id: "ada".into(), owner: "Ada".into() }
}

fn deposit(amount: u64) -> AccountCommand {
    AccountCommand::Deposit { id: "ada".into(), amount }
}

fn withdraw(amount: u64) -> AccountCommand {
    AccountCommand::Withdraw { id: "ada".into(), amount }
}

fn opened() -> AccountEvent {
    AccountEvent::Opened { owner: "Ada".into() }
}

#[test]
fn an_account_is_opened_once() {
    given_nothing::<Account>().when(open()).then(opened()).when(open()).then_rejected(AccountError::AlreadyOpen);
}

#[test]
fn nothing_is_paid_into_or_taken_from_an_account_that_is_not_open() {
    given_nothing::<Account>().when(deposit(5)).then_rejected(AccountError::NotOpen);
    given_nothing::<Account>().when(withdraw(5)).then_rejected(AccountError::NotOpen);
}

#[test]
fn the_last_cent_can_be_withdrawn_and_not_one_more() {
    given::<Account>([opened(), AccountEvent::Deposited { amount: 50 }])
        .when(withdraw(50))
        .then(AccountEvent::Withdrawn { amount: 50 })
        .then_state(|account| assert_eq!(account.balance, 0))
        .when(withdraw(1))
        .then_rejected(AccountError::InsufficientFunds);
}

#[test]
fn the_largest_deposits_add_up() {
    given::<Account>(opened())
        .when(deposit(u64::MAX))
        .when(deposit(u64::MAX))
        .then_state(|account| assert_eq!(account.balance, 2 * u128::from(u64::MAX)));
}

/// The smallest peers need 56 lines for the same.
#[test]
fn the_whole_domain_takes_at_most_45_lines() {
    let lines = include_str!("../src/domain.rs").lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 45, "the domain takes {lines} lines that are not blank");
}

#[test]
fn the_read_models_take_at_most_15_lines_more() {
    let lines = include_str!("../src/read_models.rs").lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 15, "the read models take {lines} lines that are not blank");
}
