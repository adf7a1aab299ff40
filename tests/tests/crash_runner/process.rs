//! What is killed: a process that keeps notes of all events, a batch at a time, and documents beside them.

use std::io::BufRead;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use es_core::{Batch, BoxError, Projector, Recorded, Runner, Settings};
use es_postgres::PgStore;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::domain::{LedgerEvent, Trail};

/// Tell a process of this program that it is to run projections, and how.
pub const URL: &str = "ES_CRASH_RUNNER_URL";
pub const HOW: &str = "ES_CRASH_RUNNER_HOW";
pub const BATCH: &str = "ES_CRASH_RUNNER_BATCH";
/// In which of its batches it stays until it is told to go on; in none if that is 0.
pub const HOLD: &str = "ES_CRASH_RUNNER_HOLD";

/// What it prints when it is inside a batch, with the notes written and nothing committed; and when it stays there.
pub const INSIDE: &str = "<inside a batch>";
pub const HELD: &str = "<held inside a batch>";

/// As short as it may be, so that others take over soon.
const LEASE: Duration = Settings::SHORTEST_LEASE;

pub const ROOM_FOR_NOTES: &str = "
    CREATE TABLE notes (
        written  bigint GENERATED ALWAYS AS IDENTITY,
        event_id uuid, stream text, version bigint, position bigint, process bigint)";

const WRITE_NOTES: &str = "
    INSERT INTO notes (event_id, stream, version, position, process)
    SELECT *, $5 FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])";

/// Whether the effect and the checkpoint are committed together, as they should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    Right,
    EffectFirst,
    CheckpointFirst,
}

impl How {
    pub const ALL: [Self; 3] = [Self::Right, Self::EffectFirst, Self::CheckpointFirst];
}

pub fn settings(batch: u32) -> Settings {
    Settings::default().batch(batch).lease(LEASE)
}

/// Keeps a note of each event, and is wrong about transactions if it is told so.
pub struct Notes {
    how: How,
    url: String,
    /// In which of its batches it stays. Nobody watches if there is no number.
    hold: Option<u32>,
    batches: AtomicU32,
    /// What a wrong one has not written yet.
    late: Mutex<Columns>,
}

/// Notes, one column beside the other.
#[derive(Clone, Default)]
struct Columns {
    ids: Vec<Uuid>,
    streams: Vec<String>,
    versions: Vec<i64>,
    positions: Vec<i64>,
}

impl Columns {
    fn of(batch: &Batch<'_, LedgerEvent>) -> Self {
        let signed = |number: u64| i64::try_from(number).unwrap();
        Self {
            ids: batch.iter().map(|event| event.id.0).collect(),
            streams: batch.iter().map(|event| event.stream.to_string()).collect(),
            versions: batch.iter().map(|event| signed(event.version.0)).collect(),
            positions: batch.iter().map(|event| signed(event.position.unwrap().0)).collect(),
        }
    }

    async fn write(self, to: &mut PgConnection) -> Result<(), BoxError> {
        let Self { ids, streams, versions, positions } = self;
        let bound = sqlx::query(WRITE_NOTES).bind(ids).bind(streams).bind(versions).bind(positions);
        bound.bind(i64::from(std::process::id())).execute(to).await?;
        Ok(())
    }
}

impl Notes {
    pub fn right() -> Self {
        Self { how: How::Right, url: String::new(), hold: None, batches: AtomicU32::new(0), late: Mutex::default() }
    }

    /// Somebody watches what is printed, and kills.
    async fn be_killed(&self) {
        let Some(hold) = self.hold else { return };
        println!("{INSIDE}");
        if self.batches.fetch_add(1, Ordering::SeqCst) + 1 == hold {
            println!("{HELD}");
            while !GO_ON.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

/// Set once the parent says so.
static GO_ON: AtomicBool = AtomicBool::new(false);

impl Projector for Notes {
    const NAME: &'static str = "notes";
    type Event = LedgerEvent;
    type Target = PgConnection;
    type Error = BoxError;

    async fn project(&self, _: &Recorded<LedgerEvent>, _: &mut PgConnection) -> Result<(), BoxError> {
        unreachable!("it takes in whole batches")
    }

    async fn project_batch(&self, batch: &Batch<'_, LedgerEvent>, db: &mut PgConnection) -> Result<(), BoxError> {
        let notes = Columns::of(batch);
        match self.how {
            How::Right => {
                notes.write(db).await?;
                self.be_killed().await;
            }
            How::EffectFirst => {
                notes.write(&mut PgConnection::connect(&self.url).await?).await?;
                self.be_killed().await;
            }
            How::CheckpointFirst => {
                self.be_killed().await;
                let before = std::mem::replace(&mut *self.late.lock().unwrap(), notes);
                before.write(&mut PgConnection::connect(&self.url).await?).await?;
            }
        }
        Ok(())
    }
}

pub async fn run_until_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    std::thread::spawn(listen);
    let number = |name| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let how = How::ALL.into_iter().find(|how| std::env::var(HOW).unwrap() == format!("{how:?}")).unwrap();
    let store = PgStore::connect(&url).await.unwrap();
    let notes = Notes { how, url, hold: Some(number(HOLD)), ..Notes::right() };
    let runner = Runner::new(store).settings(settings(number(BATCH))).add(notes).document::<Trail>();
    let (id, reason) = runner.start().await.unwrap().stopped().await;
    panic!("projection `{id}` stopped: {reason}");
}

/// A line says to go on. The end says that the parent is gone.
fn listen() {
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        GO_ON.store(true, Ordering::SeqCst);
    }
    std::process::exit(0);
}
