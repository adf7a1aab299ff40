//! What a transaction is to do to projections: put aside, checked, and done when it is committed.

use std::collections::{BTreeMap, HashMap};

use es_core::{DeadLetter, Fenced, Lease, Position, ProjectionId, Slices, StreamId, Version};

use crate::read_model::projection::Projection;

pub(crate) type Projections = BTreeMap<ProjectionId, Projection>;

/// What is to be done to a projection.
#[derive(Debug)]
pub(crate) enum Act {
    Advance { held: Lease, to: Position, events: u64 },
    Reset { held: Lease, to: Position, live_from: Position },
    Dismiss { held: Lease },
    Seize { id: ProjectionId },
    SaveLetter { id: ProjectionId, letter: Box<DeadLetter> },
    DeleteLetter { id: ProjectionId, stream: StreamId, first: Version },
}

impl Act {
    fn id(&self) -> &ProjectionId {
        match self {
            Self::Advance { held, .. } | Self::Reset { held, .. } | Self::Dismiss { held } => &held.id,
            Self::Seize { id } | Self::SaveLetter { id, .. } | Self::DeleteLetter { id, .. } => id,
        }
    }

    /// The lease that it needs, if it needs one.
    fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Advance { held, .. } | Self::Reset { held, .. } | Self::Dismiss { held } => Some(held),
            Self::Seize { .. } | Self::SaveLetter { .. } | Self::DeleteLetter { .. } => None,
        }
    }
}

/// Whether others see the projection at another place afterwards.
pub(crate) fn move_checkpoints(acts: &[Act]) -> bool {
    acts.iter().any(|act| act.lease().is_some())
}

/// Whether all acts can be done, one after the other.
pub(crate) fn check(projections: &Projections, acts: &[Act]) -> Result<(), Fenced> {
    let mut reached: HashMap<(&ProjectionId, Slices), Position> = HashMap::new();
    for act in acts {
        let Some(held) = act.lease() else { continue };
        let fenced = || Fenced { id: held.id.clone() };
        let projection = projections.get(&held.id).ok_or_else(fenced)?;
        let position = projection.position_under(held).ok_or_else(fenced)?;
        match act {
            Act::Advance { to, .. } => {
                let before = reached.insert((&held.id, held.slices), *to).unwrap_or(position);
                if *to < before {
                    return Err(fenced());
                }
            }
            Act::Reset { to, .. } => {
                reached.extend(projection.slices().into_iter().map(|slices| ((&held.id, slices), *to)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Does all acts.
pub(crate) fn make_so(projections: &mut Projections, acts: &[Act]) {
    for act in acts {
        let Some(projection) = projections.get_mut(act.id()) else { continue };
        match act {
            Act::Advance { held, to, events } => projection.advance(held, *to, *events),
            Act::Reset { to, live_from, .. } => projection.reset(*to, *live_from),
            Act::Dismiss { .. } => projection.dismiss(),
            Act::Seize { .. } => projection.take_leases(),
            Act::SaveLetter { letter, .. } => projection.letters.keep(letter),
            Act::DeleteLetter { stream, first, .. } => projection.letters.forget(stream, *first),
        }
    }
}
