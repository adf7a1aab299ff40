//! The example as its user runs it, and the transfer's three endings.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::Command;

use bank_account::domain::{Account, AccountCommand, AccountError};
use bank_account::service::{TransferError, transfer};
use es_core::EventStoreExt;
use es_memory::MemoryStore;

#[test]
fn the_example_tells_the_whole_story() {
    let output = Command::new(env!("CARGO_BIN_EXE_bank-account")).env_remove("DATABASE_URL").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for told in [
        "refused: the bank says no: InsufficientFunds",
        "conflict: stream `account-ada-",
        "is at version 3, expected 2",
        "Bob has 25",
        "given back to the sender: the bank says no: NotOpen",
        "because of version 14",
        "Balance at version 2                        100",
        "17 events behind position 0",
        "Balance of Ada                              13",
        "Balance of Bob                              32",
        "Projection statement v1                     took in 18 events, 0 behind",
    ] {
        assert!(text.contains(told), "missing: {told}\n{text}");
    }
    let tries: u32 = text.split("all stored after ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(tries > 8, "slow deposits at once must meet conflicts: {tries}");
}

async fn bank() -> MemoryStore {
    let store = MemoryStore::new();
    for id in ["ada", "bob"] {
        store.execute(AccountCommand::Open { id: id.into(), owner: id.into() }).await.unwrap();
    }
    store.execute(AccountCommand::Deposit { id: "ada".into(), amount: 100 }).await.unwrap();
    store
}

async fn balance(store: &MemoryStore, id: &str) -> u128 {
    store.load::<Account>(id).await.unwrap().balance
}

#[tokio::test]
async fn a_transfer_is_one_conversation() {
    let store = bank().await;
    let sent = transfer(&store, "ada", "bob", 30).await.unwrap();
    assert_eq!((balance(&store, "ada").await, balance(&store, "bob").await), (70, 30));
    let received = store.events::<Account>("bob").unwrap().backwards().next().await.unwrap().unwrap();
    assert_eq!(received.metadata.correlation_id, sent.events[0].metadata.correlation_id);
    assert_eq!(received.metadata.causation_id, Some(sent.events[0].id.into()));
}

#[tokio::test]
async fn a_transfer_that_cannot_be_delivered_is_given_back() {
    let store = bank().await;
    let error = transfer(&store, "ada", "nobody", 30).await.unwrap_err();
    assert!(
        matches!(&error, TransferError::GivenBack(why) if why.rejection() == Some(&AccountError::NotOpen)),
        "{error}"
    );
    assert_eq!(balance(&store, "ada").await, 100);
}

#[tokio::test]
async fn a_transfer_of_what_is_not_there_takes_nothing() {
    let store = bank().await;
    let error = transfer(&store, "ada", "bob", 101).await.unwrap_err();
    assert!(matches!(error, TransferError::NotTaken(_)), "{error}");
    assert_eq!((balance(&store, "ada").await, balance(&store, "bob").await), (100, 0));
}

#[tokio::test]
async fn a_transfer_to_oneself_changes_nothing() {
    let store = bank().await;
    transfer(&store, "ada", "ada", 30).await.unwrap();
    assert_eq!(balance(&store, "ada").await, 100);
}
