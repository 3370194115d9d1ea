//! Event accepted → in that user's answer, under load.

use super::BenchError;
use super::catalogue;
use super::events;
use super::figure::{Figure, Good};
use super::load;
use super::subject::Subject;
use super::wire::Wire;
use bytes::Bytes;
use std::path::Path;
use std::time::{Duration, Instant};

/// Under 2,000 events/s and 500 answers/s: p95 15 ms, p99 30 ms.
const P95_MS_MAX: f64 = 15.0;
const P99_MS_MAX: f64 = 30.0;
const EVENTS_PER_SECOND: f64 = 1_900.0;
const ANSWERS_PER_SECOND: f64 = 400.0;
/// Probes: an event, then at once the answer that must know it. They are part of the load.
const PROBES_PER_SECOND: f64 = 100.0;
const LENGTH: Duration = Duration::from_secs(20);

async fn event(mut wire: Wire, number: u64) -> Result<(Wire, Option<Duration>), BenchError> {
    let mut body = String::new();
    events::line(number, &mut body);
    wire.events(Bytes::from(body)).await?;
    Ok((wire, None))
}

async fn answer(mut wire: Wire, number: u64) -> Result<(Wire, Option<Duration>), BenchError> {
    let user = events::visitor(number);
    wire.get(&format!("/v1/recommendations/v{user}?limit=10"))
        .await?;
    Ok((wire, None))
}

/// The time from the acknowledgement to an answer that says it is fresh and holds the product
/// in the history it was made from.
async fn probe(mut wire: Wire, number: u64) -> Result<(Wire, Option<Duration>), BenchError> {
    let (user, product) = (number % 500, number);
    let body = format!(
        "{{\"event_type\":\"view\",\"user_id\":\"probe{user}\",\"product_id\":\"seen{product}\"}}\n"
    );
    let receipt = wire.events(Bytes::from(body)).await?;
    let accepted = Instant::now();
    let receipt: serde_json::Value =
        serde_json::from_slice(&receipt).map_err(|error| BenchError::Subject(error.to_string()))?;
    let after = receipt["position"].as_str().unwrap_or_default();
    let path = format!("/v1/recommendations/probe{user}?limit=10&after={after}");
    loop {
        let answer = wire.get(&path).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        if answer["fresh"] == true {
            break;
        }
    }
    let took = accepted.elapsed();
    let viewed = wire
        .get(&format!("/v1/users/probe{user}/recently-viewed?limit=1"))
        .await?;
    let wanted = format!("\"seen{product}\"");
    if !String::from_utf8_lossy(&viewed).contains(&wanted) {
        return Err(BenchError::Subject(format!(
            "a fresh answer lacks {wanted}"
        )));
    }
    Ok((wire, Some(took)))
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let subject = Subject::start(&scratch.join("data")).await?;
    catalogue::fill(&subject.host).await?;
    let host = subject.host.as_str();
    let (sent, answered, probed) = tokio::join!(
        load::open(host, 32, EVENTS_PER_SECOND, LENGTH, event),
        load::open(host, 16, ANSWERS_PER_SECOND, LENGTH, answer),
        load::open(host, 16, PROBES_PER_SECOND, LENGTH, probe),
    );
    let (sent, answered, probed) = (sent?, answered?, probed?);
    subject.stop()?;
    let note = format!(
        "{} probes; meanwhile events p99 {:.1} ms, answers p99 {:.1} ms",
        probed.count(),
        sent.ms(0.99),
        answered.ms(0.99)
    );
    let name = "event accepted → in the user's answer";
    Ok(vec![
        Figure::new(
            &format!("{name}, p95"),
            probed.ms(0.95),
            "ms",
            Good::AtMost,
            P95_MS_MAX,
        )
        .note(note),
        Figure::new(
            &format!("{name}, p99"),
            probed.ms(0.99),
            "ms",
            Good::AtMost,
            P99_MS_MAX,
        ),
    ])
}
