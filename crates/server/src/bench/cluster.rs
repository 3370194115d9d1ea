//! One shop in several processes over Kafka and Redis: events in through HTTP until all are
//! applied, with one worker and with two, and how soon an answer elsewhere knows the last click.
//!
//! Everything runs on this machine: load, processes, broker and Redis share its cores.

use super::BenchError;
use super::events;
use super::figure::{Figure, Good};
use super::load;
use super::made::{Dialect, Shop};
use super::subject::Subject;
use super::wire::Wire;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Exactly once, end to end: 25,000 events/s. On two cores that is 80 µs of CPU an event for
/// everything, broker, Redis and load among it.
const RATE_MIN: f64 = 25_000.0;
/// A second worker does no work twice: CPU time of all workers an event, two against one.
const DUPLICATE_MAX: f64 = 1.10;
/// Under 1,000 events/s and 200 answers/s: p95 75 ms, p99 150 ms. Commits are 50 ms apart.
const P95_MS_MAX: f64 = 75.0;
const P99_MS_MAX: f64 = 150.0;
/// The events of `topology`.
const SHOP: Shop = Shop {
    dialect: Dialect::Api,
    ..Shop::COMPARED
};
const EVENTS: u64 = 300_000;
/// Events of one request, and requests at a time.
const BATCH: u64 = 500;
const CONNECTIONS: usize = 8;
const EVENTS_PER_SECOND: f64 = 900.0;
const ANSWERS_PER_SECOND: f64 = 100.0;
/// Probes: an event to one process, then the answer of another one that must know it. They are
/// part of the load.
const PROBES_PER_SECOND: f64 = 100.0;
const LENGTH: Duration = Duration::from_secs(20);
/// Longest wait until everything is applied.
const APPLIED_MAX: Duration = Duration::from_secs(300);
const LOG: &str = "VITRINA_LOG";
const STATE: &str = "VITRINA_STATE";

/// Whether services are named that it can run on.
pub(super) fn is_possible() -> bool {
    [LOG, STATE]
        .iter()
        .all(|name| std::env::var_os(name).is_some())
}

fn named(variable: &str) -> Result<String, BenchError> {
    std::env::var(variable).map_err(|_| {
        let text = format!("{variable} is not set: name a Kafka in {LOG} and a Redis in {STATE}");
        BenchError::Subject(text)
    })
}

/// `log` with a prefix of this run's own.
fn own_prefix(log: &str, name: &str) -> String {
    let run = std::process::id();
    match log.split_once('?') {
        Some((place, options)) => format!("{place}bench-{run}-{name}-?{options}"),
        None => format!("{log}bench-{run}-{name}-"),
    }
}

/// Two processes that answer, one of them with the chores, and workers.
struct Deployment {
    fronts: [Subject; 2],
    workers: Vec<Subject>,
}

impl Deployment {
    async fn start(scratch: &Path, workers: usize) -> Result<Self, BenchError> {
        let log = named(LOG)?;
        let log = own_prefix(&log, &workers.to_string());
        let state = named(STATE)?;
        let environment = [(LOG, log.as_str()), (STATE, state.as_str())];
        let start = async |role: &str, name: String| {
            let directory = scratch.join(name);
            Subject::start_as(&directory, &["--role", role], &environment).await
        };
        let fronts = [
            start("relay,api", format!("front-0-of-{workers}")).await?,
            start("api", format!("front-1-of-{workers}")).await?,
        ];
        let mut deployment = Self {
            fronts,
            workers: Vec::new(),
        };
        for number in 0..workers {
            let name = format!("worker-{number}-of-{workers}");
            deployment.workers.push(start("stream", name).await?);
        }
        Ok(deployment)
    }

    /// CPU time of all workers.
    fn worked(&self) -> Result<Duration, BenchError> {
        self.workers.iter().map(Subject::cpu).sum()
    }

    fn stop(self) -> Result<(), BenchError> {
        for subject in self.workers.into_iter().chain(self.fronts) {
            subject.stop()?;
        }
        Ok(())
    }
}

fn json(body: &[u8]) -> Result<serde_json::Value, BenchError> {
    serde_json::from_slice(body).map_err(|error| BenchError::Subject(error.to_string()))
}

/// Waits until nothing is left to apply.
async fn applied(host: &str) -> Result<(), BenchError> {
    let (mut wire, began) = (Wire::connect(host).await?, Instant::now());
    while began.elapsed() < APPLIED_MAX {
        let status = wire.get("/v1/status").await?;
        let status = json(&status)?;
        let lags = status["lag"].as_object();
        if lags.is_some_and(|lags| lags.values().all(|waiting| waiting == 0)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = format!("not everything was applied within {APPLIED_MAX:?}");
    Err(BenchError::Subject(text))
}

/// All events in, half of them at each front, and applied; answers events per second.
async fn fill(deployment: &Deployment) -> Result<f64, BenchError> {
    let bodies = Arc::new(SHOP.batches(EVENTS, BATCH));
    let numbers = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let front = &deployment.fronts[connection % deployment.fronts.len()];
        let mut wire = Wire::connect(&front.host).await?;
        let (bodies, numbers) = (Arc::clone(&bodies), Arc::clone(&numbers));
        running.spawn(async move {
            while let Some(body) = bodies.get(numbers.fetch_add(1, Ordering::Relaxed)) {
                wire.events(Bytes::from(body.clone())).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| BenchError::Subject(error.to_string()))??;
    }
    applied(&deployment.fronts[0].host).await?;
    Ok(EVENTS as f64 / began.elapsed().as_secs_f64())
}

/// The time from the acknowledgement by the process behind `wire` to the answer of the process
/// `other` that says it is fresh.
async fn probe(
    mut wire: Wire,
    other: String,
    number: u64,
) -> Result<(Wire, Option<Duration>), BenchError> {
    let (user, product) = (number % 500, number);
    let body = format!(
        "{{\"event_type\":\"view\",\"user_id\":\"probe{user}\",\"product_id\":\"seen{product}\"}}\n"
    );
    let mut other = Wire::connect(&other).await?;
    let receipt = wire.events(Bytes::from(body)).await?;
    let accepted = Instant::now();
    let receipt = json(&receipt)?;
    let after = receipt["position"].as_str().unwrap_or_default();
    let path = format!("/v1/recommendations/probe{user}?limit=10&after={after}");
    while json(&other.get(&path).await?)?["fresh"] != true {
        if accepted.elapsed() > APPLIED_MAX {
            return Err(BenchError::Subject(format!(
                "no answer knows seen{product}"
            )));
        }
    }
    let took = accepted.elapsed();
    let path = format!("/v1/users/probe{user}/recently-viewed?limit=5");
    let viewed = other.get(&path).await?;
    if !String::from_utf8_lossy(&viewed).contains(&format!("\"seen{product}\"")) {
        return Err(BenchError::Subject(format!(
            "a fresh answer lacks seen{product}"
        )));
    }
    Ok((wire, Some(took)))
}

async fn freshness(deployment: &Deployment) -> Result<Vec<Figure>, BenchError> {
    let [first, second] = [0, 1].map(|front| deployment.fronts[front].host.clone());
    let event = |mut wire: Wire, number: u64| async move {
        let mut body = String::new();
        events::line(number, &mut body);
        wire.events(Bytes::from(body)).await?;
        Ok((wire, None))
    };
    let answer = |mut wire: Wire, number: u64| async move {
        let user = events::visitor(number);
        let path = format!("/v1/recommendations/v{user}?limit=10");
        wire.get(&path).await?;
        Ok((wire, None))
    };
    let asked = second.clone();
    let probe = move |wire: Wire, number: u64| probe(wire, asked.clone(), number);
    let (sent, answered, probed) = tokio::join!(
        load::open(&first, 32, EVENTS_PER_SECOND, LENGTH, event),
        load::open(&second, 16, ANSWERS_PER_SECOND, LENGTH, answer),
        load::open(&first, 32, PROBES_PER_SECOND, LENGTH, probe),
    );
    let (sent, answered, probed) = (sent?, answered?, probed?);
    let note = format!(
        "{} probes, p50 {:.1} ms; meanwhile events p99 {:.1} ms, answers p99 {:.1} ms",
        probed.count(),
        probed.ms(0.5),
        sent.ms(0.99),
        answered.ms(0.99)
    );
    let figure = |quantile: &str, value: f64, budget: f64| {
        let name = format!("cluster, event acknowledged → in another process's answer, {quantile}");
        Figure::new(&name, value, "ms", Good::AtMost, budget)
    };
    Ok(vec![
        figure("p95", probed.ms(0.95), P95_MS_MAX).note(note),
        figure("p99", probed.ms(0.99), P99_MS_MAX),
    ])
}

/// CPU microseconds an event that `worked` stands for.
fn each(worked: Duration) -> f64 {
    worked.as_secs_f64() * 1e6 / EVENTS as f64
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let alone = Deployment::start(scratch, 1).await?;
    let (before, rate_alone) = (alone.worked()?, fill(&alone).await?);
    let cpu_alone = each(alone.worked()? - before);
    alone.stop()?;
    let both = Deployment::start(scratch, 2).await?;
    let (before, rate) = (both.worked()?, fill(&both).await?);
    let cpu = each(both.worked()? - before);
    let fronts = both.fronts.iter().map(Subject::cpu);
    let fronts = each(fronts.sum::<Result<_, _>>()?);
    let mut figures = vec![
        Figure::new(
            "cluster, HTTP to applied, two workers",
            rate,
            "events/s",
            Good::AtLeast,
            RATE_MIN,
        )
        .note(format!(
            "one worker {rate_alone:.0}/s; CPU of workers {cpu:.0} µs, of both fronts {fronts:.0} \
             µs an event"
        )),
        Figure::new(
            "cluster, CPU of workers an event, two against one",
            cpu / cpu_alone,
            "times",
            Good::AtMost,
            DUPLICATE_MAX,
        )
        .note(format!("{cpu:.1} against {cpu_alone:.1} µs")),
    ];
    figures.extend(freshness(&both).await?);
    both.stop()?;
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::own_prefix;

    #[test]
    fn a_run_has_a_prefix_of_its_own() {
        let run = std::process::id();
        let cases = [
            (
                "kafka://a:9092/shop-",
                format!("kafka://a:9092/shop-bench-{run}-1-"),
            ),
            (
                "kafka://a:9092/?replication=3",
                format!("kafka://a:9092/bench-{run}-1-?replication=3"),
            ),
        ];
        for (log, wanted) in cases {
            assert_eq!(own_prefix(log, "1"), wanted);
        }
    }
}
