//! The engine's own account of itself.

use crate::checkpoint::CheckpointStatus;
use crate::figures::Quantiles;
use crate::followed::SinkStatus;
use crate::options::Storage;
use crate::shared::Shared;
use crate::topology;
use crate::unread::STAGES;
use serde::Serialize;
use std::sync::atomic::Ordering;
use vitrina_ports::state::Space;
use vitrina_types::partition::Partition;
use vitrina_types::time::Watermark;

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
    /// Every stage, in the order records flow through them.
    pub stages: Vec<StageStatus>,
    /// Those who follow topics outside the stages.
    pub sinks: Vec<SinkStatus>,
    /// Windows and sessions that are open in all stages.
    pub open_windows: u64,
    /// Events that came after their window was closed, ever.
    pub late_events: u64,
    /// Times a sink tried again, since the engine began.
    pub retries: u64,
    /// Times a task started again from its stored position.
    pub reassigned: u64,
    /// Batches that panicked.
    pub panics: u64,
    /// Impressions lost to a full queue.
    pub impressions_dropped: u64,
    /// Facts about the stores.
    pub storage: Storage,
    /// What checkpoints come to; `None` where none are taken.
    pub checkpoints: Option<CheckpointStatus>,
}

/// Records waiting, by stage.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Lag {
    /// Of `user-events`.
    pub users: u64,
    /// Of `product-signals`.
    pub products: u64,
    /// Of `slate-signals`.
    pub slates: u64,
    /// Of `row-signals`.
    pub rows: u64,
    /// Of `shop-products`.
    pub shop: u64,
}

impl Lag {
    /// Records waiting for any stage.
    pub fn total(&self) -> u64 {
        let Self {
            users,
            products,
            slates,
            rows,
            shop,
        } = *self;
        users + products + slates + rows + shop
    }
}

/// One stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageStatus {
    /// Its state space: `users`, `products`, `slates`, `rows`, `shop`.
    pub stage: &'static str,
    /// Records waiting for it.
    pub lag: u64,
    /// How far the slowest of its partitions is behind the clock in event time, in seconds, at
    /// least 0; `None` before the first event, and of stages without event time. Partitions
    /// without an event do not count.
    pub watermark_delay_s: Option<f64>,
    /// Windows and sessions that are open.
    pub open_windows: u64,
    /// Events that came after their window was closed, ever.
    pub late_events: u64,
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
    let stages: Vec<StageStatus> = STAGES.iter().map(|space| stage(shared, *space)).collect();
    Status {
        uptime_s: second,
        accepted: figures.accepted.total(),
        refused: figures.refused.get(),
        applied: figures.applied.total(),
        duplicates: shared.sum(Space::Users, |task| &task.duplicates),
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
            slates: shared.lag(Space::Slates),
            rows: shared.lag(Space::Rows),
            shop: shared.lag(Space::Shop),
        },
        open_windows: stages.iter().map(|stage| stage.open_windows).sum(),
        late_events: stages.iter().map(|stage| stage.late_events).sum(),
        stages,
        sinks: shared.followed.sinks(&*shared.ports.log),
        retries: figures.retries.get(),
        reassigned: figures.reassigned.get(),
        panics: figures.panics.get(),
        impressions_dropped: figures.impressions_dropped.get(),
        storage: shared.ports.upkeep.storage(),
        checkpoints: figures.checkpoints.status(shared.now()),
    }
}

fn stage(shared: &Shared, space: Space) -> StageStatus {
    StageStatus {
        stage: space.name(),
        lag: shared.lag(space),
        watermark_delay_s: watermark_delay_s(shared, space),
        open_windows: shared.sum(space, |task| &task.open),
        late_events: shared.sum(space, |task| &task.late),
    }
}

/// From the watermark of the slowest partition that has one to now.
fn watermark_delay_s(shared: &Shared, space: Space) -> Option<f64> {
    let watermarks = Partition::all().map(|partition| {
        let watermark = &shared.task(space, partition).watermark;
        watermark.load(Ordering::Relaxed)
    });
    let slowest = watermarks
        // Zero is what was never told.
        .filter(|&watermark| watermark > Watermark::NONE.0 && watermark != 0)
        .min()?;
    let behind_ms = shared.now().0.saturating_sub(slowest).max(0);
    Some(behind_ms as f64 / 1_000.0)
}

/// Every partition of every stage.
pub(crate) async fn partitions(shared: &Shared) -> Vec<PartitionStatus> {
    let mut all = Vec::new();
    for stage in topology::stages_with(shared, Box::new(|_, _| {})) {
        let id = stage.id();
        for partition in Partition::all() {
            let bounds = shared.ports.log.bounds(id.input, partition);
            let published = shared.ports.log.committed(&id.consumer(partition)).await;
            all.push(PartitionStatus {
                space: id.space.name(),
                partition: partition.0,
                start: bounds.start,
                end: bounds.end,
                published: published.ok().flatten(),
                applied: shared.applied(id.space, partition),
            });
        }
    }
    all
}
