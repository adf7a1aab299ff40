//! What a figure is worth nothing without: versions, settings, machine.

use sqlx::PgConnection;

use crate::Result;

const SETTINGS: [&str; 7] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
];

pub(crate) fn versions(postgres: &str) -> String {
    format!(
        "es {}, PostgreSQL {postgres}, sqlx {}, {}",
        env!("CARGO_PKG_VERSION"),
        env!("BENCH_SQLX"),
        env!("BENCH_RUSTC"),
    )
}

pub(crate) fn hardware() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {}, {} {}", processor(), std::env::consts::OS, std::env::consts::ARCH)
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "processor unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

pub(crate) async fn postgres_version(connection: &mut PgConnection) -> Result<String> {
    setting(connection, "server_version").await
}

pub(crate) async fn settings(connection: &mut PgConnection) -> Result<String> {
    let mut settings = Vec::new();
    for name in SETTINGS {
        settings.push(format!("{name} = {}", setting(connection, name).await?));
    }
    Ok(settings.join(", "))
}

async fn setting(connection: &mut PgConnection, name: &str) -> Result<String> {
    let (value,) = sqlx::query_as("SELECT current_setting($1)").bind(name).fetch_one(connection).await?;
    Ok(value)
}
