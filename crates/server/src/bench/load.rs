//! Load: closed-loop for rates, open-loop for latencies.

use super::BenchError;
use super::wire::Wire;
use hdrhistogram::Histogram;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

/// Longest latency told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Latencies of one run.
pub(super) struct Latencies {
    histogram: Histogram<u64>,
    /// Requests that were sent later than planned by more than a millisecond: how far the
    /// generator itself was behind.
    pub(super) late: u64,
}

impl Latencies {
    pub(super) fn new() -> Result<Self, BenchError> {
        let histogram = Histogram::new_with_max(LONGEST_US, 3)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        Ok(Self { histogram, late: 0 })
    }

    pub(super) fn record(&mut self, took: Duration) {
        self.histogram.saturating_record(took.as_micros() as u64);
    }

    /// The quantile in milliseconds.
    pub(super) fn ms(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1_000.0
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }
}

/// Calls `one(connection, number)` over `connections` connections as fast as they are answered,
/// for `length`; answers calls per second.
pub(super) async fn closed<F, Fut>(
    host: &str,
    connections: usize,
    length: Duration,
    one: F,
) -> Result<f64, BenchError>
where
    F: Fn(Wire, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Wire, BenchError>> + Send + 'static,
{
    let numbers = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut wire = Wire::connect(host).await?;
        let (one, numbers) = (one.clone(), Arc::clone(&numbers));
        tasks.push(async move || -> Result<u64, BenchError> {
            let (began, mut done) = (Instant::now(), 0);
            while began.elapsed() < length {
                wire = one(wire, numbers.fetch_add(1, Ordering::Relaxed)).await?;
                done += 1;
            }
            Ok(done)
        });
    }
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for task in tasks {
        running.spawn(async move { task().await });
    }
    let mut done = 0;
    while let Some(ended) = running.join_next().await {
        done += ended.map_err(|error| BenchError::Subject(error.to_string()))??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

/// Starts `one(connection, number)` `per_second` times a second for `length`, whatever happens to
/// earlier ones; the latency of each is measured from its planned time.
pub(super) async fn open<F, Fut>(
    host: &str,
    connections: usize,
    per_second: f64,
    length: Duration,
    one: F,
) -> Result<Latencies, BenchError>
where
    F: Fn(Wire, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(Wire, Option<Duration>), BenchError>> + Send + 'static,
{
    let (plan, planned) = mpsc::unbounded_channel::<(u64, Instant)>();
    let planned = Arc::new(Mutex::new(planned));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let wire = Wire::connect(host).await?;
        let (one, planned) = (one.clone(), Arc::clone(&planned));
        running.spawn(work(wire, planned, one));
    }
    // A thread of its own keeps the times: tokio's timers tell milliseconds apart, not less.
    let planner = std::thread::spawn(move || {
        let (began, total) = (Instant::now(), (per_second * length.as_secs_f64()) as u64);
        for number in 0..total {
            let due = began + Duration::from_secs_f64(number as f64 / per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if plan.send((number, due)).is_err() {
                break;
            }
        }
    });
    let mut all = Latencies::new()?;
    while let Some(ended) = running.join_next().await {
        let part = ended.map_err(|error| BenchError::Subject(error.to_string()))??;
        all.late += part.late;
        all.histogram
            .add(&part.histogram)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
    }
    if planner.join().is_err() {
        return Err(BenchError::Subject("the planner panicked".to_owned()));
    }
    Ok(all)
}

async fn work<F, Fut>(
    mut wire: Wire,
    planned: Arc<Mutex<mpsc::UnboundedReceiver<(u64, Instant)>>>,
    one: F,
) -> Result<Latencies, BenchError>
where
    F: Fn(Wire, u64) -> Fut,
    Fut: Future<Output = Result<(Wire, Option<Duration>), BenchError>>,
{
    let mut latencies = Latencies::new()?;
    loop {
        let next = planned.lock().await.recv().await;
        let Some((number, due)) = next else {
            return Ok(latencies);
        };
        if due.elapsed() > Duration::from_millis(1) {
            latencies.late += 1;
        }
        let (back, own) = one(wire, number).await?;
        wire = back;
        latencies.record(own.unwrap_or_else(|| due.elapsed()));
    }
}
