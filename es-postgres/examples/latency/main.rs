//! How soon a projection shows what was appended, what wake-ups across processes cost those who append, and what a projection
//! costs that has nothing to do.
//!
//! `cargo run --release -p es-postgres --example latency -- [visible|throughput|idle] [seconds]`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement has nobody to hand an error to"
)]

mod cpu;
mod domain;
mod idle;
mod throughput;
mod visible;

use es_postgres::WakeUps;
use es_test_support::Server;

/// A process that projects, and nothing else: the program starts itself with this word.
const PROJECT: &str = "project";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = |default| arguments.get(1).map_or(default, |seconds| seconds.parse::<u64>().unwrap());
    match arguments.as_slice() {
        [PROJECT, url, wake_ups] => visible::project(url, domain::wake_ups(wake_ups)).await,
        [] => {
            let server = Server::durable().await;
            visible::measure(&server, 30).await;
            throughput::measure(&server, 20).await;
            idle::measure(&server, 60).await;
        }
        ["visible", ..] => visible::measure(&Server::durable().await, seconds(30)).await,
        ["throughput", ..] => throughput::measure(&Server::durable().await, seconds(20)).await,
        ["idle", ..] => idle::measure(&Server::durable().await, seconds(60)).await,
        unknown => panic!("{unknown:?}: say visible, throughput or idle, and for how many seconds"),
    }
}

fn name(wake_ups: WakeUps) -> &'static str {
    if wake_ups == WakeUps::AcrossProcesses { "across" } else { "within" }
}
