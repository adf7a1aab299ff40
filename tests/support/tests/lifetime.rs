//! A server of our own never outlives its test process, and a failed test leaves its data behind.
//!
//! Each test here runs itself once more as a child process, which an environment variable makes play the victim.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "these are tests")]
#![cfg(unix)]

use es_test_support::{Database, Server};
use sqlx::{Connection, PgConnection};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VICTIM: &str = "ES_TEST_SUPPORT_VICTIM";

fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

/// Runs one test of this file in a process of its own, on a server of its own.
fn victim(test: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(VICTIM, "1");
    command.env_remove("TEST_DATABASE_URL").env_remove("DATABASE_URL");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The rest of the first line of `output` that contains `label`.
fn line_after(output: impl Read, label: &str) -> String {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut found = lines.filter_map(|line| Some(line.split_once(label)?.1.to_owned()));
    found.next().unwrap_or_else(|| panic!("the victim never said `{label}`"))
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answers(url: &str) -> bool {
    PgConnection::connect(url).await.is_ok()
}

#[tokio::test]
async fn a_killed_test_process_takes_its_server_with_it() {
    if is_victim() {
        let db = Database::create().await;
        println!("victim: {} {}", db.server().data_dir().unwrap().display(), db.url());
        return std::future::pending().await;
    }
    let mut child = victim("a_killed_test_process_takes_its_server_with_it");
    let line = line_after(child.stdout.take().unwrap(), "victim: ");
    let (data, url) = line.split_once(' ').unwrap();
    let folder = Path::new(data).parent().unwrap();
    assert!(answers(url).await && folder.exists());

    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();

    until("the server is gone", async || !answers(url).await).await;
    until("its folder is gone", async || !folder.exists()).await;
}

#[tokio::test]
async fn a_failed_test_leaves_its_database_behind() {
    if is_victim() {
        let db = Database::create().await;
        let mut connection = PgConnection::connect(db.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE evidence ()").execute(&mut connection).await.unwrap();
        panic!("this failure is part of the test");
    }
    let mut child = victim("a_failed_test_leaves_its_database_behind");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    let url = line_after(said.as_bytes(), "kept the failed test's database: ");
    let revival = line_after(said.as_bytes(), "start it again with: ");
    let data = PathBuf::from(revival.split_once(" -D ").unwrap().1);
    let pid_file = data.join("postmaster.pid");
    until("the server has stopped", async || !pid_file.exists()).await;

    let mut words = revival.split(' ');
    let mut server = Command::new(words.next().unwrap());
    let mut server = server.args(words).current_dir(&data).stderr(Stdio::null()).spawn().unwrap();
    until("the revived server answers", async || answers(&url).await).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let evidence = sqlx::raw_sql("SELECT FROM evidence").execute(&mut connection).await;

    server.kill().unwrap();
    server.wait().unwrap();
    std::fs::remove_dir_all(data.parent().unwrap()).unwrap();
    evidence.unwrap();
}

#[tokio::test]
async fn a_private_server_ends_with_its_value() {
    let server = Server::private().await;
    let (url, data) = (server.url("postgres"), server.data_dir().unwrap());
    assert!(answers(&url).await);

    drop(server);

    assert!(!answers(&url).await);
    assert!(!data.parent().unwrap().exists());
}

#[tokio::test]
async fn a_durable_server_keeps_what_it_acknowledged_through_a_crash() {
    let server = Server::durable().await;
    let db = Database::create_on(&server).await;
    let mut connection = PgConnection::connect(db.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE proof AS SELECT 42 AS answer").execute(&mut connection).await.unwrap();

    server.kill_hard().await;
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut connection).await.is_err());
    assert!(!answers(db.url()).await);
    server.restart().await;

    let mut connection = PgConnection::connect(db.url()).await.unwrap();
    let (answer,): (i32,) = sqlx::query_as("SELECT answer FROM proof").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
}
