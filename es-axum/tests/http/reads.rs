//! `If-None-Match` on reads.

use axum::body::Body;
use axum::http::Request;
use es_memory::MemoryStore;
use serde_json::json;

use crate::service::{Answer, ask, pay_in, service};

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let app = service(&MemoryStore::new());
    for _ in 0..7 {
        pay_in(&app, &[]).await.json(200);
    }
    let show = async |tags: &[&str]| -> Answer {
        let request = tags
            .iter()
            .fold(Request::get("/accounts/ada"), |request, tag| request.header("if-none-match", tag.as_bytes()));
        ask(&app, request.body(Body::empty()).unwrap()).await
    };
    for known in
        [&["\"7\""][..], &["W/\"7\""], &["\"1\",W/\"7\" , \"9\""], &["*"], &["\"1\"", "\"7\""], &["\u{fc}", "\"7\""]]
    {
        let answer = show(known).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (304, ""), "{known:?}");
        assert_eq!(answer.header("etag"), Some("\"7\""));
    }
    for unknown in [&[][..], &["\"6\""], &["7"], &["\"77\""], &["w/\"7\""], &[""], &["\"7"], &["W/*"], &["\u{fc}"]] {
        let answer = show(unknown).await;
        assert_eq!((answer.json(200), answer.header("etag")), (json!(35), Some("\"7\"")), "{unknown:?}");
    }
}
