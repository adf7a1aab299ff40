//! Somebody who leaves word after word for those who run the projections.

use std::time::Duration;

use es_core::{Control, Error, EventStore, Position, ProjectionId, ReadModelStore, ReadModels};

use crate::Run;
use crate::domain::Tally;
use crate::homes::Home;
use crate::random::Random;
use crate::readers::Trail;
use crate::world::{World, id};
use crate::writers::{a_name, an_account};

/// A version that is not always run.
pub fn second_tally() -> ProjectionId {
    ProjectionId::new("tally", 2).unwrap()
}

pub fn all() -> [ProjectionId; 4] {
    [id("notes"), id("trail"), id("tally"), second_tally()]
}

pub async fn leave<H: Home>(run: Run<H>, actor: u64) {
    let (store, mut random) = (run.home.open().await, run.random(actor));
    let mut id = id("notes");
    while run.goes_on() {
        // Some words come at once, so that the second is left before anybody has heard of the first.
        if random.percent(60) {
            tokio::time::sleep(Duration::from_millis(random.below(150))).await;
            id = all()[random.index(4)].clone();
        }
        match random.below(100) {
            0..6 => word(&store, &id, Control::Pause).await,
            6..24 => word(&store, &id, Control::Resume).await,
            24..30 => {
                let _whole = run.whole.write().await;
                word(&store, &id, Control::Rebuild).await;
            }
            30..40 => rewind(&run, &store, &mut random).await,
            40..52 => {
                let parts = u16::try_from(1 + random.below(5)).unwrap();
                word(&store, &id, Control::Divide { parts }).await;
            }
            52..58 => word(&store, &id, Control::Serve).await,
            58..66 => word(&store, &id, Control::RetryDeadLetters).await,
            66..72 => retry_one(&store, &id, &mut random).await,
            72..80 => run.ailments.heal(&mut random, 30),
            80..88 => sound(store.rebuild_document::<Trail>(&an_account(&mut random)).await),
            88..95 => sound(store.rebuild_document::<Tally<1>>(&a_name(&mut random)).await),
            _ => sound(store.drop_projection(&second_tally()).await),
        }
    }
}

async fn word<S: ReadModelStore>(store: &S, id: &ProjectionId, word: Control) {
    sound(store.control(id, word).await);
}

/// Documents refuse, which is for others to test.
async fn rewind<H: Home>(run: &Run<H>, store: &H::Store, random: &mut Random) {
    let (id, end) = (id("notes"), store.log_end().await.unwrap());
    let _whole = run.whole.write().await;
    let letters = store.dead_letters(&id).await.unwrap_or_default();
    if letters.is_empty() || random.percent(50) {
        return word(store, &id, Control::Rewind { to: Position(random.below(end.0 + 2)) }).await;
    }
    // Into the middle of what waits, which is mended meanwhile.
    let to = Position(letters[random.index(letters.len())].position.0 + random.below(60));
    run.ailments.heal(random, 50);
    for control in [Control::Pause, Control::Rewind { to }, Control::RetryDeadLetters, Control::Resume] {
        word(store, &id, control).await;
    }
}

async fn retry_one<S: World>(store: &S, id: &ProjectionId, random: &mut Random) {
    let mut letters = store.dead_letters(id).await.unwrap();
    if !letters.is_empty() {
        let letter = letters.swap_remove(random.index(letters.len()));
        word(store, id, Control::RetryDeadLetter { stream: letter.stream, first: letter.first }).await;
    }
}

/// It was done, or cannot be now.
fn sound<T>(answer: Result<T, Error>) {
    match answer {
        Err(error) if error.is_transient() || matches!(error, Error::Setup { .. }) => {}
        Err(error) => panic!("{error:?}"),
        Ok(_) => {}
    }
}
