//! Inline: read models that are written in the append's own transaction.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use es_core::{
    Append, Conflict, Document, DocumentError, Error, EventStore, EventStoreExt, ExecuteError, ExpectedVersion, Inline,
    InlineBuilder, OpenError, ProjectionState, ReadModels, Retry, Runner, StartError, Version,
};

use super::domain::{Account, Mean, Misspelt, Order, OrderEvent, Statement, Tally, Unasked, Write, audited, noted};
use super::world::{Indelible, Notes, PATIENCE, Script, World, account, id, put_raw, put_texts, status, texts};

fn over<S: World>(store: &S, script: &Arc<Script>) -> InlineBuilder<S> {
    Inline::over(store.clone()).document::<Statement<1>>().project(Notes::<S>::new(script))
}

async fn append<S: World>(store: &Inline<S>, name: &str, text: &str) -> Result<Version, Error> {
    let name = name.to_owned();
    Ok(store.append_events::<Account>(&name, ExpectedVersion::Any, noted(text)).await?.version)
}

async fn get<S: World, D: Document>(store: &S, key: &str) -> Option<D> {
    store.documents::<D>().unwrap().get(key).await.unwrap()
}

async fn open_tally<S: World>(store: &S) -> Inline<S> {
    Inline::over(store.clone()).document::<Tally<1>>().open().await.unwrap()
}

async fn tally<S: World>(store: &S, key: &str) -> i64 {
    get::<S, Tally<1>>(store, key).await.map_or(0, |tally| tally.open)
}

pub async fn what_is_appended_shows_at_once<S: World>(store: S) {
    let inline = over(&store, &Script::new()).open().await.unwrap();
    for n in 1..=20 {
        assert_eq!(append(&inline, "ada", "note").await.unwrap(), Version(n));
        let statement = get::<S, Statement<1>>(&store, "ada").await.unwrap();
        assert_eq!((statement.trail.len() as u64, texts(&store, "ada").await.len() as u64), (n, n));
        assert_eq!(statement.trail.last().unwrap(), &format!("account-ada@{n}"));
    }
    assert_eq!(store.fold_document("ada").await.unwrap(), get::<S, Statement<1>>(&store, "ada").await);
    // Of another category, which only the documents want; and one that nobody wants.
    let placed = OrderEvent::Placed { account: "ada".into() };
    inline.append_events::<Order>(&"o".to_owned(), ExpectedVersion::NoStream, placed).await.unwrap();
    assert_eq!(get::<S, Statement<1>>(&store, "ada").await.unwrap().trail.len(), 21);
    assert_eq!(store.notes().await.len(), 20);
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.state, seen.lag_events), (ProjectionState::Inline, 0));
    let command = inline.execute(Write { id: "bob".into(), text: Some("note".into()) });
    let written = command.wait_for_document::<Statement<1>>().wait_for([id("notes")]).await.unwrap();
    written.visible.expect("it is never behind");
    assert_eq!(get::<S, Statement<1>>(&store, "bob").await.unwrap().trail, ["account-bob@1"]);
    // One that a runner keeps is waited for.
    let running = Runner::new(store.clone()).document::<Tally<1>>().start().await.unwrap();
    let command = inline.execute(Write { id: "bob".into(), text: Some("+name".into()) });
    command.wait_for_document::<Tally<1>>().await.unwrap().visible.unwrap();
    assert_eq!(tally(&store, "name").await, 1);
    running.stop().await;
}

pub async fn what_cannot_be_taken_in_is_not_stored<S: World>(store: S) {
    let script = Script::breaking(&["poison", "panic at once"]);
    let inline = over(&store, &script).open().await.unwrap();
    append(&inline, "ada", "one").await.unwrap();
    let before = (store.log_end().await.unwrap(), store.notes().await, get::<S, Statement<1>>(&store, "ada").await);
    for text in ["poison", "panic at once"] {
        let refused = append(&inline, "ada", text).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused { projection, .. } if *projection == id("notes")), "{refused:?}");
        let events = vec![noted("fine"), noted(text)];
        inline.append_events::<Account>(&"bob".to_owned(), ExpectedVersion::Any, events).await.unwrap_err();
        let after = (store.log_end().await.unwrap(), store.notes().await, get::<S, Statement<1>>(&store, "ada").await);
        assert_eq!(after, before, "all of it or nothing");
        assert!(get::<S, Statement<1>>(&store, "bob").await.is_none());
    }
    script.mend("poison");
    assert_eq!(append(&inline, "ada", "poison").await.unwrap(), Version(2));
    assert_eq!(texts(&store, "ada").await, ["one", "poison"]);
    // Trouble that passes is told as such, and nothing is stored.
    script.trouble.store(1, std::sync::atomic::Ordering::SeqCst);
    let trouble = append(&inline, "ada", "three").await.unwrap_err();
    assert!(trouble.is_transient(), "{trouble:?}");
    assert_eq!(texts(&store, "ada").await.len(), 2);
}

pub async fn a_conflict_is_a_conflict<S: World>(store: S) {
    let inline = over(&store, &Script::new()).open().await.unwrap();
    append(&inline, "ada", "one").await.unwrap();
    let name = "ada".to_owned();
    let stale = inline.append_events::<Account>(&name, ExpectedVersion::NoStream, noted("two")).await.unwrap_err();
    match stale {
        Error::Conflict(Conflict { actual, .. }) => assert_eq!(actual, Version(1)),
        other => panic!("the stream has moved: {other:?}"),
    }
    assert_eq!((texts(&store, "ada").await.len(), store.notes().await.len()), (1, 1));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let inline = inline.clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let command = Write { id: "ada".into(), text: Some(format!("{writer}-{n}")) };
                    let retry = Retry::attempts(1_000).base(Duration::from_millis(1)).within(PATIENCE);
                    inline.execute(command).retry(retry).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let statement = get::<S, Statement<1>>(&store, "ada").await.unwrap();
    let expected: Vec<String> = (1..=81).map(|n| format!("account-ada@{n}")).collect();
    assert_eq!((statement.trail, store.notes().await.len()), (expected, 81));
}

pub async fn writers_of_one_document_lose_nothing<S: World>(store: S) {
    let inline = open_tally(&store).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let inline = inline.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    append(&inline, &format!("w{writer}"), "+shared").await.unwrap();
                    // This one comes and goes.
                    append(&inline, &format!("w{writer}"), "+gone").await.unwrap();
                    append(&inline, &format!("w{writer}"), "-gone").await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!((tally(&store, "shared").await, tally(&store, "gone").await), (160, 0));
    assert!(get::<S, Tally<1>>(&store, "gone").await.is_none());
}

pub async fn history_is_taken_in_first_and_once<S: World>(store: S) {
    put_texts(&store, "ada", &["one", "two"]).await;
    put_texts(&store, "bob", &["private", "three"]).await;
    for n in 0..3 {
        let script = Script::new();
        let inline = over(&store, &script).open().await.unwrap();
        assert_eq!(script.calls(), if n == 0 { 4 } else { 0 }, "what is there is not built twice");
        append(&inline, "ada", "more").await.unwrap();
        assert_eq!(texts(&store, "ada").await.len(), 3 + n);
        let kept = get::<S, Statement<1>>(&store, "ada").await;
        assert_eq!(kept, store.fold_document("ada").await.unwrap());
    }
    let notes = store.notes().await;
    assert!(notes.iter().all(|note| note.replay == (note.text != "more")), "history is told from the present");
    // Dropped, it is built anew.
    store.drop_projection(&id("statement")).await.unwrap();
    over(&store, &Script::new()).open().await.unwrap();
    assert_eq!(get::<S, Statement<1>>(&store, "ada").await, store.fold_document("ada").await.unwrap());
}

/// Several open it at once, and each writes as soon as it has it.
pub async fn it_may_be_opened_beside_writers<S: World>(store: S) {
    for _ in 0..20 {
        put_texts(&store, "old", &["+shared"; 5]).await;
    }
    let writers: Vec<_> = (0..6)
        .map(|writer: u64| {
            let store = store.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(writer * 2)).await;
                let inline = open_tally(&store).await;
                for _ in 0..20 {
                    append(&inline, &format!("w{writer}"), "+shared").await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(tally(&store, "shared").await, 100 + 120);
}

/// Whoever does not take part is not taken in, but must not keep it from being opened either.
pub async fn appends_beside_it_do_not_keep_it_from_being_built<S: World>(store: S) {
    put_texts(&store, "old", &["+shared"; 200]).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..150 {
                put_texts(&store, &format!("s{}", n % 5), &["unrelated"]).await;
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
    });
    for version in 0..10 {
        let inline = open_tally(&store).await;
        append(&inline, "new", "+shared").await.unwrap();
        assert_eq!(tally(&store, "shared").await, 200 + version + 1);
        assert!(store.drop_projection(&id("tally")).await.unwrap());
    }
    writer.await.unwrap();
}

pub async fn a_document_is_rebuilt_beside_writers<S: World>(store: S) {
    let inline = open_tally(&store).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let inline = inline.clone();
            tokio::spawn(async move {
                for _ in 0..40 {
                    append(&inline, &format!("w{writer}"), "+shared").await.unwrap();
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            })
        })
        .collect::<Vec<_>>();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        store.rebuild_document::<Tally<1>>("shared").await.unwrap();
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(tally(&store, "shared").await, 160);
}

pub async fn nobody_runs_it<S: World>(store: S) {
    let inline = over(&store, &Script::new()).open().await.unwrap();
    append(&inline, "ada", "one").await.unwrap();
    let refused = Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap_err();
    assert!(matches!(&refused, StartError::Store(Error::Setup { .. })), "{refused:?}");
    assert!(refused.to_string().contains("inline"), "{refused}");
    let running = Runner::new(store.clone()).document::<Statement<2>>().start().await.unwrap();
    running.catch_up().await.expect("another version is another read model");
    running.stop().await;
    let refused = Inline::over(store.clone()).document::<Statement<2>>().open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Store(Error::Setup { .. })), "{refused:?}");
    assert_eq!(get::<S, Statement<2>>(&store, "ada").await.unwrap().trail.len(), 1, "nothing of it was touched");
}

pub async fn what_cannot_be_opened_says_why<S: World>(store: S) {
    let over = || Inline::over(store.clone());
    let said = |refused: &OpenError| std::error::Error::source(refused).map(ToString::to_string);

    let refused = over().open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Nothing), "{refused:?}");
    let refused = over().document::<Tally<1>>().document::<Tally<2>>().document::<Tally<1>>().open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::Twice { id: twice } if *twice == id("tally")), "{refused:?}");
    let refused = over().document::<Misspelt>().open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::Filter { id: of, .. } if *of == id("misspelt")), "{refused:?}");
    assert!(refused.to_string().contains("`order.plaecd`"), "{refused}");
    let refused = over().document::<Unasked>().open().await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::Filter { .. }) && refused.to_string().contains("nobody knows"),
        "{refused:?}"
    );
    assert!(store.projections().await.unwrap().is_empty(), "nothing of it came to be");

    // In an empty log there is nothing to be built from.
    over().project(Indelible::<S>(PhantomData)).open().await.unwrap();
    store.drop_projection(&id("indelible")).await.unwrap();
    put_texts(&store, "ada", &["one", "poison"]).await;
    let refused = over().project(Indelible::<S>(PhantomData)).open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::NoClear { id: new } if *new == id("indelible")), "{refused:?}");
    assert!(refused.to_string().contains("`Projector::clear`"), "{refused}");

    let script = Script::breaking(&["poison"]);
    let refused = over().project(Notes::<S>::new(&script)).open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::NotBuilt { id: new, .. } if *new == id("notes")), "{refused:?}");
    assert_eq!(said(&refused).unwrap(), "cannot take in poison");
    put_raw(&store, "ada", audited("eve")).await;
    script.mend("poison");
    let refused = over().project(Notes::<S>::new(&script)).open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::NotBuilt { .. }), "{refused:?}");
    assert_eq!(said(&refused).unwrap(), "event 3 of stream `account-ada` cannot be read");
    assert!(store.notes().await.is_empty() && store.projections().await.unwrap().is_empty(), "nothing of it was kept");
}

pub async fn a_refused_append_is_told_from_a_failure_of_the_store<S: World>(store: S) {
    let inline = Inline::over(store.clone()).document::<Mean>().open().await.unwrap();
    append(&inline, "ada", "one").await.unwrap();
    // By a document that could not be read again, and by an event that its projection does not know.
    let refused = append(&inline, "ada", "not a number").await.unwrap_err();
    let Error::Refused { projection, source } = &refused else { panic!("{refused:?}") };
    assert!(refused.is_refused() && !refused.is_transient() && *projection == id("mean"));
    let document = source.downcast_ref::<DocumentError>().expect("it says which document");
    assert_eq!((document.key(), document.is_stored()), ("ada", false));
    let unknown = Append::new(account("ada"), ExpectedVersion::Any, vec![audited("eve")]);
    let refused = inline.append(unknown).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { source, .. } if source.to_string().contains("event 2")), "{refused:?}");
    let command = Write { id: "ada".into(), text: Some("not a number".into()) };
    let refused = inline.execute(command).await.unwrap_err();
    assert!(matches!(&refused, ExecuteError::Store(error) if error.is_refused()), "{refused:?}");
    assert_eq!(
        (length(&store).await, get::<S, Mean>(&store, "ada").await.unwrap().mean),
        (1, 1.0),
        "nothing was stored"
    );
    // On PostgreSQL, whoever drops it while it is used has taken away the table.
    store.drop_projection(&id("mean")).await.unwrap();
    if let Err(failed) = append(&inline, "ada", "two").await {
        assert!(matches!(failed, Error::Store { .. } | Error::Setup { .. }), "{failed:?}");
    }
}

async fn length<S: World>(store: &S) -> u64 {
    store.load::<Account>("ada").await.unwrap().version.0
}
