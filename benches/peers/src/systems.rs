//! One file for each system.

mod ours;
mod by_hand;
mod disintegrate;
mod eventcore;
mod evento;
mod cqrs_es;
mod esrs;

use sqlx::postgres::PgPoolOptions;
use sqlx08::postgres::PgPoolOptions as PgPoolOptions08;
use std::sync::Arc;

use crate::Result;
use crate::options::{Options, Workload};
use crate::place::Place;
use crate::system::System;

const OURS_DOCUMENT: &str = "es-postgres, document";
const OURS_PROJECTOR: &str = "es-postgres, batch projector";
const OURS_CACHED: &str = "es-postgres, cached";
const BY_HAND: &str = "by hand";
const DISINTEGRATE: &str = "disintegrate";
const EVENTCORE: &str = "eventcore";
const EVENTO_SUBSCRIPTION: &str = "evento, subscription";
const EVENTO_PROJECTION: &str = "evento, projection";
const CQRS_ES: &str = "cqrs-es, replay";
const CQRS_ES_FOLDED: &str = "cqrs-es, replay into memory";
const ESRS: &str = "esrs, rebuilder";
const ESRS_FOLDED: &str = "esrs, events into memory";

pub(crate) const NAMES: [&str; 12] = [
    OURS_DOCUMENT,
    OURS_PROJECTOR,
    OURS_CACHED,
    BY_HAND,
    DISINTEGRATE,
    EVENTCORE,
    EVENTO_SUBSCRIPTION,
    EVENTO_PROJECTION,
    CQRS_ES,
    CQRS_ES_FOLDED,
    ESRS,
    ESRS_FOLDED,
];

/// Those that differ only in how they keep a read model.
const ONLY_CATCHING_UP: [&str; 4] = [OURS_PROJECTOR, EVENTO_PROJECTION, CQRS_ES_FOLDED, ESRS_FOLDED];

/// Those that differ only in how they execute commands.
const ONLY_COMMANDING: [&str; 1] = [OURS_CACHED];

/// All that are wanted, each in an empty database of its own.
pub(crate) async fn all(options: &Options, place: &Place) -> Result<Vec<Arc<dyn System>>> {
    let mut systems = Vec::new();
    for name in NAMES.into_iter().filter(|name| options.wants(name)) {
        let elsewhere: &[&str] = match options.workload {
            Workload::CatchUp => &ONLY_COMMANDING,
            Workload::Command => &ONLY_CATCHING_UP,
        };
        if !elsewhere.contains(&name) {
            let url = place.database().await?;
            systems.push(one(name, &url, options).await.map_err(|e| format!("{name}: {e}"))?);
        }
    }
    Ok(systems)
}

async fn one(name: &'static str, url: &str, options: &Options) -> Result<Arc<dyn System>> {
    let connections = options.connections;
    Ok(match name {
        OURS_DOCUMENT => Arc::new(ours::Ours::new(url, options, ours::Way::Document).await?),
        OURS_PROJECTOR => Arc::new(ours::Ours::new(url, options, ours::Way::Projector).await?),
        OURS_CACHED => Arc::new(ours::Ours::new(url, options, ours::Way::Cached).await?),
        BY_HAND => Arc::new(by_hand::ByHand::new(pool(url, connections).await?, options.batch).await?),
        DISINTEGRATE => Arc::new(disintegrate::Disintegrate::new(pool08(url, connections).await?).await?),
        EVENTCORE => Arc::new(eventcore::Eventcore::new(pool08(url, connections).await?, options.batch).await?),
        EVENTO_SUBSCRIPTION => Arc::new(
            evento::Evento::new(pool(url, connections).await?, evento::Way::Subscription, options.chunk).await?,
        ),
        EVENTO_PROJECTION => {
            Arc::new(evento::Evento::new(pool(url, connections).await?, evento::Way::Projection, options.chunk).await?)
        }
        CQRS_ES => Arc::new(cqrs_es::CqrsEs::new(pool08(url, connections).await?, cqrs_es::Way::View).await?),
        CQRS_ES_FOLDED => Arc::new(cqrs_es::CqrsEs::new(pool08(url, connections).await?, cqrs_es::Way::Memory).await?),
        ESRS => Arc::new(esrs::Esrs::new(pool08(url, connections).await?, esrs::Way::Rebuilder).await?),
        ESRS_FOLDED => Arc::new(esrs::Esrs::new(pool08(url, connections).await?, esrs::Way::Memory).await?),
        unknown => return Err(format!("there is no `{unknown}`").into()),
    })
}

/// Without the sign of life that sqlx asks of a connection before it hands it out: it costs each statement a round trip, and
/// nobody needs it here. All systems whose pool is the caller's to make get theirs like this.
async fn pool(url: &str, connections: u32) -> Result<sqlx::PgPool> {
    Ok(PgPoolOptions::new().max_connections(connections).test_before_acquire(false).connect(url).await?)
}

async fn pool08(url: &str, connections: u32) -> Result<sqlx08::PgPool> {
    Ok(PgPoolOptions08::new().max_connections(connections).test_before_acquire(false).connect(url).await?)
}
