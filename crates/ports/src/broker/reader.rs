//! The event log of the broker: what readers see, plain appends, plain publishes.

use super::core::check_size;
use super::waiting::{change, until};
use super::{Isolation, Shared};
use crate::PortFuture;
use crate::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// The broker as an event log.
///
/// Offsets have gaps: markers take one each, and so do records of aborted transactions. Going on
/// after them rests on one guarantee. **When [`read`](EventLog::read) from a position answers
/// nothing, there is no record between it and the `end` that [`bounds`](EventLog::bounds) answered
/// before the call**, so the reader may skip to that `end`: every transaction below it has ended,
/// it never moves back, and a read passes over any number of records that are not for the reader.
/// The `end` must be taken before the read: one taken afterwards may lie behind a record that
/// came between.
#[derive(Clone)]
pub struct BrokerReader {
    pub(super) shared: Arc<Shared>,
    pub(super) isolation: Isolation,
    pub(super) who: u32,
}

impl BrokerReader {
    /// The same reader, its steps made in the name of `slot`.
    pub fn of(self, slot: u32) -> Self {
        Self { who: slot, ..self }
    }

    fn step(&self, what: &'static str) -> PortFuture<'_, ()> {
        self.shared.pace.step(self.who, what)
    }
}

impl EventLog for BrokerReader {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(async move {
            self.step("append").await?;
            check_size(&batch)?;
            let ends = change(&self.shared.core, |core| core.append(&batch, None));
            self.step("append answered").await?;
            Ok(ends)
        })
    }

    /// One step of the broker, without a transaction: no marker is written.
    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        _durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(async move {
            self.step("publish").await?;
            check_size(&outputs)?;
            let ends = change(&self.shared.core, |core| core.publish(&outputs, consumed))?;
            self.step("publish answered").await?;
            Ok(ends)
        })
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        Box::pin(async move {
            self.step("read").await?;
            let core = self.shared.core.lock();
            let Some(kept) = core.partitions.get(&(topic, partition)) else {
                return Ok(Vec::new());
            };
            let what = || format!("{topic}/{}", partition.0);
            kept.read(what, from, self.isolation, bytes_max)
        })
    }

    /// The position as it stands now, also when an open transaction may move it: what a task
    /// starts from is asked of its seat.
    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move {
            self.step("committed, not stable").await?;
            Ok(self.shared.core.lock().committed.get(consumer).copied())
        })
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        let core = self.shared.core.lock();
        let kept = core.partitions.get(&(topic, partition));
        kept.map_or(Bounds::default(), |kept| kept.bounds(self.isolation))
    }

    /// Resolves also when a transaction ended: then what was there may have become readable.
    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        Box::pin(async move {
            self.step("changed").await?;
            let now = until(&self.shared.core, |core| {
                let count = match self.isolation {
                    Isolation::Committed => core.settled_count,
                    Isolation::Uncommitted => core.appended_count,
                };
                (count > seen).then_some(count)
            });
            Ok(now.await)
        })
    }
}
