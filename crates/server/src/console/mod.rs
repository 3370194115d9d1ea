//! The console: what an operator of Vitrina looks at.
//!
//! Server-rendered pages (askama), made lively by vendored scripts (htmx, uPlot) and one module
//! of our own; nothing is fetched from anywhere else and no script or style stands in a page
//! ([`guard`]). A page is one file in [`pages`] and one template, registered by one line of
//! `pages!`. Pages see values ([`view`]) and ask for them through [`source`]; one live stream
//! ([`live`]) serves them all.
//!
//! The console is no API: its paths and pages may change with every version.

pub mod assets;
mod engine;
#[allow(unreachable_pub, reason = "what `filter_fn` makes is public")]
mod filters;
pub mod format;
pub mod guard;
mod layout;
pub mod live;
mod pages;
pub mod ring;
pub mod source;
pub mod view;
pub mod words;

#[cfg(test)]
mod tests;

pub use engine::EngineSource;
pub use live::Ticker;
pub use source::ConsoleSource;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use live::LiveView;
use std::sync::Arc;

/// What every page of the console can reach.
#[derive(Clone)]
pub struct ConsoleApp {
    source: Arc<dyn ConsoleSource>,
    live: LiveView,
}

impl ConsoleApp {
    /// The console over `source`, and the ticker that feeds its live figures: run it beside the
    /// server ([`Ticker::run`]), and stop it first, else open live streams hold the server up.
    pub fn new(source: Arc<dyn ConsoleSource>) -> (Self, Ticker) {
        let (ticker, live) = live::open(Arc::clone(&source));
        (Self { source, live }, ticker)
    }
}

/// All routes of the console: `/` and everything below `/console`.
pub fn router(app: ConsoleApp) -> Router {
    pages::routes()
        .merge(live::routes())
        .layer(from_fn(guard::refuse_foreign_writes))
        .layer(map_response(guard::seal_page))
        .merge(assets::routes())
        .with_state(app)
}
