//! The payment provider and the carrier as other houses are: with books in a database of their own, and not always reachable.
//!
//! They know a repeat by its token, and do nothing for it but answer. Each time that somebody asks is noted all the same.

use es_core::{BoxError, EventId};
use order::domain::payment::Decline;
use order::domain::{CardToken, Money, OrderId};
use order::partners::{Authorisation, DECLINED_CARD, LIMIT, Partners};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor, Row};
use uuid::Uuid;

use crate::faults::{Failed, Faults, Odds};
use crate::process::{How, NAME};

const REQUESTS: Odds = Odds { slow: 1_500, before: 400, behind: 400, death: 60 };
/// Where repeats are not known, a few have to be made for certain.
const FORGETFUL: Odds = Odds { behind: 2_000, ..REQUESTS };
/// So often a house that has trouble with an order says so: more often than an effect is tried.
const REFUSALS: i64 = 12;

const BUILD: &str = "
    CREATE TABLE asked (
        nth bigint GENERATED ALWAYS AS IDENTITY, token uuid, service text, order_id text, amount bigint);
    CREATE INDEX ON asked (order_id);
    CREATE TABLE booked (token uuid PRIMARY KEY, service text, order_id text, amount bigint, answer text)";

/// Gives the number of times that this was asked before.
const NOTE: &str = "
    WITH noted AS (INSERT INTO asked (token, service, order_id, amount) VALUES ($1, $2, $3, $4))
    SELECT count(*) FROM asked WHERE order_id = $3 AND service = $2";

/// Under a token that is known already, the answer of then.
const BOOK: &str = "
    INSERT INTO booked (token, service, order_id, amount, answer) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (token) DO UPDATE SET token = booked.token
    RETURNING answer";

/// For the orders of some customers, things are refused for a while. As good as by chance, and the same in all processes.
pub(crate) fn is_stubborn(order: &str) -> bool {
    order.ends_with("13") || order.ends_with("66")
}

pub(crate) async fn build(url: &str) {
    connect(url).await.execute(BUILD).await.unwrap();
}

pub(crate) async fn connect(url: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new().max_connections(2).connect_with(options.application_name(NAME)).await.unwrap()
}

#[derive(Clone)]
pub(crate) struct Houses {
    pub(crate) books: PgPool,
    pub(crate) faults: Faults,
    pub(crate) how: How,
}

/// What a house is asked for.
struct Asked<'a> {
    token: EventId,
    service: &'static str,
    order: &'a OrderId,
    amount: Money,
}

impl Houses {
    /// Does it, unless it was done, and answers as it did then.
    async fn ask(&self, asked: Asked<'_>, answer: &str) -> Result<String, BoxError> {
        let Asked { token, service, order, amount } = asked;
        let token = if self.how == How::FreshTokens { Uuid::now_v7() } else { token.0 };
        let amount = i64::try_from(amount.0)?;
        let note = sqlx::query(NOTE).bind(token).bind(service).bind(&order.0).bind(amount);
        let before: i64 = note.fetch_one(&self.books).await?.get(0);
        if before < REFUSALS && is_stubborn(&order.0) && self.faults.are_there() {
            return Err(Failed::Before.into());
        }
        let book = sqlx::query(BOOK).bind(token).bind(service).bind(&order.0).bind(amount).bind(answer);
        let booked = async { Ok(book.fetch_one(&self.books).await?.get(0)) };
        let odds = if self.how == How::FreshTokens { FORGETFUL } else { REQUESTS };
        self.faults.around(odds, BoxError::from, booked).await
    }
}

impl Partners for Houses {
    async fn authorise(
        &self,
        token: EventId,
        order: &OrderId,
        card: &CardToken,
        amount: Money,
    ) -> Result<Authorisation, BoxError> {
        let answer = match card.0.as_str() {
            DECLINED_CARD => "declined",
            _ if amount > LIMIT => "over limit",
            _ => "granted",
        };
        let answer = self.ask(Asked { token, service: "authorise", order, amount }, answer).await?;
        Ok(match answer.as_str() {
            "granted" => Authorisation::Granted,
            "declined" => Authorisation::Declined(Decline::CardDeclined),
            _ => Authorisation::Declined(Decline::OverLimit),
        })
    }

    async fn capture(&self, token: EventId, order: &OrderId, amount: Money) -> Result<(), BoxError> {
        self.ask(Asked { token, service: "capture", order, amount }, "captured").await.map(drop)
    }

    async fn refund(&self, token: EventId, order: &OrderId, amount: Money) -> Result<(), BoxError> {
        self.ask(Asked { token, service: "refund", order, amount }, "refunded").await.map(drop)
    }

    /// Each request gets a number of its own, if it is not a repeat.
    async fn collect(&self, token: EventId, order: &OrderId) -> Result<String, BoxError> {
        let fresh = format!("parcel-{}", Uuid::now_v7());
        self.ask(Asked { token, service: "collect", order, amount: Money(0) }, &fresh).await
    }
}
