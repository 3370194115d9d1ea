//! From memory to the database.
//!
//! Few rows go as one batch with their positions. Many go past journal and memtable, one layout
//! after the other, and the positions behind them: a crash between leaves rows that are beyond
//! their position, which are read again and change nothing. `periods` goes first, for retention
//! finds by it what to forget: what stood in `rows` alone could stay for ever.

use super::keys::{self, Layout};
use super::waiting::{Batches, Newest};
use super::{Core, PERIODS, POSITIONS, ROWS};
use crate::kv::{Opened, Room};
use fjall::{OwnedWriteBatch, PersistMode, Slice};
use std::sync::atomic::Ordering;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;

/// What a row or a position takes in a journal besides key and value, about.
const OVERHEAD_BYTES: usize = 64;

/// What a flush changes besides the rows it adds.
#[derive(Default)]
pub(super) struct Besides {
    /// Keys of panes that do not count any more, in `rows` and in `periods`.
    superseded: Vec<[Vec<u8>; 2]>,
    moved: Vec<(Partition, Offset)>,
}

impl Core {
    /// Writes all that was upserted before the call. After an error it waits for the next one.
    pub(super) fn flush(&self) -> Result<(), PortError> {
        if self.waiting.lock().is_written() {
            return Ok(());
        }
        let _one = self.one_flush.lock();
        let (rows, positions, moved) = {
            let mut waiting = self.waiting.lock();
            if waiting.is_written() {
                return Ok(());
            }
            waiting.freeze()
        };
        (self.options.before_write)()?;
        self.write(&rows, moved)?;
        self.waiting.lock().arrived(positions);
        Ok(())
    }

    /// The same, for those who can do without what is not written: a full disk keeps nobody from
    /// reading or forgetting what is there.
    pub(super) fn flush_if_room(&self) -> Result<(), PortError> {
        match self.flush() {
            Err(PortError::Full { .. }) => Ok(()),
            flushed => flushed,
        }
    }

    fn write(&self, rows: &Batches, moved: Vec<(Partition, Offset)>) -> Result<(), PortError> {
        for (told, oldest) in self.oldest.iter().zip(rows.oldest()) {
            told.fetch_min(oldest.0, Ordering::SeqCst);
        }
        let newest = rows.newest();
        let superseded = self
            .kv
            .read(|opened| Ok(self.superseded(opened, &newest)))?;
        let besides = Besides { superseded, moved };
        let overheads = 2 * newest.len() + 2 * besides.superseded.len() + besides.moved.len();
        let bytes = 2 * rows.bytes() + overheads * OVERHEAD_BYTES;
        // For all of it at once: a half that was written would be written again the next time.
        self.kv.check_room(Room::Takes(bytes))?;
        if rows.bytes() < self.options.bulk_bytes_min {
            self.write_batch(&newest, &besides, bytes)
        } else {
            self.write_tables(&newest, &besides, rows.bytes())
        }
    }

    fn write_batch(
        &self,
        newest: &Newest<'_>,
        besides: &Besides,
        bytes: usize,
    ) -> Result<(), PortError> {
        let room = Room::Takes(bytes);
        self.kv.write(room, PersistMode::Buffer, |opened, batch| {
            let [rows, periods] = [ROWS, PERIODS].map(|at| &opened.keyspaces[at]);
            for (key, value) in newest.by_key() {
                batch.insert(rows, key, value);
                batch.insert(periods, self.turned(Layout::ByKey, key)?, value);
            }
            besides.put(opened, batch);
            Ok(())
        })
    }

    pub(super) fn write_tables(
        &self,
        newest: &Newest<'_>,
        besides: &Besides,
        bytes: usize,
    ) -> Result<(), PortError> {
        let by_period = newest.by_period();
        let pairs = by_period.map(|(key, value)| (key, Some(Slice::from(value))));
        self.kv.ingest(bytes, PERIODS, pairs)?;
        let by_key = newest.by_key();
        let pairs = by_key.map(|(key, value)| (key, Some(Slice::from(value))));
        self.kv.ingest(bytes, ROWS, pairs)?;
        let room = Room::Takes(besides.moved.len() * OVERHEAD_BYTES);
        self.kv.write(room, PersistMode::Buffer, |opened, batch| {
            besides.put(opened, batch);
            Ok(())
        })
    }

    /// Stored panes that do not count once these rows are there. Looked for only where a row is
    /// told again, which is seldom: else all its panes would stay as long as it. What cannot be
    /// read is left alone, for nothing but room depends on it.
    fn superseded(&self, opened: &Opened, newest: &Newest<'_>) -> Vec<[Vec<u8>; 2]> {
        let mut superseded = Vec::new();
        for (key, _) in newest.by_key() {
            let parts = keys::parts_of(key).filter(|parts| parts.pane > 0);
            let Some(parts) = parts else {
                continue;
            };
            for stored in opened.keyspaces[ROWS].range(parts.place..key) {
                let Ok((held, value)) = stored.into_inner() else {
                    break;
                };
                // Whatever has a tail and sorts before does not count.
                let is_older = held.len() > parts.place.len()
                    || self.decode(&value).is_ok_and(|row| row.pane < parts.pane);
                if let Some(in_periods) = Layout::ByKey.turned(&held).filter(|_| is_older) {
                    superseded.push([held.to_vec(), in_periods]);
                }
            }
        }
        superseded
    }

    /// A key of one layout in the other one.
    pub(super) fn turned(&self, layout: Layout, key: &[u8]) -> Result<Vec<u8>, PortError> {
        let turned = layout.turned(key);
        turned.ok_or_else(|| self.kv.damaged("key of a row"))
    }
}

impl Besides {
    fn put(&self, opened: &Opened, batch: &mut OwnedWriteBatch) {
        for [key, in_periods] in &self.superseded {
            batch.remove(&opened.keyspaces[ROWS], &key[..]);
            batch.remove(&opened.keyspaces[PERIODS], &in_periods[..]);
        }
        for &(partition, position) in &self.moved {
            let key = keys::position_key(partition);
            let stored = keys::encode_position(position);
            batch.insert(&opened.keyspaces[POSITIONS], key, stored);
        }
    }
}
