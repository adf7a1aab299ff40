//! One file for each system.

mod ours;
mod by_hand;
mod disintegrate;
pub(crate) mod eventcore;
mod evento;
mod cqrs_es;
mod esrs;

use sqlx::postgres::PgPoolOptions;
use sqlx08::postgres::PgPoolOptions as PgPoolOptions08;
use std::sync::Arc;

pub(crate) use self::ours::domain;
use crate::Result;
use crate::options::Options;
use crate::place::Place;
use crate::system::System;
use crate::workload::Workload;

const OURS: &str = "es-postgres";
const OURS_CACHED: &str = "es-postgres, cached";
const OURS_APPEND: &str = "es-postgres, append";
const OURS_SNAPSHOT: &str = "es-postgres, snapshot";
const OURS_DOCUMENT: &str = "es-postgres, document";
const OURS_PROJECTOR: &str = "es-postgres, batch projector";
const BY_HAND: &str = "by hand";
const DISINTEGRATE: &str = "disintegrate";
const EVENTCORE: &str = "eventcore";
const EVENTO: &str = "evento";
const EVENTO_SNAPSHOT: &str = "evento, snapshot";
const EVENTO_SUBSCRIPTION: &str = "evento, subscription";
const EVENTO_PROJECTION: &str = "evento, projection";
const CQRS_ES: &str = "cqrs-es";
const CQRS_ES_SNAPSHOT: &str = "cqrs-es, snapshot";
const CQRS_ES_VIEW: &str = "cqrs-es, view";
const CQRS_ES_REPLAY: &str = "cqrs-es, replay";
const CQRS_ES_FOLDED: &str = "cqrs-es, replay into memory";
const ESRS: &str = "esrs";
const ESRS_LOCKED: &str = "esrs, locked";
const ESRS_VIEW: &str = "esrs, transactional view";
const ESRS_REBUILDER: &str = "esrs, rebuilder";
const ESRS_FOLDED: &str = "esrs, events into memory";

pub(crate) const NAMES: [&str; 23] = [
    OURS,
    OURS_CACHED,
    OURS_APPEND,
    OURS_SNAPSHOT,
    OURS_DOCUMENT,
    OURS_PROJECTOR,
    BY_HAND,
    DISINTEGRATE,
    EVENTCORE,
    EVENTO,
    EVENTO_SNAPSHOT,
    EVENTO_SUBSCRIPTION,
    EVENTO_PROJECTION,
    CQRS_ES,
    CQRS_ES_SNAPSHOT,
    CQRS_ES_VIEW,
    CQRS_ES_REPLAY,
    CQRS_ES_FOLDED,
    ESRS,
    ESRS_LOCKED,
    ESRS_VIEW,
    ESRS_REBUILDER,
    ESRS_FOLDED,
];

/// Who takes part in what: a way of keeping a read model, or of loading, is nothing to a workload without one.
fn take_part(workload: Workload) -> &'static [&'static str] {
    match workload {
        Workload::Open => &[OURS, OURS_APPEND, BY_HAND, DISINTEGRATE, EVENTCORE, EVENTO, CQRS_ES, ESRS],
        Workload::Command => &[OURS, OURS_CACHED, BY_HAND, DISINTEGRATE, EVENTCORE, EVENTO, CQRS_ES, ESRS],
        Workload::Hot => &[OURS, OURS_CACHED, BY_HAND, DISINTEGRATE, EVENTCORE, EVENTO, CQRS_ES, ESRS, ESRS_LOCKED],
        Workload::Rehydrate => &[
            OURS,
            OURS_SNAPSHOT,
            BY_HAND,
            DISINTEGRATE,
            EVENTCORE,
            EVENTO,
            EVENTO_SNAPSHOT,
            CQRS_ES,
            CQRS_ES_SNAPSHOT,
            ESRS,
        ],
        Workload::CatchUp => &[
            OURS_DOCUMENT,
            OURS_PROJECTOR,
            BY_HAND,
            DISINTEGRATE,
            EVENTCORE,
            EVENTO_SUBSCRIPTION,
            EVENTO_PROJECTION,
            CQRS_ES_REPLAY,
            CQRS_ES_FOLDED,
            ESRS_REBUILDER,
            ESRS_FOLDED,
        ],
        Workload::Visible | Workload::Beside => &[
            OURS_DOCUMENT,
            OURS_PROJECTOR,
            BY_HAND,
            DISINTEGRATE,
            EVENTCORE,
            EVENTO_SUBSCRIPTION,
            CQRS_ES_VIEW,
            ESRS_VIEW,
        ],
        Workload::Memory | Workload::Ordering | Workload::Growth => &[],
    }
}

/// Those of them that are wanted.
pub(crate) fn names(workload: Workload, options: &Options) -> Vec<&'static str> {
    take_part(workload).iter().copied().filter(|name| options.wants(name)).collect()
}

/// All that are wanted and take part, each in an empty database of its own.
pub(crate) async fn all(workload: Workload, options: &Options, place: &Place) -> Result<Vec<Arc<dyn System>>> {
    let mut systems = Vec::new();
    for name in names(workload, options) {
        systems.push(one(name, &place.database().await?, options).await?);
    }
    Ok(systems)
}

/// Makes its tables in an empty database.
pub(crate) async fn one(name: &'static str, url: &str, options: &Options) -> Result<Arc<dyn System>> {
    make(name, url, options).await.map_err(|error| format!("{name}: {error}").into())
}

async fn make(name: &'static str, url: &str, options: &Options) -> Result<Arc<dyn System>> {
    let connections = options.connections;
    Ok(match name {
        OURS | OURS_CACHED | OURS_APPEND | OURS_SNAPSHOT | OURS_DOCUMENT | OURS_PROJECTOR => {
            Arc::new(ours::Ours::new(name, url, options).await?)
        }
        BY_HAND => Arc::new(by_hand::ByHand::new(pool(url, connections).await?, options.batch).await?),
        DISINTEGRATE => Arc::new(disintegrate::Disintegrate::new(pool08(url, connections).await?).await?),
        EVENTCORE => Arc::new(eventcore::Eventcore::new(pool08(url, connections).await?, options.batch).await?),
        EVENTO | EVENTO_SNAPSHOT | EVENTO_SUBSCRIPTION | EVENTO_PROJECTION => {
            Arc::new(evento::Evento::new(name, pool(url, connections).await?, options.chunk).await?)
        }
        CQRS_ES | CQRS_ES_SNAPSHOT | CQRS_ES_VIEW | CQRS_ES_REPLAY | CQRS_ES_FOLDED => {
            Arc::new(cqrs_es::CqrsEs::new(name, pool08(url, connections).await?).await?)
        }
        // Who holds its lock holds a connection, and needs another one: with fewer than there are clients they all wait for ever.
        ESRS_LOCKED => Arc::new(esrs::Esrs::new(name, pool08(url, connections * 2).await?).await?),
        ESRS | ESRS_VIEW | ESRS_REBUILDER | ESRS_FOLDED => {
            Arc::new(esrs::Esrs::new(name, pool08(url, connections).await?).await?)
        }
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
