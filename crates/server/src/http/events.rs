//! Intake: events in, a position out once they are durable.

use super::body::{self, Held};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::event::EventsBody;
use super::schema::problems::IntakeProblems;
use super::schema::receipt::{IntakeReceipt, RejectedItem};
use super::split::{Form, Split, split};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use vitrina_engine::{RawEvent, Receipt};
use vitrina_types::event::Rejection;
use vitrina_types::limits::{EVENT_BYTES_MAX, EVENTS_PER_REQUEST_MAX};

/// The name of this way in, in dead letters.
const SOURCE: &str = "POST /v1/events";

/// Takes in events
///
/// One object, an array, or NDJSON: up to 10,000 events and 8 MiB, gzip and zstd bodies too.
/// `202` comes after the events are durable in the log. Good events of a batch are kept when
/// others are bad; each bad one also becomes a dead letter. When nothing is good the answer is
/// `400`, with `rejected` for a batch. `text/plain` bodies are read by what they hold, so that
/// `navigator.sendBeacon` works.
#[utoipa::path(
    post,
    path = "/v1/events",
    operation_id = "take_in_events",
    tag = "events",
    request_body(
        description = "One event, an array of them, or one a line",
        content((EventsBody = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 202, description = "The accepted events are durable", body = IntakeReceipt), IntakeProblems)
)]
pub async fn take_in(State(app): State<App>, headers: HeaderMap, body: Body) -> Reply {
    let form = Form::of(&headers)?;
    let held = body::read(&headers, body, &app.budget).await?;
    let Held { bytes, share } = held;
    let (events, single) = match split(&bytes, form, EVENTS_PER_REQUEST_MAX)? {
        Split::One(one) => (vec![raw(one)], true),
        Split::Many(many) => (many.into_iter().map(raw).collect(), false),
    };
    let receipt = app.engine.ingest(events, SOURCE).await?;
    drop(share);
    answer(receipt, single)
}

/// An event to be read by the engine; one that is far too large is not even tried.
pub fn raw(bytes: Bytes) -> RawEvent {
    if bytes.len() <= EVENT_BYTES_MAX {
        return RawEvent::Json(bytes);
    }
    let detail = format!(
        "the event has {} bytes, the limit is {EVENT_BYTES_MAX}",
        bytes.len()
    );
    RawEvent::Bad(Rejection::new("event_too_large", "", detail), bytes)
}

/// `202` when anything was accepted, else `400`.
fn answer(mut receipt: Receipt, single: bool) -> Reply {
    if receipt.accepted > 0 {
        return reply::json(StatusCode::ACCEPTED, &IntakeReceipt::from(receipt));
    }
    if single && receipt.rejected.len() == 1 {
        return match receipt.rejected.pop() {
            Some(rejected) => Err(rejected.rejection.into()),
            None => Err(Problem::internal(
                "an event was neither accepted nor refused",
            )),
        };
    }
    let detail = format!("none of the {} events is good", receipt.rejected.len());
    let mut problem = Problem::bad_request("all_events_rejected", detail);
    problem.rejected = receipt
        .rejected
        .into_iter()
        .map(RejectedItem::from)
        .collect();
    Err(problem)
}
