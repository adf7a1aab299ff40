//! Goes shopping, over HTTP, and tells what happens.

mod rush;
mod shopper;
mod tree;

use std::net::Ipv4Addr;

use es_core::{EventId, Position, ReadModelStore};
use order::client::Client;
use order::http::serve;
use order::service;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{Failure, screen};
use shopper::{Shopper, text};

/// Serves on a free port, goes shopping there, and stops serving.
pub(crate) async fn run<S: ReadModelStore>(store: S, whereabouts: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    // Fresh names, because on PostgreSQL yesterday's orders are still there.
    let is_first = store.log_end().await? == Position::START;
    let suffix = if is_first { String::new() } else { format!("-{}", EventId::new().to_string().split_off(32)) };
    let runner = service::runner(&store);
    let service = tokio::spawn(serve(listener, store, runner, async {
        // Told to stop, or nobody is left who could tell.
        let _ = stopped.await;
    }));
    screen::title(&format!("The shop on http://{address}, {whereabouts}"));
    let told = shopping(Shopper { client: Client::new(address), suffix }).await;
    // The service listens for it until it has ended by itself, which the next line tells.
    let _ = stop.send(());
    service.await??;
    told
}

async fn shopping(shopper: Shopper) -> Result<(), Failure> {
    stock_comes_in(&shopper).await?;
    let order = an_order_is_placed(&shopper).await?;
    an_answer_is_lost(&shopper, &order).await?;
    a_page_is_stale(&shopper, &order).await?;
    everything_follows(&shopper, &order).await?;
    a_card_is_declined(&shopper).await?;
    rush::no_samovar(&shopper).await?;
    rush::more_fans_than_kettles(&shopper).await?;
    what_the_shop_shows(&shopper).await?;
    tree::why_it_came_to_that(&shopper, &order).await
}

async fn stock_comes_in(shopper: &Shopper) -> Result<(), Failure> {
    screen::chapter("Stock comes in");
    for (article, quantity) in [("teapot", 10), ("cup", 20)] {
        shopper.receive(article, quantity).await?;
    }
    Ok(())
}

/// A draft, its lines, and one that is taken back.
async fn an_order_is_placed(shopper: &Shopper) -> Result<String, Failure> {
    screen::chapter("An order is placed, and changed");
    let id = shopper.name("ada");
    let line = |article, quantity, price| json!({ "sku": shopper.name(article), "quantity": quantity, "price": price });
    let order = json!({ "id": id, "customer": shopper.name("ada"), "lines": [line("teapot", 2, 1_200)] });
    shopper.step(shopper.post_as(&id, "/orders").json(&order), 201, shopper::order).await?;
    let lines = format!("/orders/{id}/lines");
    for (article, quantity, price) in [("cup", 1, 700), ("spoon", 6, 250)] {
        let request = shopper.post_as(&id, &lines).json(&line(article, quantity, price));
        shopper.step(request, 200, shopper::order).await?;
    }
    let spoon = shopper.client.delete(format!("{lines}/{}", shopper.name("spoon")));
    shopper.step(shopper.talking(&id, spoon), 200, shopper::order).await?;
    Ok(id)
}

/// The same key: the same answer, and nothing is done twice.
async fn an_answer_is_lost(shopper: &Shopper, id: &str) -> Result<(), Failure> {
    screen::chapter("An answer is lost, and the request is sent again");
    let add = |quantity| {
        let mug = json!({ "sku": shopper.name("mug"), "quantity": quantity, "price": 900 });
        let request = shopper.post_as(id, &format!("/orders/{id}/lines"));
        request.header("Idempotency-Key", format!("\"{}\"", shopper.name("add"))).json(&mug)
    };
    shopper.step(add(1), 200, shopper::order).await?;
    shopper.step(add(1), 200, shopper::order).await?;
    screen::more("the same answer, and nothing was done twice");
    shopper.step(add(2), 422, shopper::problem).await?;
    let away = shopper.client.delete(format!("/orders/{id}/lines/{}", shopper.name("mug")));
    shopper.step(shopper.talking(id, away), 200, shopper::order).await?;
    Ok(())
}

/// `If-Match` with what somebody saw a while ago.
async fn a_page_is_stale(shopper: &Shopper, id: &str) -> Result<(), Failure> {
    screen::chapter("A decision on what is no longer so");
    let check_out = |tag: &str| {
        let request = shopper.post_as(id, &format!("/orders/{id}/checkout"));
        request.header("If-Match", tag).json(&json!({ "card": "tok-1" }))
    };
    shopper.step(check_out("\"2\""), 412, shopper::problem).await?;
    let seen = shopper.settled(id, |order| order["version"] == 6).await?;
    let tag = seen.header("etag").unwrap_or_default();
    let look = || shopper.client.get(format!("/orders/{id}"));
    shopper.step(look(), 200, |order| format!("version {}, ETag {tag}", order["version"])).await?;
    shopper.step(look().header("If-None-Match", tag), 304, |_| "nothing new".into()).await?;
    shopper.step(check_out(tag), 200, shopper::order).await?;
    Ok(())
}

async fn everything_follows(shopper: &Shopper, id: &str) -> Result<(), Failure> {
    screen::chapter("The rest follows by itself");
    shopper.ending(id).await?;
    shopper.stock("teapot").await
}

async fn a_card_is_declined(shopper: &Shopper) -> Result<(), Failure> {
    screen::chapter("A card is declined: what was done by then is undone");
    let id = shopper.name("bob");
    let line = json!({ "sku": shopper.name("teapot"), "quantity": 4, "price": 1_200 });
    let [place, pay] = shopper.purchase(&id, &id, &[line], "declined");
    shopper.step(place, 201, shopper::order).await?;
    shopper.step(pay, 200, shopper::order).await?;
    shopper.ending(&id).await?;
    shopper.stock("teapot").await
}

async fn what_the_shop_shows(shopper: &Shopper) -> Result<(), Failure> {
    screen::chapter("What the shop shows");
    let orders = |page: &serde_json::Value| {
        let orders = page["orders"].as_array().map_or(0, Vec::len);
        let orders = if orders == 1 { "1 order".to_owned() } else { format!("{orders} orders") };
        format!("{orders}, {}", if page["next"].is_null() { "the last page" } else { "and more" })
    };
    let mut path = format!("/orders?customer={}&limit=3", shopper.name("fans"));
    loop {
        let page = shopper.step(shopper.client.get(path), 200, orders).await?.json();
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    let cancelled = format!("/orders?customer={}&status=cancelled", shopper.name("bob"));
    shopper.step(shopper.client.get(cancelled), 200, orders).await?;
    let health = shopper.client.get("/health");
    shopper.step(health, 200, |health| text(&health["status"])).await?;
    Ok(())
}
