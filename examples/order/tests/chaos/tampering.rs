//! The oracle must be able to tell: whatever is changed behind everybody's back, it finds.

use es_postgres::PgStore;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::customers::Told;
use crate::oracle::Verdict;
use crate::process::Task;
use crate::request::Answer;

/// In the books of the partners, and what the oracle says of it.
const THEIRS: [(&str, &str); 4] = [
    ("UPDATE asked SET token = gen_random_uuid() WHERE nth = (SELECT min(nth) FROM asked)", "nothing asks for"),
    (
        "UPDATE booked SET amount = amount + 1 WHERE token = (SELECT min(token::text)::uuid FROM booked WHERE service = 'capture')",
        "the provider keeps",
    ),
    (
        "INSERT INTO booked SELECT gen_random_uuid(), service, order_id, amount, answer FROM booked LIMIT 1",
        "was booked twice",
    ),
    ("UPDATE booked SET answer = 'another' WHERE service = 'collect'", "was shipped as"),
];

/// In the shop's.
const OURS: [(&str, &str); 6] = [
    (
        "UPDATE es.events SET causation_id = gen_random_uuid()
          WHERE pk = (SELECT min(pk) FROM es.events WHERE type = 'payment.captured')",
        "its cause does not come before it",
    ),
    (
        "UPDATE es.events SET correlation_id = gen_random_uuid()
          WHERE pk = (SELECT min(pk) FROM es.events WHERE type = 'shipment.prepared')",
        "nobody began the conversation",
    ),
    (
        "UPDATE es.events SET correlation_id = (SELECT correlation_id FROM es.events WHERE stream_id = 'order-001' LIMIT 1)
          WHERE category = 'order' AND stream_id = 'order-002'",
        "is behind it",
    ),
    (
        "UPDATE es.events SET type = 'payment.authorised', payload = 'null'
          WHERE pk = (SELECT max(pk) FROM es.events WHERE type = 'payment.captured')",
        "cannot have gone like that",
    ),
    ("DELETE FROM es.events WHERE pk = (SELECT min(pk) FROM es.events WHERE category = 'stock')", "do not count"),
    ("DELETE FROM es.doc_orders_v1 WHERE key = 'order-000'", "is kept as None"),
];

/// The store refuses to have anything changed.
const LET_ME: &str = "ALTER TABLE es.events DISABLE TRIGGER refuse_change";

pub(crate) async fn is_found(task: &Task, store: &PgStore, told: &Told) {
    a_lie_is_found(task, store, told).await;
    let mut partners = PgConnection::connect(&task.partners).await.unwrap();
    for (tampering, finding) in THEIRS {
        find(&mut partners, tampering, finding, task, store, told).await;
    }
    let mut shop = PgConnection::connect(&task.store).await.unwrap();
    shop.execute(LET_ME).await.unwrap();
    for (tampering, finding) in OURS {
        find(&mut shop, tampering, finding, task, store, told).await;
    }
}

async fn a_lie_is_found(task: &Task, store: &PgStore, told: &Told) {
    let mut lies = told.clone();
    if let Some(answer) = lies.answers.values_mut().find(|answer| matches!(answer, Answer::Done(_))) {
        *answer = Answer::Done(vec![Uuid::now_v7()]);
    }
    assert!(!Verdict::of(task, store, told).await.says("led to"), "customers were told the truth");
    assert!(Verdict::of(task, store, &lies).await.says("led to"), "nobody found the lie");
}

async fn find(
    connection: &mut PgConnection,
    tampering: &'static str,
    finding: &str,
    task: &Task,
    store: &PgStore,
    told: &Told,
) {
    assert!(!Verdict::of(task, store, told).await.says(finding), "`{finding}` is found without: {tampering}");
    assert!(connection.execute(tampering).await.unwrap().rows_affected() > 0, "there is nothing to: {tampering}");
    assert!(Verdict::of(task, store, told).await.says(finding), "`{finding}` is not found in spite of: {tampering}");
}
