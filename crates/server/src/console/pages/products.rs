//! Products: find one, see whether it may be shown, ban it or lift the ban.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page};
use crate::console::view::ProductList;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use vitrina_types::time::EventTime;

/// Products on one page.
const LIMIT: usize = 50;

#[derive(Template)]
#[template(path = "products.html")]
pub(in crate::console) struct ProductsPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    /// What was looked for.
    pub(in crate::console) find: String,
    /// Whether this is not the first page.
    pub(in crate::console) later: bool,
    pub(in crate::console) list: ProductList,
}

#[derive(Template)]
#[template(path = "product_rows.html")]
struct ProductRows {
    now: EventTime,
    list: ProductList,
}

#[derive(Deserialize)]
struct Find {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

#[derive(Deserialize)]
struct BanForm {
    product_id: String,
    banned: bool,
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new()
        .route("/console/products", get(show))
        .route("/console/products/ban", post(ban))
}

async fn show(State(app): State<ConsoleApp>, Query(find): Query<Find>) -> Page {
    let text = find.q.trim().to_owned();
    let after = find.after.as_deref().filter(|after| !after.is_empty());
    let list = app.source.products(&text, after, LIMIT).await?;
    Ok(page(&ProductsPage {
        layout: Layout::new("/console/products"),
        now: app.source.now(),
        later: after.is_some(),
        find: text,
        list,
    }))
}

/// Bans or lifts. A script gets the row as it is now, a plain form goes back to the list.
async fn ban(State(app): State<ConsoleApp>, headers: HeaderMap, Form(form): Form<BanForm>) -> Page {
    let line = app.source.set_ban(&form.product_id, form.banned).await?;
    if !headers.contains_key("hx-request") {
        return Ok(Redirect::to("/console/products").into_response());
    }
    let list = ProductList {
        lines: vec![line],
        ..ProductList::default()
    };
    let now = app.source.now();
    Ok(page(&ProductRows { now, list }))
}
