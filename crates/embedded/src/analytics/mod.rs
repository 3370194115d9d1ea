//! Window rows on the data directory: derived, kept beside the state and longer than the log.
//!
//! One upsert is one batch: rows, in both layouts of [`keys`], and the position. It is not synced:
//! a power cut takes a tail of upserts with their positions, and the sink reads those again. Every
//! row is written twice, so that one key over time and all keys of a period are both one walk
//! over neighbours; writing once and looking each row up would halve the writing and make every
//! row of a period a read of its own.

use crate::kv::{Kv, OnDamage, Opened, Room, Shape};
use crate::state::BeforeFlush;
use fjall::{OwnedWriteBatch, PersistMode};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vitrina_ports::analytics::{
    AnalyticsStore, RowCursor, RowPage, RowQuery, Upsert, check_partition, check_query,
    check_upsert,
};
use vitrina_ports::log::Offset;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, WindowRow};
use vitrina_types::stored;
use vitrina_types::time::EventTime;

mod keys;
mod page;
#[cfg(test)]
mod tests;

const PORT: &str = "embedded analytics";
/// Directory of the database in the data directory.
const DIR: &str = "analytics";
/// Rows forgotten in one batch; upserts go on between two.
const RETAIN_BATCH: usize = 5_000;

static SHAPE: Shape = Shape {
    port: PORT,
    keyspaces: &[
        ("rows", 16 * 1_024 * 1_024),
        ("periods", 16 * 1_024 * 1_024),
        ("positions", 1_024 * 1_024),
    ],
    cache_bytes: 16 * 1_024 * 1_024,
    on_damage: OnDamage::MoveAside,
};
const ROWS: usize = 0;
const PERIODS: usize = 1;
const POSITIONS: usize = 2;

/// How an [`EmbeddedAnalytics`] runs.
pub struct AnalyticsOptions {
    /// Bytes of the disk that are left free; below them nothing is written. Default 256 MiB.
    pub reserve_bytes: u64,
    /// Called by every upsert before it writes: what was read of the log before the call must be
    /// durable when it returns. Else a power cut could leave a position that is beyond the log,
    /// and the sink would pass over what is appended there anew.
    pub before_write: BeforeFlush,
}

impl AnalyticsOptions {
    /// The defaults, with this barrier.
    pub fn new(before_write: BeforeFlush) -> Self {
        Self {
            reserve_bytes: 256 * 1_024 * 1_024,
            before_write,
        }
    }
}

/// The analytics store of one data directory.
pub struct EmbeddedAnalytics {
    core: Arc<Core>,
}

struct Core {
    kv: Kv,
    before_write: BeforeFlush,
    /// By partition. Held by the one writer.
    positions: Mutex<Vec<Option<Offset>>>,
    /// By dimension: no row begins before. Neither a walk nor a retention has to step over the
    /// remains of what was forgotten.
    oldest: [AtomicI64; Dimension::ALL.len()],
}

impl EmbeddedAnalytics {
    /// Opens the rows in `data_dir`, or creates them. Damaged ones are moved aside, see
    /// [`rebuilt`](Self::rebuilt).
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or the disk does not answer; `Full`.
    pub fn open(data_dir: &Path, options: AnalyticsOptions) -> Result<Self, PortError> {
        let kv = Kv::open(data_dir.join(DIR), &SHAPE, options.reserve_bytes)?;
        let positions = kv.read(|opened| load_positions(&kv, opened))?;
        let core = Core {
            kv,
            before_write: options.before_write,
            positions: Mutex::new(positions),
            oldest: Dimension::ALL.map(|_| AtomicI64::new(i64::MIN)),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Whether a damaged database was moved aside, to `analytics.damaged-<n>`, and an empty one
    /// begun: there is no position, so `window-rows` is read again as far as it is kept. Rows of
    /// older windows are in what was moved aside, if anywhere.
    pub fn rebuilt(&self) -> bool {
        self.core.kv.moved_aside() > 0
    }

    /// Whether a write has failed, so that nothing is written before a [`reopen`](Self::reopen).
    pub fn needs_reopen(&self) -> bool {
        self.core.kv.has_failed()
    }

    /// Makes everything upserted so far survive a power cut: to be called before the part of the
    /// log that it stands for is deleted.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub fn sync(&self) -> Result<(), PortError> {
        self.core.kv.sync()
    }

    /// Closes the database and opens it again, the way out after a failed write. The failed write
    /// may turn out to be there, whole.
    ///
    /// # Errors
    /// As [`open`](Self::open). It may be called again.
    pub fn reopen(&self) -> Result<(), PortError> {
        let core = &self.core;
        let mut positions = core.positions.lock();
        let load = |opened: &Opened| load_positions(&core.kv, opened);
        *positions = core.kv.reopen(load)?;
        Ok(())
    }

    /// Makes everything durable and closes. Then every call answers `Closed`.
    ///
    /// # Errors
    /// `Unavailable`; it is closed all the same.
    pub fn close(&self) -> Result<(), PortError> {
        let _no_writer = self.core.positions.lock();
        self.core.kv.close()
    }

    /// Runs what blocks on the disk where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Core) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let core = Arc::clone(&self.core);
        let joined = tokio::task::spawn_blocking(move || call(&core)).await;
        joined.unwrap_or_else(|error| {
            Err(PortError::Unavailable {
                port: PORT,
                detail: error.to_string(),
            })
        })
    }
}

fn load_positions(kv: &Kv, opened: &Opened) -> Result<Vec<Option<Offset>>, PortError> {
    let load = |partition| {
        let stored = opened.keyspaces[POSITIONS].get(keys::position_key(partition));
        match stored.map_err(|error| kv.port_error(&error))? {
            None => Ok(None),
            Some(stored) => match keys::decode_position(&stored) {
                Some(position) => Ok(Some(position)),
                None => Err(kv.damaged("position")),
            },
        }
    };
    Partition::all().map(load).collect()
}

/// A row on its way into the database.
struct Incoming<'a> {
    row: &'a WindowRow,
    place: RowCursor,
    /// Its stored form.
    value: Vec<u8>,
}

/// The newest pane of each row, by its key in `rows`.
fn newest(rows: &[WindowRow]) -> BTreeMap<Vec<u8>, Incoming<'_>> {
    let mut newest: BTreeMap<Vec<u8>, Incoming<'_>> = BTreeMap::new();
    for row in rows {
        let place = RowCursor::of(row);
        let key = keys::by_key(row.key.dimension, &place);
        if newest.get(&key).is_none_or(|held| held.row.pane < row.pane) {
            let value = stored::encode(row);
            newest.insert(key, Incoming { row, place, value });
        }
    }
    newest
}

impl Core {
    fn upsert(&self, upsert: &Upsert) -> Result<(), PortError> {
        check_upsert(upsert)?;
        let incoming = newest(&upsert.rows);
        let bytes = incoming
            .iter()
            .map(|(key, one)| 2 * (key.len() + one.value.len()) + 64);
        let room = Room::Takes(bytes.sum());
        (self.before_write)()?;
        let mut positions = self.positions.lock();
        let found = positions[upsert.partition.at()];
        if found != upsert.expected {
            return Err(upsert.mismatch(found));
        }
        for row in &upsert.rows {
            let oldest = &self.oldest[row.key.dimension as usize];
            oldest.fetch_min(row.window.start.0, Ordering::SeqCst);
        }
        self.kv.write(room, PersistMode::Buffer, |opened, batch| {
            for (key, one) in incoming {
                self.put(opened, batch, key, one)?;
            }
            let key = keys::position_key(upsert.partition);
            let stored = keys::encode_position(upsert.next);
            batch.insert(&opened.keyspaces[POSITIONS], key, stored);
            Ok(())
        })?;
        positions[upsert.partition.at()] = Some(upsert.next);
        Ok(())
    }

    fn put(
        &self,
        opened: &Opened,
        batch: &mut OwnedWriteBatch,
        key: Vec<u8>,
        one: Incoming<'_>,
    ) -> Result<(), PortError> {
        let held = opened.keyspaces[ROWS].get(&key);
        if let Some(held) = held.map_err(|error| self.kv.port_error(&error))?
            && self.decode(&held)?.pane >= one.row.pane
        {
            return Ok(());
        }
        let by_period = keys::by_period(one.row.key.dimension, &one.place);
        // The pane is remembered in `rows`; the place in `periods` stays for the retention.
        let told = if one.row.measures.is_empty() {
            &[]
        } else {
            &one.value[..]
        };
        batch.insert(&opened.keyspaces[PERIODS], by_period, told);
        batch.insert(&opened.keyspaces[ROWS], key, one.value);
        Ok(())
    }

    fn position(&self, partition: Partition) -> Result<Option<Offset>, PortError> {
        check_partition(partition)?;
        let positions = self.positions.lock();
        self.kv.read(|_| Ok(positions[partition.at()]))
    }

    fn retain(&self, before: EventTime) -> Result<u64, PortError> {
        let mut forgotten = 0;
        for dimension in Dimension::ALL {
            loop {
                let count = self.retain_some(dimension, before)?;
                forgotten += count as u64;
                if count < RETAIN_BATCH {
                    break;
                }
            }
        }
        Ok(forgotten)
    }

    /// Forgets up to [`RETAIN_BATCH`] rows of a dimension; fewer when they were the last.
    fn retain_some(&self, dimension: Dimension, before: EventTime) -> Result<usize, PortError> {
        // No row may come between the walk and the note of where it ended.
        let _no_writer = self.positions.lock();
        let oldest = self.oldest_of(dimension);
        if before <= oldest {
            return Ok(0);
        }
        let letter = [keys::letter(dimension)];
        let [first, end] = [oldest, before].map(|at| keys::with_times(&letter, at, None));
        let forget = |opened: &Opened, batch: &mut OwnedWriteBatch| {
            let [rows, periods] = [ROWS, PERIODS].map(|at| &opened.keyspaces[at]);
            let (mut count, mut last) = (0, None);
            for stored in periods.range(first..end).take(RETAIN_BATCH) {
                let key = stored.key().map_err(|error| self.kv.port_error(&error))?;
                let place = keys::place_of(&key);
                let place = place.ok_or_else(|| self.kv.damaged("key of a row"))?;
                batch.remove(rows, keys::by_key(dimension, &place));
                batch.remove(periods, key);
                count += 1;
                last = Some(place.window.start);
            }
            Ok((count, last))
        };
        let (count, last) = self.kv.write(Room::Frees, PersistMode::Buffer, forget)?;
        // After a full batch there may be more rows that begin when its last one did.
        let none_before = last.filter(|_| count == RETAIN_BATCH).unwrap_or(before);
        self.oldest[dimension as usize].store(none_before.0, Ordering::SeqCst);
        Ok(count)
    }

    fn oldest_of(&self, dimension: Dimension) -> EventTime {
        EventTime(self.oldest[dimension as usize].load(Ordering::SeqCst))
    }
}

impl AnalyticsStore for EmbeddedAnalytics {
    fn upsert(&self, upsert: Upsert) -> PortFuture<'_, ()> {
        Box::pin(self.blocking(move |core| core.upsert(&upsert)))
    }

    fn position(&self, partition: Partition) -> PortFuture<'_, Option<Offset>> {
        Box::pin(self.blocking(move |core| core.position(partition)))
    }

    fn rows(&self, query: RowQuery) -> PortFuture<'_, RowPage> {
        Box::pin(self.blocking(move |core| {
            check_query(&query)?;
            core.page(&query)
        }))
    }

    fn retain(&self, before: EventTime) -> PortFuture<'_, u64> {
        Box::pin(self.blocking(move |core| core.retain(before)))
    }
}
