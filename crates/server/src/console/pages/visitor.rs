//! Visitor: who somebody is to Vitrina, what they did, what they would be shown now.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page_as};
use crate::console::view::{Slate, SlateLine, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use vitrina_types::time::EventTime;

/// Items asked for.
const LIMIT: usize = 12;

#[derive(Template)]
#[template(path = "visitor.html")]
pub(in crate::console) struct VisitorPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    /// The id asked for; empty when none was.
    pub(in crate::console) id: String,
    pub(in crate::console) visitor: Option<Visitor>,
    /// The slate, or why there is none.
    pub(in crate::console) slate: Result<Slate, String>,
    /// Answers given lately, to begin from.
    pub(in crate::console) recent: Vec<SlateLine>,
}

#[derive(Deserialize)]
struct Find {
    #[serde(default)]
    id: String,
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/visitor", get(show))
}

async fn show(State(app): State<ConsoleApp>, Query(find): Query<Find>) -> Page {
    let id = find.id.trim().to_owned();
    let visitor = if id.is_empty() {
        None
    } else {
        app.source.visitor(&id).await?
    };
    let slate = match &visitor {
        Some(visitor) => {
            let slate = app.source.recommend(visitor, LIMIT).await;
            slate.map_err(|error| error.to_string())
        }
        None => Err(String::new()),
    };
    let missing = visitor.is_none() && !id.is_empty();
    let status = if missing {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    let recent = if visitor.is_none() {
        app.source.recent_slates(50)
    } else {
        Vec::new()
    };
    let page = VisitorPage {
        layout: Layout::new("/console/visitor"),
        now: app.source.now(),
        id,
        visitor,
        slate,
        recent: one_each(recent),
    };
    Ok(page_as(status, &page))
}

/// The newest slate of each of a few visitors.
fn one_each(slates: Vec<SlateLine>) -> Vec<SlateLine> {
    let mut each: Vec<SlateLine> = Vec::new();
    for slate in slates {
        let known = each.iter().any(|seen| seen.visitor_id == slate.visitor_id);
        if slate.visitor_id.is_some() && !known && each.len() < 8 {
            each.push(slate);
        }
    }
    each
}
