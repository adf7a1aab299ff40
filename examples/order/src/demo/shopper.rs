//! Sends requests, and tells what became of them.

use std::time::{Duration, Instant};

use order::client::{Answer, Client, Request};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Failure, screen};

/// How long the rest may take to follow.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many articles are named.
const FEW: usize = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(crate) struct Shopper {
    pub(crate) client: Client,
    /// Behind all names, where somebody has been shopping before.
    pub(crate) suffix: String,
}

impl Shopper {
    /// A name that nobody has used before.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// The conversation in which an order is placed, changed and paid.
    pub(crate) fn conversation(id: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes())
    }

    pub(crate) fn talking(&self, id: &str, request: Request) -> Request {
        request.header("X-Correlation-Id", Self::conversation(id)).header("X-Client", self.name("demo"))
    }

    pub(crate) fn post_as(&self, id: &str, path: &str) -> Request {
        self.talking(id, self.client.post(path))
    }

    /// Sends a request, shows what came of it, and fails if that is not what it should be.
    pub(crate) async fn step(
        &self,
        request: Request,
        status: u16,
        says: impl FnOnce(&Value) -> String,
    ) -> Result<Answer, Failure> {
        let answer = request.clone().send().await?;
        self.show(&request, &answer, says);
        self.check(&request, &answer, status)?;
        Ok(answer)
    }

    pub(crate) fn show(&self, request: &Request, answer: &Answer, says: impl FnOnce(&Value) -> String) {
        let replayed = if answer.header("idempotency-replayed").is_some() { " (replayed)" } else { "" };
        screen::request(request, answer.status.as_u16(), &format!("{}{replayed}", says(&answer.json())));
    }

    fn check(&self, request: &Request, answer: &Answer, status: u16) -> Result<(), Failure> {
        if answer.status == status {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!("{} {} should have been {status}: {} {body}", request.method, request.path, answer.status).into())
    }

    /// Looks at an order until it is as wanted: what follows from an event follows by and by.
    pub(crate) async fn settled(&self, id: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Answer, Failure> {
        self.wait_for(&format!("/orders/{id}"), is_wanted).await
    }

    async fn wait_for(&self, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Answer, Failure> {
        let begun = Instant::now();
        loop {
            let answer = self.client.get(path).send().await?;
            if is_wanted(&answer.json()) {
                return Ok(answer);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{path} never became what it should: {}", answer.json()).into());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Shows the stock of an article, once nothing of it is held any more.
    pub(crate) async fn stock(&self, article: &str) -> Result<(), Failure> {
        let path = format!("/stock/{}", self.name(article));
        self.wait_for(&path, |stock| stock["on_hand"].is_u64() && stock["on_hand"] == stock["available"]).await?;
        let says = |stock: &Value| format!("{} on hand, {} available", stock["on_hand"], stock["available"]);
        self.step(self.client.get(path), 200, says).await?;
        Ok(())
    }

    pub(crate) async fn receive(&self, article: &str, quantity: u64) -> Result<(), Failure> {
        let path = format!("/stock/{}/receipts", self.name(article));
        let receipt = self.client.post(path).json(&json!({ "quantity": quantity }));
        self.step(receipt, 200, |stock| format!("{} on hand", stock["on_hand"])).await?;
        Ok(())
    }

    /// A request to place an order, and one to check it out.
    pub(crate) fn purchase(&self, id: &str, customer: &str, lines: &[Value], card: &str) -> [Request; 2] {
        let place = json!({ "id": id, "customer": customer, "lines": lines });
        let pay = self.post_as(id, &format!("/orders/{id}/checkout")).json(&json!({ "card": card }));
        [self.post_as(id, "/orders").json(&place), pay]
    }

    /// Buys like many others at once, without a word, and tells how it ended.
    pub(crate) async fn race(&self, id: String, place: Request, pay: Request) -> Result<Ending, Failure> {
        self.quietly(place, 201).await?;
        self.quietly(pay, 200).await?;
        let order = self.settled(&id, has_ended).await?.json();
        Ok(Ending { id, order: text(&order["status"]), payment: text(&order["payment"]["status"]) })
    }

    pub(crate) async fn quietly(&self, request: Request, status: u16) -> Result<Answer, Failure> {
        let answer = request.clone().send().await?;
        self.check(&request, &answer, status)?;
        Ok(answer)
    }

    /// Shows an order that has come to its end.
    pub(crate) async fn ending(&self, id: &str) -> Result<(), Failure> {
        self.settled(id, has_ended).await?;
        let order = self.step(self.client.get(format!("/orders/{id}")), 200, order).await?.json();
        if let (Some(reason), why) = (order["cancelled"]["reason"].as_str(), &order["cancelled"]) {
            let what = why["sku"].as_str().or(why["why"].as_str()).unwrap_or_default();
            screen::more(format!("{reason} {what}"));
        }
        screen::more(format!("payment {}, {}", text(&order["payment"]["status"]), cents(&order["payment"]["amount"])));
        if let Some(tracking) = order["shipment"]["tracking"].as_str() {
            screen::more(tracking);
        }
        Ok(())
    }
}

/// Nothing follows any more that could be seen in the order.
pub(crate) fn has_ended(order: &Value) -> bool {
    match order["status"].as_str() {
        Some("shipped") => true,
        Some("cancelled") => matches!(order["payment"]["status"].as_str(), Some("refunded" | "cancelled" | "failed")),
        _ => false,
    }
}

/// What became of an order, and of the payment for it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ending {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) payment: String,
}

/// An order in short, with its articles, if they are few.
pub(crate) fn order(order: &Value) -> String {
    let lines: Vec<String> = order["lines"].as_array().into_iter().flatten().map(|line| text(&line["sku"])).collect();
    let lines = if lines.len() <= FEW { lines.join(", ") } else { format!("{} articles", lines.len()) };
    format!("version {}, {}: {lines}", order["version"], text(&order["status"]))
}

/// A problem in short: what kind it is, or what it says, where its status is all there is to it.
pub(crate) fn problem(problem: &Value) -> String {
    text(if problem["type"] == "about:blank" { &problem["detail"] } else { &problem["title"] })
}

/// A text without its quotes, where there is one.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An amount.
pub(crate) fn cents(value: &Value) -> String {
    order::domain::Money(value.as_u64().unwrap_or_default()).to_string()
}
