//! What came after its window was closed, for whoever asks what was not counted.

use super::dead_letters::read_page;
use super::extract::Params;
use super::reply::{self, Reply};
use super::schema::late_event::{LateEventBody, LateEventPage};
use super::schema::problems::ReadProblems;
use super::state::App;
use axum::extract::State;

/// Late events, newest first
#[utoipa::path(
    get,
    path = "/v1/late-events",
    operation_id = "list_late_events",
    tag = "operation",
    params(
        ("limit" = Option<u32>, Query, description = "Late events of a page", nullable = false, minimum = 1, maximum = 1000),
        ("before" = Option<u64>, Query, description = "Only late events with a smaller number", nullable = false, minimum = 0, maximum = 9007199254740991u64),
    ),
    responses((status = 200, description = "A page", body = LateEventPage), ReadProblems)
)]
pub async fn list(State(app): State<App>, params: Params) -> Reply {
    let (limit, before) = read_page(params)?;
    let late = app.engine.late_events(before, limit).await?;
    let last = late.last().map(|late| late.number);
    let is_full = late.len() == limit;
    reply::ok(&LateEventPage {
        late_events: late.iter().map(LateEventBody::from).collect(),
        next_before: last.filter(|&number| is_full && number > 0),
    })
}
