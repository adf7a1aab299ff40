//! How the shop is doing.
//!
//! Shows: a service answers for what it runs. The store remembers every projection that was ever started, those of earlier releases
//! too: they are listed, and judged by nobody.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use es_axum::{Json, Problem};
use es_core::{ProjectionState, ProjectionStatus, ReadModelStore};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shop;

/// How the shop is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    status: HealthStatus,
    projections: Vec<ProjectionView>,
}

/// Whether somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    Healthy,
    /// It serves, but some orders wait for somebody to look.
    Degraded,
    /// Something that has to run does not.
    Unhealthy,
}

/// A reactor, an effect or a read model.
#[derive(Debug, Serialize, ToSchema)]
struct ProjectionView {
    #[schema(example = "fulfilment v1")]
    name: String,
    #[schema(example = "running")]
    state: &'static str,
    /// Whether this service runs it. Of an earlier release, or of another service, it does not, and the status leaves it out.
    run_here: bool,
    /// How many events it is behind.
    behind: u64,
    /// How many streams wait for somebody to look.
    parked: u64,
}

impl HealthStatus {
    fn of(projection: &ProjectionStatus) -> Self {
        match projection.state {
            ProjectionState::Stopped { .. } => Self::Unhealthy,
            _ if projection.is_stalled() => Self::Unhealthy,
            _ if projection.parked > 0 => Self::Degraded,
            _ => Self::Healthy,
        }
    }

    /// Of two, the one that matters more.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unhealthy, _) | (_, Self::Unhealthy) => Self::Unhealthy,
            (Self::Degraded, _) | (_, Self::Degraded) => Self::Degraded,
            _ => Self::Healthy,
        }
    }
}

impl ProjectionView {
    fn new(projection: &ProjectionStatus, run_here: bool) -> Self {
        let state = match projection.state {
            ProjectionState::Stopped { .. } => "stopped",
            ProjectionState::Paused => "paused",
            _ if projection.is_stalled() => "stalled",
            _ => "running",
        };
        let (behind, parked) = (projection.lag_events, projection.parked);
        Self { name: projection.id.to_string(), state, run_here, behind, parked }
    }
}

/// Tells how the shop is doing
#[utoipa::path(
    get, path = "/health", tag = "operation",
    responses(
        (status = 200, description = "Everything runs that has to.", body = HealthView),
        (status = 503, description = "Something has stopped, or does not get on.", body = HealthView),
    )
)]
pub(super) async fn show<S: ReadModelStore>(State(shop): State<Shop<S>>) -> Result<impl IntoResponse, Problem> {
    let all = shop.store.projections().await?;
    let is_run_here = |projection: &ProjectionStatus| shop.run_here.contains(&projection.id);
    let ours = all.iter().filter(|projection| is_run_here(projection));
    let status = ours.map(HealthStatus::of).fold(HealthStatus::Healthy, HealthStatus::and);
    let code = match status {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
    };
    // Why something has stopped may hold what is nobody else's business. It is in the log.
    let projections = all.iter().map(|projection| ProjectionView::new(projection, is_run_here(projection))).collect();
    Ok((code, Json(HealthView { status, projections })))
}
