//! Whether the service lives and wants requests, and how it is doing.

use super::extract::Params;
use super::problem::{Problem, ProblemBody};
use super::reply::{self, Reply};
use super::schema::problems::ReadProblems;
use super::state::App;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// When an instance that is going away may be asked again.
const RETRY_AFTER_S: u32 = 5;

/// A word about health.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `live` or `ready`.
    #[schema(value_type = String, example = "ready")]
    pub status: &'static str,
}

/// Whether the process lives
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "health_live",
    tag = "operation",
    responses((status = 200, description = "It does", body = Health))
)]
pub async fn live() -> Reply {
    reply::ok(&Health { status: "live" })
}

/// Whether the service wants requests
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "health_ready",
    tag = "operation",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 503, description = "It is stopping", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn ready(State(app): State<App>) -> Reply {
    if app.is_ready() {
        return reply::ok(&Health { status: "ready" });
    }
    Err(Problem::busy(
        "not_ready",
        "the service is stopping",
        RETRY_AFTER_S,
    ))
}

/// The engine at a glance
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "operation",
    responses((status = 200, description = "Counts, rates, latencies, lag, storage", body = Object, content_type = "application/json"), ReadProblems)
)]
pub async fn status(State(app): State<App>, params: Params) -> Reply {
    params.end()?;
    reply::ok(&app.engine.status())
}

/// Every partition of the stream
#[utoipa::path(
    get,
    path = "/v1/status/partitions",
    tag = "operation",
    responses((status = 200, description = "Positions by partition", body = Vec<Object>, content_type = "application/json"), ReadProblems)
)]
pub async fn partitions(State(app): State<App>, params: Params) -> Reply {
    params.end()?;
    reply::ok(&app.engine.partitions().await)
}
