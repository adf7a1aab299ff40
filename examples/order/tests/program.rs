//! The example as its user runs it: the demo, and the service with its beginning and its end.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

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

#[cfg(unix)]
#[tokio::test]
async fn the_service_says_where_it_is_and_ends_when_it_is_asked_to() {
    let mut service = program().args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(service.stdout.take().unwrap());
    let (mut line, mut places) = (String::new(), Vec::new());
    while !line.starts_with("ctrl-c") {
        places.extend(line.split_once("http://").map(|(_, place)| place.trim().to_owned()));
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    assert_eq!(places.len(), 3, "{places:?}");
    for place in &places {
        let (address, path) = place.split_once('/').unwrap();
        let answer = Client::new(address.parse().unwrap()).get(format!("/{path}")).send().await.unwrap();
        assert_eq!(answer.status, 200, "{place}");
    }
    assert!(Command::new("kill").arg(service.id().to_string()).status().unwrap().success());
    let mut last = String::new();
    said.read_to_string(&mut last).unwrap();
    assert!(service.wait().unwrap().success() && last.contains("The shop is closed"), "{last}");
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
