//! Resident rows that are open.
//!
//! A row is told when the watermark passes the end of its window, again when something was added
//! since, and closed when its grace is over. What comes for a row that is closed opens another
//! part of it, so nothing is remembered for what is closed.

use super::book::Book;
use super::lane::Lane;
use crate::resident::Resident;
use vitrina_types::row::{Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::state::RowCell;
use vitrina_types::stored::StoredError;
use vitrina_types::time::Progress;

/// Rows by lane, window and key.
#[derive(Default)]
pub struct Rows {
    book: Book<RowKey, RowCell>,
}

impl Rows {
    /// Adds to the row of a key in a window; where none is open, opens one as `part`. O(1) besides
    /// merging.
    pub fn merge(
        &mut self,
        lane: Lane,
        window: TimeWindow,
        key: &RowKey,
        part: u64,
        measures: &Measures,
    ) {
        let make = || RowCell {
            part,
            ..RowCell::default()
        };
        let row = self.book.cell(lane, window, key, make);
        row.is_told = false;
        row.measures.merge(measures);
    }

    /// Tells and closes what is due, at most `limit` rows, in order of lane, window and key.
    /// Answers whether more is due.
    ///
    /// * Told is a row that changed since it was told, once the watermark of its lane has passed
    ///   the end of its window.
    /// * Closed is a row whose window ended `grace_ms` before the watermark; of old data, one
    ///   whose window has ended.
    ///
    /// O(windows) besides what is told and closed; keys are sorted when they fall due.
    pub fn take_due(
        &mut self,
        progress: Progress,
        grace_ms: i64,
        limit: usize,
        mut each: impl FnMut(&WindowRow),
    ) -> bool {
        let mut left = limit;
        for lane in Lane::ALL {
            let mut place = 0;
            while let Some((window, sheet)) = self.book.pages(lane).get_mut(place) {
                let window = *window;
                let closes = is_closed(lane, window, progress, grace_ms);
                let is_due = lane.passed(progress, window.end) && (closes || sheet.waiting() > 0);
                if !is_due {
                    place += 1;
                } else if left == 0 {
                    return true;
                } else if closes {
                    // The page goes with its last row.
                    left -= self.book.take_first(lane, place, left, |window, key, row| {
                        if !row.is_told {
                            each(&pane(key, window, row));
                        }
                    });
                } else if let Some((key, row)) = sheet.tell_waiting() {
                    left -= 1;
                    tell(key, window, row, &mut each);
                }
            }
        }
        false
    }
}

/// Tells a row that stays open.
fn tell(key: &RowKey, window: TimeWindow, row: &mut RowCell, each: &mut impl FnMut(&WindowRow)) {
    let told = pane(key.clone(), window, std::mem::take(row));
    each(&told);
    *row = RowCell {
        measures: told.measures,
        part: told.part,
        pane: told.pane.saturating_add(1),
        is_told: true,
    };
}

/// Whether a row of the window takes nothing more.
pub(super) fn is_closed(lane: Lane, window: TimeWindow, progress: Progress, grace_ms: i64) -> bool {
    match lane {
        Lane::Live => lane.passed(progress, window.end.plus_ms(grace_ms.max(0))),
        Lane::Backfill => lane.passed(progress, window.end),
    }
}

fn pane(key: RowKey, window: TimeWindow, row: RowCell) -> WindowRow {
    WindowRow {
        key,
        window,
        part: row.part,
        pane: row.pane,
        measures: row.measures,
    }
}

impl Resident for Rows {
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        self.book.load(key, value, |row| !row.is_told)
    }

    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        self.book.take_changes(each);
    }

    fn open(&self) -> usize {
        self.book.windows()
    }
}
