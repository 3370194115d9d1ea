//! `/metrics` for Prometheus, in the OpenMetrics text format.
//!
//! Nothing is counted here: what the engine and this face count anyway is written out when
//! somebody asks.

use super::problem::Problem;
use super::reply::Reply;
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use vitrina_engine::{BUCKETS_US, Figures, StageStatus, Status, Timing};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Figures for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        super::schema::problems::ReadProblems
    )
)]
pub async fn scrape(State(app): State<App>) -> Reply {
    let mut registry = Registry::with_prefix("vitrina");
    registry.register_collector(Box::new(Scrape(app)));
    let mut out = String::with_capacity(8 * 1_024);
    text::encode(&mut out, &registry)
        .map_err(|error| Problem::internal(&format!("metrics do not encode: {error}")))?;
    let mut response = Response::new(Body::from(out));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    Ok(response)
}

struct Scrape(App);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.engine.status();
        for (name, help, value) in counters(&status, self.0.engine.figures()) {
            counter(&mut to, name, help, value)?;
        }
        for (name, help, value) in gauges(&status) {
            let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))?;
        }
        stages(&mut to, &status)?;
        checkpoints(&mut to, &status)?;
        for (name, help, timing) in timings(self.0.engine.figures()) {
            histogram(&mut to, name, help, timing)?;
        }
        let help = "Responses by class of status";
        let mut responses =
            to.encode_descriptor("http_responses", help, None, MetricType::Counter)?;
        for (class, count) in self.0.counts.classes() {
            let labels = [("class", class)];
            let mut metric = responses.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

/// Name, help and value of one figure.
type Line = (&'static str, &'static str, u64);

#[rustfmt::skip]
fn counters(status: &Status, figures: &Figures) -> [Line; 10] {
    [
        ("events_accepted", "Events acknowledged", status.accepted),
        ("events_rejected", "Inputs refused at intake", status.refused),
        ("events_applied", "User-keyed records applied to state", status.applied),
        ("answers", "Answers given", status.answers),
        ("answers_stale", "Answers without the position asked after", figures.stale_answers.get()),
        ("impressions_dropped", "Impressions lost to a full queue", status.impressions_dropped),
        ("stream_panics", "Batches of a stage that panicked", status.panics),
        ("stream_reassigned", "Starts of a task from its stored position", status.reassigned),
        ("dead_letters", "Dead letters ever written", status.dead_letters),
        ("retries", "Times a sink tried again", status.retries),
    ]
}

#[rustfmt::skip]
fn gauges(status: &Status) -> [Line; 6] {
    [
        ("products", "Products known to answers", status.products),
        ("stream_lag_users", "Records waiting for the user stage", status.lag.users),
        ("stream_lag_products", "Records waiting for the product stage", status.lag.products),
        ("log_bytes", "Bytes of the event log", status.storage.log_bytes),
        ("disk_free_bytes", "Bytes free on the disk of the log", status.storage.free_bytes),
        ("uptime_seconds", "Seconds since the engine began", status.uptime_s),
    ]
}

/// What each stage and sink says of itself.
fn stages(to: &mut DescriptorEncoder<'_>, status: &Status) -> Result<(), fmt::Error> {
    let stages = &status.stages;
    let gauge = |of: fn(&StageStatus) -> u64| {
        let values = stages.iter().map(move |stage| (stage.stage, of(stage)));
        values.collect::<Vec<_>>()
    };
    let lag = gauge(|stage| stage.lag);
    family(
        to,
        "lag_records",
        "Records waiting for a stage",
        "stage",
        &lag,
    )?;
    let sinks: Vec<_> = status
        .sinks
        .iter()
        .map(|sink| (sink.sink, sink.lag))
        .collect();
    family(
        to,
        "sink_lag_records",
        "Records waiting for a sink",
        "sink",
        &sinks,
    )?;
    let open = gauge(|stage| stage.open_windows);
    family(
        to,
        "open_windows",
        "Windows and sessions that are open",
        "stage",
        &open,
    )?;
    let help = "How far the slowest partition is behind the clock in event time";
    let name = "watermark_delay";
    let mut delays = to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for stage in stages {
        if let Some(delay_s) = stage.watermark_delay_s {
            let labels = [("stage", stage.stage)];
            delays.encode_family(&labels)?.encode_gauge(&delay_s)?;
        }
    }
    let help = "Events that came after their window was closed, over restarts";
    let mut late = to.encode_descriptor("late_events", help, None, MetricType::Counter)?;
    for stage in stages {
        let labels = [("stage", stage.stage)];
        let mut metric = late.encode_family(&labels)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&stage.late_events, None)?;
    }
    Ok(())
}

/// A gauge by one label.
fn family(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> Result<(), fmt::Error> {
    let mut gauges = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (of, value) in values {
        let labels = [(label, *of)];
        let mut metric = gauges.encode_family(&labels)?;
        metric.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// What checkpoints come to; nothing where none are taken.
fn checkpoints(to: &mut DescriptorEncoder<'_>, status: &Status) -> Result<(), fmt::Error> {
    let Some(checkpoints) = &status.checkpoints else {
        return Ok(());
    };
    let help = "Checkpoints that failed or were given up";
    counter(to, "checkpoint_failures", help, checkpoints.failures)?;
    let seconds = [
        (
            "checkpoint_age",
            "Since the newest checkpoint was taken",
            checkpoints.age_s.map(|age_s| age_s as f64),
        ),
        (
            "checkpoint_duration",
            "How long the last checkpoint took",
            // Before the first of this process there is none.
            Some(checkpoints.duration_ms as f64 / 1e3).filter(|&s| s > 0.0),
        ),
    ];
    for (name, help, value) in seconds {
        if let Some(value) = value {
            let unit = Some(&Unit::Seconds);
            let mut metric = to.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            metric.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn timings(figures: &Figures) -> [(&'static str, &'static str, &Timing); 3] {
    [
        (
            "freshness",
            "From acknowledgement of an event to state",
            &figures.freshness,
        ),
        ("answer", "Time to make an answer", &figures.answer),
        (
            "intake",
            "Time to make a batch of events durable",
            &figures.intake,
        ),
    ]
}

fn counter(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn histogram(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    timing: &Timing,
) -> Result<(), fmt::Error> {
    let (cumulative, sum_s) = timing.cumulative();
    let bounds = BUCKETS_US.iter().map(|&us| us as f64 / 1e6);
    let bounds = bounds.chain(std::iter::once(f64::INFINITY));
    let mut before = 0;
    let buckets: Vec<(f64, u64)> = bounds
        .zip(&cumulative)
        .map(|(bound, &count)| {
            let own = count - before;
            before = count;
            (bound, own)
        })
        .collect();
    let total = cumulative.last().copied().unwrap_or(0);
    let mut metric =
        to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(sum_s, total, &buckets, None)
}
