//! Documents that are asked for by their fields, and the view of the version that serves.

use es_core::{Control, DocumentQuery, ProjectionId, ReadModelStore};
use es_postgres::PgStore;
use sqlx::AssertSqlSafe;

use crate::fixture::*;

async fn asked(store: &PgStore, id: &ProjectionId, field: &'static str, value: &str) -> Vec<String> {
    let mut query = DocumentQuery::new(10);
    query.equal = vec![(field, value.to_owned())];
    store.list_documents(id, &query).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

/// As everywhere, whatever a text holds: a NUL, which the database cannot take out of JSON, and more than an index has room for.
#[tokio::test]
async fn any_text_can_be_asked_for() {
    let (store, _database) = store().await;
    const ODD: &str = r#"it's a \ "field" {schema} {value} $1"#;
    let registration = documents("odd", 1, &["text", ODD]);
    store.register(&registration).await.unwrap();
    let id = &registration.id;
    let long = "ä🦀".repeat(5_000);
    let longer = format!("{long}.");
    let texts = ["a", "A", "", " ", "a\0b", "a\u{fffd}b", "a\\u0000b", "null", "it's", "1.0", "ключ", &long, &longer];
    for (nth, text) in texts.iter().enumerate() {
        let body = serde_json::json!({ "text": text, "other": "\0", ODD: format!("{text}?") }).to_string();
        save(&store, id, &[(&format!("{nth:02}"), Some(&body))]).await;
    }
    for (nth, text) in texts.iter().enumerate() {
        assert_eq!(asked(&store, id, "text", text).await, [format!("{nth:02}")], "{:.20}", text);
        assert_eq!(asked(&store, id, ODD, &format!("{text}?")).await, [format!("{nth:02}")], "{:.20}", text);
    }
    let values = [("n", "1.0"), ("t", "true"), ("s", "[1]"), ("z", "null")];
    for (key, value) in values {
        save(&store, id, &[(key, Some(&format!(r#"{{"text":{value}}}"#)))]).await;
    }
    assert_eq!(asked(&store, id, "text", "1.0").await, ["09", "n"]);
    assert_eq!(asked(&store, id, "text", "true").await, ["t"]);
    assert_eq!(asked(&store, id, "text", "null").await, ["07"], "what is null has no value");
}

#[tokio::test]
async fn a_field_that_is_new_to_known_documents_gets_its_index() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'doc_known_v1'";
    for (fields, there) in [(&[][..], 1), (&["a", "b"], 3), (&["b"], 3), (&["c", "a", "c"], 4), (&[], 4)] {
        let other = PgStore::connect(database.url()).await.unwrap();
        let registrations = [documents("known", 1, fields), documents("known", 1, fields)];
        let (first, second) = tokio::join!(store.register(&registrations[0]), other.register(&registrations[1]));
        assert!(!(first.unwrap() && second.unwrap()), "one of them is first at the most");
        assert_eq!(number(&mut admin, indexes).await, there, "{fields:?}");
    }
}

#[tokio::test]
async fn the_view_shows_the_version_that_serves() {
    let (store, id, database) = registered("shown").await;
    let mut admin = connection(&database).await;
    let shown = "SELECT count(*) FROM es.docs_shown";
    save(&store, &id, &[("a", Some("1"))]).await;
    assert_eq!(number(&mut admin, shown).await, 1);

    let mut second = documents("shown", 1, &[]);
    second.id = ProjectionId::new("shown", 2).unwrap();
    store.register(&second).await.unwrap();
    save(&store, &second.id, &[("a", Some("1")), ("b", Some("2"))]).await;
    assert_eq!(number(&mut admin, shown).await, 1, "the first one serves on");
    assert!(store.control(&second.id, Control::Serve).await.unwrap().is_accepted());
    assert_eq!(number(&mut admin, shown).await, 2);

    assert!(store.drop_projection(&id).await.unwrap());
    assert_eq!(number(&mut admin, shown).await, 2);
    assert!(store.drop_projection(&second.id).await.unwrap());
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'doc%shown%'";
    assert_eq!(number(&mut admin, left).await, 0, "nothing is left behind");
}

/// In the place that a lock takes where no document is.
#[tokio::test]
async fn a_place_that_is_locked_is_no_document() {
    let (store, id, database) = registered("places").await;
    let marked = "INSERT INTO es.doc_places_v1 VALUES ('a', ' null'), ('b', 'null')";
    run(&mut connection(&database).await, marked).await;
    assert_eq!(get(&store, &id, &["a", "b"]).await, [None, Some("null".to_owned())]);
    let all = store.list_documents(&id, &DocumentQuery::new(10)).await.unwrap();
    assert_eq!(all, [("b".to_owned(), "null".to_owned())], "a document may be null, as a unit type is");
    let forged = sqlx::query(AssertSqlSafe("SELECT es.make_documents('x\"; DROP TABLE es.events; --', 1)".to_owned()));
    forged.execute(&mut connection(&database).await).await.unwrap();
    assert_eq!(number(&mut connection(&database).await, "SELECT count(*) FROM es.events").await, 0);
}
