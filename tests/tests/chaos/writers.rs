//! Those who write: accounts, which share with each other, and orders; and one who waits for what he has written.

use std::time::Duration;

use es_core::{Control, EventStoreExt, ExpectedVersion, ReadModelStore, ReadModels};

use crate::Run;
use crate::domain::{Account, AccountEvent, Order, OrderEvent, Tally, noted};
use crate::homes::Home;
use crate::random::Random;
use crate::world::id;

const ACCOUNTS: u64 = 14;
const NAMES: u64 = 4;

/// One of the accounts.
pub fn an_account(random: &mut Random) -> String {
    format!("account {}", random.below(ACCOUNTS))
}

/// One of the names that several accounts open and close things under.
pub fn a_name(random: &mut Random) -> String {
    format!("name {}", random.below(NAMES))
}

fn an_event<H: Home>(run: &Run<H>, random: &mut Random) -> AccountEvent {
    match random.below(100) {
        0..4 => noted(run.ailments.another()),
        4..25 => AccountEvent::SharedWith { accounts: (0..1 + random.below(3)).map(|_| an_account(random)).collect() },
        25..50 => noted(format!("+{}", a_name(random))),
        50..75 => noted(format!("-{}", a_name(random))),
        _ => noted("a note"),
    }
}

/// Whatever the store makes of an append: the log is the truth.
pub async fn write<H: Home>(run: Run<H>, actor: u64) {
    let (store, mut random) = (run.home.open().await, run.random(actor));
    while run.goes_on() {
        if random.percent(25) {
            let placed = OrderEvent::Placed { account: an_account(&mut random) };
            let order = format!("order {}", random.below(6));
            let _ = store.append_events::<Order>(&order, ExpectedVersion::Any, placed).await;
        } else {
            let events: Vec<AccountEvent> = (0..1 + random.below(4)).map(|_| an_event(&run, &mut random)).collect();
            let account = an_account(&mut random);
            let _ = store.append_events::<Account>(&account, ExpectedVersion::Any, events).await;
        }
        random.dawdle(Duration::from_millis(400)).await;
        tokio::time::sleep(Duration::from_millis(random.below(12))).await;
    }
}

/// What was waited for is there, and stays, if the wait came to its end.
pub async fn wait_for_own<H: Home>(run: Run<H>, actor: u64) {
    let (store, mut random) = (run.home.open().await, run.random(actor));
    let (mut nth, mut seen) = (0, 0);
    while run.goes_on() {
        nth += 1;
        let (name, account) = (format!("own {nth}"), format!("waits {}", random.below(5)));
        let opened = noted(format!("+{name}"));
        store.append_events::<Account>(&account, ExpectedVersion::Any, opened).await.unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        let whole = run.whole.read().await;
        if random.percent(20) {
            // Refused while it is being divided.
            let _ = store.control(&id("tally"), Control::Rebuild).await;
        }
        let documents = store.documents::<Tally<1>>().unwrap();
        // It may be paused, or nobody may run it.
        if let Ok(documents) = documents.catch_up_within(Duration::from_secs(1)).await {
            for _ in 0..4 {
                let own = documents.get(&name).await.unwrap();
                assert_eq!(own, Some(Tally { open: 1 }), "{name} of {account} was waited for");
                tokio::time::sleep(Duration::from_millis(random.below(20))).await;
            }
            seen += 1;
        }
        drop(whole);
    }
    eprintln!("{seen} of {nth} waits came to their end");
}
