//! What a projection costs that has nothing to do.

use std::time::Duration;

use es_core::{Runner, Running};
use es_postgres::{PgStore, WakeUps};
use es_test_support::{Proxy, Server};

use crate::cpu::{client, postmaster, server as of_server};
use crate::domain::{Total, deposit, migrated, store};

pub(crate) async fn measure(server: &Server, seconds: u64) {
    let length = Duration::from_secs(seconds);
    let postmaster = postmaster(server);
    println!("One projection with nothing to do, {seconds} s each:");
    let before = of_server(postmaster);
    tokio::time::sleep(length).await;
    let alone = of_server(postmaster) - before;
    for wake_ups in [WakeUps::WithinProcess, WakeUps::AcrossProcesses] {
        let database = migrated(server).await;
        let running = caught_up(database.url(), wake_ups).await;
        let before = (client(), of_server(postmaster));
        tokio::time::sleep(length).await;
        let (client, server) = (client() - before.0, (of_server(postmaster) - before.1).saturating_sub(alone));
        running.stop().await;

        let proxy = Proxy::start(database.url()).await;
        let running = caught_up(&proxy.url(database.url()), wake_ups).await;
        proxy.reset();
        tokio::time::sleep(length).await;
        let statements = proxy.turns();
        running.stop().await;

        let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / length.as_secs_f64();
        println!(
            "- {}: {:.2} % of a core here, {:.2} % on the server, {:.0} statements a minute",
            crate::name(wake_ups),
            percent(client),
            percent(server),
            statements as f64 * 60.0 / length.as_secs_f64()
        );
    }
}

async fn caught_up(url: &str, wake_ups: WakeUps) -> Running<PgStore> {
    let store = store(url, wake_ups).await;
    deposit(&store, 1).await;
    let running = Runner::new(store).document::<Total>().start().await.unwrap();
    running.catch_up().await.unwrap();
    // Until it polls as seldom as it ever does, and its last checkpoint is written.
    tokio::time::sleep(Duration::from_secs(3)).await;
    running
}
