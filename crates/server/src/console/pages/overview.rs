//! Overview: is it alive, how fast, what is hot.

use crate::console::ConsoleApp;
use crate::console::filters;
use crate::console::format::short;
use crate::console::layout::{Layout, Page, page};
use crate::console::live::ROWS;
use crate::console::ring::{Means, Reading};
use crate::console::view::{SlateLine, TopProduct};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::routing::get;
use vitrina_types::time::EventTime;

#[derive(Template)]
#[template(path = "overview.html")]
pub(in crate::console) struct Overview {
    pub(in crate::console) layout: Layout,
    pub(in crate::console) now: EventTime,
    /// This server as the browser reached it, for the commands in empty states.
    pub(in crate::console) address: String,
    pub(in crate::console) tiles: Vec<Tile>,
    pub(in crate::console) top: Vec<TopProduct>,
    pub(in crate::console) slates: Vec<SlateLine>,
    /// Whether nothing ever happened here.
    pub(in crate::console) empty: bool,
}

impl Overview {
    fn top_max(&self) -> f64 {
        self.top
            .iter()
            .map(|row| row.interest)
            .fold(f64::MIN_POSITIVE, f64::max)
    }

    /// Percent of the largest.
    fn share(&self, interest: &f64) -> String {
        format!("{:.1}", (interest / self.top_max() * 100.0).max(0.0))
    }
}

/// One figure. `key` names it in the live stream.
pub(in crate::console) struct Tile {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) unit: &'static str,
    pub(super) note: &'static str,
    pub(super) href: &'static str,
}

impl Tile {
    /// A tile; it is empty without a value.
    pub(super) fn new(
        (key, name): (&'static str, &'static str),
        value: Option<f64>,
        (unit, note): (&'static str, &'static str),
        href: &'static str,
    ) -> Self {
        Self {
            key,
            name,
            value: value.map_or_else(|| "–".to_owned(), short),
            unit,
            note,
            href,
        }
    }
}

/// The tiles. Before there are rates, they are empty.
pub(in crate::console) fn tiles(means: Option<Means>, reading: &Reading) -> Vec<Tile> {
    let tile =
        |key, name, value, unit, note, href| Tile::new((key, name), value, (unit, note), href);
    let events = means.map(|m| m.events_mean_per_s);
    let answers = means.map(|m| m.answers_mean_per_s);
    #[rustfmt::skip]
    let tiles = vec![
        tile("events_mean_per_s", "Events", events, "/s", "accepted, 5\u{a0}s\u{a0}mean", ""),
        tile("answers_mean_per_s", "Answers", answers, "/s", "served, 5\u{a0}s\u{a0}mean", "/console/slate"),
        tile("freshness_p95_ms", "Freshness p95", reading.freshness_p95_ms, "ms", "event accepted → in answers", ""),
        tile("answer_p99_ms", "Answer p99", reading.answer_p99_ms, "ms", "time to answer", ""),
        tile("lag", "Lag", Some(reading.lag as f64), "records", "not yet applied", "/console/stream"),
        tile("products", "Products", Some(reading.products as f64), "", "known to answers", "/console/products"),
        tile("dead_letters", "Dead letters", Some(reading.dead_letters as f64), "", "kept with their bytes", "/console/dead-letters"),
    ];
    tiles
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/", get(show))
}

async fn show(State(app): State<ConsoleApp>, headers: HeaderMap) -> Page {
    let reading = app.source.reading();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let top = app.source.top(ROWS);
    Ok(page(&Overview {
        layout: Layout::new("/"),
        now: app.source.now(),
        address: format!("http://{}", host.unwrap_or("127.0.0.1:8000")),
        tiles: tiles(app.live.means(), &reading),
        slates: app.source.recent_slates(ROWS),
        empty: reading.events_total == 0 && top.is_empty(),
        top,
    }))
}
