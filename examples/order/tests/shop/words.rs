//! Short words for what the tests speak of all the time.

use order::domain::{CardToken, CustomerId, Line, Money, OrderId, Sku};

pub(crate) fn id() -> OrderId {
    OrderId("7".into())
}

pub(crate) fn ada() -> CustomerId {
    CustomerId("ada".into())
}

pub(crate) fn sku(name: &str) -> Sku {
    Sku(name.into())
}

pub(crate) fn card() -> CardToken {
    CardToken("tok-1".into())
}

pub(crate) fn line(name: &str, quantity: u32, cents: u64) -> Line {
    Line { sku: sku(name), quantity, price: Money(cents) }
}

/// Two teapots and a cup, for 31.00 together.
pub(crate) fn lines() -> Vec<Line> {
    vec![line("teapot", 2, 1_200), line("cup", 1, 700)]
}

pub(crate) const TOTAL: Money = Money(3_100);
