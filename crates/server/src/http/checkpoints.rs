//! The checkpoints there are.

use super::extract::Params;
use super::reply::{self, Reply};
use super::schema::checkpoint::{CheckpointBody, CheckpointPage, DamagedBody};
use super::schema::problems::ReadProblems;
use super::state::App;
use axum::extract::State;
use vitrina_engine::{CheckpointList, list_checkpoints};

/// Checkpoints, newest first
///
/// A checkpoint is restored with `vitrina checkpoint restore`, while the server is stopped.
#[utoipa::path(
    get,
    path = "/v1/checkpoints",
    operation_id = "list_checkpoints",
    tag = "operation",
    responses((status = 200, description = "All of them", body = CheckpointPage), ReadProblems)
)]
pub async fn list(State(app): State<App>, params: Params) -> Reply {
    params.end()?;
    let found = match &app.snapshots {
        Some(snapshots) => list_checkpoints(&**snapshots).await?,
        None => CheckpointList::default(),
    };
    reply::ok(&CheckpointPage {
        checkpoints: found.good.iter().rev().map(CheckpointBody::from).collect(),
        damaged: found.damaged.iter().rev().map(DamagedBody::from).collect(),
    })
}
