//! Problems, as they are written and read.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use es_axum::Problem;
use serde_json::{from_value, json, to_value};

use crate::service::Answer;

#[test]
fn a_problem_is_written_as_the_standard_has_it_and_read_again() {
    let problem = Problem::new(StatusCode::FORBIDDEN)
        .kind("https://example.com/probs/out-of-credit")
        .title("You do not have enough credit.")
        .detail("Your current balance is 30, but that costs 50.")
        .instance("/account/12345/msgs/abc")
        .with("balance", 30)
        .with("accounts", ["/account/12345", "/account/67890"]);
    let json = json!({
        "type": "https://example.com/probs/out-of-credit",
        "status": 403,
        "title": "You do not have enough credit.",
        "detail": "Your current balance is 30, but that costs 50.",
        "instance": "/account/12345/msgs/abc",
        "balance": 30,
        "accounts": ["/account/12345", "/account/67890"],
    });
    assert_eq!(to_value(&problem).unwrap(), json);
    assert_eq!(from_value::<Problem>(json).unwrap(), problem);
    assert_eq!(
        problem.to_string(),
        "403 You do not have enough credit.: Your current balance is 30, but that costs 50."
    );
}

#[test]
fn what_others_send_is_read_leniently() {
    let bare: Problem = from_value(json!({ "status": 404 })).unwrap();
    assert_eq!((bare.status.as_u16(), &*bare.kind, bare.title), (404, "about:blank", None));
    let odd: Problem = from_value(json!({ "status": 404, "title": 7, "detail": null, "more": {} })).unwrap();
    assert_eq!((odd.title, odd.detail, odd.members.len()), (None, None, 1));
    for status in [json!(null), json!("404"), json!(99), json!(1000), json!(-1), json!(70_000), json!(404.5)] {
        assert!(from_value::<Problem>(json!({ "status": status })).is_err(), "{status}");
    }
    assert!(from_value::<Problem>(json!([])).is_err());
}

#[tokio::test]
async fn headers_go_along_and_the_content_type_stays() {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .header(RETRY_AFTER, HeaderValue::from(7))
        .header(RETRY_AFTER, HeaderValue::from(8))
        .header(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let answer = Answer::of(problem.into_response()).await;
    assert_eq!(answer.header("retry-after"), Some("8"));
    answer.problem(503);
}

#[test]
fn a_result_with_a_problem_is_small() {
    assert!(size_of::<Result<(), Problem>>() <= 128, "{}", size_of::<Problem>());
}
