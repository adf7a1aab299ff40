//! The systems take turns; who begins changes from round to round.

use std::sync::Arc;

use crate::Result;
use crate::lane::{Lane, Turn};
use crate::number::grouped;
use crate::system::System;

pub(crate) async fn race(
    systems: &[Arc<dyn System>],
    rounds: u32,
    what: &str,
    mut turn: impl AsyncFnMut(&Arc<dyn System>, u32) -> Result<Turn>,
) -> Result<Vec<Lane>> {
    let mut lanes: Vec<Lane> = systems.iter().map(|system| Lane::new(system.about())).collect();
    for round in 0..rounds {
        for place_in_line in 0..systems.len() {
            let who = (place_in_line + round as usize) % systems.len();
            let Some((system, lane)) = systems.get(who).zip(lanes.get_mut(who)) else { continue };
            let name = lane.about.name;
            let turn = turn(system, round).await.map_err(|error| format!("{name}: {error}"))?;
            eprintln!("{what}, round {}: {name}: {}/s", round + 1, grouped(turn.rate()));
            lane.turns.push(turn);
        }
    }
    Ok(lanes)
}
