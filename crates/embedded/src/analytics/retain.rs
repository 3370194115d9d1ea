//! Forgetting rows that began long ago.

use super::keys::{self, Layout};
use super::{Core, PERIODS, ROWS};
use crate::kv::{Opened, Room};
use fjall::{OwnedWriteBatch, PersistMode};
use std::sync::atomic::Ordering;
use vitrina_ports::PortError;
use vitrina_types::row::Dimension;
use vitrina_types::time::EventTime;

/// Rows forgotten in one batch; flushes go on between two.
pub(super) const RETAIN_BATCH: usize = 5_000;

impl Core {
    pub(super) fn retain(&self, before: EventTime) -> Result<u64, PortError> {
        self.flush_if_room()?;
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
        let _no_flush = self.one_flush.lock();
        let oldest = self.oldest_of(dimension);
        if before <= oldest {
            return Ok(0);
        }
        let letter = [keys::letter(dimension)];
        let [first, end] = [oldest, before].map(|at| keys::with_times(&letter, at, None));
        let (count, last) = self
            .kv
            .write(Room::Frees, PersistMode::Buffer, |opened, batch| {
                self.forget(opened, batch, first, end)
            })?;
        // After a full batch there may be more rows that begin when its last one did.
        let none_before = last.filter(|_| count == RETAIN_BATCH).unwrap_or(before);
        self.oldest[dimension as usize].store(none_before.0, Ordering::SeqCst);
        Ok(count)
    }

    /// Removes rows of a stretch of `periods`, each with all its panes: of a row that is there by
    /// half, an older pane would come up. Answers how many, and when the last one began.
    fn forget(
        &self,
        opened: &Opened,
        batch: &mut OwnedWriteBatch,
        first: Vec<u8>,
        end: Vec<u8>,
    ) -> Result<(usize, Option<EventTime>), PortError> {
        let [rows, periods] = [ROWS, PERIODS].map(|at| &opened.keyspaces[at]);
        let damaged = || self.kv.damaged("key of a row");
        let (mut count, mut last) = (0, Vec::new());
        for stored in periods.range(first..end) {
            let key = stored.key().map_err(|error| self.kv.port_error(&error))?;
            let (place, _) = Layout::ByPeriod.split(&key).ok_or_else(damaged)?;
            if place != last {
                if count == RETAIN_BATCH {
                    break;
                }
                count += 1;
                last = place.to_vec();
            }
            batch.remove(rows, self.turned(Layout::ByPeriod, &key)?);
            batch.remove(periods, key);
        }
        let began = keys::window_of(&last, 1).map(|window| window.start);
        Ok((count, began))
    }

    pub(super) fn oldest_of(&self, dimension: Dimension) -> EventTime {
        EventTime(self.oldest[dimension as usize].load(Ordering::SeqCst))
    }
}
