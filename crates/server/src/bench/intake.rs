//! HTTP intake at saturation: batches of 100, and single events.

use super::BenchError;
use super::events;
use super::figure::{Figure, Good};
use super::load;
use super::subject::Subject;
use super::wire::Wire;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// Batches: 60,000 events/s, that is 600 requests/s of about 10 KB. Single events: 8,000/s, which
/// needs many requests under one fsync.
const BATCHED_MIN: f64 = 60_000.0;
const SINGLE_MIN: f64 = 8_000.0;
const BATCH: u64 = 100;
const LENGTH: Duration = Duration::from_secs(10);

async fn send(mut wire: Wire, first: u64, count: u64) -> Result<Wire, BenchError> {
    let mut body = String::with_capacity(count as usize * 110);
    for number in first..first + count {
        events::line(number, &mut body);
    }
    wire.events(Bytes::from(body)).await?;
    Ok(wire)
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let subject = Subject::start(&scratch.join("data")).await?;
    let batches = load::closed(&subject.host, 8, LENGTH, |wire, number| {
        send(wire, number * BATCH, BATCH)
    });
    let batched = batches.await? * BATCH as f64;
    let (_, peak) = subject.memory()?;
    subject.stop()?;
    let subject = Subject::start(&scratch.join("single")).await?;
    let single = load::closed(&subject.host, 64, LENGTH, |wire, number| {
        send(wire, number, 1)
    });
    let single = single.await?;
    subject.stop()?;
    Ok(vec![
        Figure::new(
            "intake, batches of 100",
            batched,
            "events/s",
            Good::AtLeast,
            BATCHED_MIN,
        )
        .note(format!(
            "8 connections; peak memory {:.0} MB",
            peak as f64 / 1e6
        )),
        Figure::new(
            "intake, single events",
            single,
            "events/s",
            Good::AtLeast,
            SINGLE_MIN,
        )
        .note("64 connections"),
    ])
}
