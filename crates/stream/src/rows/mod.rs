//! Exact sums over windows of event time, in two steps: tasks by product sum up what happened
//! until the watermark passes the end of a window, tasks by row add that up and tell it.
//!
//! The law: what is told in the end, all parts of a row added up, depends on the events alone, not
//! on the order in which they arrived, on where tasks stopped or on how far they were apart. Only
//! what comes after the grace of its window is left out, and counted as late.

mod book;
mod gather;
mod lane;
mod line;
mod lines;
mod partials;
mod scan;
mod sheet;
mod stage;
mod table;
mod windowing;

pub use gather::{FINISHED, Gather};
pub use lane::Lane;
pub use line::Line;
pub use lines::LineStage;
pub use partials::Partials;
pub use stage::RowStage;
pub use table::Rows;
pub use windowing::Windowing;

use crate::resident::Resident;
use vitrina_types::event::KindTag;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::row::Measures;
use vitrina_types::stored::StoredError;

/// Sums or rows that are told for one record at most: what is due beyond waits for the next one,
/// so that no record takes long and no transaction grows large.
pub const ROWS_PER_RECORD: usize = 4_096;

/// What is told as time goes on, and how far it has come.
#[derive(Default)]
pub struct Gathered<T> {
    /// How far.
    pub gather: Gather,
    /// What is still to be told.
    pub open: T,
}

impl<T: Resident> Resident for Gathered<T> {
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        if key == Gather::KEY {
            self.gather.load(value)
        } else {
            self.open.load(key, value)
        }
    }

    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        self.gather.take_changes(each);
        self.open.take_changes(each);
    }

    fn open(&self) -> usize {
        self.open.open()
    }
}

/// Counts one event in `measures`: `pieces` where something was bought or came back.
#[inline]
pub(crate) fn count(
    measures: &mut Measures,
    kind: KindTag,
    value: Option<(Currency, Amount)>,
    pieces: u32,
    visitor: Option<u64>,
) {
    measures.add(kind, value, visitor);
    let pieces = i64::from(pieces);
    measures.pieces = match kind.name() {
        "purchase" => measures.pieces.saturating_add(pieces),
        "return" => measures.pieces.saturating_sub(pieces),
        _ => measures.pieces,
    };
}
