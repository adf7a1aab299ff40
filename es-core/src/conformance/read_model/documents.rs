//! Documents: they come back as they were written, in order, whatever is in their keys and in them.

use super::support::{begin, commit, document, get, keys, listed, loaded, longest_key, registered, save, some};
use crate::conformance::ReadModelCandidate;
use crate::read_model::ReadModelTransaction;

/// The same as they were asked for, with `None` for those that are not there.
pub async fn documents_come_back_in_the_order_of_their_keys<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "ordered").await;
    assert_eq!(get(&store, &id, &["a"]).await, [None], "there are no documents yet");
    save(&store, &id, &[document("b", "2"), document("a", "1")]).await;
    let found = get(&store, &id, &["a", "missing", "b", "a"]).await;
    assert_eq!(found, [some("1"), None, some("2"), some("1")], "documents come in the order of the keys asked for");
    assert!(get(&store, &id, &[]).await.is_empty(), "who asks for nothing gets nothing");
    let mut transaction = begin(&store).await;
    let found = loaded(&mut transaction, &id, &["b", "missing", "a"]).await;
    assert_eq!(found, [some("2"), None, some("1")], "documents are loaded in the order of the keys asked for");
    assert!(loaded(&mut transaction, &id, &[]).await.is_empty(), "nothing for nothing");
}

/// A document takes the place of the one that is there; none removes it.
pub async fn documents_are_replaced_and_removed<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "replaced").await;
    save(&store, &id, &[document("a", r#"{"n":1}"#), document("b", r#"{"n":1}"#)]).await;
    save(&store, &id, &[document("a", r#"{"n":2}"#), ("b".into(), None), ("missing".into(), None)]).await;
    assert_eq!(get(&store, &id, &["a", "b"]).await, [some(r#"{"n":2}"#), None], "replaced, and removed");
    save(&store, &id, &[document("b", "3")]).await;
    assert_eq!(get(&store, &id, &["b"]).await, [some("3")], "what was removed can come again");
    save(&store, &id, &[]).await;
    assert_eq!(listed(&store, &id, None, 9).await, ["a", "b"], "saving nothing changes nothing");
}

/// Not in that of anybody's language, so that pages follow each other without a seam on every store.
pub async fn documents_are_listed_in_the_order_of_their_bytes<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "listed").await;
    let mut wanted = keys(&["a", "B", "b", "aa", "a b", "a-b", "ä", "Z", "z", "10", "9", "🦀", "~"]);
    let documents: Vec<_> = wanted.iter().map(|key| document(key, "{}")).collect();
    save(&store, &id, &documents).await;
    wanted.sort_unstable();
    assert_eq!(listed(&store, &id, None, 99).await, wanted, "documents are listed in the order of their keys' bytes");
    for limit in [1, 2, 5] {
        let (mut all, mut after) = (Vec::<String>::new(), None);
        loop {
            let page = listed(&store, &id, after.as_deref(), limit).await;
            assert!(page.len() <= usize::try_from(limit).unwrap_or(0), "no more than `limit` documents are listed");
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            all.extend(page);
        }
        assert_eq!(all, wanted, "pages of {limit} follow each other without a seam");
    }
    assert_eq!(listed(&store, &id, Some("aaa"), 1).await, ["b"], "the key to begin behind need not be there");
    assert!(listed(&store, &id, None, 0).await.is_empty(), "a limit of 0 lists nothing");
}

/// And of no other.
pub async fn clearing_removes_all_documents_of_one_projection<S: ReadModelCandidate>(store: S) {
    let (cleared, other) = (registered(&store, "cleared").await, registered(&store, "uncleared").await);
    for id in [&cleared, &other] {
        save(&store, id, &[document("a", "1"), document("b", "1")]).await;
    }
    let mut transaction = begin(&store).await;
    transaction.clear_documents(&cleared).await.expect("documents can be cleared");
    let seen = loaded(&mut transaction, &cleared, &["a"]).await;
    assert_eq!(seen, [None], "what was cleared is gone for the transaction");
    transaction.save_documents(&cleared, &[document("b", "2")]).await.expect("documents can be saved");
    commit(transaction).await;
    assert_eq!(get(&store, &cleared, &["a", "b"]).await, [None, some("2")], "what is written afterwards stays");
    assert_eq!(get(&store, &other, &["a", "b"]).await, [some("1"), some("1")], "other projections are left alone");
}

/// Keys are compared byte by byte, and kept whatever is in them.
pub async fn keys_of_every_kind<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "keys").await;
    let long = longest_key();
    let crab = "🦀".repeat(crate::MAX_KEY_BYTES / 4);
    let hostile = [
        " ",
        "a",
        "A",
        "a ",
        " a",
        "ä",
        "a\u{308}",
        "'; drop table documents; --",
        "%",
        "_",
        "\\",
        "\"",
        "{}",
        "{a,b}",
        "NULL",
        "null",
        "\n",
        "\u{1}",
        "\u{7f}",
        "$1",
        "\u{10ffff}",
        &long,
        &crab,
    ];
    let documents: Vec<_> = hostile.iter().enumerate().map(|(n, key)| document(key, &n.to_string())).collect();
    save(&store, &id, &documents).await;
    let expected: Vec<_> = (0..hostile.len()).map(|n| Some(n.to_string())).collect();
    assert_eq!(get(&store, &id, &hostile).await, expected, "each key has its own document");
    assert_eq!(listed(&store, &id, None, 99).await.len(), hostile.len(), "and each is listed");
}

/// Any JSON comes back with the same content.
pub async fn contents_of_every_kind<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "contents").await;
    let large = format!("\"{}\"", "🦀".repeat(250_000));
    let contents = [
        "null",
        "[]",
        "{}",
        "\"\"",
        r#"{"quote":"'; drop table documents; --","backslash":"\\","newline":"\n","emoji":"🦀"}"#,
        r#"{"largest":18446744073709551615,"smallest":-9223372036854775808,"float":0.1}"#,
        &large,
    ];
    for (n, json) in contents.iter().enumerate() {
        let key = n.to_string();
        save(&store, &id, &[document(&key, json)]).await;
        assert_eq!(get(&store, &id, &[&key]).await, [some(json)], "a document comes back with the same content");
    }
    let nul = r#"{"nul":"\u0000"}"#;
    let mut transaction = begin(&store).await;
    let saved = transaction.save_documents(&id, &[document("nul", nul)]).await;
    let kept = match saved {
        Ok(()) => transaction.commit().await.is_ok(),
        Err(_) => {
            drop(transaction);
            false
        }
    };
    let expected = if kept { some(nul) } else { None };
    assert_eq!(get(&store, &id, &["nul"]).await, [expected], "a NUL is kept, or refused; it is never cut");
}

/// A batch may change many.
pub async fn thousands_of_documents_at_once<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "many").await;
    let all: Vec<String> = (0..5_000).map(|n| format!("key {n:05}")).collect();
    let documents: Vec<_> = all.iter().enumerate().map(|(n, key)| document(key, &n.to_string())).collect();
    save(&store, &id, &documents).await;
    let found = store.get_documents(&id, &all).await.expect("documents can be asked for");
    let expected: Vec<_> = (0..all.len()).map(|n| Some(n.to_string())).collect();
    assert_eq!(found, expected, "thousands of documents come back, in order");
    let removed: Vec<_> = all.iter().map(|key| (key.clone(), None)).collect();
    save(&store, &id, &removed).await;
    assert!(listed(&store, &id, None, 1).await.is_empty(), "thousands of documents are removed");
}
