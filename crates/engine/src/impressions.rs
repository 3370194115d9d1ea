//! After the answer: the impression goes to the log, twice (as an answer, and keyed by slate for
//! attribution), and the slate to its store.
//!
//! An answer never waits for this. The queue is bounded; what does not fit is counted as dropped.

use crate::error::EngineError;
use crate::shared::Shared;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::warn;
use vitrina_ports::log::{Append, Records};
use vitrina_ports::slates::StoredSlate;
use vitrina_types::answer::Impression;
use vitrina_types::partition::Partition;
use vitrina_types::record::{SlateEnvelope, SlateRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Impressions waiting to be written.
const QUEUE_MAX: usize = 65_536;
/// Impressions written in one step. The longest, twice as many at the end and each in two topics,
/// are less than one call to the log may carry.
const STEP_MAX: usize = 256;
/// Impressions gather this long before they are written, so that a busy node writes large steps;
/// not where a whole step is waiting already.
const GATHER: Duration = Duration::from_millis(20);

/// Where answers leave their impressions.
pub(crate) struct Queue(mpsc::Sender<Impression>);

impl Queue {
    /// Leaves an impression; never waits.
    pub(crate) fn leave(&self, shared: &Shared, impression: Impression) {
        if self.0.try_send(impression).is_err() {
            shared.figures.impressions_dropped.add(1);
        }
    }
}

/// A queue and its end.
pub(crate) fn queue() -> (Queue, mpsc::Receiver<Impression>) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    (Queue(sender), receiver)
}

/// Writes impressions until the engine stops; the last ones too.
pub(crate) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Impression>) {
    let mut step = Vec::new();
    loop {
        let stopping = tokio::select! {
            received = queue.recv_many(&mut step, STEP_MAX) => received == 0,
            () = shared.stopped() => {
                queue.close();
                true
            }
        };
        if let Err(error) = write(&shared, &step).await {
            warn!(%error, count = step.len(), "impressions were not written");
            shared.figures.impressions_dropped.add(step.len() as u64);
        }
        let is_full = step.len() >= STEP_MAX;
        step.clear();
        if stopping {
            // The last ones too, in steps as large as any other.
            if queue.recv_many(&mut step, STEP_MAX).await == 0 {
                return;
            }
            continue;
        }
        if !is_full {
            tokio::time::sleep(GATHER).await;
        }
    }
}

async fn write(shared: &Shared, impressions: &[Impression]) -> Result<(), EngineError> {
    if impressions.is_empty() {
        return Ok(());
    }
    let log = &shared.ports.log;
    log.publish(appends(shared, impressions), Vec::new(), false)
        .await?;
    keep(shared, impressions).await
}

/// What impressions are in the log.
pub(crate) fn appends(shared: &Shared, impressions: &[Impression]) -> Vec<Append> {
    let mut results = Records::default();
    let mut shown = vec![Records::default(); Partition::all().count()];
    for impression in impressions {
        results.push_with(|out| stored::encode_into(impression, out));
        let partition = Partition::of(impression.slate_id.as_str());
        let envelope = SlateEnvelope {
            ingest_time: shared.now(),
            backfill: false,
            record: SlateRecord::Shown(Box::new(impression.clone())),
        };
        shown[partition.at()].push_with(|out| stored::encode_into(&envelope, out));
    }
    let results = (Topic::RecommendationsResults, Partition(0), results);
    let keyed = shown.into_iter().zip(Partition::all());
    let keyed = keyed.map(|(records, partition)| (Topic::SlateSignals, partition, records));
    let all = std::iter::once(results).chain(keyed);
    let filled = all.filter(|(_, _, records)| !records.is_empty());
    filled
        .map(|(topic, partition, records)| Append {
            topic,
            partition,
            records,
        })
        .collect()
}

/// Keeps slates for whoever asks what they were and why.
pub(crate) async fn keep(shared: &Shared, impressions: &[Impression]) -> Result<(), EngineError> {
    let slates = impressions.iter().map(|impression| StoredSlate {
        id: impression.slate_id.as_str().to_owned(),
        body: Bytes::from(stored::encode(impression)),
        expires_at: IngestTime(impression.at.0 + shared.options.slate_lifetime_ms),
    });
    shared.ports.slates.put_many(slates.collect()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EngineOptions, Ports};
    use vitrina_ports::log::BATCH_BYTES_MAX;
    use vitrina_types::answer::ShownItem;
    use vitrina_types::id::{PlacementId, ProductId, SlateId};
    use vitrina_types::limits::{ID_BYTES_MAX, SLATE_ITEMS_MAX};
    use vitrina_types::score::Score;
    use vitrina_types::time::EventTime;

    /// A step the log refuses would lose all its impressions.
    #[test]
    fn the_largest_step_of_the_longest_impressions_is_one_call_to_the_log() {
        let clock = Arc::new(|| IngestTime(1_000));
        let shared = Shared::new(Ports::in_memory(), EngineOptions::default(), clock);
        let id = "x".repeat(ID_BYTES_MAX);
        let item = ShownItem {
            product: ProductId::new(&id).unwrap(),
            score: Score::saturating(0.5),
            source: "x".repeat(32).into(),
        };
        let impression = Impression {
            slate_id: SlateId::new(&id).unwrap(),
            user_id: None,
            placement: PlacementId::new("home").unwrap(),
            at: EventTime(0),
            generation: 0,
            items: vec![item; SLATE_ITEMS_MAX],
            anonymous_id: None,
            request_id: None,
        };
        let appends = appends(&shared, &vec![impression; 2 * STEP_MAX]);
        let bytes: usize = appends.iter().map(|a| a.records.byte_len()).sum();
        assert!(bytes < BATCH_BYTES_MAX, "{bytes} bytes");
    }
}
