//! The words that are left for whoever runs a projection, until they are done.

use es_core::{Error, Position, ProjectionId, Slices, Task};

#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) paused: bool,
    pub(crate) task: Option<Task>,
    /// The parts that it is to be divided into.
    pub(crate) division: Option<Vec<Slices>>,
}

impl Words {
    /// Asks for a task, beside the one that was asked for before: a rebuild goes further back than any rewind, and of two
    /// rewinds the one to the earlier place.
    pub(crate) fn ask(&mut self, id: &ProjectionId, task: Task) -> Result<(), Error> {
        if self.division.is_some() {
            return Err(Error::setup(format!(
                "projection `{id}` is about to be divided: rebuild or rewind it when that is done"
            )));
        }
        self.task = Some(match (self.task, task) {
            (Some(Task::Rewind(before)), Task::Rewind(to)) => Task::Rewind(before.min(to)),
            (Some(Task::Rebuild), _) => Task::Rebuild,
            (_, task) => task,
        });
        Ok(())
    }

    pub(crate) fn ask_division(&mut self, id: &ProjectionId, parts: u16) -> Result<(), Error> {
        let division = division(id, parts)?;
        if self.task.is_some() {
            return Err(Error::setup(format!(
                "projection `{id}` is to be rebuilt or rewound first: divide it when that is done"
            )));
        }
        self.division = Some(division);
        Ok(())
    }

    /// What has come so far may serve if nothing is to be done first, and it has reached all history.
    pub(crate) fn check_caught_up(&self, id: &ProjectionId, at: Position, history: Position) -> Result<(), Error> {
        if self.task.is_some() {
            let message = format!("projection `{id}` has not caught up: it is to be rebuilt or rewound first");
            return Err(Error::setup(message));
        }
        if at < history {
            let message =
                format!("projection `{id}` has not caught up: it is at {at}, and history reaches to {history}");
            return Err(Error::setup(message));
        }
        Ok(())
    }
}

/// All slices in so many parts.
pub(crate) fn division(id: &ProjectionId, parts: u16) -> Result<Vec<Slices>, Error> {
    let wrong = |error| Error::setup(format!("projection `{id}` cannot be divided like this: {error}"));
    Slices::divide(parts).map_err(wrong)
}
