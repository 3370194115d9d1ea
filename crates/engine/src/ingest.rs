//! Intake: from what a shop sent to the log.
//!
//! Every event is normalised, put into its partition, and durable before it is acknowledged. A
//! bad one becomes a dead letter in the same write, with its bytes; the good ones beside it are
//! kept.

use crate::error::EngineError;
use crate::position::PositionToken;
use crate::shared::Shared;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Instant;
use vitrina_ports::log::{Append, Consumed, Consumer, Offset, Records};
use vitrina_ports::state::Space;
use vitrina_types::event::{self, Event, EventDraft, Intake, Rejection};
use vitrina_types::id::EventId;
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::record::{DeadLetter, UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// User records on their way, above which loading old data waits.
const IMPORT_LAG_MAX: u64 = 100_000;
/// When an overloaded intake may be tried again.
const RETRY_AFTER_S: u32 = 1;

/// One event as it came in.
#[derive(Debug, Clone)]
pub enum RawEvent {
    /// JSON of one event.
    Json(Bytes),
    /// An event some other format was read into, with the bytes it was read from.
    Draft(Box<EventDraft>, Bytes),
    /// Something that could not even be told apart as an event.
    Bad(Rejection, Bytes),
}

/// One event that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Why.
    pub rejection: Rejection,
}

/// What became of an intake call. The accepted events are durable.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    /// Events accepted.
    pub accepted: usize,
    /// What `after=` takes to see them.
    pub position: PositionToken,
    /// The others.
    pub rejected: Vec<RejectedEvent>,
}

/// A request sorted into partitions.
pub(crate) struct Sorted {
    partitions: Vec<Records>,
    /// Records that go back to other topics.
    others: BTreeMap<(Topic, Partition), Records>,
    dead: Records,
    rejected: Vec<RejectedEvent>,
    accepted: usize,
}

impl Sorted {
    pub(crate) fn new() -> Self {
        Self {
            partitions: vec![Records::default(); usize::from(PARTITIONS)],
            others: BTreeMap::new(),
            dead: Records::default(),
            rejected: Vec::new(),
            accepted: 0,
        }
    }

    fn keep(&mut self, event: Event, ingest_time: IngestTime, backfill: bool) {
        let partition = Partition::of(event.subject.partition_id());
        let envelope = UserEnvelope {
            ingest_time,
            backfill,
            record: UserRecord::Event(Box::new(event)),
        };
        self.partitions[partition.at()].push_with(|out| stored::encode_into(&envelope, out));
        self.accepted += 1;
    }

    /// Puts a record back on a topic, as it is.
    pub(crate) fn keep_record(&mut self, topic: Topic, partition: Partition, bytes: &[u8]) {
        let records = match topic {
            Topic::UserEvents => &mut self.partitions[partition.at()],
            _ => self.others.entry((topic, partition)).or_default(),
        };
        records.push(bytes);
    }

    fn refuse(&mut self, index: usize, rejection: Rejection, bytes: &[u8], from: &From<'_>) {
        let letter = DeadLetter {
            ingest_time: from.ingest_time,
            source: from.source.into(),
            rejection: rejection.clone(),
            attempts: from.attempts,
            bytes: bytes[..bytes.len().min(DEAD_LETTER_BYTES_MAX)].to_vec(),
        };
        self.dead.push_with(|out| stored::encode_into(&letter, out));
        self.rejected.push(RejectedEvent { index, rejection });
    }

    /// The writes: user events first, in partition order, then other topics, then dead letters.
    fn appends(self) -> (Vec<Append>, Vec<RejectedEvent>, usize) {
        let keyed = self.partitions.into_iter().zip(Partition::all());
        let mut appends: Vec<Append> = keyed
            .filter(|(records, _)| !records.is_empty())
            .map(|(records, partition)| Append {
                topic: Topic::UserEvents,
                partition,
                records,
            })
            .collect();
        appends.extend(self.others.into_iter().map(|(place, records)| Append {
            topic: place.0,
            partition: place.1,
            records,
        }));
        if !self.dead.is_empty() {
            appends.push(Append {
                topic: Topic::DeadLetters,
                partition: Partition(0),
                records: self.dead,
            });
        }
        (appends, self.rejected, self.accepted)
    }
}

/// Where a request came from, and when.
struct From<'a> {
    source: &'a str,
    ingest_time: IngestTime,
    attempts: u32,
}

/// An event that could not be processed, to be tried once more.
pub(crate) struct Again<'a> {
    /// With its bytes.
    pub(crate) letter: &'a DeadLetter,
    /// Its id, if it has none of its own.
    pub(crate) event_id: String,
    /// Whether it is old data.
    pub(crate) backfill: bool,
}

/// Reads a dead letter once more. A still bad one is put among the dead again.
///
/// # Errors
/// Why it is still bad.
pub(crate) fn sort_again(
    shared: &Shared,
    sorted: &mut Sorted,
    again: &Again<'_>,
) -> Result<(), Rejection> {
    let letter = again.letter;
    let now = shared.now();
    let fresh_event_id =
        || EventId::new(&again.event_id).unwrap_or_else(|_| fresh_event_id(shared, now));
    let hash_address = |address: &str| keyed_hash(shared.options.address_key, address);
    let read = |ingest_time| {
        let intake = Intake {
            ingest_time,
            fresh_event_id: &fresh_event_id,
            hash_address: &hash_address,
        };
        event::parse(&letter.bytes, &intake)
    };
    // An event without a time happened when it came in first; one that was too far ahead then
    // need not be so now.
    match read(letter.ingest_time).or_else(|_| read(now)) {
        Ok(event) => {
            sorted.keep(event, now, again.backfill);
            Ok(())
        }
        Err(rejection) => {
            let from = From {
                source: &letter.source,
                ingest_time: now,
                attempts: letter.attempts.saturating_add(1),
            };
            sorted.refuse(0, rejection.clone(), &letter.bytes, &from);
            Err(rejection)
        }
    }
}

fn sort(shared: &Shared, events: Vec<RawEvent>, source: &str, backfill: bool) -> Sorted {
    let from = From {
        source,
        ingest_time: shared.now(),
        attempts: 1,
    };
    let fresh_event_id = || fresh_event_id(shared, from.ingest_time);
    let hash_address = |address: &str| keyed_hash(shared.options.address_key, address);
    let intake = Intake {
        ingest_time: from.ingest_time,
        fresh_event_id: &fresh_event_id,
        hash_address: &hash_address,
    };
    let mut sorted = Sorted::new();
    for (index, raw) in events.into_iter().enumerate() {
        let (read, bytes) = match raw {
            RawEvent::Json(bytes) => (event::parse(&bytes, &intake), bytes),
            RawEvent::Draft(draft, bytes) => (event::build(*draft, &intake), bytes),
            RawEvent::Bad(rejection, bytes) => (Err(rejection), bytes),
        };
        match read {
            Ok(event) => sorted.keep(event, from.ingest_time, backfill),
            Err(rejection) => sorted.refuse(index, rejection, &bytes, &from),
        }
    }
    sorted
}

fn fresh_event_id(shared: &Shared, now: IngestTime) -> EventId {
    let id = shared.ids.fresh(now);
    match EventId::new(&id) {
        Ok(id) => id,
        // 26 letters and digits are inside every bound of an id.
        Err(error) => unreachable!("{error}"),
    }
}

/// Hash of an address under a key: the address cannot be read back without the key.
fn keyed_hash(key: u64, address: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(address.as_bytes(), key)
}

/// What an intake call wrote, as a receipt.
fn receipt(
    shared: &Shared,
    written: &[(Topic, Partition, u64)],
    ends: &[Offset],
    rejected: Vec<RejectedEvent>,
    accepted: usize,
) -> Receipt {
    let mut pairs = Vec::new();
    for (&(topic, partition, events), &end) in written.iter().zip(ends) {
        if topic == Topic::UserEvents {
            shared.acknowledged(partition, end, events);
            pairs.push((partition, end));
        }
    }
    let figures = &shared.figures;
    figures.accepted.add(accepted as u64, shared.second());
    figures.refused.add(rejected.len() as u64);
    Receipt {
        accepted,
        position: PositionToken::new(pairs),
        rejected,
    }
}

fn outline(appends: &[Append]) -> Vec<(Topic, Partition, u64)> {
    let outline = appends
        .iter()
        .map(|append| (append.topic, append.partition, append.records.len() as u64));
    outline.collect()
}

/// Takes events in; durable when it resolves.
///
/// # Errors
/// `Overloaded` when too much is waiting to be processed, or the log's error; nothing was
/// accepted then, not even as a dead letter.
pub(crate) async fn ingest(
    shared: &Shared,
    events: Vec<RawEvent>,
    source: &str,
) -> Result<Receipt, EngineError> {
    let began = Instant::now();
    check_lag(shared, Space::Users)?;
    let sorted = sort(shared, events, source, false);
    write(shared, sorted, began).await
}

/// Refuses while too much is waiting for the stage of `space`.
///
/// # Errors
/// `Overloaded`.
pub(crate) fn check_lag(shared: &Shared, space: Space) -> Result<(), EngineError> {
    let waiting = shared.lag(space);
    if waiting > shared.options.lag_max {
        return Err(EngineError::Overloaded {
            waiting,
            limit: shared.options.lag_max,
            retry_after_s: RETRY_AFTER_S,
        });
    }
    Ok(())
}

/// Writes what came in at `began`; durable when it resolves.
///
/// # Errors
/// The log's.
pub(crate) async fn write(
    shared: &Shared,
    sorted: Sorted,
    began: Instant,
) -> Result<Receipt, EngineError> {
    let (appends, rejected, accepted) = sorted.appends();
    if appends.is_empty() {
        return Ok(Receipt::default());
    }
    let written = outline(&appends);
    let ends = shared.ports.log.append(appends).await?;
    shared
        .figures
        .intake
        .record(began.elapsed(), shared.second());
    Ok(receipt(shared, &written, &ends, rejected, accepted))
}

/// The name under which imports commit their positions.
fn importer(source: &str) -> Consumer {
    Consumer {
        name: "import",
        source: source.to_owned(),
    }
}

/// How far the import of `source` (a file's fingerprint) has come.
///
/// # Errors
/// As the log.
pub(crate) async fn import_position(
    shared: &Shared,
    source: &str,
) -> Result<Option<Offset>, EngineError> {
    Ok(shared.ports.log.committed(&importer(source)).await?)
}

/// Takes in old data: exactly once a position, because events and position are one write.
///
/// # Errors
/// `PositionMismatch` when another import of the same source has moved on; the log's error.
pub(crate) async fn import(
    shared: &Shared,
    source: &str,
    expected: Option<Offset>,
    next: Offset,
    events: Vec<RawEvent>,
) -> Result<Receipt, EngineError> {
    shared.lag_below(IMPORT_LAG_MAX).await;
    let name = format!("import:{source}");
    let (appends, rejected, accepted) = sort(shared, events, &name, true).appends();
    let consumed = vec![Consumed {
        consumer: importer(source),
        expected,
        next,
    }];
    let written = outline(&appends);
    let ends = shared.ports.log.publish(appends, consumed, true).await?;
    Ok(receipt(shared, &written, &ends, rejected, accepted))
}
