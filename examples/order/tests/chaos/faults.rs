//! What goes wrong inside of a process, as chance has it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::random::Random;

/// What a process prints when it is to be killed at once.
pub(crate) const KILL_ME: &str = "<kill me>";

/// What can become of a step.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It takes a while, and is done.
    Slow(Duration),
    /// It is not done.
    Before,
    /// It is done, and nobody is told.
    Behind,
    /// It is done, and the process dies.
    Death,
}

/// How often which of them is drawn, in ten thousand times.
#[derive(Clone, Copy)]
pub(crate) struct Odds {
    pub(crate) slow: u64,
    pub(crate) before: u64,
    pub(crate) behind: u64,
    pub(crate) death: u64,
}

/// The longest that a slow step waits before it is taken, in milliseconds.
const SLOWEST: u64 = 30;

/// Nothing goes wrong without chance.
#[derive(Clone)]
pub(crate) struct Faults(Option<Arc<Mutex<Random>>>);

/// Which side of the step it failed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failed {
    Before,
    Behind,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "chaos: nothing was done",
            Self::Behind => "chaos: it was done, and the answer is lost",
        })
    }
}

impl std::error::Error for Failed {}

impl Faults {
    pub(crate) fn of(random: Random) -> Self {
        Self(Some(Arc::new(Mutex::new(random))))
    }

    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the step, or does not. What it comes to by itself is left as it is.
    pub(crate) async fn around<T, E>(
        &self,
        odds: Odds,
        failed: impl FnOnce(Failed) -> E,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.draw(odds) {
            Fault::None => step.await,
            Fault::Slow(pause) => {
                tokio::time::sleep(pause).await;
                step.await
            }
            Fault::Before => Err(failed(Failed::Before)),
            Fault::Behind => {
                step.await?;
                Err(failed(Failed::Behind))
            }
            Fault::Death => {
                step.await?;
                die().await
            }
        }
    }

    fn draw(&self, odds: Odds) -> Fault {
        let Some(random) = &self.0 else { return Fault::None };
        let (mut random, Odds { slow, before, behind, death }) = (random.lock().unwrap(), odds);
        match random.below(10_000) {
            drawn if drawn < slow => Fault::Slow(Duration::from_millis(random.below(SLOWEST))),
            drawn if drawn < slow + before => Fault::Before,
            drawn if drawn < slow + before + behind => Fault::Behind,
            drawn if drawn < slow + before + behind + death => Fault::Death,
            _ => Fault::None,
        }
    }
}

/// Whoever started this process is told to kill it. Whatever else goes on here goes on until then.
async fn die<T>() -> T {
    println!("{KILL_ME}");
    std::future::pending().await
}
