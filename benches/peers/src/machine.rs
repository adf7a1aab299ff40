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

/// A line each, in Markdown.
pub(crate) async fn describe(connection: &mut PgConnection) -> Result<String> {
    let postgres = setting(connection, "server_version").await?;
    let mut settings = Vec::new();
    for name in SETTINGS {
        settings.push(format!("{name} = {}", setting(connection, name).await?));
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (sqlx, rustc, os, arch) =
        (env!("PEERS_SQLX"), env!("PEERS_RUSTC"), std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!(
        "- PostgreSQL {postgres}, sqlx {sqlx}, tokio {}, {rustc}\n- {cores} cores, {}, {os} {arch}\n- {}\n",
        env!("PEERS_TOKIO"),
        processor(),
        settings.join(", "),
    ))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "processor unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

async fn setting(connection: &mut PgConnection, name: &str) -> Result<String> {
    let (value,) = sqlx::query_as("SELECT current_setting($1)").bind(name).fetch_one(connection).await?;
    Ok(value)
}
