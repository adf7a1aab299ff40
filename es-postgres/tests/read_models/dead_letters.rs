//! Dead letters.

use es_core::{
    Control, ControlAnswer, DeadLetterStatus, FailureClass, ProjectionState, ReadModelStore, ReadModelTransaction,
    StreamId, Version,
};
use uuid::Uuid;

use crate::fixture::*;

#[tokio::test]
async fn dead_letters_come_back_as_they_were() {
    let (store, id, _database) = registered("balances").await;
    let because = "nobody \0misses it".to_owned();
    let hostile = stream("'); DROP TABLE x; -- \u{1F4A3}");
    let mut posted = vec![
        letter(&stream("d"), 2, 40, DeadLetterStatus::Discarded { reason: "gone".to_owned() }),
        letter(&stream("c"), 2, 30, DeadLetterStatus::Skipped),
        letter(&hostile, 2, 20, DeadLetterStatus::RetryRequested),
        letter(&stream("a"), 7, 10, DeadLetterStatus::Parked),
    ];
    for letter in &posted {
        post(&store, &id, letter).await;
    }
    posted.reverse();
    assert_eq!(store.dead_letters(&id).await.unwrap(), posted);
    assert_eq!(status(&store, &id).await.parked, 2);
    assert!(store.dead_letters(&crate::fixture::id("other")).await.unwrap().is_empty());

    let lease = granted(&store, &id, Uuid::now_v7()).await;
    let (of_a, of_c) = ((stream("a"), Version(7)), (stream("c"), Version(2)));
    let retry =
        |(stream, first): &(StreamId, Version)| Control::RetryDeadLetter { stream: stream.clone(), first: *first };
    assert!(!store.control(&id, retry(&of_c)).await.unwrap().is_accepted(), "a skipped event is not waited for");
    assert!(!store.control(&id, retry(&(stream("a"), Version(8)))).await.unwrap().is_accepted());
    assert!(keeps(&store, &lease, LONG).await, "nothing has happened yet");
    assert!(store.control(&id, retry(&of_a)).await.unwrap().is_accepted());
    assert!(!keeps(&store, &lease, LONG).await);
    assert_eq!(store.dead_letters(&id).await.unwrap()[0].status, DeadLetterStatus::RetryRequested);
    let discard = Control::DiscardDeadLetter { stream: of_a.0.clone(), first: of_a.1, reason: because };
    assert!(store.control(&id, discard).await.unwrap().is_accepted());
    let reason = "nobody \u{fffd}misses it".to_owned();
    assert_eq!(store.dead_letters(&id).await.unwrap()[0].status, DeadLetterStatus::DiscardRequested { reason });

    let mut again = posted[0].clone();
    (again.attempts, again.error) = (9, "NUL \0 inside".to_owned());
    let mut transaction = store.begin().await.unwrap();
    transaction.save_dead_letter(&id, &again).await.unwrap();
    for letter in &posted[1..] {
        transaction.delete_dead_letter(&id, &letter.stream, letter.first).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let kept = store.dead_letters(&id).await.unwrap();
    again.error = "NUL \u{fffd} inside".to_owned();
    assert_eq!(kept, [again]);
}

/// What an earlier release has written has none, and a later one may know more.
#[tokio::test]
async fn where_the_class_is_not_known_everything_else_is_told() {
    let (store, id, database) = registered("balances").await;
    let mut connection = connection(&database).await;
    let mut parked = letter(&stream("ada"), 1, 2, DeadLetterStatus::Parked);
    parked.class = Some(FailureClass::Refused);
    let lease = granted(&store, &id, Uuid::now_v7()).await;
    for word in ["NULL", "'a word of a later release'"] {
        post(&store, &id, &parked).await;
        run(&mut connection, &format!("UPDATE es.dead_letters SET class = {word}")).await;
        run(&mut connection, &format!("UPDATE es.projection_parts SET last_error = 'no', last_error_class = {word}"))
            .await;
        let mut unclassified = parked.clone();
        unclassified.class = None;
        assert_eq!(store.dead_letters(&id).await.unwrap(), [unclassified]);
        let seen = status(&store, &id).await;
        assert_eq!((seen.last_error.as_deref(), seen.last_error_class), (Some("no"), None));
    }
    store.report_stop(&lease, "no", FailureClass::Refused).await.unwrap();
    run(&mut connection, "UPDATE es.projection_parts SET stopped_class = NULL").await;
    let (reason, class) = ("no".to_owned(), None);
    assert_eq!(status(&store, &id).await.state, ProjectionState::Stopped { reason: reason.clone(), class });
    let answer = store.control(&id, Control::Resume).await.unwrap();
    assert_eq!(answer, ControlAnswer::AcceptedWhileStopped { reason, class });
}
