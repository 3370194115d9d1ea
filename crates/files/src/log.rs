//! The event log: one topic from files, everything else from another log.

use crate::FileKind;
use crate::source::Source;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use vitrina_ports::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::topic::Topic;

/// An event log of which one topic is files that are only read.
///
/// Of the laws of [`EventLog`] one does not hold for that topic: its offsets have gaps, a record's
/// offset being the byte at which it begins. What holds instead stands in the crate's docs.
pub struct FileLog {
    topic: Topic,
    /// By partition.
    sources: Vec<Source>,
    inner: Arc<dyn EventLog>,
}

impl FileLog {
    /// Reads partition i of `topic` from the i-th of `files`, and everything else from `inner`.
    /// A partition without a file is empty, with bounds `0..0` and no end markers. A file is as
    /// long as it is now: what is written behind its end later is not read.
    ///
    /// Opening a CSV file reads its header; nothing else is read.
    ///
    /// # Errors
    /// `TooLarge` for more than [`PARTITIONS`] files; `Unavailable` for what cannot be opened or
    /// is not a regular file.
    pub fn open(
        topic: Topic,
        files: Vec<PathBuf>,
        inner: Arc<dyn EventLog>,
    ) -> Result<Self, PortError> {
        let limit = usize::from(PARTITIONS);
        if files.len() > limit {
            return Err(PortError::TooLarge {
                what: "files (PARTITIONS)",
                got: files.len(),
                limit,
            });
        }
        let sources = files
            .into_iter()
            .map(Source::open)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            topic,
            sources,
            inner,
        })
    }

    /// The topic that is read from files.
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// What the file of a partition is; `None` without a file.
    pub fn kind(&self, partition: Partition) -> Option<FileKind> {
        self.sources.get(partition.at()).map(Source::kind)
    }

    /// The header of a partition's CSV file: its first line that is not empty, without line end,
    /// a byte order mark included. `None` for any other file and for a CSV file without a line.
    pub fn header(&self, partition: Partition) -> Option<Bytes> {
        self.sources.get(partition.at())?.header()
    }

    /// Nothing is written to files.
    fn check(&self, outputs: &[Append]) -> Result<(), PortError> {
        if outputs.iter().any(|output| output.topic == self.topic) {
            // Read: "… is closed". The caller is to blame and need not try again.
            return Err(PortError::Closed {
                port: "appending to the topic that the file log reads from files",
            });
        }
        Ok(())
    }
}

impl EventLog for FileLog {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        match self.check(&batch) {
            Ok(()) => self.inner.append(batch),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        match self.check(&outputs) {
            Ok(()) => self.inner.publish(outputs, consumed, durable),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        if topic != self.topic {
            return self.inner.read(topic, partition, from, bytes_max);
        }
        let source = self.sources.get(partition.at());
        // Blocks its thread. Files are read one after the other piece, so the page cache has the
        // next piece before it is asked for, and handing a read to another thread would cost more
        // than the read. A backfill has nothing else to do on its threads anyway.
        Box::pin(async move { source.map_or(Ok(Vec::new()), |one| one.read(from, bytes_max)) })
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.inner.committed(consumer)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        if topic != self.topic {
            return self.inner.bounds(topic, partition);
        }
        let source = self.sources.get(partition.at());
        source.map_or(Bounds::default(), Source::bounds)
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        self.inner.changed(seen)
    }
}
