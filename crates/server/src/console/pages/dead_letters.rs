//! Dead letters: what could not be processed, why, and its bytes.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page};
use crate::console::view::Letter;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;
use vitrina_types::time::EventTime;

/// Letters on one page.
const LIMIT: usize = 50;

#[derive(Template)]
#[template(path = "dead_letters.html")]
pub(in crate::console) struct DeadLettersPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    pub(in crate::console) total: u64,
    /// Whether this is not the newest page.
    pub(in crate::console) later: bool,
    pub(in crate::console) letters: Vec<Letter>,
    /// Where older ones begin.
    pub(in crate::console) older: Option<u64>,
}

#[derive(Deserialize)]
struct Find {
    before: Option<u64>,
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/dead-letters", get(show))
}

async fn show(State(app): State<ConsoleApp>, Query(find): Query<Find>) -> Page {
    let letters = app.source.dead_letters(find.before, LIMIT).await?;
    let last = letters.last().map(|letter| letter.offset);
    Ok(page(&DeadLettersPage {
        layout: Layout::new("/console/dead-letters"),
        now: app.source.now(),
        total: app.source.reading().dead_letters,
        later: find.before.is_some(),
        older: last.filter(|offset| letters.len() == LIMIT && *offset > 0),
        letters,
    }))
}
