//! Inputs that could not be processed, for whoever has to find out why and set it right.

use super::answers::body_as_json;
use super::extract::{Params, PathId, WHOLE_MAX};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::dead_letter::{
    DeadLetterBody, DeadLetterDetail, DeadLetterPage, ReplayBody, ReplayInput,
};
use super::schema::fields::Fields;
use super::schema::problems::{AskLaterProblems, FindProblems, ReadProblems};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use vitrina_engine::{REPLAYS_PER_CALL_MAX, ReplayChoice};
use vitrina_types::event::Rejection;
use vitrina_types::limits::ID_BYTES_MAX;

/// Letters of a page when nothing is said.
pub const LIMIT_DEFAULT: usize = 50;
/// Most letters of a page.
pub const LIMIT_MAX: usize = 1_000;
/// Bytes of letters of a page, beyond which it ends early: JSON writes a byte with up to six.
const PAGE_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Dead letters, newest first
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    operation_id = "list_dead_letters",
    tag = "operation",
    params(
        ("limit" = Option<u32>, Query, description = "Letters of a page", nullable = false, minimum = 1, maximum = 1000),
        ("before" = Option<u64>, Query, description = "Only letters with a smaller number", nullable = false, minimum = 0, maximum = 9007199254740991u64),
    ),
    responses((status = 200, description = "A page", body = DeadLetterPage), ReadProblems)
)]
pub async fn list(State(app): State<App>, params: Params) -> Reply {
    let (limit, before) = read_page(params)?;
    let mut letters = app.engine.dead_letters(before, limit).await?;
    let found = letters.len();
    let mut bytes = 0;
    letters.retain(|(_, letter)| {
        let fits = bytes < PAGE_BYTES_MAX;
        bytes += letter.bytes.len();
        fits
    });
    let last = letters.last().map(|letter| letter.0);
    let is_cut = found == limit || letters.len() < found;
    reply::ok(&DeadLetterPage {
        next_before: last.filter(|&number| is_cut && number > 0),
        dead_letters: letters.into_iter().map(DeadLetterBody::from).collect(),
    })
}

/// Reads `limit` and `before` of a page of records, newest first.
///
/// # Errors
/// `400` naming the parameter at fault.
pub fn read_page(mut params: Params) -> Result<(usize, Option<u64>), Problem> {
    let limit = params.number("limit", 1..=LIMIT_MAX)?;
    let before = params.number("before", 0..=WHOLE_MAX)?;
    params.end()?;
    Ok((limit.unwrap_or(LIMIT_DEFAULT), before))
}

/// A dead letter, with all its bytes
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{offset}",
    operation_id = "find_dead_letter",
    tag = "operation",
    params(("offset" = u64, Path, description = "Its number", minimum = 0, maximum = 9007199254740991u64)),
    responses((status = 200, description = "The dead letter", body = DeadLetterDetail), FindProblems)
)]
pub async fn find(State(app): State<App>, path: PathId, params: Params) -> Reply {
    params.end()?;
    let number = path.number("offset", 0..=WHOLE_MAX)?;
    match app.engine.dead_letter(number).await? {
        Some(letter) => reply::ok(&DeadLetterDetail::new(number, letter)),
        None => Err(Problem::not_found("dead letter")),
    }
}

/// Takes dead letters in again
///
/// Those with these numbers, those with a code, or all of them. An event counts once by its event
/// id, however often it is replayed; one that is still bad becomes a new dead letter. A record of a
/// topic goes back to the partition it was read from and is applied once for each replay. With
/// `code` or `all` up to 1,000 are replayed in one call, oldest first: while the answer has `next`,
/// ask again with `from` and `until` as it says.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/replay",
    operation_id = "replay_dead_letters",
    tag = "operation",
    request_body(content = ReplayInput, content_type = "application/json"),
    responses((status = 200, description = "What became of them; what was taken in again is durable", body = ReplayBody), AskLaterProblems)
)]
pub async fn replay(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let value = body_as_json(&app, &headers, body).await?;
    let choice = Fields::of(value)
        .and_then(read_choice)
        .map_err(Problem::unprocessable)?;
    let replayed = app.engine.replay_dead_letters(choice).await?;
    reply::ok(&ReplayBody::from(replayed))
}

fn read_choice(mut fields: Fields) -> Result<ReplayChoice, Rejection> {
    let numbers = fields.numbers("offsets", REPLAYS_PER_CALL_MAX)?;
    let code = fields.text("code", ID_BYTES_MAX)?.map(String::from);
    let all = fields.flag("all")?.unwrap_or(false);
    let from = fields.number("from", 0..=WHOLE_MAX)?;
    let until = fields.number("until", 0..=WHOLE_MAX)?;
    fields.end()?;
    let given = [numbers.is_some(), code.is_some(), all];
    if given.iter().filter(|given| **given).count() != 1 {
        let detail = "name the letters by one of offsets, code and all";
        return Err(Rejection::new("invalid_choice", "offsets", detail));
    }
    match numbers {
        Some(_) if from.is_some() || until.is_some() => {
            let detail = "from and until are for code and all";
            Err(Rejection::new("invalid_choice", "from", detail))
        }
        Some(numbers) => Ok(ReplayChoice::Numbers(numbers)),
        None => Ok(ReplayChoice::Range {
            code,
            from: from.unwrap_or(0),
            until,
        }),
    }
}
