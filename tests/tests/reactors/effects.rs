//! What is not a command is done at least once, and can be recognised.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::{
    BoxError, Control, Effect, Error, EventId, OnFailure, ReadModelStore, Recorded, Runner, Running, StopReason,
    Version,
};
use tokio::sync::Notify;

use crate::domain::OrderEvent;
use crate::support::{caught_up, control, giving_up, letters, orders, place, status, until};

/// A mail that was handed over: its token, and what it says.
type Sent = (EventId, String);

#[derive(Clone, Default)]
struct Mailer {
    sent: Arc<Mutex<Vec<Sent>>>,
    /// How often mails of these names are still refused, after they were handed over.
    refuses: Arc<Mutex<Vec<(&'static str, u32)>>>,
    /// Whether that is trouble that passes by itself.
    passes: bool,
    /// The name of the mail that it never finishes.
    hangs_at: Option<&'static str>,
    hangs: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
#[error("the mail server is busy")]
struct Busy;

impl Effect for Mailer {
    const NAME: &'static str = "mailer";
    type Event = OrderEvent;
    type Error = BoxError;

    async fn perform(&self, event: &Recorded<OrderEvent>, token: EventId) -> Result<(), BoxError> {
        assert_eq!(token, event.id);
        let OrderEvent::Placed { name } = &event.event else { return Ok(()) };
        self.sent.lock().unwrap().push((token, name.clone()));
        if self.hangs_at == Some(name) {
            self.hangs.notify_one();
            std::future::pending::<()>().await;
        }
        let mut refuses = self.refuses.lock().unwrap();
        match refuses.iter_mut().find(|(refused, left)| refused == name && *left > 0) {
            Some((_, left)) => {
                *left -= 1;
                Err(if self.passes { Error::unavailable(Busy).into() } else { Busy.into() })
            }
            None => Ok(()),
        }
    }
}

impl Mailer {
    fn refusing(refuses: &[(&'static str, u32)]) -> Self {
        Self { refuses: Arc::new(Mutex::new(refuses.to_vec())), ..Self::default() }
    }

    fn names(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|(_, name)| name.clone()).collect()
    }

    async fn start<S: ReadModelStore>(&self, store: &S, on_failure: OnFailure) -> Running<S> {
        Runner::new(store.clone()).settings(giving_up(on_failure)).effect(self.clone()).start().await.unwrap()
    }
}

/// So that what follows is not history to it.
async fn registered<S: ReadModelStore>(store: &S) {
    Mailer::default().start(store, OnFailure::stop()).await.stop().await;
}

async fn place_all<S: ReadModelStore>(store: &S, names: &[&str]) {
    for name in names {
        place(store, "7", name).await;
    }
}

pub async fn the_token_is_the_same_at_every_try<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place_all(&store, &["one", "two", "three"]).await;
    let mailer = Mailer::refusing(&[("two", 2)]);
    let running = mailer.start(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(mailer.names(), ["one", "two", "two", "two", "three"], "only the failing one is done again");
    let sent = mailer.sent.lock().unwrap().clone();
    for order in orders(&store).await {
        let OrderEvent::Placed { name } = order.event else { continue };
        assert!(sent.iter().filter(|(_, sent)| *sent == name).all(|(token, _)| *token == order.id));
    }
}

pub async fn trouble_that_passes_repeats_only_the_one_under_way<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place_all(&store, &["one", "two", "three"]).await;
    let mailer = Mailer { passes: true, ..Mailer::refusing(&[("two", 5)]) };
    let running = mailer.start(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(mailer.names(), ["one", "two", "two", "two", "two", "two", "two", "three"]);
}

pub async fn a_crash_repeats_at_most_the_one_under_way<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place_all(&store, &["one", "two", "three", "four"]).await;
    let mailer = Mailer { hangs_at: Some("three"), ..Mailer::default() };
    let running = mailer.start(&store, OnFailure::stop()).await;
    mailer.hangs.notified().await;
    running.stop_within(Duration::ZERO).await;
    let mended = Mailer { hangs_at: None, ..mailer.clone() };
    let running = mended.start(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(mailer.names(), ["one", "two", "three", "three", "four"]);
    let sent = mailer.sent.lock().unwrap();
    assert_eq!(sent[2], sent[3], "the token is the same in another process");
}

pub async fn a_failing_effect_parks_its_stream_alone<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place_all(&store, &["one", "two", "three"]).await;
    place(&store, "8", "four").await;
    let mailer = Mailer::refusing(&[("two", 4)]);
    let running = mailer.start(&store, OnFailure::park()).await;
    caught_up(&running).await;
    assert_eq!(mailer.names(), ["one", "two", "two", "two", "four"]);
    assert_eq!(status(&store, "mailer").await.parked, 1);
    control(&store, "mailer", Control::RetryDeadLetters).await;
    until("it was tried again", || async { letters(&store, "mailer").await[0].attempts == 4 }).await;
    control(&store, "mailer", Control::RetryDeadLetters).await;
    until("nothing waits", || async { letters(&store, "mailer").await.is_empty() }).await;
    place_all(&store, &["five"]).await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(mailer.names()[5..], ["two", "two", "three", "five"], "in the stream's order");
}

pub async fn a_refused_effect_is_tried_as_often_as_the_policy_says<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place_all(&store, &["one", "two", "three"]).await;
    let mailer = Mailer::refusing(&[("two", u32::MAX)]);
    let running = mailer.start(&store, OnFailure::stop()).await;
    let (_, reason) = running.stopped().await;
    let StopReason::Failed { version, attempts, error, .. } = &reason else { panic!("{reason:?}") };
    assert_eq!((*version, *attempts, error.as_str()), (Version(2), 3, "the mail server is busy"));
    running.stop().await;
    assert_eq!(mailer.names(), ["one", "two", "two", "two"]);
}
