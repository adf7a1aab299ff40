//! The proof of the choreography: three hundred orders, and everything that runners, networks and people do to them.
//!
//! Nothing here runs by itself. Chance, drawn from a printed seed, decides who acts next: a customer, the reactions, the payment
//! provider or the carrier; which stream's event it is that comes; whether an old one comes again; and whether the process dies
//! between two commands, so that the event comes again although half of it is done. No key recognises a repeat here. The domain has
//! to bear it alone, so it bears it also when the keys of the framework have expired.

mod books;
mod inbox;
mod people;
mod random;

use es_core::{BoxError, Effect, EventStore, EventStoreExt, Reactor};
use es_memory::MemoryStore;
use order::domain::ShopEvent;
use order::domain::order::OrderError;
use order::domain::payment::PaymentEvent;
use order::domain::shipment::ShipmentEvent;
use order::partners::{Carrier, PaymentProvider, Pretended};
use order::reactions::{Fulfilment, ShopCommand};

use books::Books;
use inbox::{Inbox, Order};
use people::People;
use random::Random;

const ORDERS: u32 = 300;
/// How often the process dies while it reacts, in a hundred times.
const DEATHS: u64 = 10;

struct Shop {
    store: MemoryStore,
    random: Random,
    people: People,
    reactions: Inbox<ShopEvent>,
    to_provider: Inbox<PaymentEvent>,
    to_carrier: Inbox<ShipmentEvent>,
}

#[tokio::test]
async fn every_order_ends_and_the_books_balance() {
    for seed in 0..3 {
        tell(seed, Order::WithinStreams).await;
    }
}

/// More than any runner does, so that an application may divide the reactions as it likes.
#[tokio::test]
async fn every_order_ends_whatever_comes_first() {
    for seed in 3..6 {
        tell(seed, Order::None).await;
    }
}

async fn tell(seed: u64, order: Order) {
    println!("seed {seed}");
    let mut shop = Shop::open(seed, order);
    shop.run().await;
    let books = Books::of(&shop.store).await;
    books.check(&shop.store).await;
    println!("{books}");
    books.check_that_all_sorts_of_things_happened([50, 10, 20, 10, 10]);

    let end = shop.store.log_end().await.unwrap();
    shop.repeat_everything().await;
    assert_eq!(shop.store.log_end().await.unwrap(), end, "a repeat has changed something");
}

impl Shop {
    fn open(seed: u64, order: Order) -> Self {
        let mut random = Random::new(seed);
        Self {
            store: MemoryStore::new(),
            people: People::new(ORDERS, &mut random),
            random,
            reactions: Inbox::new(order),
            to_provider: Inbox::new(order),
            to_carrier: Inbox::new(order),
        }
    }

    async fn run(&mut self) {
        while self.has_something_to_do().await {
            match self.random.below(8) {
                0 => self.people_act().await,
                1..6 => self.react().await,
                6 => self.provider_answers().await,
                _ => self.carrier_answers().await,
            }
        }
    }

    async fn has_something_to_do(&mut self) -> bool {
        self.reactions.fetch(&self.store).await;
        self.to_provider.fetch(&self.store).await;
        self.to_carrier.fetch(&self.store).await;
        let nobody_waits = self.reactions.is_empty() && self.to_provider.is_empty() && self.to_carrier.is_empty();
        !(nobody_waits && self.people.are_done())
    }

    /// People repeat themselves, too. They are refused, unlike reactions, and live with it.
    async fn people_act(&mut self) {
        let Some(command) = self.people.next(&mut self.random) else { return };
        let times = if self.random.percent(10) { 2 } else { 1 };
        for _ in 0..times {
            if let Err(error) = execute(&self.store, command.clone()).await {
                assert!(error.is::<es_core::ExecuteError<OrderError>>(), "{command:?}: {error}");
            }
        }
    }

    async fn react(&mut self) {
        let Some(delivery) = self.reactions.draw(&mut self.random) else { return };
        let commands = Fulfilment.react(&delivery.event);
        let survives = !self.random.percent(DEATHS);
        let done = if survives { commands.len() } else { self.random.index(commands.len() + 1) };
        for command in commands.into_iter().take(done) {
            follow(&self.store, command).await;
        }
        self.reactions.settle(delivery, survives);
    }

    async fn provider_answers(&mut self) {
        let partner = PaymentProvider { store: self.store.clone(), partners: Pretended };
        ask(&partner, &mut self.to_provider, &mut self.random).await;
    }

    async fn carrier_answers(&mut self) {
        let partner = Carrier { store: self.store.clone(), partners: Pretended };
        ask(&partner, &mut self.to_carrier, &mut self.random).await;
    }

    /// Every event that ever came comes once more.
    async fn repeat_everything(&mut self) {
        for event in self.reactions.all_again(&mut self.random) {
            for command in Fulfilment.react(&event) {
                follow(&self.store, command).await;
            }
        }
        let provider = PaymentProvider { store: self.store.clone(), partners: Pretended };
        for event in self.to_provider.all_again(&mut self.random) {
            provider.perform(&event, event.id).await.unwrap();
        }
        let carrier = Carrier { store: self.store.clone(), partners: Pretended };
        for event in self.to_carrier.all_again(&mut self.random) {
            carrier.perform(&event, event.id).await.unwrap();
        }
    }
}

async fn ask<F: Effect<Error = BoxError>>(partner: &F, inbox: &mut Inbox<F::Event>, random: &mut Random) {
    let Some(delivery) = inbox.draw(random) else { return };
    partner.perform(&delivery.event, delivery.event.id).await.unwrap();
    inbox.settle(delivery, !random.percent(DEATHS));
}

/// No command of a reaction is refused.
async fn follow(store: &MemoryStore, command: ShopCommand) {
    let told = format!("{command:?}");
    if let Err(error) = execute(store, command).await {
        panic!("a reaction was refused: {told}: {error}");
    }
}

async fn execute(store: &MemoryStore, command: ShopCommand) -> Result<(), BoxError> {
    match command {
        ShopCommand::Order(command) => drop(store.execute(command).await?),
        ShopCommand::Stock(command) => drop(store.execute(command).await?),
        ShopCommand::Payment(command) => drop(store.execute(command).await?),
        ShopCommand::Shipment(command) => drop(store.execute(command).await?),
    }
    Ok(())
}
