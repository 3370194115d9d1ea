//! One page of rows: a walk over one of the two layouts, with an end to its work.

use super::keys::{self, Layout};
use super::{Core, PERIODS, ROWS};
use crate::kv::Opened;
use fjall::{Readable, Slice, Snapshot};
use std::ops::Bound;
use vitrina_ports::PortError;
use vitrina_ports::analytics::{RowCursor, RowPage, RowQuery};
use vitrina_types::row::{TimeWindow, WindowRow};
use vitrina_types::stored;
use vitrina_types::time::EventTime;

/// Stored panes one call may pass without answering them; then its page is short, but ends
/// behind all panes of a row.
const PASSED_MAX: usize = 10_000;
/// Rows of another length passed one by one before the next of the right length is sought.
const STEPS_MAX: usize = 8;
/// What seeking costs, in rows passed.
const SEEK_COST: usize = 8;

/// Which stored rows are left to look at.
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A walk over the rows of one id, in `rows`, or of a dimension, in `periods`.
struct Walk<'a> {
    core: &'a Core,
    opened: &'a Opened,
    snapshot: Snapshot,
    query: &'a RowQuery,
    layout: Layout,
    /// What every key begins with, up to the window.
    prefix: Vec<u8>,
    /// The row whose panes are walked over.
    held: Option<Held>,
    /// A key of the last row that was looked at.
    last: Option<Slice>,
    passed: usize,
    page: RowPage,
}

/// A row, as far as its panes were met.
struct Held {
    key: Slice,
    place_bytes: usize,
    /// The last pane met; `None` in a key without a tail.
    pane: Option<u32>,
    value: Slice,
    /// Value of the key without a tail, where others followed it.
    untailed: Option<Slice>,
}

impl Held {
    fn place(&self) -> &[u8] {
        &self.key[..self.place_bytes]
    }

    /// Meets another pane of the row.
    fn meet(&mut self, pane: Option<u32>, value: Slice) {
        let before = std::mem::replace(&mut self.value, value);
        if self.pane.is_none() {
            self.untailed = Some(before);
        }
        self.pane = pane;
    }
}

/// How a part of the walk ended.
enum End {
    /// At the end of what is asked for.
    Reached,
    /// With a full page, or after enough work.
    Paused,
    /// On rows of another length: the next of the right one lies from there on.
    Elsewhere(Vec<u8>),
}

impl Core {
    /// The page that `query` asks for, of what was flushed.
    pub(super) fn page(&self, query: &RowQuery) -> Result<RowPage, PortError> {
        self.kv.read(|opened| {
            let (layout, prefix) = match &query.id {
                Some(id) => (Layout::ByKey, keys::key_prefix(query.dimension, id)),
                None => (Layout::ByPeriod, vec![keys::letter(query.dimension)]),
            };
            let walk = Walk {
                core: self,
                opened,
                snapshot: opened.db.snapshot(),
                query,
                layout,
                prefix,
                held: None,
                last: None,
                passed: 0,
                page: RowPage::default(),
            };
            walk.run()
        })
    }
}

impl Walk<'_> {
    fn run(mut self) -> Result<RowPage, PortError> {
        // After the snapshot: a flush that is in it has told of its oldest row before.
        let oldest = self.core.oldest_of(self.query.dimension);
        let Some((mut first, end)) = self.range(self.query.from.max(oldest)) else {
            return Ok(self.page);
        };
        let keyspace = match self.layout {
            Layout::ByKey => &self.opened.keyspaces[ROWS],
            Layout::ByPeriod => &self.opened.keyspaces[PERIODS],
        };
        loop {
            let stored = self.snapshot.range(keyspace, (first, end.clone()));
            match self.walk(stored)? {
                End::Reached => return Ok(self.page),
                End::Paused => {
                    let last = self.last.as_deref().map(|key| self.cursor(key));
                    self.page.next = last.transpose()?;
                    return Ok(self.page);
                }
                End::Elsewhere(sought) => first = Bound::Included(sought),
            }
        }
    }

    /// Keys from `from` or behind the page before, up to the end of the period; `None` when that
    /// is nothing.
    fn range(&self, from: EventTime) -> Option<Range> {
        let after = self.query.after.as_ref();
        let after = after.filter(|after| after.window.start >= from);
        let start = after.map_or(from, |after| after.window.start);
        if start >= self.query.to {
            return None;
        }
        let end = Bound::Excluded(keys::with_times(&self.prefix, self.query.to, None));
        let Some(after) = after else {
            let first = keys::with_times(&self.prefix, from, None);
            return Some((Bound::Included(first), end));
        };
        let dimension = self.query.dimension;
        let first = match self.query.id.as_deref() {
            None => Bound::Excluded(keys::behind(keys::by_period(dimension, after))),
            Some(id) if *id > *after.id => {
                let TimeWindow { start, end } = after.window;
                Bound::Included(keys::with_times(&self.prefix, start, Some(end)))
            }
            Some(id) => {
                let part = if id == &*after.id {
                    after.part
                } else {
                    u64::MAX
                };
                let place = RowCursor {
                    window: after.window,
                    id: id.into(),
                    part,
                };
                Bound::Excluded(keys::behind(keys::by_key(dimension, &place)))
            }
        };
        Some((first, end))
    }

    fn walk(&mut self, stored: impl Iterator<Item = fjall::Guard>) -> Result<End, PortError> {
        let mut others = 0;
        for pair in stored {
            let pair = pair.into_inner();
            let (key, value) = pair.map_err(|error| self.core.kv.port_error(&error))?;
            let (place, pane) = self.layout.split(&key).ok_or_else(|| self.damaged())?;
            if let Some(held) = self.held.as_mut().filter(|held| held.place() == place) {
                held.meet(pane, value);
                self.passed += 1;
                continue;
            }
            self.settle()?;
            let is_full = self.page.rows.len() >= self.query.limit.max(1);
            if is_full || self.passed >= PASSED_MAX {
                return Ok(End::Paused);
            }
            let window = keys::window_of(place, self.prefix.len());
            let window = window.ok_or_else(|| self.damaged())?;
            let place_bytes = place.len();
            self.last = Some(key.clone());
            if !self.query.admits_length(window) {
                self.passed += 1;
                others += 1;
                if others > STEPS_MAX {
                    self.passed += SEEK_COST;
                    return Ok(self.seek(window));
                }
                continue;
            }
            others = 0;
            self.held = Some(Held {
                key,
                place_bytes,
                pane,
                value,
                untailed: None,
            });
        }
        self.settle()?;
        Ok(End::Reached)
    }

    /// Answers the row that is held, all of whose panes were met.
    fn settle(&mut self) -> Result<(), PortError> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        let value = match &held.untailed {
            Some(untailed) if self.untailed_pane(&held, untailed)? >= held.pane => untailed,
            _ => &held.value,
        };
        match self.row(value)? {
            Some(row) => self.page.rows.push(row),
            None => self.passed += 1,
        }
        Ok(())
    }

    /// The pane of a row's key without a tail.
    fn untailed_pane(&self, held: &Held, value: &Slice) -> Result<Option<u32>, PortError> {
        if !value.is_empty() {
            return Ok(Some(self.core.decode(value)?.pane));
        }
        // Without measures; `rows` has it whole.
        let key = self.core.turned(self.layout, held.place())?;
        let whole = self.snapshot.get(&self.opened.keyspaces[ROWS], key);
        let whole = whole.map_err(|error| self.core.kv.port_error(&error))?;
        let row = whole.map(|whole| self.core.decode(&whole)).transpose()?;
        Ok(row.map(|row| row.pane))
    }

    fn damaged(&self) -> PortError {
        self.core.kv.damaged("key of a row")
    }

    /// Where a row of this key stands.
    fn cursor(&self, key: &[u8]) -> Result<RowCursor, PortError> {
        let place = self.layout.split(key);
        let cursor = place.and_then(|(place, _)| self.layout.cursor(place));
        cursor.ok_or_else(|| self.damaged())
    }

    /// Where the next row of the right length may be, behind rows of `window`.
    fn seek(&self, window: TimeWindow) -> End {
        let end = self.query.window_ms.map(|ms| window.start.plus_ms(ms));
        if end.is_some_and(|end| end > window.end) {
            return End::Elsewhere(keys::with_times(&self.prefix, window.start, end));
        }
        match window.start.0.checked_add(1) {
            Some(next) if EventTime(next) < self.query.to => {
                End::Elsewhere(keys::with_times(&self.prefix, EventTime(next), None))
            }
            _ => End::Reached,
        }
    }

    fn row(&self, value: &[u8]) -> Result<Option<WindowRow>, PortError> {
        if value.is_empty() {
            return Ok(None);
        }
        let row: WindowRow = self.core.decode(value)?;
        Ok((!row.measures.is_empty()).then_some(row))
    }
}

impl Core {
    /// Reads a stored row.
    pub(super) fn decode(&self, value: &[u8]) -> Result<WindowRow, PortError> {
        stored::decode(value).map_err(|error| self.kv.damaged(&error.to_string()))
    }
}
