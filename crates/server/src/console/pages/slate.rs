//! Slate & why: every candidate of one answer, what happened to it, and the final order.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page};
use crate::console::source::SourceError;
use crate::console::view::{Candidate, SlateLine, Why};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use serde::Deserialize;
use vitrina_types::time::EventTime;

/// Units of the longest score bar.
const BAR_WIDTH: f64 = 120.0;

#[derive(Template)]
#[template(path = "slate.html")]
pub(in crate::console) struct SlatePage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    pub(in crate::console) why: Why,
}

impl SlatePage {
    fn bar(&self, candidate: &Candidate) -> Vec<(usize, String, String)> {
        let segments = candidate.segments(self.why.bar_max(), BAR_WIDTH);
        let fixed =
            |(n, x, width): (usize, f64, f64)| (n, format!("{x:.1}"), format!("{width:.1}"));
        segments.into_iter().map(fixed).collect()
    }
}

#[derive(Template)]
#[template(path = "slates.html")]
pub(in crate::console) struct SlatesPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    pub(in crate::console) slates: Vec<SlateLine>,
}

#[derive(Deserialize)]
struct Find {
    #[serde(default)]
    id: String,
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new()
        .route("/console/slate", get(find))
        .route("/console/slate/{id}", get(show))
}

async fn find(State(app): State<ConsoleApp>, Query(find): Query<Find>) -> Page {
    let id = find.id.trim();
    if !id.is_empty() {
        let id: String = id.bytes().map(percent).collect();
        return Ok(Redirect::to(&format!("/console/slate/{id}")).into_response());
    }
    Ok(page(&SlatesPage {
        layout: Layout::new("/console/slate"),
        now: app.source.now(),
        slates: app.source.recent_slates(50),
    }))
}

/// A byte as it may stand in a path.
fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

async fn show(State(app): State<ConsoleApp>, Path(id): Path<String>) -> Page {
    let Some(why) = app.source.why(&id).await? else {
        let what = format!("the slate {id}, or its trace (the newest 10,000 are kept),");
        return Err(SourceError::NotFound(what));
    };
    Ok(page(&SlatePage {
        layout: Layout::new("/console/slate"),
        now: app.source.now(),
        why,
    }))
}
