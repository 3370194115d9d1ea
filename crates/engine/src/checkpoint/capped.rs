//! The log as a follower sees it: up to a cap, and read-only.
//!
//! What lies beyond the cap of a partition is not there. So the follower stands at the cap when
//! it has read everything, and never beyond what the running engine has published.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use vitrina_ports::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Where each partition of the input topics ends for the follower.
pub(super) type Caps = FxHashMap<(Topic, Partition), Offset>;

/// A log with ends of its own. A partition without a cap is empty.
pub(super) struct CappedLog {
    log: Arc<dyn EventLog>,
    caps: Mutex<Caps>,
}

impl CappedLog {
    /// A log without anything to read yet.
    pub(super) fn new(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            caps: Mutex::default(),
        }
    }

    /// Everything ends here from now on.
    pub(super) fn set(&self, caps: Caps) {
        *self.caps.lock() = caps;
    }

    fn cap(&self, topic: Topic, partition: Partition) -> Offset {
        let caps = self.caps.lock();
        caps.get(&(topic, partition)).copied().unwrap_or(0)
    }
}

/// A follower writes nothing: that it wanted to is a mistake of ours.
fn refused<'a, T: Send + 'a>() -> PortFuture<'a, T> {
    Box::pin(async {
        Err(PortError::Closed {
            port: "the log, to a follower that only reads,",
        })
    })
}

impl EventLog for CappedLog {
    fn append(&self, _batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        refused()
    }

    fn publish(
        &self,
        _outputs: Vec<Append>,
        _consumed: Vec<Consumed>,
        _durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        refused()
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        Box::pin(async move {
            let cap = self.cap(topic, partition);
            if from >= cap {
                return Ok(Vec::new());
            }
            let mut records = self.log.read(topic, partition, from, bytes_max).await?;
            records.truncate(records.partition_point(|record| record.offset < cap));
            Ok(records)
        })
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.log.committed(consumer)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        let Bounds { start, end } = self.log.bounds(topic, partition);
        let end = end.min(self.cap(topic, partition)).max(start);
        Bounds { start, end }
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        self.log.changed(seen)
    }
}
