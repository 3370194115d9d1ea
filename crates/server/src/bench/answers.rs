//! Answers over 100,000 products: latency at 1,000/s, rate at saturation.

use super::BenchError;
use super::catalogue;
use super::events;
use super::figure::{Figure, Good};
use super::load;
use super::subject::Subject;
use super::wire::Wire;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// p50 1 ms and p99 5 ms at 1,000/s; 15,000/s at saturation. The floor of axum alone on such a
/// machine is about 59,000/s; an answer may cost three such requests.
const P50_MS_MAX: f64 = 1.0;
const P99_MS_MAX: f64 = 5.0;
const RATE_MIN: f64 = 15_000.0;
const LENGTH: Duration = Duration::from_secs(10);
/// Events that make histories, neighbours and rankings before the first question.
const WARM_EVENTS: u64 = 300_000;
const WARM_BATCH: u64 = 1_000;

async fn warm(host: &str) -> Result<(), BenchError> {
    let mut wire = Wire::connect(host).await?;
    for first in (0..WARM_EVENTS).step_by(WARM_BATCH as usize) {
        let mut body = String::new();
        for number in first..first + WARM_BATCH {
            events::line(number, &mut body);
        }
        wire.events(Bytes::from(body)).await?;
    }
    // Applied before measured: the last event's answer is asked for until it is fresh.
    loop {
        let status = wire.get("/v1/status").await?;
        let status: serde_json::Value = serde_json::from_slice(&status)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        if status["lag"]["users"] == 0 && status["lag"]["products"] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ask(mut wire: Wire, number: u64) -> Result<Wire, BenchError> {
    let user = events::visitor(number);
    wire.get(&format!("/v1/recommendations/v{user}?limit=10"))
        .await?;
    Ok(wire)
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let subject = Subject::start(&scratch.join("data")).await?;
    catalogue::fill(&subject.host).await?;
    warm(&subject.host).await?;
    let timed = |wire: Wire, number: u64| async move { Ok((ask(wire, number).await?, None)) };
    let latencies = load::open(&subject.host, 32, 1_000.0, LENGTH, timed).await?;
    let rate = load::closed(&subject.host, 32, LENGTH, ask).await?;
    let (_, peak) = subject.memory()?;
    subject.stop()?;
    let note = format!("at 1,000/s, {} sent late by over 1 ms", latencies.late);
    let name = "answers, 100,000 products";
    Ok(vec![
        Figure::new(
            &format!("{name}, p50"),
            latencies.ms(0.5),
            "ms",
            Good::AtMost,
            P50_MS_MAX,
        )
        .note(note),
        Figure::new(
            &format!("{name}, p99"),
            latencies.ms(0.99),
            "ms",
            Good::AtMost,
            P99_MS_MAX,
        ),
        Figure::new(
            &format!("{name}, saturation"),
            rate,
            "answers/s",
            Good::AtLeast,
            RATE_MIN,
        )
        .note(format!(
            "32 connections; peak memory {:.0} MB",
            peak as f64 / 1e6
        )),
    ])
}
