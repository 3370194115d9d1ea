//! The event log on Kafka.
//!
//! One record alone is produced without a transaction: idempotent, acknowledged by all replicas in
//! sync. Everything else, several records or positions, is one transaction, which calls that
//! come at the same time share. Transactions leave markers, so offsets have gaps.

use crate::client::{self, Producer};
use crate::delivery::{Delivery, send_all};
use crate::failure::{failed, unavailable};
use crate::options::KafkaOptions;
use crate::patience::patiently;
use crate::place::{Names, Place, Source};
use crate::positions::{self, Positions};
use crate::publisher::{Publisher, Wiring};
use crate::reader::{Quiet, Reader};
use crate::topics;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use vitrina_ports::log::{
    Append, BATCH_BYTES_MAX, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset,
};
use vitrina_ports::seat::TaskId;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// The event log on Apache Kafka.
///
/// What holds beyond the port's laws, and what does not:
/// * [`append`](EventLog::append) and [`publish`](EventLog::publish) are durable when they
///   resolve. An error of them leaves the outcome unknown where it is `Unavailable`: whoever moves
///   positions reads them again, whoever appends events sends them again with their ids.
/// * The positions of one call belong to one consumer's name; of several processes that move
///   those of one name the latest owns them, the others are told `Fenced` or `PositionMismatch`.
/// * A source like `user-events/7` that no `publish` has ever moved is looked up among the
///   positions of the workers' group, as it stands now, not waiting for open transactions.
/// * What another process committed is seen in [`bounds`](EventLog::bounds) within milliseconds
///   where the partition is read here, else after [`KafkaOptions::refresh_interval`].
/// * [`Bounds::end`] may lie behind markers where nobody reads here.
pub struct KafkaLog {
    wiring: Arc<Wiring>,
    plain: Producer,
    appends: Publisher,
    /// One for each consumer's name that has moved positions.
    publishers: Mutex<HashMap<&'static str, Publisher>>,
    /// Asks for positions of the group. It reads no records.
    watcher: Arc<BaseConsumer<Quiet>>,
    runtime: tokio::runtime::Handle,
}

impl KafkaLog {
    /// Makes the topics that are missing, checks the others, and learns their bounds.
    ///
    /// To be called within a Tokio runtime, which must outlive the log.
    ///
    /// # Errors
    /// `Unavailable` within a few times [`KafkaOptions::request_timeout`] where no broker answers;
    /// `Invalid` where a topic has another number of partitions, a position lies beyond the end of
    /// its partition (the topic was made anew), or a setting is wrong.
    pub async fn open(options: KafkaOptions) -> Result<Self, PortError> {
        let names = Names::new(&options.prefix);
        topics::prepare(&options, &names).await?;
        let runtime = tokio::runtime::Handle::current();
        let opened = tokio::task::spawn_blocking(move || Self::start(options, names, runtime));
        let log = opened
            .await
            .map_err(|error| unavailable(format!("open: {error}")))??;
        log.check_positions().await?;
        Ok(log)
    }

    fn start(
        options: KafkaOptions,
        names: Names,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, PortError> {
        let places = topics::places(&options);
        let reader = Reader::open(&options, &names, &places)?;
        let plain = client::plain(&options)?;
        let mut watching = client::reading(&options, &names.group());
        // Offsets as they stand, also while a transaction may move them; seats ask for stable ones.
        watching.set("isolation.level", "read_uncommitted");
        let watcher: BaseConsumer<Quiet> = client::create(&watching, Quiet)?;
        let wiring = Arc::new(Wiring {
            options,
            names,
            reader,
            positions: Positions::default(),
        });
        Ok(Self {
            appends: Publisher::start(&wiring, None, runtime.clone())?,
            publishers: Mutex::default(),
            watcher: Arc::new(watcher),
            plain,
            runtime,
            wiring,
        })
    }

    /// Refuses positions beyond the end of what they are positions in: then the topic was deleted
    /// and made anew, and would be read from nowhere.
    async fn check_positions(&self) -> Result<(), PortError> {
        let reader = &self.wiring.reader;
        for (source, next) in self.wiring.positions.all(reader).await? {
            let Some(TaskId { topic, partition }) = Place::parse(&source) else {
                continue;
            };
            let end = reader.bounds(Place::of(topic, partition)).end;
            if next > end {
                return Err(PortError::Invalid {
                    what: format!("position {next} in {source}, which ends at {end}"),
                    expected: "a topic that was not deleted and made anew since; restore log and \
                               state from one backup, or begin under another prefix",
                });
            }
        }
        Ok(())
    }

    fn publisher(&self, consumed: &[Consumed]) -> Result<Publisher, PortError> {
        let Some(first) = consumed.first() else {
            return Ok(self.appends.clone());
        };
        let name = first.consumer.name;
        if consumed.iter().any(|one| one.consumer.name != name) {
            return Err(PortError::Invalid {
                what: "positions of several consumers in one call".to_owned(),
                expected: "positions of one consumer",
            });
        }
        let mut publishers = self.publishers.lock();
        if let Some(publisher) = publishers.get(name) {
            return Ok(publisher.clone());
        }
        let publisher = Publisher::start(&self.wiring, Some(name), self.runtime.clone())?;
        publishers.insert(name, publisher.clone());
        Ok(publisher)
    }

    /// One record, without a transaction.
    async fn append_one(&self, batch: &[Append]) -> Result<Vec<Offset>, PortError> {
        let delivery = Delivery::new(batch.len());
        let names = &self.wiring.names;
        send_all(&self.plain, names, batch, &delivery, 0, Duration::ZERO)?;
        let ends = delivery.arrived().await?;
        let reader = &self.wiring.reader;
        let places = batch.iter().map(Place::target);
        reader.committed_up_to(places.zip(ends.iter().copied()));
        let ends = batch.iter().zip(ends).map(|(append, end)| match end {
            0 => reader.bounds(Place::target(append)).end,
            end => end,
        });
        Ok(ends.collect())
    }

    async fn write(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
    ) -> Result<Vec<Offset>, PortError> {
        check_size(&outputs)?;
        for append in &outputs {
            self.check_place(append)?;
        }
        let records: usize = outputs.iter().map(|one| one.records.len()).sum();
        if consumed.is_empty() && records <= 1 {
            return self.append_one(&outputs).await;
        }
        self.publisher(&consumed)?.publish(outputs, consumed).await
    }

    fn check_place(&self, append: &Append) -> Result<(), PortError> {
        let options = &self.wiring.options;
        if append.partition.0 < options.partitions_of(append.topic) {
            return Ok(());
        }
        Err(PortError::Invalid {
            what: format!("partition {} of {}", append.partition.0, append.topic),
            expected: "a partition that the topic has",
        })
    }

    /// The group's position, as it stands.
    async fn of_group(&self, task: TaskId) -> Result<Option<Offset>, PortError> {
        let doing = "ask for a position of the group";
        let watcher = Arc::clone(&self.watcher);
        let limit = self.wiring.options.request_timeout;
        let name = self.wiring.names.topic(Source::Log(task.topic)).to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition(&name, i32::from(task.partition.0));
            patiently(limit, |left| {
                let found = watcher.committed_offsets(list.clone(), left)?;
                checked(found)
            })
        });
        let found = asked
            .await
            .map_err(|error| unavailable(format!("{doing}: {error}")))?;
        let found = found.map_err(|error| failed(doing, &error))?;
        Ok(position(&found))
    }
}

/// Positions, unless one of them is an error.
pub(crate) fn checked(found: TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
    for element in found.elements() {
        element.error()?;
    }
    Ok(found)
}

/// The one position of a list; `None` where none is committed.
pub(crate) fn position(list: &TopicPartitionList) -> Option<Offset> {
    match list.elements().first()?.offset() {
        At::Offset(offset) => Some(offset.max(0) as Offset),
        _ => None,
    }
}

/// Refuses what is more than one call may carry.
pub(crate) fn check_size(outputs: &[Append]) -> Result<(), PortError> {
    let records = outputs.iter().flat_map(|one| one.records.iter());
    let longest = records.map(<[u8]>::len).max().unwrap_or_default();
    let all = outputs.iter().map(|one| one.records.byte_len()).sum();
    let bounds = [
        ("bytes", all, BATCH_BYTES_MAX),
        ("bytes of a record", longest, client::RECORD_BYTES_MAX),
    ];
    match bounds.into_iter().find(|(_, got, limit)| got > limit) {
        Some((what, got, limit)) => Err(PortError::TooLarge { what, got, limit }),
        None => Ok(()),
    }
}

impl EventLog for KafkaLog {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(self.write(batch, Vec::new()))
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        _durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(self.write(outputs, consumed))
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        let place = Place::of(topic, partition);
        Box::pin(self.wiring.reader.read(place, from, bytes_max))
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move {
            let key = positions::key(consumer);
            let reader = &self.wiring.reader;
            if let Some(found) = self.wiring.positions.get(reader, &key).await? {
                return Ok(Some(found));
            }
            match Place::parse(&consumer.source) {
                Some(task) => self.of_group(task).await,
                None => Ok(None),
            }
        })
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        self.wiring.reader.bounds(Place::of(topic, partition))
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        Box::pin(self.wiring.reader.changed(seen))
    }
}
