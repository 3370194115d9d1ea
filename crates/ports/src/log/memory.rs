//! The event log in memory: the twin that adapters are compared with.
//!
//! It knows which calls are durable, so that a simulation can lose the tail that a power cut
//! would lose ([`MemoryLog::crash`]).

use super::{Append, BATCH_BYTES_MAX, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use crate::{PortError, PortFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use tokio::sync::watch;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const PORT: &str = "memory log";

/// An event log that forgets everything when it is dropped.
pub struct MemoryLog {
    inner: Mutex<Inner>,
    /// How many calls appended something.
    appends: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    partitions: HashMap<(Topic, Partition), Kept>,
    committed: HashMap<Consumer, Offset>,
    /// What a crash would take back, one entry a call, oldest first.
    not_durable: Vec<Undo>,
}

#[derive(Default)]
struct Kept {
    start: Offset,
    records: VecDeque<Bytes>,
}

impl Kept {
    fn end(&self) -> Offset {
        self.start + self.records.len() as u64
    }
}

#[derive(Default)]
struct Undo {
    appended: Vec<((Topic, Partition), usize)>,
    moved: Vec<(Consumer, Option<Offset>)>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            inner: Mutex::default(),
            appends: watch::Sender::new(0),
        }
    }

    /// Retention: forgets the records before `before`.
    pub fn expire(&self, topic: Topic, partition: Partition, before: Offset) {
        let mut inner = self.inner.lock();
        let kept = inner.partitions.entry((topic, partition)).or_default();
        while kept.start < before && kept.records.pop_front().is_some() {
            kept.start += 1;
        }
    }

    /// Makes every call so far durable.
    pub fn make_durable(&self) {
        self.inner.lock().not_durable.clear();
    }

    /// Calls that a crash could take back.
    pub fn calls_at_risk(&self) -> usize {
        self.inner.lock().not_durable.len()
    }

    /// A power cut: of the calls that are not durable only the first `survivors` are left, and
    /// those are durable now.
    pub fn crash(&self, survivors: usize) {
        let mut inner = self.inner.lock();
        let lost = inner.not_durable.len().saturating_sub(survivors);
        for _ in 0..lost {
            let Some(undo) = inner.not_durable.pop() else {
                break;
            };
            for (place, count) in undo.appended.into_iter().rev() {
                let kept = inner.partitions.entry(place).or_default();
                let left = kept.records.len().saturating_sub(count);
                kept.records.truncate(left);
            }
            for (consumer, before) in undo.moved.into_iter().rev() {
                match before {
                    Some(offset) => inner.committed.insert(consumer, offset),
                    None => inner.committed.remove(&consumer),
                };
            }
        }
        inner.not_durable.clear();
    }

    fn apply(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> Result<Vec<Offset>, PortError> {
        let bytes = outputs.iter().map(|o| o.records.byte_len()).sum::<usize>();
        if bytes > BATCH_BYTES_MAX {
            return Err(PortError::TooLarge {
                what: "bytes",
                got: bytes,
                limit: BATCH_BYTES_MAX,
            });
        }
        let mut inner = self.inner.lock();
        for one in &consumed {
            inner.check(one)?;
        }
        let mut undo = Undo::default();
        let mut ends = Vec::with_capacity(outputs.len());
        let mut record_count = 0;
        for output in outputs {
            let place = (output.topic, output.partition);
            let kept = inner.partitions.entry(place).or_default();
            let records = output.records.iter().map(Bytes::copy_from_slice);
            kept.records.extend(records);
            ends.push(kept.end());
            record_count += output.records.len();
            undo.appended.push((place, output.records.len()));
        }
        for one in consumed {
            let before = inner.committed.insert(one.consumer.clone(), one.next);
            undo.moved.push((one.consumer, before));
        }
        inner.not_durable.push(undo);
        if durable {
            inner.not_durable.clear();
        }
        drop(inner);
        if record_count > 0 {
            self.appends.send_modify(|count| *count += 1);
        }
        Ok(ends)
    }
}

impl Inner {
    fn check(&self, one: &Consumed) -> Result<(), PortError> {
        let found = self.committed.get(&one.consumer).copied();
        if found == one.expected {
            return Ok(());
        }
        Err(PortError::PositionMismatch {
            what: format!("{} on {}", one.consumer.name, one.consumer.source),
            expected: one.expected.unwrap_or(0),
            found: found.unwrap_or(0),
        })
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<LogRecord>, PortError> {
        let Some(kept) = self.partitions.get(&(topic, partition)) else {
            return Ok(Vec::new());
        };
        let Some(skip) = from.checked_sub(kept.start) else {
            return Err(PortError::Expired {
                what: format!("{topic}/{}", partition.0),
                wanted: from,
                start: kept.start,
            });
        };
        let (mut records, mut bytes_read) = (Vec::new(), 0);
        for (record, offset) in kept.records.iter().skip(skip as usize).zip(from..) {
            bytes_read += record.len();
            if bytes_read > bytes_max && !records.is_empty() {
                break;
            }
            records.push(LogRecord {
                offset,
                bytes: record.clone(),
            });
        }
        Ok(records)
    }
}

impl EventLog for MemoryLog {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(async { self.apply(batch, Vec::new(), true) })
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(async move { self.apply(outputs, consumed, durable) })
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        Box::pin(async move { self.inner.lock().read(topic, partition, from, bytes_max) })
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async { Ok(self.inner.lock().committed.get(consumer).copied()) })
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        let inner = self.inner.lock();
        let kept = inner.partitions.get(&(topic, partition));
        kept.map_or(Bounds::default(), |kept| Bounds {
            start: kept.start,
            end: kept.end(),
        })
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        Box::pin(async move {
            let mut appends = self.appends.subscribe();
            let reached = appends.wait_for(|&count| count > seen).await;
            reached
                .map(|count| *count)
                .map_err(|_| PortError::Closed { port: PORT })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Records;
    use crate::suite::{Volatile, block_on};

    crate::event_log_suite!(Volatile(MemoryLog::new));

    fn one(topic: Topic, text: &str) -> Append {
        let mut records = Records::default();
        records.push(text.as_bytes());
        Append {
            topic,
            partition: Partition(0),
            records,
        }
    }

    fn consumed(expected: Option<Offset>, next: Offset) -> Consumed {
        Consumed {
            consumer: Consumer {
                name: "stage",
                source: "user-events/0".into(),
            },
            expected,
            next,
        }
    }

    #[test]
    fn a_crash_loses_a_tail_of_what_was_not_durable() {
        block_on(async {
            let log = MemoryLog::new();
            log.append(vec![one(Topic::UserEvents, "kept")])
                .await
                .unwrap();
            for (expected, next) in [(None, 1), (Some(1), 2), (Some(2), 3)] {
                let output = vec![one(Topic::ProductSignals, "output")];
                log.publish(output, vec![consumed(expected, next)], false)
                    .await
                    .unwrap();
            }
            assert_eq!(log.calls_at_risk(), 3);
            log.crash(1);
            let consumer = consumed(None, 0).consumer;
            assert_eq!(log.committed(&consumer).await.unwrap(), Some(1));
            assert_eq!(log.bounds(Topic::ProductSignals, Partition(0)).end, 1);
            assert_eq!(log.bounds(Topic::UserEvents, Partition(0)).end, 1);
            log.crash(0);
            assert_eq!(log.committed(&consumer).await.unwrap(), Some(1));
        });
    }

    #[test]
    fn an_expired_position_says_where_the_partition_begins() {
        block_on(async {
            let log = MemoryLog::new();
            let place = (Topic::UserEvents, Partition(0));
            for text in ["a", "b", "c"] {
                log.append(vec![one(place.0, text)]).await.unwrap();
            }
            log.expire(place.0, place.1, 2);
            let early = log.read(place.0, place.1, 1, 100).await;
            assert!(
                matches!(early, Err(PortError::Expired { start: 2, .. })),
                "{early:?}"
            );
            assert_eq!(log.read(place.0, place.1, 2, 100).await.unwrap().len(), 1);
        });
    }
}
