//! Keyed state on the data directory: committed in memory, flushed behind.
//!
//! A commit compares and sets in memory and costs no I/O. [`EmbeddedState::flush`], called every
//! few seconds, makes the event log durable first and then writes all changes with their
//! positions, all or nothing, so that the state on disk never stands beyond the log. What a crash
//! takes is a tail of commits, which the engine replays from the log. Few changes go through the
//! journal; many go straight into tables, which spares them the journal, the memtable and the
//! first compaction.

use crate::kv::{Kv, OnDamage, Opened, Room, Shape};
use crate::slates::EmbeddedSlates;
use bytes::Bytes;
use fjall::{PersistMode, Readable, Slice};
use fleeting::Fleeting;
use parking_lot::{Mutex, RwLock};
use part::{Frozen, Part};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{
    Commit, StatePartition, StateStore, Versioned, check_commit, check_keys,
};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::PARTITIONS;
use vitrina_types::state::RESIDENT_PREFIX;

mod fleeting;
mod keys;
mod layer;
mod part;
#[cfg(test)]
mod tests;

const PORT: &str = "embedded state";
/// Directory of the database in the data directory.
const DIR: &str = "state";
/// Derived state and slates share a database: both may be lost.
static SHAPE: Shape = Shape {
    port: PORT,
    keyspaces: &[("state", 16 * 1_024 * 1_024), ("slates", 8 * 1_024 * 1_024)],
    cache_bytes: 64 * 1_024 * 1_024,
    on_damage: OnDamage::MoveAside,
    worker_threads: 2,
};
const STATE: usize = 0;
/// Number of the slates' keyspace.
pub(crate) const SLATES: usize = 1;

/// Makes the event log durable.
pub type BeforeFlush = Box<dyn Fn() -> Result<(), PortError> + Send + Sync>;

/// How an [`EmbeddedState`] runs.
pub struct StateOptions {
    /// Bytes of the disk that are left free; below them nothing is written.
    pub reserve_bytes: u64,
    /// Bytes of committed changes that may wait in memory for a flush; above them commits are
    /// refused. Default 256 MiB.
    pub waiting_bytes_max: usize,
    /// Flushes of this many bytes or more go past the journal: for fewer, a table of their own
    /// costs more than it saves. Default 2 MiB.
    pub bulk_bytes_min: usize,
    /// Called by every flush after it has fixed what it will write and before it writes: the log
    /// must be durable up to there when it returns.
    pub before_flush: BeforeFlush,
}

impl StateOptions {
    /// The defaults, with this barrier.
    pub fn new(before_flush: BeforeFlush) -> Self {
        Self {
            reserve_bytes: 256 * 1_024 * 1_024,
            waiting_bytes_max: 256 * 1_024 * 1_024,
            bulk_bytes_min: 2 * 1_024 * 1_024,
            before_flush,
        }
    }
}

/// What a flush wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Partitions whose position moved.
    pub partitions: usize,
    /// Keys written or deleted.
    pub keys: usize,
    /// Bytes of keys and values, with the overhead they are counted with.
    pub bytes: usize,
}

/// The state store of one data directory.
pub struct EmbeddedState {
    kv: Arc<Kv>,
    options: StateOptions,
    /// In the order of [`keys::all`].
    parts: Vec<RwLock<Part>>,
    standings: Vec<watch::Sender<Standing>>,
    /// Bytes of all parts that wait for a flush.
    waiting_bytes: AtomicUsize,
    /// Held by a flush and by a reopening.
    one_flush: Mutex<()>,
}

/// Where a partition stands, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    position: Offset,
    is_closed: bool,
}

impl EmbeddedState {
    /// Opens the state in `data_dir`, or creates it. A damaged one is moved aside, see
    /// [`rebuilt`](Self::rebuilt).
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or the disk does not answer; `Full`.
    pub fn open(data_dir: &Path, options: StateOptions) -> Result<Self, PortError> {
        let kv = Kv::open(data_dir.join(DIR), &SHAPE, options.reserve_bytes)?;
        let (positions, parts) = kv.read(|opened| {
            let positions = load_positions(&kv, opened)?;
            let stored = keys::all().zip(&positions);
            let parts = stored.map(|(place, &found)| load_part(&kv, opened, place, found));
            let parts: Vec<Part> = parts.collect::<Result<_, PortError>>()?;
            Ok((positions, parts))
        })?;
        let standing = |&position: &Offset| {
            watch::Sender::new(Standing {
                position,
                is_closed: false,
            })
        };
        Ok(Self {
            kv: Arc::new(kv),
            options,
            standings: positions.iter().map(standing).collect(),
            parts: parts.into_iter().map(RwLock::new).collect(),
            waiting_bytes: AtomicUsize::new(0),
            one_flush: Mutex::new(()),
        })
    }

    /// The slate store in the same database. It is closed with the state.
    pub fn slates(&self) -> EmbeddedSlates {
        EmbeddedSlates::new(Arc::clone(&self.kv))
    }

    /// Whether a damaged database was moved aside, to `state.damaged-<n>`, and an empty one begun:
    /// every position is 0 and the log is to be replayed.
    pub fn rebuilt(&self) -> bool {
        self.kv.moved_aside() > 0
    }

    /// Whether a write has failed, so that nothing is written before a [`reopen`](Self::reopen).
    pub fn needs_reopen(&self) -> bool {
        self.kv.has_failed()
    }

    /// Bytes of committed changes that wait for a flush.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Writes everything committed before the call. Blocks the calling thread, but neither reads
    /// nor commits. After an error what was not written waits for the next flush.
    ///
    /// # Errors
    /// Those of [`StateOptions::before_flush`]; `Full`, `Unavailable`, `Closed`.
    pub fn flush(&self) -> Result<Flushed, PortError> {
        let _one = self.one_flush.lock();
        let places = keys::all().zip(&self.parts);
        let frozen: Vec<_> = places
            .filter_map(|(place, part)| {
                let frozen = self.change_waiting(&mut part.write(), Part::freeze);
                Some((place, frozen?))
            })
            .collect();
        let mut flushed = Flushed::default();
        if frozen.is_empty() {
            return Ok(flushed);
        }
        (self.options.before_flush)()?;
        let bytes = frozen.iter().map(|(_, one)| one.layer.bytes()).sum();
        if bytes < self.options.bulk_bytes_min {
            self.write_batch(&frozen, bytes)?;
        } else {
            self.kv.ingest(bytes, STATE, pairs(&frozen))?;
        }
        self.arrived(&frozen, &mut flushed);
        Ok(flushed)
    }

    /// Makes what was flushed survive a power cut: to be called before the part of the log that
    /// it stands for is deleted.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub fn sync(&self) -> Result<(), PortError> {
        self.kv.sync()
    }

    /// Flushes, makes everything durable and closes. Then every call answers `Closed`.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush); it is closed all the same.
    pub fn close(&self) -> Result<(), PortError> {
        let flushed = self.flush();
        let closed = self.kv.close();
        for standing in &self.standings {
            standing.send_modify(|standing| standing.is_closed = true);
        }
        match flushed {
            Err(PortError::Closed { .. }) => closed,
            flushed => flushed.and(closed),
        }
    }

    /// Closes the database and opens it again, the way out after a failed write. What waits in
    /// memory is kept and flushed later, except in the partitions answered: their stored position
    /// is not the one that was left, so they stand at the stored one now, possibly 0.
    ///
    /// # Errors
    /// As [`open`](Self::open). It may be called again.
    pub fn reopen(&self) -> Result<Vec<StatePartition>, PortError> {
        let _one = self.one_flush.lock();
        self.kv.reopen(|opened| {
            let positions = load_positions(&self.kv, opened)?;
            let mut stepped_back = Vec::new();
            for (ix, (place, found)) in keys::all().zip(positions).enumerate() {
                let mut part = self.parts[ix].write();
                let waited = part.waiting_bytes();
                if !part.resume(found) {
                    *part = load_part(&self.kv, opened, place, found)?;
                    self.waiting_bytes.fetch_sub(waited, Ordering::Relaxed);
                    self.standings[ix].send_modify(|standing| standing.position = found);
                    stepped_back.push(place);
                }
            }
            Ok(stepped_back)
        })
    }

    fn write_batch(
        &self,
        frozen: &[(StatePartition, Frozen)],
        bytes: usize,
    ) -> Result<(), PortError> {
        let room = Room::Takes(bytes);
        self.kv.write(room, PersistMode::Buffer, |opened, batch| {
            let keyspace = &opened.keyspaces[STATE];
            for (key, value) in pairs(frozen) {
                match value {
                    Some(value) => batch.insert(keyspace, key, value),
                    None => batch.remove(keyspace, key),
                }
            }
            Ok(())
        })
    }

    /// What was frozen is in the database.
    fn arrived(&self, frozen: &[(StatePartition, Frozen)], flushed: &mut Flushed) {
        flushed.partitions += frozen.len();
        for (place, one) in frozen {
            flushed.bytes += one.layer.bytes();
            flushed.keys += one.layer.len();
            let Some(ix) = keys::index(*place) else {
                continue;
            };
            let mut part = self.parts[ix].write();
            self.change_waiting(&mut part, Part::arrived);
        }
    }

    /// Changes a part and keeps the count of waiting bytes right.
    fn change_waiting<T>(&self, part: &mut Part, change: impl FnOnce(&mut Part) -> T) -> T {
        let before = part.waiting_bytes();
        let answer = change(part);
        let after = part.waiting_bytes();
        self.waiting_bytes
            .fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        answer
    }

    fn apply(&self, commit: Commit) -> Result<(), PortError> {
        check_commit(&commit)?;
        let ix = index(commit.partition)?;
        let bytes: usize = commit
            .changes
            .iter()
            .map(|change| layer::cost(&change.key, change.value.as_deref()))
            .sum();
        let mut part = self.parts[ix].write();
        if self.standings[ix].borrow().is_closed {
            return Err(PortError::Closed { port: PORT });
        }
        if part.position != commit.expected {
            return Err(commit.mismatch(part.position));
        }
        self.admit(bytes)?;
        self.change_waiting(&mut part, |part| part.apply(commit.next, commit.changes));
        self.standings[ix].send_modify(|standing| standing.position = commit.next);
        Ok(())
    }

    /// Refuses a commit that would make too much wait in memory.
    fn admit(&self, bytes: usize) -> Result<(), PortError> {
        let limit = self.options.waiting_bytes_max;
        if bytes > limit {
            return Err(PortError::TooLarge {
                what: "bytes of a commit",
                got: bytes,
                limit,
            });
        }
        let waiting = self.waiting_bytes();
        if waiting + bytes <= limit {
            return Ok(());
        }
        self.kv.check_room(Room::Takes(waiting))?;
        Err(PortError::Unavailable {
            port: PORT,
            detail: format!("{waiting} bytes wait for a flush, the limit is {limit}"),
        })
    }

    fn read_many(
        &self,
        partition: StatePartition,
        keys: &[String],
    ) -> Result<Versioned<Vec<Option<Bytes>>>, PortError> {
        check_keys(keys)?;
        let ix = index(partition)?;
        self.kv.read(|opened| {
            let part = self.parts[ix].read();
            let position = part.position;
            let mut unknown = Vec::new();
            let mut values: Vec<Option<Bytes>> = Vec::with_capacity(keys.len());
            for (at, key) in keys.iter().enumerate() {
                let known = part.find(key);
                if known.is_none() {
                    unknown.push(at);
                }
                values.push(known.flatten().map(Bytes::copy_from_slice));
            }
            if unknown.is_empty() {
                return Ok(Versioned { position, values });
            }
            // The snapshot is of the same moment as the position, and reads of the disk hold up
            // no commit.
            let snapshot = opened.db.snapshot();
            drop(part);
            for at in unknown {
                let stored_key = keys::stored_key(partition, &keys[at]);
                let found = snapshot.get(&opened.keyspaces[STATE], stored_key);
                let found = found.map_err(|error| self.kv.port_error(&error))?;
                values[at] = found.map(|value| Bytes::copy_from_slice(&value));
            }
            Ok(Versioned { position, values })
        })
    }

    fn read_range(
        &self,
        partition: StatePartition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Versioned<Vec<(String, Bytes)>>, PortError> {
        let ix = index(partition)?;
        self.kv.read(|opened| {
            let part = self.parts[ix].read();
            let prefix = keys::prefix(partition);
            let first = match after {
                Some(key) => Bound::Excluded(keys::stored_key(partition, key)),
                None => Bound::Included(prefix.to_vec()),
            };
            let snapshot = opened.db.snapshot();
            let stored = snapshot
                .range(&opened.keyspaces[STATE], (first, Bound::Unbounded))
                .map(|pair| {
                    pair.into_inner()
                        .map_err(|error| self.kv.port_error(&error))
                })
                .take_while(|pair| !matches!(pair, Ok((key, _)) if !key.starts_with(&prefix)))
                .map(|pair| {
                    let (key, value) = pair?;
                    let key = keys::key_of(&key).ok_or_else(|| self.kv.damaged("key"))?;
                    Ok((key, Bytes::copy_from_slice(&value)))
                });
            let values = part.scan(after, limit, stored)?;
            let position = part.position;
            Ok(Versioned { position, values })
        })
    }
}

fn index(partition: StatePartition) -> Result<usize, PortError> {
    keys::index(partition).ok_or(PortError::TooLarge {
        what: "partitions",
        got: usize::from(partition.partition.0) + 1,
        limit: usize::from(PARTITIONS),
    })
}

fn load_positions(kv: &Kv, opened: &Opened) -> Result<Vec<Offset>, PortError> {
    let load = |place| {
        let stored = opened.keyspaces[STATE].get(keys::position_key(place));
        match stored.map_err(|error| kv.port_error(&error))? {
            None => Ok(0),
            Some(stored) => keys::decode_position(&stored).ok_or_else(|| kv.damaged("position")),
        }
    };
    keys::all().map(load).collect()
}

fn load_part(
    kv: &Kv,
    opened: &Opened,
    place: StatePartition,
    stored: Offset,
) -> Result<Part, PortError> {
    let mut fleeting = Fleeting::default();
    let resident = keys::stored_key(place, RESIDENT_PREFIX);
    for pair in opened.keyspaces[STATE].prefix(resident) {
        let key = pair.key().map_err(|error| kv.port_error(&error))?;
        let key = keys::key_of(&key).ok_or_else(|| kv.damaged("key"))?;
        fleeting.note(key.as_bytes());
    }
    Ok(Part::new(stored, fleeting))
}

/// What was frozen, by stored key, ascending: positions, then the changes of each partition.
fn pairs(frozen: &[(StatePartition, Frozen)]) -> impl Iterator<Item = (Slice, Option<Slice>)> {
    let positions = frozen.iter().map(|(place, one)| {
        let position = keys::encode_position(one.position);
        (keys::position_key(*place).into(), Some(position.into()))
    });
    let mut stored = Vec::new();
    let changes = frozen.iter().flat_map(|(place, one)| {
        let prefix = keys::prefix(*place);
        let changes = one.layer.sorted();
        changes.map(move |(key, value)| (prefix, key, value))
    });
    let changes = changes.map(move |(prefix, key, value)| {
        stored.clear();
        stored.extend_from_slice(&prefix);
        stored.extend_from_slice(key);
        (Slice::from(&stored[..]), value.map(Slice::from))
    });
    positions.chain(changes)
}

impl StateStore for EmbeddedState {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        Box::pin(async move { self.read_many(partition, keys) })
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(async { self.apply(commit) })
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        Box::pin(async move { self.read_range(partition, after, limit) })
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let mut standing = self.standings[index(partition)?].subscribe();
            let is_over = |s: &Standing| s.is_closed || s.position >= wanted;
            match standing.wait_for(is_over).await {
                Ok(standing) if standing.position >= wanted => Ok(()),
                _ => Err(PortError::Closed { port: PORT }),
            }
        })
    }
}
