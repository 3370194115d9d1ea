//! The engine's own account of itself.

use crate::figures::Quantiles;
use crate::options::Storage;
use crate::shared::{Shared, input_of};
use serde::Serialize;
use vitrina_ports::log::Consumer;
use vitrina_ports::state::Space;
use vitrina_types::partition::Partition;

/// Everything at a glance: for `status`, the console and `doctor`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Seconds since the engine began.
    pub uptime_s: u64,
    /// Events acknowledged since then.
    pub accepted: u64,
    /// Inputs refused since then.
    pub refused: u64,
    /// User-keyed records applied since then.
    pub applied: u64,
    /// Events left out because their id had been counted, ever.
    pub duplicates: u64,
    /// Answers given since then.
    pub answers: u64,
    /// Events per second, mean of the last 10 s.
    pub events_per_second: f64,
    /// Answers per second, mean of the last 10 s.
    pub answers_per_second: f64,
    /// From acknowledgement to state.
    pub freshness: Quantiles,
    /// Time to make an answer.
    pub answer: Quantiles,
    /// Time to make a batch durable.
    pub intake: Quantiles,
    /// Products known, with or without a catalogue record.
    pub products: u64,
    /// Dead letters ever written.
    pub dead_letters: u64,
    /// Records waiting for each stage.
    pub lag: Lag,
    /// Times a task started again from its stored position.
    pub reassigned: u64,
    /// Batches that panicked.
    pub panics: u64,
    /// Impressions lost to a full queue.
    pub impressions_dropped: u64,
    /// Facts about the stores.
    pub storage: Storage,
}

/// Records waiting, by stage.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Lag {
    /// Of `user-events`.
    pub users: u64,
    /// Of `product-signals`.
    pub products: u64,
}

/// One partition of one stage.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionStatus {
    /// The stage's state space.
    pub space: &'static str,
    /// The partition.
    pub partition: u16,
    /// First position left in its input.
    pub start: u64,
    /// End of its input.
    pub end: u64,
    /// O: outputs published up to here.
    pub published: Option<u64>,
    /// S: state stands here.
    pub applied: u64,
}

pub(crate) fn status(shared: &Shared) -> Status {
    let second = shared.second();
    let figures = &shared.figures;
    let dead = vitrina_types::topic::Topic::DeadLetters;
    Status {
        uptime_s: second,
        accepted: figures.accepted.total(),
        refused: figures.refused.get(),
        applied: figures.applied.total(),
        duplicates: shared.duplicates(),
        answers: figures.answers.total(),
        events_per_second: figures.accepted.per_second(second),
        answers_per_second: figures.answers.per_second(second),
        freshness: figures.freshness.quantiles(second),
        answer: figures.answer.quantiles(second),
        intake: figures.intake.quantiles(second),
        products: shared.items.read().len() as u64,
        dead_letters: shared.ports.log.bounds(dead, Partition(0)).end,
        lag: Lag {
            users: shared.lag(Space::Users),
            products: shared.lag(Space::Products),
        },
        reassigned: figures.reassigned.get(),
        panics: figures.panics.get(),
        impressions_dropped: figures.impressions_dropped.get(),
        storage: shared.ports.upkeep.storage(),
    }
}

/// Every partition of both stages.
pub(crate) async fn partitions(shared: &Shared) -> Vec<PartitionStatus> {
    let stages = [
        (
            Space::Users,
            <vitrina_stream::UserStage as vitrina_stream::Operator>::NAME,
        ),
        (
            Space::Products,
            <vitrina_stream::ProductStage as vitrina_stream::Operator>::NAME,
        ),
    ];
    let mut all = Vec::new();
    for (space, name) in stages {
        for partition in Partition::all() {
            let topic = input_of(space);
            let consumer = Consumer {
                name,
                source: format!("{topic}/{}", partition.0),
            };
            let bounds = shared.ports.log.bounds(topic, partition);
            let published = shared.ports.log.committed(&consumer).await;
            all.push(PartitionStatus {
                space: space.name(),
                partition: partition.0,
                start: bounds.start,
                end: bounds.end,
                published: published.ok().flatten(),
                applied: shared.applied(space, partition),
            });
        }
    }
    all
}
