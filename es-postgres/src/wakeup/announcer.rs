//! Tells other processes that this one has stored events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::BoxError;
use sqlx::{Connection, PgConnection};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{sleep, timeout};

use crate::wakeup::link::{Link, Troubles};
use crate::wakeup::locked;

/// Ticks, and notifies if there is anything that nobody has notified of.
pub(crate) const ANNOUNCE: &str = "SELECT {schema}.announce()";

/// The shortest time from one announcement to the next: appends in between share it. The first one after that time is
/// announced at once.
const BETWEEN: Duration = Duration::from_millis(10);

/// Longer than this the connection is not kept without use: firewalls forget about it sooner or later.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// Starts a task when there is something to announce. The task ends after the last handle of the store.
#[derive(Debug)]
pub(super) struct Announcer {
    link: Arc<Link>,
    task: Mutex<Option<mpsc::Sender<()>>>,
}

impl Announcer {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, task: Mutex::default() }
    }

    /// At the most one announcement waits: the next one tells of all that is committed when it is made.
    pub(super) fn ask(&self) {
        let mut task = locked(&self.task);
        match task.as_ref().map(|asked| asked.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => {}
            // None was started yet, or it ended with the runtime that it ran on.
            None | Some(Err(TrySendError::Closed(()))) => *task = self.start(),
        }
    }

    fn start(&self) -> Option<mpsc::Sender<()>> {
        let Ok(runtime) = Handle::try_current() else {
            tracing::debug!("events are not announced to other processes: there is no runtime to do it on");
            return None;
        };
        let (ask, asked) = mpsc::channel(1);
        // There is room for one in a channel that is new.
        let _ = ask.try_send(());
        runtime
            .spawn(Task { link: Arc::clone(&self.link), connection: None, troubles: Troubles::default() }.run(asked));
        Some(ask)
    }
}

struct Task {
    link: Arc<Link>,
    connection: Option<PgConnection>,
    troubles: Troubles,
}

impl Task {
    /// What was asked for before the store was dropped is still done, unless there is trouble.
    async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        while self.is_asked(&mut asked).await {
            while let Err(error) = self.announce().await {
                self.troubles.wait_out(error, "new events are not announced to other processes").await;
                if asked.is_closed() {
                    return;
                }
            }
            self.troubles.are_over();
            sleep(BETWEEN).await;
        }
        self.close().await;
    }

    async fn is_asked(&mut self, asked: &mut mpsc::Receiver<()>) -> bool {
        match timeout(MAX_IDLE, asked.recv()).await {
            Ok(asked) => asked.is_some(),
            Err(_) => {
                self.close().await;
                asked.recv().await.is_some()
            }
        }
    }

    async fn announce(&mut self) -> Result<(), BoxError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.link.answer(PgConnection::connect_with(&self.link.server("announcer"))).await?,
        };
        self.link.answer(sqlx::query(self.link.announce.clone()).execute(&mut connection)).await?;
        // Only one that answered is used again.
        self.connection = Some(connection);
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self.link.answer(connection.close()).await;
        }
    }
}
