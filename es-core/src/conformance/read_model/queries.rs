//! Queries: documents are found by the values of their indexed fields, whatever is in them.

use super::support::{
    begin, commit, content, document, found, get, is_setup, longest_key, of_documents, register, save, some,
};
use crate::conformance::ReadModelCandidate;
use crate::read_model::{DocumentQuery, ProjectionId, ReadModelKind, ReadModelTransaction, Registration};

/// More than there are documents in a case.
const MANY: u32 = 999;

/// Documents of which some fields can be asked for.
async fn indexed<S: ReadModelCandidate>(store: &S, name: &str, fields: &'static [&'static str]) -> ProjectionId {
    let registration = Registration { indexed: fields, ..of_documents(name) };
    register(store, &registration).await;
    registration.id
}

fn equal(fields: &[(&'static str, &str)]) -> DocumentQuery {
    let equal = fields.iter().map(|(field, value)| (*field, (*value).to_owned())).collect();
    DocumentQuery { equal, ..DocumentQuery::new(MANY) }
}

async fn asked<S: ReadModelCandidate>(store: &S, id: &ProjectionId, field: &'static str, value: &str) -> Vec<String> {
    found(store, id, &equal(&[(field, value)])).await
}

/// An index has room for both.
pub async fn a_long_value_is_found_under_the_longest_key<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_length", &["owner"]).await;
    let key = longest_key();
    for name in [key.clone(), "🦀".repeat(250), "🦀".repeat(2_000)] {
        save(&store, &id, &[document(&key, &owner(&name))]).await;
        assert_eq!(asked(&store, &id, "owner", &name).await, std::slice::from_ref(&key), "it is there, and found");
    }
}

/// Exactly as they are: in upper and lower case, with spaces, and whole.
pub async fn documents_are_found_by_a_text<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_text", &["owner"]).await;
    let texts =
        ["Ada", "ada", "Ada ", " Ada", "Ad", "Adam", "", "null", "true", "7", "%", "A%", "_da", "🦀", "a\u{308}", "ä"];
    let documents: Vec<_> = texts.iter().map(|text| document(&format!("[{text}]"), &owner(text))).collect();
    save(&store, &id, &documents).await;
    save(&store, &id, &[document("escaped", r#"{"owner": "\u0045ve"}"#), document("other", r#"{"name":"Ada"}"#)]).await;
    for text in texts {
        assert_eq!(asked(&store, &id, "owner", text).await, [format!("[{text}]")], "a text is compared as it is");
    }
    assert_eq!(
        asked(&store, &id, "owner", "Eve").await,
        ["escaped"],
        "what counts is the text, not how JSON writes it"
    );
    assert!(asked(&store, &id, "owner", "eve").await.is_empty(), "there is none");
    let query = equal(&[("owner", "Ada")]);
    let whole = store.list_documents(&id, &query).await.expect("documents can be listed");
    let whole: Vec<_> = whole.into_iter().map(|(key, json)| (key, content(&json))).collect();
    assert_eq!(whole, [("[Ada]".to_owned(), content(&owner("Ada")))], "they come with what is in them");
}

fn owner(text: &str) -> String {
    serde_json::json!({ "owner": text, "balance": 5 }).to_string()
}

/// As they stand in the JSON; and a field without a value is never found.
pub async fn documents_are_found_by_numbers_and_truth_values<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_value", &["v"]).await;
    let values = [
        ("small", "7"),
        ("text", r#""7""#),
        ("negative", "-7"),
        ("float", "7.5"),
        ("point", "7.0"),
        ("largest", "18446744073709551615"),
        ("lowest", "-9223372036854775808"),
        ("yes", "true"),
        ("no", "false"),
        ("null", "null"),
        ("list", "[7]"),
        ("texts", r#"["7"]"#),
        ("object", r#"{"v":7}"#),
    ];
    let documents: Vec<_> = values.iter().map(|(key, json)| document(key, &format!(r#"{{"v":{json}}}"#))).collect();
    save(&store, &id, &documents).await;
    let odd = ["{}", "[7]", "7", r#""7""#, "null", "true", r#"{"w":7}"#, r#"{"w":{"v":7}}"#, r#"{"V":7}"#];
    let odd: Vec<_> = odd.iter().enumerate().map(|(n, json)| document(&format!("odd {n}"), json)).collect();
    save(&store, &id, &odd).await;
    let expected: [(&str, &[&str]); 11] = [
        ("7", &["small", "text"]),
        ("-7", &["negative"]),
        ("7.5", &["float"]),
        ("7.0", &["point"]),
        ("18446744073709551615", &["largest"]),
        ("-9223372036854775808", &["lowest"]),
        ("true", &["yes"]),
        ("false", &["no"]),
        ("null", &[]),
        ("", &[]),
        ("07", &[]),
    ];
    for (value, keys) in expected {
        assert_eq!(
            asked(&store, &id, "v", value).await,
            keys,
            "a number and a truth value are as they stand in the JSON"
        );
    }
    assert_eq!(
        found(&store, &id, &DocumentQuery::new(MANY)).await.len(),
        22,
        "all are there for who asks for no field"
    );
}

/// Each of them has to have its value.
pub async fn several_fields_must_all_be_equal<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_both", &["owner", "open"]).await;
    let row = |key: &str, owner: &str, open: bool| document(key, &format!(r#"{{"owner":"{owner}","open":{open}}}"#));
    let documents = [row("a", "ada", true), row("b", "ada", false), row("c", "bob", true), row("d", "ada", true)];
    save(&store, &id, &documents).await;
    save(&store, &id, &[document("e", r#"{"owner":"ada"}"#), document("f", r#"{"open":true}"#)]).await;
    for query in [[("owner", "ada"), ("open", "true")], [("open", "true"), ("owner", "ada")]] {
        assert_eq!(
            found(&store, &id, &equal(&query)).await,
            ["a", "d"],
            "each field must have its value, in any order"
        );
    }
    assert_eq!(asked(&store, &id, "owner", "ada").await, ["a", "b", "d", "e"], "one is enough for who asks for one");
    let both = equal(&[("owner", "ada"), ("owner", "bob")]);
    assert!(found(&store, &id, &both).await.is_empty(), "no field has two values");
}

/// A page is as long as it was to be, however many documents lie between.
pub async fn pages_of_a_query_follow_each_other_without_a_seam<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_page", &["n"]).await;
    let all: Vec<String> = (0..60).map(|n| format!("{n:02}")).collect();
    let documents: Vec<_> =
        all.iter().enumerate().map(|(n, key)| document(key, &format!(r#"{{"n":{}}}"#, n % 4))).collect();
    save(&store, &id, &documents).await;
    let wanted: Vec<_> = all.iter().skip(1).step_by(4).cloned().collect();
    for limit in [1, 4, 15, 16] {
        let (mut pages, mut query) = (Vec::new(), DocumentQuery { limit, ..equal(&[("n", "1")]) });
        loop {
            let page = found(&store, &id, &query).await;
            let full = wanted.len().saturating_sub(pages.len()).min(usize::try_from(limit).unwrap_or(0));
            assert_eq!(page.len(), full, "a page is full as long as there is more");
            let Some(last) = page.last() else { break };
            query.after = Some(last.clone());
            pages.extend(page);
        }
        assert_eq!(pages, wanted, "pages of {limit} follow each other without a seam");
    }
    let behind = DocumentQuery { after: Some("22".to_owned()), limit: 2, ..equal(&[("n", "1")]) };
    assert_eq!(found(&store, &id, &behind).await, ["25", "29"], "the key to begin behind need not be one of them");
    assert!(found(&store, &id, &DocumentQuery { limit: 0, ..equal(&[("n", "1")]) }).await.is_empty(), "nothing of 0");
}

/// Found by what they are now.
pub async fn a_query_finds_documents_as_they_are_committed<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_now", &["owner"]).await;
    save(&store, &id, &[document("a", &owner("ada")), document("b", &owner("ada"))]).await;
    let mut writes = begin(&store).await;
    let changes = [document("a", &owner("bob")), ("b".to_owned(), None), document("c", &owner("ada"))];
    writes.save_documents(&id, &changes).await.expect("documents can be saved");
    assert_eq!(asked(&store, &id, "owner", "ada").await, ["a", "b"], "nobody finds what is not committed");
    commit(writes).await;
    assert_eq!(asked(&store, &id, "owner", "ada").await, ["c"], "nobody finds what was");
    assert_eq!(asked(&store, &id, "owner", "bob").await, ["a"], "everybody finds what is");
}

/// Whoever asks is not always who one thinks.
pub async fn values_of_every_kind_are_found<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_any", &["owner"]).await;
    // Too long for many an index, and nothing that packing would make short.
    let long: String =
        (0..40_000_u32).filter_map(|n| char::from_digit(n.wrapping_mul(2_654_435_761) >> 27, 36)).collect();
    let longer = format!("{long}!");
    let hostile = [
        "' or 1=1; --",
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        "$1",
        "{}",
        "[]",
        "\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "\u{10ffff}",
        "\\u0041",
        &long,
        &longer,
    ];
    let documents: Vec<_> =
        hostile.iter().enumerate().map(|(n, text)| document(&n.to_string(), &owner(text))).collect();
    save(&store, &id, &documents).await;
    for (n, text) in hostile.iter().enumerate() {
        let beginning: String = text.chars().take(20).collect();
        assert_eq!(asked(&store, &id, "owner", text).await, [n.to_string()], "{beginning:?} finds its document alone");
    }
}

/// It is kept, or refused; it is never cut, and it never is in the way of others.
pub async fn a_nul_in_a_document_is_in_nobodys_way<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_nul", &["owner"]).await;
    save(&store, &id, &[document("cut", &owner("a")), document("plain", &owner("b"))]).await;
    for (key, json) in [("value", owner("a\0b")), ("beside", r#"{"owner":"b","note":"\u0000"}"#.to_owned())] {
        let mut writes = begin(&store).await;
        let saved = writes.save_documents(&id, &[document(key, &json)]).await;
        let kept = match saved {
            Ok(()) => writes.commit().await.is_ok(),
            Err(_) => false,
        };
        let there = get(&store, &id, &[key]).await;
        assert_eq!(there, [if kept { some(&json) } else { None }], "a document is kept whole, or refused");
        let beside = (kept && key == "beside").then_some("beside");
        let expected: Vec<_> = beside.into_iter().chain(["plain"]).collect();
        assert_eq!(asked(&store, &id, "owner", "b").await, expected, "others are found beside it");
        assert_eq!(asked(&store, &id, "owner", "a").await, ["cut"], "a value is never cut at a NUL");
    }
    let kept = get(&store, &id, &["value"]).await != [None];
    let expected: &[&str] = if kept { &["value"] } else { &[] };
    assert_eq!(asked(&store, &id, "owner", "a\0b").await, expected, "what was kept is found, and nothing else");
}

/// A field's name is a text like any other, and may be long.
pub async fn fields_of_every_kind_can_be_asked_for<S: ReadModelCandidate>(store: S) {
    const FIELDS: &[&str] = &[
        "owner",
        "Owner",
        "owner name",
        "it's",
        "a\"b",
        "a\\b",
        "select",
        "$1",
        "%",
        "{owner}",
        "größe",
        "a_name_that_is_longer_than_many_a_database_lets_the_name_of_an_index_be_1",
        "a_name_that_is_longer_than_many_a_database_lets_the_name_of_an_index_be_2",
    ];
    let id = indexed(&store, "by_field", FIELDS).await;
    let with = |field: &str| serde_json::Value::from_iter([(field, "here")]).to_string();
    let documents: Vec<_> = FIELDS.iter().map(|field| document(field, &with(field))).collect();
    save(&store, &id, &documents).await;
    for field in FIELDS {
        assert_eq!(asked(&store, &id, field, "here").await, [*field], "the field {field:?} can be asked for");
    }
}

/// A release that asks for more does not have to build its documents anew; and one that asks for less takes nothing away.
pub async fn fields_can_be_asked_for_later<S: ReadModelCandidate>(store: S) {
    let id = indexed(&store, "by_later", &[]).await;
    let row = |key: &str| document(key, &format!(r#"{{"owner":"{key}","city":"{key}","age":7}}"#));
    save(&store, &id, &[row("old")]).await;
    for fields in [&["owner"] as &'static [&'static str], &["city", "age"], &["age"], &[]] {
        let again = Registration { indexed: fields, ..of_documents("by_later") };
        assert!(!register(&store, &again).await, "the projection is known");
    }
    save(&store, &id, &[row("new")]).await;
    for field in ["owner", "city"] {
        assert_eq!(asked(&store, &id, field, "old").await, ["old"], "what was there before is found by {field}");
        assert_eq!(asked(&store, &id, field, "new").await, ["new"], "what came later is found by {field}");
    }
    assert_eq!(asked(&store, &id, "age", "7").await, ["new", "old"], "several fields can be added at once");
    let other = Registration { kind: ReadModelKind::Projector, ..of_documents("by_later") };
    is_setup(store.register(&Registration { indexed: &["name"], ..other }).await, "it is known as one of another kind");
}
