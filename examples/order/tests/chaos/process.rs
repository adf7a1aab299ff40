//! What is killed: a process that runs the shop, and does what its customers ask for.

use std::io::BufRead;
use std::sync::Arc;

use es_core::Settings;
use es_postgres::PgStore;
use order::reactions::ShopCommand;
use order::service::runner_with;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::faults::Faults;
use crate::flaky::Flaky;
use crate::houses::{self, Houses};
use crate::request::Request;
use crate::{chance, people};

/// Tells a process of this program what it is to do.
pub(crate) const TASK: &str = "ES_CHAOS_TASK";

/// What it prints when it is at work.
pub(crate) const READY: &str = "<ready>";

/// What its connections are called, so that the end of the last one can be waited for.
pub(crate) const NAME: &str = "the shop under chaos";

/// As few as will do: there are eight such processes at a time, of four tests.
const CONNECTIONS: u32 = 6;

/// Whether the shop does as it should.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum How {
    Right,
    /// The partners are asked by another token at each try.
    FreshTokens,
    /// Customers send no keys.
    NoKeys,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    pub(crate) seed: u64,
    pub(crate) how: How,
    pub(crate) orders: u32,
    /// The number of the process.
    pub(crate) nth: u64,
    pub(crate) store: String,
    pub(crate) partners: String,
}

impl Task {
    /// What all people mean to do, customers first. The same in all processes.
    pub(crate) fn plans(&self) -> Vec<Vec<ShopCommand>> {
        people::plans(self.orders, &mut chance(self.seed, 0))
    }

    /// Leases are as short as they may be, so that others take over soon. There are enough parts for both processes.
    pub(crate) fn settings(&self) -> Settings {
        let parts = 1 + u16::try_from(self.seed % 3).unwrap();
        Settings::default().lease(Settings::SHORTEST_LEASE).parts(parts)
    }
}

pub(crate) async fn serve_until_killed() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Task = serde_json::from_str(&task).unwrap();
    let options = PgStore::options().application_name(NAME).max_connections(CONNECTIONS);
    let store = options.connect(&task.store).await.unwrap();
    let faults = |actor| Faults::of(chance(task.seed, 1_000 + 2 * task.nth + actor));
    let store = Flaky::new(store, faults(0));
    let houses = Houses { books: houses::connect(&task.partners).await, faults: faults(1), how: task.how };
    let running = runner_with(&store, &houses, task.settings()).start().await.unwrap();
    println!("{READY}");
    tokio::select! {
        (id, reason) = running.stopped() => panic!("`{id}` has stopped: {reason}"),
        () = answer(&task, store, listen()) => {}
    }
}

async fn answer(task: &Task, store: Flaky, mut requests: UnboundedReceiver<Request>) {
    let (plans, how) = (Arc::new(task.plans()), task.how);
    while let Some(request) = requests.recv().await {
        let (store, plans) = (store.clone(), Arc::clone(&plans));
        tokio::spawn(async move {
            let command = plans[request.person][request.step].clone();
            let answer = request.execute(&store, command, how).await;
            println!("{}", answer.line(request));
        });
    }
}

/// The end of the input says that the parent is gone.
fn listen() -> UnboundedReceiver<Request> {
    let (tell, told) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = tell.send(Request::parse(&line).unwrap());
        }
        std::process::exit(0);
    });
    told
}
