//! System: how far each stage has come, storage, versions.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page};
use crate::console::view::SystemStatus;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

#[derive(Template)]
#[template(path = "system.html")]
pub(in crate::console) struct SystemPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) status: SystemStatus,
}

impl SystemPage {
    /// Records waiting in all stages.
    fn lag(&self) -> u64 {
        self.status.stages.iter().map(|stage| stage.lag()).sum()
    }
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/system", get(show))
}

async fn show(State(app): State<ConsoleApp>) -> Page {
    Ok(page(&SystemPage {
        layout: Layout::new("/console/system"),
        status: app.source.system().await?,
    }))
}
