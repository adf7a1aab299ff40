//! Who starts processes and kills them, and who looks after what could not be done.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use es_core::{Control, ReadModelStore};
use es_postgres::PgStore;
use tokio::task::JoinHandle;

use crate::chance;
use crate::desk::{DESKS, Desks, Process, Word};
use crate::process::Task;
use crate::random::Random;

/// The longest life of a process, in milliseconds from the moment on at which it is ready.
const LONGEST_LIFE: u64 = 2_400;
/// How often it is not waited for until it is ready, in a hundred times.
const HASTY: u64 = 15;
/// The longest that nobody is at a desk.
const LONGEST_BREAK: u64 = 300;
const SIGKILL: i32 = 9;

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) all: u32,
    /// And those that hit a process right behind a step, for certain.
    pub(crate) behind_a_step: u32,
    /// How often somebody had dead letters tried again.
    pub(crate) retried: u32,
    /// How many events each projection had still to take in when chaos ended.
    pub(crate) left: Vec<(String, u64)>,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, behind_a_step, retried, left } = self;
        write!(f, "{all} kills, {behind_a_step} more right behind a step; dead letters tried again {retried} times; ")?;
        write!(f, "left at the end: {left:?}")
    }
}

/// Who is at a desk.
#[derive(Clone, Copy)]
enum State {
    /// Nobody, until then.
    Away(Instant),
    Starting,
    /// Somebody, who is killed then.
    There(Instant),
}

/// Closes the desks when it is dropped, since it goes on until then.
pub(crate) struct Killer {
    desks: Arc<Desks>,
    work: JoinHandle<Kills>,
}

impl Killer {
    pub(crate) fn start(task: Task, desks: &Arc<Desks>) -> Self {
        let (desks, at) = (Arc::clone(desks), Arc::clone(desks));
        Self { desks, work: tokio::task::spawn_blocking(move || kill_until_closed(task, &at)) }
    }

    /// Resolves when something has gone wrong that is no chaos.
    pub(crate) async fn gave_up(&mut self) -> String {
        format!("{:?}", (&mut self.work).await.err())
    }

    pub(crate) async fn stop(mut self) -> Kills {
        self.desks.close();
        (&mut self.work).await.unwrap()
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.desks.close();
    }
}

fn kill_until_closed(mut task: Task, desks: &Desks) -> Kills {
    let (mut random, mut kills) = (chance(task.seed, 1), Kills::default());
    let until = |longest, random: &mut Random| Instant::now() + Duration::from_millis(random.below(longest));
    let mut states = [State::Away(Instant::now()); DESKS];
    while !desks.are_closed() {
        for (desk, state) in states.iter_mut().enumerate() {
            let is_due = matches!(*state, State::Away(moment) | State::There(moment) if moment <= Instant::now());
            *state = match *state {
                State::Away(_) if is_due => {
                    task.nth += 1;
                    desks.sit(desk, Process::start(&task));
                    let is_hasty = random.percent(HASTY);
                    if is_hasty { State::There(until(LONGEST_LIFE, &mut random)) } else { State::Starting }
                }
                State::Starting if desks.heard(desk, Word::Ready) => State::There(until(LONGEST_LIFE, &mut random)),
                State::Starting | State::There(_) if desks.heard(desk, Word::KillMe) || desks.has_ended(desk) => {
                    kills.behind_a_step += 1;
                    bury(desks.leave(desk));
                    State::Away(until(LONGEST_BREAK, &mut random))
                }
                State::There(_) if is_due => {
                    kills.all += 1;
                    bury(desks.leave(desk));
                    State::Away(until(LONGEST_BREAK, &mut random))
                }
                as_it_is => as_it_is,
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for desk in 0..DESKS {
        kills.all += u32::from(bury(desks.leave(desk)));
    }
    kills
}

/// Whether there was anybody.
fn bury(process: Option<Process>) -> bool {
    let Some(process) = process else { return false };
    let status = process.kill();
    assert_eq!(status.signal(), Some(SIGKILL), "a process has died in another way: {status}");
    true
}

/// Somebody who looks at dead letters, and has them tried again.
pub(crate) struct Operator {
    over: Arc<AtomicBool>,
    work: JoinHandle<u32>,
}

impl Operator {
    pub(crate) fn start(store: PgStore) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let work = tokio::spawn(async move {
            let mut retried = 0;
            while !is_over.load(Ordering::SeqCst) {
                retried += retry_dead_letters(&store).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            retried
        });
        Self { over, work }
    }

    pub(crate) async fn stop(self) -> u32 {
        self.over.store(true, Ordering::SeqCst);
        self.work.await.unwrap()
    }
}

/// Gives the number of projections that have some.
pub(crate) async fn retry_dead_letters(store: &PgStore) -> u32 {
    let mut retried = 0;
    for status in store.projections().await.unwrap() {
        if status.parked > 0 {
            let _ = store.control(&status.id, Control::RetryDeadLetters).await.unwrap();
            retried += 1;
        }
    }
    retried
}
