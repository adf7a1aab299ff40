//! Round trips, counted on the wire: between a system and its server stands a proxy that counts how often bytes of the server
//! follow bytes of the client. So pings, transactions' beginnings and ends, and what runs in the background are in it.

use es_test_support::Proxy;

use crate::Result;
use crate::clients::Job;
use crate::command::{Kind, ready};
use crate::lane::Lane;
use crate::options::Options;
use crate::place::Place;
use crate::systems;

/// Enough for a mean, since a count has no noise.
const COUNTED: u32 = 400;
/// Sets of accounts that no turn reaches.
const SET: u32 = 2_000_000;

/// Runs the job of the lanes once more, on new databases, and notes the round trips for an operation.
pub(crate) async fn count(
    kind: Kind,
    lanes: &mut [Lane],
    options: &Options,
    place: &Place,
    clients: u32,
) -> Result<()> {
    for lane in lanes {
        let url = place.database().await?;
        let proxy = Proxy::start(&url).await;
        let system = systems::one(lane.about.name, &proxy.url(&url), options).await?;
        let job = Job { operations: COUNTED.min(options.operations), ..kind.job(SET, options, clients) };
        ready(&system, &job, place).await?;
        proxy.reset();
        let done = job.run(&system).await?;
        lane.trips = Some(proxy.turns() as f64 / done.operations as f64);
    }
    Ok(())
}
