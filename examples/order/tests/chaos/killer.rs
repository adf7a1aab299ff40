//! Who starts processes and kills them, and who looks after what could not be done.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use es_core::{Control, ReadModelStore};
use es_postgres::PgStore;

use crate::chance;
use crate::desk::{DESKS, Desks, Process};
use crate::process::Task;
use crate::random::Random;

/// The longest life of a process, in milliseconds from the moment on at which it is ready.
const LONGEST_LIFE: u64 = 1_600;
/// How often it is not waited for until it is ready, in a hundred times.
const HASTY: u64 = 15;
/// The longest that nobody is at a desk.
const LONGEST_BREAK: u64 = 300;
const SIGKILL: i32 = 9;

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) all: u32,
    /// Processes that killed themselves right behind a step.
    pub(crate) by_themselves: u32,
    /// How often somebody had dead letters tried again.
    pub(crate) retried: u32,
    /// How many events each projection had still to take in when chaos ended.
    pub(crate) left: Vec<(String, u64)>,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, by_themselves, retried, left } = self;
        write!(f, "{all} kills, {by_themselves} more by themselves; dead letters tried again {retried} times; ")?;
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

pub(crate) fn start(task: Task, desks: Arc<Desks>) -> JoinHandle<Kills> {
    std::thread::spawn(move || kill_until_closed(task, &desks))
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
                State::Starting if desks.is_ready(desk) => State::There(until(LONGEST_LIFE, &mut random)),
                State::Starting | State::There(_) if desks.is_dead(desk) => {
                    kills.by_themselves += 1;
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
    work: tokio::task::JoinHandle<u32>,
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
            store.control(&status.id, Control::RetryDeadLetters).await.unwrap();
            retried += 1;
        }
    }
    retried
}
