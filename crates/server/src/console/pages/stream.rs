//! Stream: how far behind each stage is, what comes late, and what the last windows came to.

use super::overview::Tile;
use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::layout::{Layout, Page, page};
use crate::console::live::ROWS;
use crate::console::ring::Reading;
use crate::console::view::StreamStatus;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use vitrina_types::time::EventTime;

#[derive(Template)]
#[template(path = "stream.html")]
pub(in crate::console) struct StreamPage {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    pub(in crate::console) tiles: Vec<Tile>,
    pub(in crate::console) status: StreamStatus,
}

fn tiles(reading: &Reading) -> Vec<Tile> {
    let stream = &reading.stream;
    let tile =
        |key, name, value, unit, note, href| Tile::new((key, name), value, (unit, note), href);
    let count = |count: u64| Some(count as f64);
    let age_s = stream.checkpoint_age_s.and_then(count);
    #[rustfmt::skip]
    let tiles = vec![
        tile("lag", "Lag", count(reading.lag), "records", "waiting for a stage", "/console/system"),
        tile("delay_s", "Watermark delay", stream.delay_s(), "s", "slowest stage behind the clock", ""),
        tile("open_windows", "Open windows", count(stream.open_windows), "", "and sessions", ""),
        tile("late_events", "Late events", count(stream.late_events), "", "after their window closed", "#late"),
        tile("retries", "Retries", count(stream.retries), "", "of sinks, since the start", ""),
        tile("dead_letters", "Dead letters", count(reading.dead_letters), "", "kept with their bytes", "/console/dead-letters"),
        tile("checkpoint_age_s", "Checkpoint", age_s, "s", "age of the newest", "#checkpoints"),
    ];
    tiles
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/stream", get(show))
}

async fn show(State(app): State<ConsoleApp>) -> Page {
    Ok(page(&StreamPage {
        layout: Layout::new("/console/stream"),
        now: app.source.now(),
        tiles: tiles(&app.source.reading()),
        status: app.source.stream(ROWS).await?,
    }))
}
