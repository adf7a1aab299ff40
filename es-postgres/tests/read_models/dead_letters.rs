//! Dead letters.

use es_core::{Control, DeadLetterStatus, ReadModelStore, ReadModelTransaction, StreamId, Version};
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
    assert!(!store.control(&id, retry(&of_c)).await.unwrap(), "a skipped event is not waited for");
    assert!(!store.control(&id, retry(&(stream("a"), Version(8)))).await.unwrap());
    assert!(keeps(&store, &lease, LONG).await, "nothing has happened yet");
    assert!(store.control(&id, retry(&of_a)).await.unwrap());
    assert!(!keeps(&store, &lease, LONG).await);
    assert_eq!(store.dead_letters(&id).await.unwrap()[0].status, DeadLetterStatus::RetryRequested);
    let discard = Control::DiscardDeadLetter { stream: of_a.0.clone(), first: of_a.1, reason: because };
    assert!(store.control(&id, discard).await.unwrap());
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
