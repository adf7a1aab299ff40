//! Asking for documents by what their fields hold.

use es_core::{Document, Documents, Error, Inline, IntoKeys, OpenError, ReadModels, Recorded, Runner, StartError};
use serde::{Deserialize, Serialize};

use super::domain::AccountEvent;
use super::world::{World, put_texts};

/// What the note of an account says, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Card {
    owner: String,
    level: i64,
    active: bool,
    ratio: f32,
    count: u128,
    kind: Option<Kind>,
    inner: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Gold,
}

impl Document for Card {
    const NAME: &'static str = "card";
    const INDEXED: &'static [&'static str] = &["owner", "level", "active", "ratio", "count", "kind", "inner"];
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id().to_owned()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        if let AccountEvent::Noted { text } = &event.event {
            *self = serde_json::from_str(text).unwrap();
        }
    }
}

const HOSTILE: [&str; 9] =
    ["'; DROP TABLE card_v1; --", "%", "_", "\"", "\\", "ä\u{1F600}", "null", "a\nb", "${owner} $1 {}"];

async fn keep<S: World>(store: &S, cards: impl IntoIterator<Item = (String, Card)>) {
    let running = Runner::new(store.clone()).document::<Card>().start().await.unwrap();
    for (key, card) in cards {
        put_texts(store, &key, &[&serde_json::to_string(&card).unwrap()]).await;
    }
    running.catch_up().await.unwrap();
    running.stop().await;
}

fn cards<S: World>(store: &S) -> Documents<'_, S, Card> {
    store.documents::<Card>().unwrap()
}

async fn keys<S: World>(documents: Documents<'_, S, Card>) -> Vec<String> {
    documents.list(None, 100).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

async fn refused<S: World>(documents: Documents<'_, S, Card>) -> String {
    let error = documents.list(None, 10).await.unwrap_err();
    assert!(matches!(error, Error::Setup { .. }), "{error:?}");
    error.to_string()
}

pub async fn by_one_field_and_by_several_and_page_by_page<S: World>(store: S) {
    let card = |n: i64| Card { owner: ["ada", "bob"][n as usize % 2].into(), level: n % 3, ..Card::default() };
    keep(&store, (0..30).map(|n| (format!("c{n:02}"), card(n)))).await;
    assert_eq!(keys(cards(&store)).await.len(), 30);
    assert_eq!(keys(cards(&store).filter("owner", "ada")).await.len(), 15);
    assert_eq!(keys(cards(&store).filter("level", 2)).await.len(), 10);
    let both = || cards(&store).filter("owner", "bob").filter("level", 0);
    let expected = ["c03", "c09", "c15", "c21", "c27"];
    assert_eq!(keys(both()).await, expected);
    let (mut after, mut paged) = (None, Vec::new());
    loop {
        let page = both().list(after.as_deref(), 2).await.unwrap();
        assert!(page.iter().all(|(_, card)| card.owner == "bob" && card.level == 0) && page.len() <= 2);
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(paged, expected);
    assert!(keys(cards(&store).filter("owner", "ada").filter("owner", "bob")).await.is_empty(), "both have to hold");
    assert!(cards(&store).filter("owner", "eve").get("c01").await.unwrap().is_some(), "a key is a key");
    // One that changes is found where it is now.
    keep(&store, [("c03".to_owned(), card(4))]).await;
    assert_eq!(keys(both()).await, expected[1..]);
}

pub async fn for_values_of_every_kind<S: World>(store: S) {
    let card = Card { owner: "ada".into(), level: i64::MIN, active: true, kind: Some(Kind::Gold), ..Card::default() };
    let precise = Card { ratio: 0.1, count: u128::MAX, level: i64::MAX, ..Card::default() };
    keep(&store, [("a".to_owned(), card), ("b".to_owned(), precise)]).await;
    assert_eq!(keys(cards(&store).filter("active", true)).await, ["a"]);
    assert_eq!(keys(cards(&store).filter("active", false)).await, ["b"]);
    assert_eq!(keys(cards(&store).filter("level", i64::MIN)).await, ["a"]);
    assert_eq!(keys(cards(&store).filter("level", i64::MAX)).await, ["b"]);
    assert_eq!(keys(cards(&store).filter("kind", Kind::Gold)).await, ["a"]);
    assert_eq!(keys(cards(&store).filter("kind", Some(Kind::Gold))).await, ["a"]);
    assert_eq!(keys(cards(&store).filter("ratio", 0.1_f32)).await, ["b"], "as it is written");
    assert_eq!(keys(cards(&store).filter("count", u128::MAX)).await, ["b"]);
    assert_eq!(keys(cards(&store).filter("owner", 'x')).await, <[&str; 0]>::default());
    assert_eq!(keys(cards(&store).filter("owner", "")).await, ["b"]);
}

pub async fn for_hostile_values<S: World>(store: S) {
    let card = |owner: &str| Card { owner: owner.to_owned(), ..Card::default() };
    let kept = HOSTILE.iter().enumerate().map(|(n, owner)| (format!("h{n}"), card(owner)));
    keep(&store, kept.chain([("long".to_owned(), card(&"x".repeat(100_000)))])).await;
    for (n, owner) in HOSTILE.iter().enumerate() {
        assert_eq!(keys(cards(&store).filter("owner", owner)).await, [format!("h{n}")], "{owner:?}");
    }
    assert_eq!(keys(cards(&store).filter("owner", "x".repeat(100_000))).await, ["long"]);
    assert!(keys(cards(&store).filter("owner", "x".repeat(99_999))).await.is_empty());
}

/// No filter would ever find it.
pub async fn what_holds_a_list_is_refused_at_the_start<S: World>(store: S) {
    let refused = Runner::new(store.clone()).document::<Labelled>().start().await.unwrap_err();
    let told = "projection `labelled v1`: its indexed field `labels` holds a list, which no filter finds: index fields that hold one \
                value, a text, a number or a truth value";
    assert!(matches!(refused, StartError::Index { .. }), "{refused:?}");
    assert_eq!(refused.to_string(), told);
    let refused = Inline::over(store.clone()).document::<Labelled>().open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Index { .. }), "{refused:?}");
    assert_eq!(refused.to_string(), told);
    assert!(store.projections().await.unwrap().is_empty(), "nothing of it came to be");
}

/// Documents of which a list is indexed.
#[derive(Default, Serialize, Deserialize)]
struct Labelled {
    owner: Option<String>,
    labels: Vec<String>,
}

impl Document for Labelled {
    const NAME: &'static str = "labelled";
    const INDEXED: &'static [&'static str] = &["owner", "labels"];
    type Event = AccountEvent;

    fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}

    fn apply(&mut self, _: &Recorded<AccountEvent>) {}
}

pub async fn what_cannot_be_asked_for_says_so<S: World>(store: S) {
    keep(&store, [("a".to_owned(), Card::default())]).await;
    let unknown = refused(cards(&store).filter("colour", "red")).await;
    assert_eq!(unknown, "field `colour` of `card v1` is not indexed: name it in `Document::INDEXED`");
    let hostile = refused(cards(&store).filter("owner' = '' OR 'x", "x").filter("owner", "x")).await;
    assert!(hostile.contains("is not indexed"), "{hostile}");
    let none = refused(cards(&store).filter("kind", None::<Kind>)).await;
    assert_eq!(none, "field `kind` cannot be asked for null: only for a text, a number or a truth value");
    let list = refused(cards(&store).filter("inner", [1, 2])).await;
    assert!(list.contains("cannot be asked for [1,2]"), "{list}");
    let object = refused(cards(&store).filter("owner", Card::default())).await;
    assert!(object.contains("only for a text, a number or a truth value"), "{object}");
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    let unwritable = refused(cards(&store).filter("owner", map)).await;
    assert!(unwritable.contains("field `owner` cannot be asked for this value"), "{unwritable}");
    assert!(keys(cards(&store).filter("level", "0")).await.len() <= 1, "a text is no number, or reads like one");
}
