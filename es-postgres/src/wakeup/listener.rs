//! Hears that other processes have stored events.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::BoxError;
use sqlx::Row;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::wakeup::link::{Link, Troubles};
use crate::wakeup::{Waiting, locked};

/// What to listen to: `LISTEN` itself takes a name and no expression.
pub(crate) const CHANNEL: &str = "SELECT {schema}.channel()";

/// When nothing was heard for so long, the connection is asked whether it still works: nobody says so of one that a network
/// has forgotten.
const SILENCE: Duration = Duration::from_secs(30);

/// Starts a task when somebody first waits. The task ends with the last handle of the store.
#[derive(Debug)]
pub(super) struct Listener {
    link: Arc<Link>,
    /// Never sent to. The task ends when it is dropped, and it is closed when the task has ended.
    task: Mutex<Option<oneshot::Sender<Infallible>>>,
}

impl Listener {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, task: Mutex::default() }
    }

    /// Sees to it that what others announce wakes those who wait here.
    pub(super) fn listen(&self, waiting: &Waiting) {
        let mut task = locked(&self.task);
        if task.as_ref().is_none_or(oneshot::Sender::is_closed) {
            *task = self.start(waiting.clone());
        }
    }

    fn start(&self, waiting: Waiting) -> Option<oneshot::Sender<Infallible>> {
        let Ok(runtime) = Handle::try_current() else {
            tracing::debug!("nothing is heard of other processes' events: there is no runtime to listen on");
            return None;
        };
        let (store, dropped) = oneshot::channel();
        let task = Task { link: Arc::clone(&self.link), waiting, troubles: Troubles::default() };
        runtime.spawn(async move {
            tokio::select! {
                _ = dropped => {}
                never = task.run() => match never {}
            }
        });
        Some(store)
    }
}

struct Task {
    link: Arc<Link>,
    waiting: Waiting,
    troubles: Troubles,
}

impl Task {
    async fn run(mut self) -> Infallible {
        loop {
            let Err(error) = self.hear().await;
            self.troubles.wait_out(error, "other processes' events are not heard of").await;
        }
    }

    /// Until the connection is lost.
    async fn hear(&mut self) -> Result<Infallible, BoxError> {
        let mut ears = self.connect().await?;
        self.troubles.are_over();
        // Something may have been announced while nobody listened.
        self.waiting.wake();
        loop {
            match timeout(SILENCE, ears.try_recv()).await {
                Ok(Ok(Some(_))) => self.waiting.wake(),
                Ok(Ok(None)) => return Err("the server closed the connection".into()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => self.ping(&mut ears).await?,
            }
        }
    }

    async fn ping(&self, ears: &mut PgListener) -> Result<(), BoxError> {
        self.link.answer(sqlx::query("SELECT 1").execute(ears)).await.map(drop)
    }

    /// The driver listens through a pool only; this one is of a single connection, and ends with it.
    async fn connect(&self) -> Result<PgListener, BoxError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(self.link.patience())
            .connect_lazy_with(self.link.server("listener"));
        let mut ears = self.link.answer(PgListener::connect_with(&pool)).await?;
        ears.eager_reconnect(false);
        let channel = self.link.answer(sqlx::query(self.link.channel.clone()).fetch_one(&mut ears)).await?;
        self.link.answer(ears.listen(channel.try_get(0)?)).await?;
        Ok(ears)
    }
}
