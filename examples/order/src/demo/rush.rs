//! More that is wanted than there is.

use serde_json::json;
use tokio::task::JoinSet;

use super::shopper::{Ending, Shopper, cents, has_ended, order};
use crate::{Failure, screen};

const FANS: usize = 5;
const KETTLES: u64 = 2;
/// What a kettle costs, in cents.
const PRICE: u64 = 3_000;

/// So many articles a party needs, and a samovar. Reserving them takes a while, in which the money is captured.
const PARTY: usize = 60;
/// So often is a party tried, until the money is captured before it turns out that there is no samovar.
const TRIES: u32 = 10;

/// Whoever comes first gets one.
pub(super) async fn more_fans_than_kettles(shopper: &Shopper) -> Result<(), Failure> {
    screen::chapter(&format!("{FANS} want one of {KETTLES} kettles, all at once"));
    shopper.receive("kettle", KETTLES).await?;
    let mut fans = JoinSet::new();
    for number in 1..=FANS {
        let (shopper, id) = (shopper.clone(), shopper.name(&format!("fan{number}")));
        let line = json!({ "sku": shopper.name("kettle"), "quantity": 1, "price": PRICE });
        let [place, pay] = shopper.purchase(&id, &shopper.name("fans"), &[line], "tok-1");
        fans.spawn(async move { shopper.race(id, place, pay).await });
    }
    let mut endings = Vec::new();
    while let Some(ended) = fans.join_next().await {
        endings.push(ended??);
    }
    endings.sort();
    for Ending { id, order, payment } in &endings {
        screen::line(id, &format!("{order}, payment {payment}"));
    }
    let paid = endings.iter().filter(|ending| ending.payment == "captured").count();
    screen::line("the shop keeps", &cents(&json!(u64::try_from(paid)? * PRICE)));
    shopper.stock("kettle").await
}

/// The payment is captured while the stock of one article after the other is reserved. Then it turns out that the last one is missing.
pub(super) async fn no_samovar(shopper: &Shopper) -> Result<(), Failure> {
    screen::chapter("Out of stock when it is paid already: the money goes back");
    let mut lines = Vec::new();
    for number in 1..=PARTY {
        let article = shopper.name(&format!("plate{number}"));
        let receipt = shopper.client.post(format!("/stock/{article}/receipts")).json(&json!({ "quantity": 5 }));
        shopper.quietly(receipt, 200).await?;
        lines.push(json!({ "sku": article, "quantity": 2, "price": 200 }));
    }
    lines.push(json!({ "sku": shopper.name("samovar"), "quantity": 1, "price": 20_000 }));
    for round in 1..=TRIES {
        let id = shopper.name(&if round == 1 { "eve".to_owned() } else { format!("eve{round}") });
        let [place, pay] = shopper.purchase(&id, &shopper.name("eve"), &lines, "tok-1");
        let placed = shopper.quietly(place.clone(), 201).await?;
        let paid = shopper.quietly(pay.clone(), 200).await?;
        // Who is faster is nobody's to say. Mostly it is the provider.
        let has_ended = shopper.settled(&id, has_ended).await?.json();
        if has_ended["payment"]["status"] == "refunded" || round == TRIES {
            shopper.show(&place, &placed, order);
            shopper.show(&pay, &paid, order);
            shopper.ending(&id).await?;
            return shopper.stock("plate1").await;
        }
    }
    Ok(())
}
