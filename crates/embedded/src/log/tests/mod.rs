//! Tests of the event log: the laws of the port, and what disks do to it.

mod crash;
mod faults;
mod format;
mod laws;
mod model;
mod recovery;
mod retention;

use crate::disk::testing::{FaultyDisk, Loss, PowerCutDisk};
use crate::log::{EmbeddedLog, LogOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vitrina_ports::log::{Append, Consumed, Consumer, EventLog, Offset, Records};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const USERS: Topic = Topic::UserEvents;
const SIGNALS: Topic = Topic::ProductSignals;

/// A clock that goes on by a millisecond each time it is read, for all tests together.
fn test_clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(1_000_000);
    NOW.fetch_add(1, Ordering::Relaxed)
}

/// Small segments, nothing kept in memory, no sync that nobody asked for.
fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 4_096,
        reserve_bytes: 0,
        tail_bytes: 0,
        sync_after: Duration::from_secs(3_600),
        clock: test_clock,
        ..LogOptions::default()
    }
}

/// One segment for everything.
fn roomy() -> LogOptions {
    LogOptions {
        segment_bytes: 64 * 1_024 * 1_024,
        ..small()
    }
}

/// A machine: a disk that can lose power under one that can fill up.
struct Machine {
    power: Arc<PowerCutDisk>,
    faults: Arc<FaultyDisk>,
    runtime: tokio::runtime::Runtime,
}

impl Machine {
    fn new() -> Self {
        let power = Arc::new(PowerCutDisk::new());
        let faults = Arc::new(FaultyDisk::new(Arc::clone(&power) as _));
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Self {
            power,
            faults,
            runtime,
        }
    }

    fn try_open(&self, options: LogOptions) -> Result<Arc<EmbeddedLog>, PortError> {
        let disk = Arc::clone(&self.faults) as _;
        EmbeddedLog::open(Path::new("/data"), options, disk)
    }

    fn open(&self, options: LogOptions) -> Arc<EmbeddedLog> {
        self.try_open(options).unwrap()
    }

    /// The machine stops, the log's process with it, and comes back.
    fn crash(&self, log: Arc<EmbeddedLog>, loss: Loss, seed: u64) {
        self.power.stop_after(0);
        drop(log);
        self.power.power_cut(loss, seed);
    }

    fn wait<T>(&self, future: PortFuture<'_, T>) -> Result<T, PortError> {
        self.runtime.block_on(future)
    }

    fn path(name: &str) -> PathBuf {
        Path::new("/data/log").join(name)
    }

    /// The bytes of a segment.
    fn bytes(&self, name: &str) -> Vec<u8> {
        let copy = self.power.with_bytes(&Self::path(name), |b| b.clone());
        copy.unwrap()
    }

    fn set_bytes(&self, name: &str, bytes: &[u8]) {
        let path = Self::path(name);
        let set = self.power.with_bytes(&path, |b| *b = bytes.to_vec());
        set.unwrap();
    }

    fn append(&self, log: &EmbeddedLog, partition: u16, records: &[&str]) -> Offset {
        let batch = vec![batch(USERS, partition, records)];
        self.wait(log.append(batch)).unwrap()[0]
    }

    /// All records of a partition, read in steps of `step` bytes.
    fn texts(&self, log: &EmbeddedLog, topic: Topic, partition: u16, step: usize) -> Vec<String> {
        let partition = Partition(partition);
        let mut next = log.bounds(topic, partition).start;
        let mut all = Vec::new();
        loop {
            let records = self.wait(log.read(topic, partition, next, step)).unwrap();
            if records.is_empty() {
                assert_eq!(next, log.bounds(topic, partition).end);
                return all;
            }
            for record in records {
                assert_eq!(record.offset, next);
                all.push(String::from_utf8(record.bytes.to_vec()).unwrap());
                next += 1;
            }
        }
    }
}

fn batch(topic: Topic, partition: u16, texts: &[impl AsRef<str>]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_ref().as_bytes());
    }
    Append {
        topic,
        partition: Partition(partition),
        records,
    }
}

fn consumer(source: &str) -> Consumer {
    Consumer {
        name: "stage",
        source: source.into(),
    }
}

fn consumed(source: &str, expected: Option<Offset>, next: Offset) -> Consumed {
    Consumed {
        consumer: consumer(source),
        expected,
        next,
    }
}
