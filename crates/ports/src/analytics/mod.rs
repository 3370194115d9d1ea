//! Window rows, kept for those who look at them: one key over time, or all keys of a period.

use crate::log::Offset;
use crate::{PortError, PortFuture};
use std::sync::Arc;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::row::{Dimension, ROW_ID_BYTES_MAX, TimeWindow, WindowRow};
use vitrina_types::time::EventTime;

pub mod memory;
pub mod suite;

/// Rows one [`AnalyticsStore::upsert`] may carry.
pub const UPSERT_ROWS_MAX: usize = 10_000;
/// Rows one page of [`AnalyticsStore::rows`] may hold.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// Window rows, and how far a partition of `window-rows` has come with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// The partition of `window-rows` that the rows were read from.
    pub partition: Partition,
    /// The position the writer built on; `None` when there is none yet.
    pub expected: Option<Offset>,
    /// The position after it: the next offset to be read.
    pub next: Offset,
    /// The rows, in any order; several panes of one are fine.
    pub rows: Vec<WindowRow>,
}

impl Upsert {
    /// The refusal of this upsert by a store that stands at `found`.
    pub fn mismatch(&self, found: Option<Offset>) -> PortError {
        PortError::PositionMismatch {
            what: format!("analytics on window-rows/{}", self.partition.0),
            expected: self.expected.unwrap_or(0),
            found: found.unwrap_or(0),
        }
    }
}

/// Where a row stands among the rows of its dimension. Rows are answered in this order: by begin
/// of the window, its end, the id bytewise, the part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowCursor {
    /// The row's window.
    pub window: TimeWindow,
    /// The row's id.
    pub id: Box<str>,
    /// The row's part.
    pub part: u64,
}

impl RowCursor {
    /// Where `row` stands.
    pub fn of(row: &WindowRow) -> Self {
        Self {
            window: row.window,
            id: row.key.id.clone(),
            part: row.part,
        }
    }
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowQuery {
    /// What they are about.
    pub dimension: Dimension,
    /// Only those of this id; `None` for all.
    pub id: Option<String>,
    /// Windows that begin at or after this moment …
    pub from: EventTime,
    /// … and before this one.
    pub to: EventTime,
    /// Only windows of this length, in ms; `None` for all.
    pub window_ms: Option<i64>,
    /// Only rows after this place: the [`RowPage::next`] of the page before.
    pub after: Option<RowCursor>,
    /// At most so many rows, up to [`PAGE_ROWS_MAX`]. 0 is taken for 1.
    pub limit: usize,
}

impl RowQuery {
    /// Whether `row` is one of those asked for, on this page or another.
    pub fn admits(&self, row: &WindowRow) -> bool {
        row.key.dimension == self.dimension
            && self.id.as_deref().is_none_or(|id| id == &*row.key.id)
            && (self.from..self.to).contains(&row.window.start)
            && self.admits_length(row.window)
    }

    /// Whether windows of this length are asked for.
    pub fn admits_length(&self, window: TimeWindow) -> bool {
        self.window_ms.is_none_or(|ms| ms == window.length_ms())
    }
}

/// Some rows, in the order of [`RowCursor`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowPage {
    /// The rows. There may be fewer than the limit, even none, before the last page.
    pub rows: Vec<WindowRow>,
    /// Where the next page goes on; `None` when this was the last one.
    pub next: Option<RowCursor>,
}

/// A store of window rows, written by a sink that keeps its position here.
///
/// Laws, checked by [`suite`] for every adapter:
/// * an upsert is all or nothing, rows and position; a read never sees half of one;
/// * of each (key, window, part) the newest pane counts, whatever the order and grouping in which
///   panes came; of equal panes the first;
/// * a row without measures is not answered, but its pane counts: no older one comes back;
/// * pages join to all rows asked for, each once, as long as nobody writes; while somebody does,
///   a row that is there all the time is still answered exactly once;
/// * after a crash the store stands at some upsert, possibly not the last.
pub trait AnalyticsStore: Send + Sync {
    /// Keeps rows and moves the position of their partition, or does nothing. A tail of upserts
    /// may be lost in a crash: the sink goes on from [`position`](Self::position).
    ///
    /// # Errors
    /// `PositionMismatch` when the stored position is not `upsert.expected`; `TooLarge` above
    /// [`UPSERT_ROWS_MAX`] rows or [`ROW_ID_BYTES_MAX`] bytes of an id; `Full`; `Unavailable`.
    fn upsert(&self, upsert: Upsert) -> PortFuture<'_, ()>;

    /// The next offset of this partition of `window-rows` to be read; `None` before the first
    /// upsert.
    fn position(&self, partition: Partition) -> PortFuture<'_, Option<Offset>>;

    /// Some of the rows asked for. The work of one call is bounded, also where few of many rows
    /// are asked for: then pages are short.
    ///
    /// # Errors
    /// `TooLarge` when the limit is above [`PAGE_ROWS_MAX`]; `Damaged`; `Unavailable`.
    fn rows(&self, query: RowQuery) -> PortFuture<'_, RowPage>;

    /// Forgets every row whose window began before this moment, with the pane that was
    /// remembered. What is upserted later is kept until the next call, however old. Answers how
    /// many rows were forgotten, those without measures included.
    fn retain(&self, before: EventTime) -> PortFuture<'_, u64>;
}

/// Refuses an upsert over the limits.
///
/// # Errors
/// `TooLarge`.
pub fn check_upsert(upsert: &Upsert) -> Result<(), PortError> {
    within("rows", upsert.rows.len(), UPSERT_ROWS_MAX)?;
    check_partition(upsert.partition)?;
    for row in &upsert.rows {
        within("bytes of an id", row.key.id.len(), ROW_ID_BYTES_MAX)?;
    }
    Ok(())
}

/// Refuses a partition that `window-rows` has not.
///
/// # Errors
/// `TooLarge`.
pub fn check_partition(partition: Partition) -> Result<(), PortError> {
    within("partitions", partition.at() + 1, usize::from(PARTITIONS))
}

/// Refuses a page of more than [`PAGE_ROWS_MAX`] rows.
///
/// # Errors
/// `TooLarge`.
pub fn check_query(query: &RowQuery) -> Result<(), PortError> {
    within("rows", query.limit, PAGE_ROWS_MAX)
}

fn within(what: &'static str, got: usize, limit: usize) -> Result<(), PortError> {
    if got > limit {
        return Err(PortError::TooLarge { what, got, limit });
    }
    Ok(())
}

impl<A: AnalyticsStore + ?Sized> AnalyticsStore for Arc<A> {
    fn upsert(&self, upsert: Upsert) -> PortFuture<'_, ()> {
        (**self).upsert(upsert)
    }

    fn position(&self, partition: Partition) -> PortFuture<'_, Option<Offset>> {
        (**self).position(partition)
    }

    fn rows(&self, query: RowQuery) -> PortFuture<'_, RowPage> {
        (**self).rows(query)
    }

    fn retain(&self, before: EventTime) -> PortFuture<'_, u64> {
        (**self).retain(before)
    }
}
