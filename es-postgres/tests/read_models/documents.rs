//! Documents.

use es_core::{
    Document, DocumentQuery, Error, Event, IntoKeys, MAX_KEY_BYTES, ReadModelStore, ReadModelTransaction, ReadModels,
    Recorded,
};
use es_postgres::PgStore;

use crate::fixture::*;

fn page(after: Option<&str>, limit: u32) -> DocumentQuery {
    let mut query = DocumentQuery::new(limit);
    query.after = after.map(str::to_owned);
    query
}

#[tokio::test]
async fn documents_come_back_as_they_were() {
    let (store, id, _database) = registered("statements").await;
    let long = "k".repeat(MAX_KEY_BYTES);
    let documents = [
        ("'); DROP TABLE x; --", r#"{"a":"\u0000 and \ud83d\udca3"}"#),
        ("ключ \u{1F4A3} \u{1} \\ \" % _ {} ,", r#"{"b":1,"a":1.0,"b":18446744073709551615}"#),
        (long.as_str(), "1e400"),
        ("null", "null"),
        ("NULL", r#"  [ "spaces" , "stay" ]  "#),
    ];
    save(&store, &id, &documents.map(|(key, body)| (key, Some(body)))).await;
    let keys = documents.map(|(key, _)| key);
    assert_eq!(get(&store, &id, &keys).await, documents.map(|(_, body)| Some(body.to_owned())));
    let some = get(&store, &id, &["nobody", "NULL", "null", "NULL", "with \0", ""]).await;
    assert_eq!(some.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true, false, false]);
    assert!(get(&store, &id, &[]).await.is_empty());

    save(&store, &id, &[("null", None), ("nobody", None), ("NULL", Some("2"))]).await;
    assert_eq!(get(&store, &id, &["null", "NULL"]).await, [None, Some("2".to_owned())]);
    save(&store, &id, &[]).await;
}

#[tokio::test]
async fn documents_are_seen_outside_when_they_are_committed() {
    let (store, id, _database) = registered("statements").await;
    save(&store, &id, &[("a", Some("1")), ("b", Some("1"))]).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.save_documents(&id, &[("a".to_owned(), Some("2".to_owned())), ("b".to_owned(), None)]).await.unwrap();
    let inside = transaction.load_documents(&id, &["b".to_owned(), "a".to_owned()]).await.unwrap();
    assert_eq!(inside, [None, Some("2".to_owned())]);
    assert_eq!(get(&store, &id, &["a", "b"]).await, [Some("1".to_owned()), Some("1".to_owned())]);
    transaction.clear_documents(&id).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(get(&store, &id, &["a", "b"]).await, [None, None]);
}

#[tokio::test]
async fn documents_are_listed_by_the_bytes_of_their_keys() {
    let (store, id, _database) = registered("statements").await;
    let mut keys = ["b", "B", "ä", "a", "Z", "a-1", "a1", "\u{1}"];
    save(&store, &id, &keys.map(|key| (key, Some("1")))).await;
    keys.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let found = store.list_documents(&id, &page(after.as_deref(), 3)).await.unwrap();
        after = found.last().map(|(key, _)| key.clone());
        seen.extend(found.into_iter().map(|(key, _)| key));
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys);
    let behind = store.list_documents(&id, &page(Some("a\0b"), 1)).await.unwrap();
    assert_eq!(behind[0].0, "a-1");
    assert!(store.list_documents(&id, &page(None, 0)).await.unwrap().is_empty());
}

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(category = "door")]
enum DoorEvent {
    Opened,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Door;

impl Document for Door {
    const NAME: &'static str = "statements";
    type Event = DoorEvent;

    fn key(event: &Recorded<DoorEvent>) -> impl IntoKeys {
        &event.stream
    }

    fn apply(&mut self, _: &Recorded<DoorEvent>) {}
}

/// It would wait for itself: the log is read beside the transaction.
#[tokio::test]
async fn one_connection_is_too_few_to_rebuild_a_document() {
    let (_, _, database) = registered("statements").await;
    let store = PgStore::options().max_connections(1).connect(database.url()).await.unwrap();
    let refused = store.rebuild_document::<Door>("front").await.err().unwrap();
    assert!(matches!(refused, Error::Setup { .. }), "{refused:?}");
    let told = "a document of `statements v1` cannot be rebuilt over one connection: ";
    assert!(refused.to_string().starts_with(told), "{refused}");
    let store = PgStore::options().max_connections(2).connect(database.url()).await.unwrap();
    assert!(store.rebuild_document::<Door>("front").await.unwrap().is_none());
}
