//! Inputs that could not be processed, for whoever has to find out why.

use super::extract::{Params, WHOLE_MAX};
use super::reply::{self, Reply};
use super::schema::dead_letter::{DeadLetterBody, DeadLetterPage};
use super::schema::problems::ReadProblems;
use super::state::App;
use axum::extract::State;

/// Letters of a page when nothing is said.
const LIMIT_DEFAULT: usize = 50;
/// Most letters of a page.
const LIMIT_MAX: usize = 1_000;
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
pub async fn list(State(app): State<App>, mut params: Params) -> Reply {
    let limit = params.number("limit", 1..=LIMIT_MAX)?;
    let before = params.number("before", 0..=WHOLE_MAX)?;
    params.end()?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
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
