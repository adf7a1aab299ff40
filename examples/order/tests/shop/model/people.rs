//! Customers and suppliers: what they do, in which order. When they do it is not up to them.

use order::domain::order::{CancelReason, OrderCommand};
use order::domain::stock::StockCommand;
use order::domain::{CardToken, CustomerId, Line, Money, OrderId, Sku};
use order::partners::DECLINED_CARD;
use order::reactions::ShopCommand;

use super::random::Random;

const ARTICLES: u64 = 8;
const SUPPLIERS: u64 = 5 * ARTICLES;
const DELIVERIES_OF_EACH: u32 = 4;

pub(crate) struct People {
    /// For each person what is still to be done, the next thing last.
    plans: Vec<Vec<ShopCommand>>,
}

impl People {
    pub(crate) fn new(orders: u32, random: &mut Random) -> Self {
        let mut plans = plans(orders, random);
        plans.iter_mut().for_each(|plan| plan.reverse());
        Self { plans }
    }

    pub(crate) fn are_done(&self) -> bool {
        self.plans.is_empty()
    }

    pub(crate) fn next(&mut self, random: &mut Random) -> Option<ShopCommand> {
        if self.plans.is_empty() {
            return None;
        }
        let person = random.index(self.plans.len());
        let command = self.plans[person].pop();
        self.plans.retain(|plan| !plan.is_empty());
        command
    }
}

/// For each person what is to be done, in order.
pub(crate) fn plans(orders: u32, random: &mut Random) -> Vec<Vec<ShopCommand>> {
    let customers = (0..orders).map(|number| customer(number, random)).collect::<Vec<_>>();
    let suppliers = (0..SUPPLIERS).map(|number| supplier(number % ARTICLES, random)).collect::<Vec<_>>();
    [customers, suppliers].concat()
}

fn customer(number: u32, random: &mut Random) -> Vec<ShopCommand> {
    let id = OrderId(format!("order-{number:03}"));
    let first = random.below(ARTICLES);
    let lines: Vec<Line> = (0..u64::from(random.some(3))).map(|n| line((first + n) % ARTICLES, random)).collect();
    let customer = CustomerId(format!("customer-{}", number % 10));
    let mut plan = vec![OrderCommand::Place { id: id.clone(), customer, lines: lines.clone() }];
    if random.percent(30) {
        plan.push(OrderCommand::AddLine { id: id.clone(), line: line((first + 3) % ARTICLES, random) });
        plan.push(OrderCommand::RemoveLine { id: id.clone(), sku: lines[0].sku.clone() });
    }
    if random.percent(95) {
        let card = if random.percent(10) { DECLINED_CARD.into() } else { format!("tok-{number}") };
        plan.push(OrderCommand::CheckOut { id: id.clone(), card: CardToken(card) });
    }
    // Also as the last resort of those who never check out.
    if !matches!(plan.last(), Some(OrderCommand::CheckOut { .. })) || random.percent(15) {
        plan.push(OrderCommand::Cancel { id, reason: CancelReason::CustomerWish });
    }
    plan.into_iter().map(ShopCommand::Order).collect()
}

fn supplier(article: u64, random: &mut Random) -> Vec<ShopCommand> {
    let receive = |quantity| StockCommand::Receive { id: sku(article), quantity };
    (0..DELIVERIES_OF_EACH).map(|_| ShopCommand::Stock(receive(random.some(9)))).collect()
}

fn line(article: u64, random: &mut Random) -> Line {
    Line { sku: sku(article), quantity: random.some(3), price: Money(100 + random.below(20_000)) }
}

fn sku(article: u64) -> Sku {
    Sku(format!("article-{article}"))
}
