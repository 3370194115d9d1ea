//! What is at hand of one partition: a run of records without a hole, and how far it reaches.
//!
//! The law: `records` are all records for readers in `from..to`, markers left out.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use vitrina_ports::PortError;
use vitrina_ports::log::{Bounds, LogRecord, Offset};

/// Bytes above which no more records are taken from the library.
const SHELF_BYTES_MAX: usize = 768 * 1_024;
/// Bytes of records already read that are kept for whoever reads them again.
const KEPT_BYTES_MAX: usize = 256 * 1_024;

/// One partition.
#[derive(Default)]
pub(super) struct Shelf {
    /// One reader at a time, so that two of them do not move the cursor to and fro.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Something about the stock has changed.
    pub(super) news: Notify,
    stock: Mutex<Stock>,
    start: AtomicU64,
    end: AtomicU64,
}

#[derive(Default)]
struct Stock {
    records: VecDeque<LogRecord>,
    bytes: usize,
    from: Offset,
    to: Offset,
    /// Whether a cursor stands at `to`.
    is_followed: bool,
    /// Whether the library has nothing more at the moment.
    is_drained: bool,
    error: Option<PortError>,
}

/// What a look at the shelf comes to.
pub(super) enum Look {
    /// These, and there is no reason to wait for more.
    Found(Vec<LogRecord>),
    /// There is nothing before the target.
    Nothing,
    /// Some, but fewer than asked for: more may come at once.
    Some,
    /// Nothing yet.
    Wait,
    /// The cursor stands elsewhere.
    Elsewhere,
    /// The cursor failed.
    Failed(PortError),
}

impl Shelf {
    /// What there is to read.
    pub(super) fn bounds(&self) -> Bounds {
        let start = self.start.load(Ordering::Acquire);
        Bounds {
            start,
            end: self.end.load(Ordering::Acquire).max(start),
        }
    }

    /// There is something before `end`; answers whether that is news.
    pub(super) fn raise_end(&self, end: Offset) -> bool {
        self.end.fetch_max(end, Ordering::AcqRel) < end
    }

    /// Retention has taken what is before `start`.
    pub(super) fn raise_start(&self, start: Offset) {
        self.start.fetch_max(start, Ordering::AcqRel);
    }

    /// Looks for records from `from` on. `is_patient` when fewer than `bytes_max` will not do yet.
    /// The second answer: whether there is room for more than there was.
    pub(super) fn look(
        &self,
        from: Offset,
        bytes_max: usize,
        target: Offset,
        is_patient: bool,
    ) -> (Look, bool) {
        let mut stock = self.stock.lock();
        if let Some(error) = stock.error.take() {
            stock.is_followed = false;
            return (Look::Failed(error), false);
        }
        if !stock.is_followed || from < stock.from || from > stock.to {
            return (Look::Elsewhere, false);
        }
        let first = stock.records.partition_point(|one| one.offset < from);
        let (mut bytes, mut count) = (0, 0);
        for record in stock.records.iter().skip(first) {
            bytes += record.bytes.len();
            if bytes > bytes_max && count > 0 {
                break;
            }
            count += 1;
        }
        let is_all = first + count == stock.records.len();
        if is_all && stock.to < target {
            // Also of a full shelf, all of which was read: room is made, and more comes.
            if count == 0 {
                return (Look::Wait, stock.make_room(from));
            }
            if !stock.is_full() && is_patient && bytes < bytes_max {
                return (Look::Some, stock.make_room(from));
            }
        }
        if count == 0 {
            return (Look::Nothing, stock.make_room(from));
        }
        let found = stock.records.iter().skip(first).take(count);
        let found = found.cloned().collect();
        (Look::Found(found), stock.make_room(from))
    }

    /// The cursor begins at `from`.
    pub(super) fn begin(&self, from: Offset) {
        let mut stock = self.stock.lock();
        *stock = Stock {
            from,
            to: from,
            is_followed: true,
            ..Stock::default()
        };
    }

    /// Bytes that may be taken from the library.
    pub(super) fn room(&self) -> usize {
        SHELF_BYTES_MAX.saturating_sub(self.stock.lock().bytes)
    }

    /// Adds what was taken; answers the new `to`.
    pub(super) fn fill(&self, records: Vec<LogRecord>, is_drained: bool) -> Offset {
        let mut stock = self.stock.lock();
        stock.is_drained = is_drained;
        if let Some(last) = records.last() {
            stock.to = last.offset + 1;
        }
        stock.bytes += records.iter().map(cost).sum::<usize>();
        stock.records.extend(records);
        stock.to
    }

    /// Everything before `position` was passed, markers as well.
    pub(super) fn passed(&self, position: Offset) {
        let mut stock = self.stock.lock();
        if stock.is_followed && stock.is_drained {
            stock.to = stock.to.max(position);
        }
    }

    /// Whether the cursor waits for something that is known to be there.
    pub(super) fn is_behind(&self) -> bool {
        let stock = self.stock.lock();
        stock.is_followed && stock.is_drained && stock.to < self.end.load(Ordering::Acquire)
    }

    /// The cursor failed.
    pub(super) fn fail(&self, error: PortError) {
        self.stock.lock().error = Some(error);
    }
}

/// What a record takes of a shelf, empty ones too.
fn cost(record: &LogRecord) -> usize {
    record.bytes.len() + size_of::<LogRecord>()
}

impl Stock {
    fn is_full(&self) -> bool {
        self.bytes >= SHELF_BYTES_MAX
    }

    /// Forgets what is before `from`, as far as it is more than is kept.
    fn make_room(&mut self, from: Offset) -> bool {
        while self.bytes > KEPT_BYTES_MAX
            && let Some(first) = self.records.front()
            && first.offset < from
        {
            self.from = first.offset + 1;
            self.bytes -= cost(first);
            self.records.pop_front();
        }
        !self.is_drained && !self.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn records(offsets: impl IntoIterator<Item = Offset>, bytes: usize) -> Vec<LogRecord> {
        let record = |offset| LogRecord {
            offset,
            bytes: Bytes::from(vec![7; bytes]),
        };
        offsets.into_iter().map(record).collect()
    }

    fn offsets(look: &Look) -> Vec<Offset> {
        match look {
            Look::Found(records) => records.iter().map(|one| one.offset).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn markers_are_passed_only_when_the_cursor_has_passed_them() {
        let shelf = Shelf::default();
        shelf.begin(0);
        shelf.fill(records([0, 1], 10), true);
        shelf.raise_end(3);
        assert!(matches!(shelf.look(2, 100, 3, false).0, Look::Wait));
        shelf.passed(3);
        assert!(matches!(shelf.look(2, 100, 3, false).0, Look::Nothing));
        assert_eq!(offsets(&shelf.look(0, 100, 3, false).0), [0, 1]);
        assert!(matches!(shelf.look(4, 100, 5, false).0, Look::Elsewhere));
    }

    /// Nothing there and nothing here yet are not the same.
    #[test]
    fn a_full_shelf_that_was_read_is_not_the_end() {
        let shelf = Shelf::default();
        shelf.begin(0);
        shelf.fill(records(0..20, 64 * 1_024), false);
        let (look, has_room) = shelf.look(20, 1, 40, false);
        assert!(matches!(look, Look::Wait));
        assert!(has_room);
    }

    #[test]
    fn what_was_read_is_kept_up_to_a_bound() {
        let shelf = Shelf::default();
        shelf.begin(0);
        shelf.fill(records(0..20, 64 * 1_024), false);
        assert_eq!(shelf.room(), 0);
        let (_, has_room) = shelf.look(0, 1, 20, false);
        assert!(!has_room, "nothing was read yet");
        let (found, has_room) = shelf.look(19, 1, 20, false);
        assert_eq!(offsets(&found), [19]);
        assert!(has_room);
        assert!(matches!(shelf.look(0, 1, 20, false).0, Look::Elsewhere));
        assert_eq!(offsets(&shelf.look(17, 1, 20, false).0), [17]);
    }
}
