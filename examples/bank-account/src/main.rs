//! Tells a day at the bank. In memory as it is, on PostgreSQL when `DATABASE_URL` is set.

mod screen;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use bank_account::domain::{Account, AccountCommand, AccountEvent};
use bank_account::read_models::{Balance, Statement};
use bank_account::service::{FraudCheck, Refusal, transfer};
use es_core::{EventId, EventStore, EventStoreExt, Position, ReadModelStore, ReadModels, Runner, Running, Version};
use es_memory::MemoryStore;
use tokio::task::JoinSet;

const DEPOSITS_AT_ONCE: usize = 8;
const FRAUD_CHECK: FraudCheck = FraudCheck { takes: Duration::from_millis(2) };

#[tokio::main]
async fn main() -> ExitCode {
    match a_day_at_the_bank().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::trouble(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn a_day_at_the_bank() -> Result<(), Box<dyn Error>> {
    match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => on_postgres(&url).await,
        _ => {
            screen::title("A day at the bank, in memory (set DATABASE_URL for PostgreSQL)");
            tell(MemoryStore::new()).await
        }
    }
}

async fn tell<S: ReadModelStore>(store: S) -> Result<(), Box<dyn Error>> {
    // Fresh names, because on PostgreSQL yesterday's accounts are still there.
    let today = EventId::new().to_string().split_off(32);
    let (ada, bob) = (format!("ada-{today}"), format!("bob-{today}"));
    let opening = store.log_end().await?;
    let running = Runner::new(store.clone()).document::<Balance>().document::<Statement>().start().await?;

    open_and_use(&store, &ada, &bob).await?;
    refuse(&store, &ada).await;
    conflict(&store, &ada).await?;
    contend(&store, &ada).await?;
    move_money(&store, &ada, &bob).await?;
    look_back(&store, &ada, opening).await?;
    read(&store, &running, &ada, &bob).await?;
    running.stop().await;
    Ok(())
}

async fn open_and_use(store: &impl EventStore, ada: &str, bob: &str) -> Result<(), Refusal> {
    screen::chapter("Commands become events");
    for (id, owner) in [(ada, "Ada"), (bob, "Bob")] {
        let opened = store.execute(AccountCommand::Open { id: id.into(), owner: owner.into() }).actor(owner).await?;
        screen::line(
            &format!("{owner} opens an account"),
            &format!("stream {} is at version {}", opened.stream, opened.version),
        );
    }
    let paid_in = store.execute(AccountCommand::Deposit { id: ada.into(), amount: 100 }).actor("Ada").await?;
    screen::line("Ada pays in 100", &format!("balance {}", paid_in.state.balance));
    Ok(())
}

async fn refuse(store: &impl EventStore, ada: &str) {
    screen::chapter("The domain says no in its own words");
    let refused = store.execute(AccountCommand::Withdraw { id: ada.into(), amount: 500 }).await;
    if let Err(error) = refused {
        screen::line("Ada withdraws 500", &format!("refused: {error}"));
        screen::line("", &format!("the caller holds a typed {:?}", error.rejection()));
    }
}

async fn conflict(store: &impl EventStore, ada: &str) -> Result<(), Box<dyn Error>> {
    screen::chapter("A decision on what is no longer true is noticed");
    let seen = store.load::<Account>(ada).await?;
    screen::line("Ada's phone shows", &format!("balance {} at version {}", seen.balance, seen.version));
    store.execute(AccountCommand::Withdraw { id: ada.into(), amount: 60 }).source("cash machine").await?;
    screen::line("Meanwhile, at a cash machine", "60 are withdrawn");
    let withdraw = AccountCommand::Withdraw { id: ada.into(), amount: 10 };
    if let Err(error) = store.execute(withdraw.clone()).expect(seen.version).await {
        screen::line("The phone withdraws 10 as of what it shows", &format!("conflict: {error}"));
    }
    let decided_again = store.execute(withdraw).source("phone").await?;
    screen::line("The phone withdraws 10 as of now", &format!("balance {}", decided_again.state.balance));
    Ok(())
}

async fn contend<S: EventStore + Clone + 'static>(store: &S, ada: &str) -> Result<(), Box<dyn Error>> {
    screen::chapter("Conflicts are retried, and nothing is lost");
    let mut deposits = JoinSet::new();
    for _ in 0..DEPOSITS_AT_ONCE {
        let (store, deposit) = (store.clone(), AccountCommand::Deposit { id: ada.to_owned(), amount: 1 });
        deposits.spawn(async move { store.execute_with(deposit, &FRAUD_CHECK).await.map(|outcome| outcome.attempts) });
    }
    let attempts = deposits.join_all().await.into_iter().sum::<Result<u32, _>>()?;
    let account = store.load::<Account>(ada).await?;
    screen::line(
        &format!("{DEPOSITS_AT_ONCE} slow deposits of 1 at once"),
        &format!("all stored after {attempts} tries, balance {}", account.balance),
    );
    Ok(())
}

async fn move_money(store: &impl EventStore, ada: &str, bob: &str) -> Result<(), Box<dyn Error>> {
    screen::chapter("Two accounts, one conversation");
    transfer(store, ada, bob, 25).await?;
    screen::line("Ada sends Bob 25", &format!("Bob has {}", store.load::<Account>(bob).await?.balance));
    if let Err(error) = transfer(store, ada, "nobody", 10).await {
        screen::line("Ada sends nobody 10", &error.to_string());
    }
    Ok(())
}

async fn look_back(store: &impl EventStore, ada: &str, opening: Position) -> Result<(), Box<dyn Error>> {
    let events = store.events::<Account>(ada)?.collect().await?;
    screen::chapter(&format!("Everything that ever happened to Ada's account ({} events)", events.len()));
    for event in &events {
        let cause = events.iter().find(|cause| Some(cause.id.into()) == event.metadata.causation_id);
        screen::event(event, describe(&event.event), cause.map(|cause| cause.version));
    }
    let early = store.load_at_version::<Account>(ada, Version(2)).await?;
    let now = store.load::<Account>(ada).await?;
    screen::line("Balance at version 2", &early.balance.to_string());
    screen::line(&format!("Balance now, at version {}", now.version), &now.balance.to_string());

    screen::chapter("And the log has all of it, in one order, for whoever wants to follow");
    let mut log = store.log::<AccountEvent>(opening);
    let mut count = 0;
    while log.next().await?.is_some() {
        count += 1;
    }
    screen::line(&format!("{count} events behind position {opening}"), &format!("up to position {}", log.position()));
    Ok(())
}

/// Two read models in fifteen lines: `read_models.rs`.
async fn read<S: ReadModelStore>(store: &S, running: &Running<S>, ada: &str, bob: &str) -> Result<(), Box<dyn Error>> {
    screen::chapter("Read models answer what the streams should not have to");
    let paid = store.execute(AccountCommand::Deposit { id: bob.to_owned(), amount: 7 }).source("phone").await?;
    running.wait_for(&paid).await?;
    screen::line("Bob pays in 7, and reads his own write", "the projections have seen it");
    for (name, id) in [("Ada", ada), ("Bob", bob)] {
        let balance = store.documents::<Balance>()?.get(id).await?.unwrap_or_default();
        screen::line(&format!("Balance of {name}"), &balance.0.to_string());
    }
    let statement = store.documents::<Statement>()?.get(bob).await?.unwrap_or_default();
    for (at, change) in &statement.0 {
        screen::statement(*at, *change);
    }
    for projection in store.projections().await? {
        screen::line(
            &format!("Projection {}", projection.id),
            &format!("took in {} events, {} behind", projection.events, projection.lag_events),
        );
    }
    Ok(())
}

fn describe(event: &AccountEvent) -> String {
    match event {
        AccountEvent::Opened { owner } => format!("opened for {owner}"),
        AccountEvent::Deposited { amount } => format!("+{amount}"),
        AccountEvent::Withdrawn { amount } => format!("-{amount}"),
    }
}

#[cfg(feature = "postgres")]
async fn on_postgres(url: &str) -> Result<(), Box<dyn Error>> {
    let store = es_postgres::PgStore::connect(url).await?;
    store.migrate().await?;
    screen::title("A day at the bank, on PostgreSQL");
    tell(store).await
}

/// Runs the example again, built with PostgreSQL: it is left out of the first build to keep that short.
#[cfg(not(feature = "postgres"))]
async fn on_postgres(_: &str) -> Result<(), Box<dyn Error>> {
    eprintln!("DATABASE_URL is set: running `cargo run -p bank-account --features postgres`");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args(["run", "--quiet", "-p", "bank-account", "--features", "postgres"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| format!("this build has no PostgreSQL, and cargo cannot be run: {error}"))?;
    std::process::exit(status.code().unwrap_or(1))
}
