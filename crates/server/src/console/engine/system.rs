//! The state of the system.

use super::EngineSource;
use crate::console::format::{grouped, lasted, short, sized};
use crate::console::view::{FactBlock, Stage, StagePartition, SystemStatus};
use crate::console::words;
use vitrina_engine::{PartitionStatus, Quantiles, Status};

pub(super) async fn status(source: &EngineSource) -> SystemStatus {
    let status = source.engine.status();
    let partitions = source.engine.partitions().await;
    let mut facts = vec![process(&status), storage(&status)];
    facts.extend(source.facts.iter().cloned());
    SystemStatus {
        // An engine that started is ready, and pages are served by no other.
        ready: true,
        facts,
        stages: stages(&partitions),
    }
}

fn fact(name: &str, value: impl Into<String>) -> (String, String, String) {
    (name.to_owned(), value.into(), String::new())
}

fn process(status: &Status) -> FactBlock {
    let count = |name: &str, count: u64| fact(name, grouped(count));
    FactBlock {
        title: "Process".to_owned(),
        facts: vec![
            fact("Version", env!("CARGO_PKG_VERSION")),
            fact("Up for", lasted(status.uptime_s as i64 * 1_000)),
            count("Events accepted", status.accepted),
            count("Inputs refused", status.refused),
            count("Records applied", status.applied),
            count("Answers given", status.answers),
            quantiles("Intake", &status.intake),
            quantiles("Freshness", &status.freshness),
            quantiles("Answer", &status.answer),
            count("Stage restarts", status.reassigned),
            count("Batches that panicked", status.panics),
            count("Impressions dropped", status.impressions_dropped),
        ],
    }
}

fn quantiles(name: &str, q: &Quantiles) -> (String, String, String) {
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
    let value = format!("{} / {} / {} ms", ms(q.p50_ms), ms(q.p95_ms), ms(q.p99_ms));
    (name.to_owned(), value, "p50 / p95 / p99".to_owned())
}

fn storage(status: &Status) -> FactBlock {
    let storage = &status.storage;
    let mut facts = vec![
        fact("Event log", sized(storage.log_bytes)),
        fact("Free on its disk", sized(storage.free_bytes)),
        fact("Kept in reserve", sized(storage.reserve_bytes)),
    ];
    let repairs = storage.repairs.iter();
    facts.extend(repairs.map(|repair| fact("Repaired at start", repair.as_str())));
    FactBlock {
        title: "Storage".to_owned(),
        facts,
    }
}

fn stages(partitions: &[PartitionStatus]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for status in partitions {
        let (name, topic) = words::stage(status.space);
        let partition = StagePartition {
            partition: status.partition,
            start: status.start,
            end: status.end,
            published: status.published,
            applied: status.applied,
        };
        match stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.partitions.push(partition),
            None => stages.push(Stage {
                name: name.to_owned(),
                topic: topic.to_owned(),
                partitions: vec![partition],
            }),
        }
    }
    stages
}
