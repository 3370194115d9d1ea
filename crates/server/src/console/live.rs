//! The live stream: once a second the figures, to every open page.
//!
//! `GET /console/live` is a stream of Server-Sent Events: first `history` with the ring, in
//! columns, then `figures` each second. A browser that reconnects gets the history again, so a
//! page never needs to be reloaded. When the [`Ticker`] stops, the streams end.

use super::ConsoleApp;
use super::ring::{Means, Point, Ring};
use super::source::ConsoleSource;
use super::view::{SlateLine, TopProduct};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Frame as BodyFrame;
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Rows of the lists that overview shows.
pub const ROWS: usize = 10;
/// Open streams at most; more are refused, so that forgotten tabs cost nothing.
const STREAMS_MAX: usize = 256;

/// What the ticker made of its last reading.
#[derive(Default)]
struct Frame {
    ring: Ring,
    /// The message of this second, ready to send.
    message: Bytes,
}

/// The figures as pages see them.
#[derive(Clone)]
pub(super) struct LiveView {
    frame: watch::Receiver<Frame>,
    streams: Arc<AtomicUsize>,
}

impl LiveView {
    /// The newest rates; `None` in the first second.
    pub(super) fn means(&self) -> Option<Means> {
        self.frame.borrow().ring.means()
    }
}

/// Reads the engine's figures once a second.
pub struct Ticker {
    source: Arc<dyn ConsoleSource>,
    frame: watch::Sender<Frame>,
    streams: Arc<AtomicUsize>,
}

pub(super) fn open(source: Arc<dyn ConsoleSource>) -> (Ticker, LiveView) {
    let streams = Arc::new(AtomicUsize::new(0));
    let (sender, frame) = watch::channel(Frame::default());
    let view = LiveView {
        frame,
        streams: Arc::clone(&streams),
    };
    let ticker = Ticker {
        source,
        frame: sender,
        streams,
    };
    (ticker, view)
}

impl Ticker {
    /// Ticks until `stop` resolves; then every live stream ends.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = every.tick() => self.tick(),
            }
        }
    }

    /// Takes one reading. The lists are asked for only while somebody looks.
    pub(super) fn tick(&self) {
        let reading = self.source.reading();
        let watched = self.streams.load(Ordering::Relaxed) > 0;
        let top = if watched {
            self.source.top(ROWS)
        } else {
            Vec::new()
        };
        let slates = if watched {
            self.source.recent_slates(ROWS)
        } else {
            Vec::new()
        };
        self.frame.send_modify(|frame| {
            frame.ring.push(reading);
            frame.message = figures_message(&frame.ring, &top, &slates);
        });
    }
}

/// The figures of one second, as sent.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    point: Point,
    #[serde(flatten)]
    means: Means,
    top: Vec<TopRow>,
    slates: Vec<SlateRow>,
}

#[derive(Serialize)]
struct TopRow {
    product_id: String,
    shown_as: String,
    price: String,
    interest: f64,
}

#[derive(Serialize)]
struct SlateRow {
    slate_id: String,
    visitor_id: Option<String>,
    placement: String,
    at_ms: i64,
    items: usize,
    first: String,
}

fn figures_message(ring: &Ring, top: &[TopProduct], slates: &[SlateLine]) -> Bytes {
    let Some((point, means)) = ring.newest().zip(ring.means()) else {
        return Bytes::new();
    };
    let top = top.iter().map(|row| TopRow {
        product_id: row.card.product_id.clone(),
        shown_as: row.card.shown_as.clone(),
        price: row.card.price.clone().unwrap_or_default(),
        interest: (row.interest * 100.0).round() / 100.0,
    });
    let slates = slates.iter().map(|row| SlateRow {
        slate_id: row.slate_id.clone(),
        visitor_id: row.visitor_id.clone(),
        placement: row.placement.clone(),
        at_ms: row.at.0,
        items: row.items,
        first: row.first.join(", "),
    });
    let figures = Figures {
        point,
        means,
        top: top.collect(),
        slates: slates.collect(),
    };
    message(
        "figures",
        serde_json::to_string(&figures).unwrap_or_default(),
    )
}

/// The ring in columns: what uPlot draws.
fn history_message(ring: &Ring) -> Bytes {
    fn column<T>(ring: &Ring, of: fn(&Point) -> T) -> Vec<T> {
        ring.points().map(of).collect()
    }
    let columns = json!({
        "at_ms": column(ring, |p| p.at_ms),
        "events_per_s": column(ring, |p| p.events_per_s),
        "answers_per_s": column(ring, |p| p.answers_per_s),
        "freshness_p50_ms": column(ring, |p| p.freshness_p50_ms),
        "freshness_p95_ms": column(ring, |p| p.freshness_p95_ms),
        "freshness_p99_ms": column(ring, |p| p.freshness_p99_ms),
        "answer_p50_ms": column(ring, |p| p.answer_p50_ms),
        "answer_p99_ms": column(ring, |p| p.answer_p99_ms),
        "lag": column(ring, |p| p.lag),
        "lag_users": column(ring, |p| p.stream.lag_users),
        "lag_products": column(ring, |p| p.stream.lag_products),
        "lag_slates": column(ring, |p| p.stream.lag_slates),
        "lag_rows": column(ring, |p| p.stream.lag_rows),
        "lag_shop": column(ring, |p| p.stream.lag_shop),
        "lag_sinks": column(ring, |p| p.stream.lag_sinks),
        "delay_users_s": column(ring, |p| p.stream.delay_users_s),
        "delay_products_s": column(ring, |p| p.stream.delay_products_s),
        "delay_slates_s": column(ring, |p| p.stream.delay_slates_s),
        "delay_rows_s": column(ring, |p| p.stream.delay_rows_s),
    });
    message("history", columns.to_string())
}

/// One event of the stream. JSON has no line breaks outside strings, and escapes them inside.
fn message(event: &str, json: String) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {json}\n\n"))
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/live", get(stream))
}

async fn stream(State(app): State<ConsoleApp>) -> Response {
    let Some(guard) = StreamGuard::open(&app.live.streams) else {
        let refusal = "too many open consoles, close some and reload\n";
        return (axum::http::StatusCode::SERVICE_UNAVAILABLE, refusal).into_response();
    };
    let (sender, messages) = mpsc::channel(2);
    tokio::spawn(pump(app.live.frame, sender, guard));
    let body = Body::new(StreamBody(messages));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// Sends until the browser leaves or the ticker stops.
async fn pump(
    mut frames: watch::Receiver<Frame>,
    sender: mpsc::Sender<Bytes>,
    _guard: StreamGuard,
) {
    let history = history_message(&frames.borrow_and_update().ring);
    let hello = [Bytes::from_static(b"retry: 2000\n\n"), history];
    for message in hello {
        if sender.send(message).await.is_err() {
            return;
        }
    }
    while frames.changed().await.is_ok() {
        let message = frames.borrow_and_update().message.clone();
        if !message.is_empty() && sender.send(message).await.is_err() {
            return;
        }
    }
}

/// A body that is what is sent to it.
struct StreamBody(mpsc::Receiver<Bytes>);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|message| message.map(|bytes| Ok(BodyFrame::data(bytes))))
    }
}

/// Counts an open stream as long as it lives.
struct StreamGuard(Arc<AtomicUsize>);

impl StreamGuard {
    fn open(streams: &Arc<AtomicUsize>) -> Option<Self> {
        let before = streams.fetch_add(1, Ordering::Relaxed);
        let guard = Self(Arc::clone(streams));
        (before < STREAMS_MAX).then_some(guard)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
