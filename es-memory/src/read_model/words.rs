//! The words that are left for whoever runs a projection, until they are done.

use es_core::{Error, Position, ProjectionId, Refusal, Slices, Task};

#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) paused: bool,
    rebuild: bool,
    rewind: Option<Position>,
    /// The parts that it is to be divided into.
    pub(crate) division: Option<Vec<Slices>>,
}

impl Words {
    /// What is to be done first: a rebuild goes further back than any rewind.
    pub(crate) fn task(&self) -> Option<Task> {
        if self.rebuild { Some(Task::Rebuild) } else { self.rewind.map(Task::Rewind) }
    }

    /// What is to be done if that is refused.
    pub(crate) fn fallback(&self) -> Option<Task> {
        self.rewind.filter(|_| self.rebuild).map(Task::Rewind)
    }

    pub(crate) fn ask_rebuild(&mut self, id: &ProjectionId) -> Result<(), Error> {
        self.check_undivided(id)?;
        self.rebuild = true;
        Ok(())
    }

    /// Asks for a rewind, beside what was asked for before: of two the one to the earlier place.
    pub(crate) fn ask_rewind(&mut self, id: &ProjectionId, to: Position) -> Result<(), Error> {
        self.check_undivided(id)?;
        self.rewind = Some(self.rewind.map_or(to, |before| before.min(to)));
        Ok(())
    }

    fn check_undivided(&self, id: &ProjectionId) -> Result<(), Error> {
        if self.division.is_some() { Err(Refusal::Dividing.of(id)) } else { Ok(()) }
    }

    /// A rebuild goes for a rewind, too.
    pub(crate) fn task_is_done(&mut self) {
        (self.rebuild, self.rewind) = (false, None);
    }

    /// What was refused is not done, and what was asked for beside it is not forgotten.
    pub(crate) fn task_is_refused(&mut self) {
        if !std::mem::take(&mut self.rebuild) {
            self.rewind = None;
        }
    }

    pub(crate) fn ask_division(&mut self, id: &ProjectionId, parts: u16) -> Result<(), Error> {
        let division = division(id, parts)?;
        if self.task().is_some() {
            return Err(Refusal::GoingBack.of(id));
        }
        self.division = Some(division);
        Ok(())
    }

    /// What has come so far may serve if nothing is to be done first, and it has reached all history.
    pub(crate) fn check_caught_up(&self, id: &ProjectionId, at: Position, history: Position) -> Result<(), Error> {
        if self.task().is_some() {
            return Err(Refusal::NotBack.of(id));
        }
        if at < history { Err(Refusal::Behind { at, history }.of(id)) } else { Ok(()) }
    }
}

/// All slices in so many parts.
pub(crate) fn division(id: &ProjectionId, parts: u16) -> Result<Vec<Slices>, Error> {
    Slices::divide(parts).map_err(|_| Refusal::Parts { parts }.of(id))
}
