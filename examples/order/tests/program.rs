//! The example as its user runs it: the demo, and the service with its beginning and its end.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use order::client::Client;

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_order"));
    program.env_remove("DATABASE_URL").env_remove("PORT");
    program
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the demo tells, whatever is behind the names.
fn tells_the_whole_story(output: &Output) {
    let text = text(output);
    assert!(output.status.success(), "{text}");
    for told in [
        "Stock comes in",
        "201  version 1, draft: teapot",
        " (replayed)",
        "422  Idempotency-Key is already used",
        "412  stream `order-ada",
        "is at version 6, expected 2",
        "304  nothing new",
        "200  version 12, shipped: teapot",
        "payment captured, 31.00",
        "track-",
        "200  version 4, cancelled: teapot",
        "payment_failed card_declined",
        "out_of_stock samovar",
        "payment refunded, 440.00",
        "200  5 on hand, 5 available",
        "the shop keeps                                   60.00",
        "200  0 on hand, 0 available",
        "200  3 orders, and more",
        "200  2 orders, the last page",
        "200  healthy",
        ": 21 events of 5 streams",
        "└─ payment.authorised",
        "└─ shipment.shipped",
    ] {
        assert!(text.contains(told), "missing: {told}\n{text}");
    }
    let endings = |ending| text.lines().filter(|line| line.starts_with("  fan") && line.contains(ending)).count();
    assert_eq!((endings("shipped, payment captured"), endings("cancelled, payment ")), (2, 3), "{text}");
}

#[test]
fn the_demo_tells_the_whole_story_in_memory() {
    tells_the_whole_story(&program().arg("--demo").output().unwrap());
}

/// Twice: the second time yesterday's orders are there.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn the_demo_tells_the_whole_story_on_postgres() {
    let database = es_test_support::Database::create().await;
    for _ in 0..2 {
        tells_the_whole_story(&program().arg("--demo").env("DATABASE_URL", database.url()).output().unwrap());
    }
}

/// What runs says on stderr, and only as much as it is asked for.
#[test]
fn what_runs_speaks_when_it_is_asked_to() {
    let quiet = program().arg("--demo").output().unwrap();
    let talkative = program().arg("--demo").env("RUST_LOG", "warn,es_core=info").output().unwrap();
    let says = |of: &[u8]| String::from_utf8_lossy(of).contains("projection=\"fulfilment\"");
    assert!(says(&talkative.stderr) && !says(&talkative.stdout), "{}", text(&talkative));
    assert!(!text(&quiet).contains("lease claimed"), "{}", text(&quiet));
    let odd = program().env("RUST_LOG", "es_core=loud").output().unwrap();
    assert!(!odd.status.success() && text(&odd).starts_with("error: RUST_LOG is not understood"), "{}", text(&odd));
}

#[cfg(unix)]
struct Service {
    process: Child,
    said: BufReader<ChildStdout>,
    /// What it says can be found there.
    places: Vec<String>,
}

#[cfg(unix)]
impl Service {
    fn start() -> Self {
        let mut process =
            program().args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let (mut line, mut places) = (String::new(), Vec::new());
        while !line.starts_with("ctrl-c") {
            places.extend(line.split_once("http://").map(|(_, place)| place.trim().to_owned()));
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        Self { process, said, places }
    }

    fn ask_to_stop(&self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_service_says_where_it_is_and_ends_when_it_is_asked_to() {
    let mut service = Service::start();
    assert_eq!(service.places.len(), 3, "{:?}", service.places);
    for place in &service.places {
        let (address, path) = place.split_once('/').unwrap();
        let answer = Client::new(address.parse().unwrap()).get(format!("/{path}")).send().await.unwrap();
        assert_eq!(answer.status, 200, "{place}");
    }
    service.ask_to_stop();
    let mut last = String::new();
    service.said.read_to_string(&mut last).unwrap();
    assert!(service.process.wait().unwrap().success() && last.contains("The shop is closed"), "{last}");
}

/// Half of a request would keep it for ten seconds.
#[cfg(unix)]
#[test]
fn whoever_asks_once_more_does_not_wait() {
    let mut service = Service::start();
    let (address, _) = service.places.first().unwrap().split_once('/').unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    let head = "POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 9\r\n";
    half.write_all(format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    // From here on it waits for the rest.
    let mut goes_on = [0; 12];
    half.read_exact(&mut goes_on).unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100");
    // The first may reach it twice before it listens for the second, and counts as one then.
    let status = loop {
        service.ask_to_stop();
        match service.process.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert_eq!(status.code(), Some(1));
    let mut says = String::new();
    service.process.stderr.take().unwrap().read_to_string(&mut says).unwrap();
    assert!(says.contains("ended at once"), "{says}");
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, says) in [
        (["--port", port.as_str()], "is in use: stop whoever uses it, or choose another one with --port or PORT"),
        (["--port", "many"], "--port wants a number"),
        (["--demo", "--fast"], "`--fast` is not known"),
    ] {
        let output = program().args(arguments).output().unwrap();
        let text = text(&output);
        assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
        assert!(text.starts_with("error: "), "{text}");
    }
}
