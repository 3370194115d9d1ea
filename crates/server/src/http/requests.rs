//! Questions that are answered over the topics: for whoever asks now and fetches later.

use super::body::{self, Held};
use super::extract::{Params, PathId, read_span};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::problems::{AskLaterProblems, FindProblems};
use super::schema::receipt::RejectedItem;
use super::schema::request::{self, AnsweredBody, RequestReceipt, RequestsBody};
use super::split::{Form, Split, split};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::collections::HashSet;
use std::time::Duration;
use vitrina_engine::REQUESTS_PER_CALL_MAX;
use vitrina_types::answer::Request;
use vitrina_types::event::Rejection;
use vitrina_types::id::RequestId;

/// Longest wait for an answer in one call.
pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// When an answer that is not there yet may be asked for again.
const RETRY_AFTER_S: u32 = 1;

/// Asks for recommendations that are fetched later
///
/// One object, an array or NDJSON: up to 1,000 questions. `202` comes after all of them are durable
/// in the log; each is answered exactly once, in order. When one is wrong none is asked.
#[utoipa::path(
    post,
    path = "/v1/requests",
    operation_id = "ask_later",
    tag = "answers",
    request_body(
        description = "One question, an array of them, or one a line",
        content((RequestsBody = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 202, description = "The questions are durable", body = RequestReceipt), AskLaterProblems)
)]
pub async fn ask(State(app): State<App>, params: Params, headers: HeaderMap, body: Body) -> Reply {
    params.end()?;
    let form = Form::of(&headers)?;
    let Held { bytes, share } = body::read(&headers, body, &app.budget).await?;
    let (items, single) = match split(&bytes, form, REQUESTS_PER_CALL_MAX)? {
        Split::One(item) => (vec![item], true),
        Split::Many(items) => (items, false),
    };
    let (mut requests, mut rejected) = (Vec::with_capacity(items.len()), Vec::new());
    let mut ids = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        match read(&app, item, &mut ids) {
            Ok(request) => requests.push(request),
            Err(rejection) => rejected.push((index, rejection)),
        }
    }
    if let Some((_, first)) = rejected.first() {
        let mut problem = Problem::unprocessable(first.clone());
        if !single {
            let all = rejected.into_iter();
            problem.rejected = all.map(|(i, why)| RejectedItem::new(i, why)).collect();
        }
        return Err(problem);
    }
    app.engine.ask(&requests).await?;
    drop(share);
    let ids = requests
        .iter()
        .map(|request| request.request_id.to_string());
    let receipt = RequestReceipt {
        requests: ids.collect(),
    };
    reply::json(StatusCode::ACCEPTED, &receipt)
}

fn read(app: &App, item: &[u8], ids: &mut HashSet<RequestId>) -> Result<Request, Rejection> {
    let value = serde_json::from_slice(item)
        .map_err(|error| Rejection::new("invalid_json", "", format!("not JSON: {error}")))?;
    let request = request::read(value, app.engine.now(), || app.engine.fresh_id())?;
    if !ids.insert(request.request_id.clone()) {
        let detail = "another question of this call has the same request_id";
        return Err(Rejection::new("repeated_id", "request_id", detail));
    }
    Ok(request)
}

/// The answer to a question
///
/// With `wait` it waits up to so long, at most 20 s, for an answer that is not there yet. The newest
/// 16,384 answers are remembered.
#[utoipa::path(
    get,
    path = "/v1/requests/{request_id}",
    operation_id = "find_answer",
    tag = "answers",
    params(
        ("request_id" = String, Path, description = "The question", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        ("wait" = Option<String>, Query, description = "How long to wait for it: 500ms, 5s", nullable = false, pattern = "^([0-9]{1,5}ms|[0-9]{1,2}s)$"),
    ),
    responses((status = 200, description = "What to show, best first", body = AnsweredBody), FindProblems)
)]
pub async fn find(State(app): State<App>, path: PathId, mut params: Params) -> Reply {
    let id = path.read("request_id", RequestId::new)?;
    let wait = match params.text("wait")? {
        Some(text) => read_wait(&text)?,
        None => Duration::ZERO,
    };
    params.end()?;
    // An answer of ours, not that of a request which took too long.
    let wait = wait.min(app.options.request_timeout / 2);
    let Some(answer) = app.engine.answer_to(&id, wait).await else {
        let detail = "there is no answer to this question yet; ask again later";
        let problem = Problem::new(StatusCode::NOT_FOUND, "no_answer_yet", detail);
        return Err(problem.retry_after(RETRY_AFTER_S));
    };
    let items = answer.items.iter();
    let cards: Vec<_> = items.map(|item| app.engine.card(&item.product)).collect();
    reply::ok(&AnsweredBody::new(&path.0, &answer, &cards))
}

fn read_wait(text: &str) -> Result<Duration, Problem> {
    read_span(text)
        .filter(|span| *span <= WAIT_MAX)
        .ok_or_else(|| {
            let detail = format!(
                "wait is a time up to {} s, like 5s or 500ms",
                WAIT_MAX.as_secs()
            );
            Problem::bad_field("out_of_range", "wait", detail)
        })
}
