//! Serves the shop over HTTP. In memory as it is, on PostgreSQL when `DATABASE_URL` is set.
//!
//! ```sh
//! cargo run -p order                     # on port 3000
//! cargo run -p order -- --port 8080      # or PORT=8080
//! cargo run -p order -- --demo           # serves on a free port, and goes shopping there
//! ```

mod arguments;
mod demo;
mod log;
mod screen;

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use arguments::{Arguments, USAGE};
use es_core::ReadModelStore;
use es_memory::MemoryStore;
use order::http::serve;
use order::service;
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::trouble(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1), std::env::var("PORT").ok())?;
    if arguments.help {
        println!("{USAGE}");
        return Ok(());
    }
    log::open(std::env::var("RUST_LOG").ok())?;
    match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => on_postgres(&url, arguments).await,
        _ => open(MemoryStore::new(), "in memory (set DATABASE_URL for PostgreSQL)", arguments).await,
    }
}

async fn open<S: ReadModelStore>(store: S, whereabouts: &str, arguments: Arguments) -> Result<(), Failure> {
    if arguments.demo {
        return demo::run(store, whereabouts).await;
    }
    let listener = listen(arguments.port).await?;
    let address = listener.local_addr()?;
    screen::opened(address, whereabouts);
    let runner = service::runner(&store);
    serve(listener, store, runner, asked_to_stop()).await?;
    screen::closed();
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use: stop whoever uses it, or choose another one with --port or PORT").into()
        }
        io::ErrorKind::PermissionDenied => {
            format!("this user may not listen on port {port}: choose one above 1023").into()
        }
        _ => Failure::from(error),
    })
}

/// Resolves when somebody asks for an end. Whoever asks once more does not wait for a good one.
async fn asked_to_stop() {
    asked().await;
    tokio::spawn(async {
        asked().await;
        eprintln!("asked again: ended at once");
        std::process::exit(1)
    });
}

/// Resolves on ctrl-c, and on what an operating system or a container sends to end a service.
async fn asked() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => {
            eprintln!("SIGTERM ends the service at once, because it cannot be listened to: {error}");
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

#[cfg(feature = "postgres")]
async fn on_postgres(url: &str, arguments: Arguments) -> Result<(), Failure> {
    let store = es_postgres::PgStore::connect(url).await?;
    store.migrate().await?;
    open(store, "on PostgreSQL", arguments).await
}

/// Runs the example again, built with PostgreSQL: it is left out of the first build to keep that short.
#[cfg(not(feature = "postgres"))]
async fn on_postgres(_: &str, _: Arguments) -> Result<(), Failure> {
    eprintln!("DATABASE_URL is set: running `cargo run -p order --features postgres`");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command.args(["run", "--quiet", "-p", "order", "--features", "postgres", "--"]).args(std::env::args_os().skip(1));
    run_again(command.current_dir(env!("CARGO_MANIFEST_DIR")))
}

/// In the place of this process, so that a signal reaches the one that serves.
#[cfg(all(unix, not(feature = "postgres")))]
fn run_again(command: &mut std::process::Command) -> Result<(), Failure> {
    let error = std::os::unix::process::CommandExt::exec(command);
    Err(format!("this build has no PostgreSQL, and cargo cannot be run: {error}").into())
}

#[cfg(all(not(unix), not(feature = "postgres")))]
fn run_again(command: &mut std::process::Command) -> Result<(), Failure> {
    let status = command.status();
    let status = status.map_err(|error| format!("this build has no PostgreSQL, and cargo cannot be run: {error}"))?;
    std::process::exit(status.code().unwrap_or(1))
}
