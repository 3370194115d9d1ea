//! One page of rows: a walk over one of the two layouts, with an end to its work.

use super::{Core, PERIODS, ROWS, keys};
use crate::kv::Opened;
use fjall::Readable;
use std::ops::Bound;
use vitrina_ports::PortError;
use vitrina_ports::analytics::{RowCursor, RowPage, RowQuery};
use vitrina_types::row::{TimeWindow, WindowRow};
use vitrina_types::stored;
use vitrina_types::time::EventTime;

/// Stored rows one call may pass without answering them; then its page is short.
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
    query: &'a RowQuery,
    /// What every key begins with, up to the window.
    prefix: Vec<u8>,
    /// Where the last row that was looked at stands.
    last: Option<RowCursor>,
    passed: usize,
    page: RowPage,
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
    /// The page that `query` asks for.
    pub(super) fn page(&self, query: &RowQuery) -> Result<RowPage, PortError> {
        self.kv.read(|opened| {
            let prefix = match &query.id {
                Some(id) => keys::key_prefix(query.dimension, id),
                None => vec![keys::letter(query.dimension)],
            };
            let walk = Walk {
                core: self,
                query,
                prefix,
                last: None,
                passed: 0,
                page: RowPage::default(),
            };
            walk.run(opened)
        })
    }
}

impl Walk<'_> {
    fn run(mut self, opened: &Opened) -> Result<RowPage, PortError> {
        // In this order: an upsert that is in the snapshot has told of its oldest row before.
        let snapshot = opened.db.snapshot();
        let oldest = self.core.oldest_of(self.query.dimension);
        let Some((mut first, end)) = self.range(self.query.from.max(oldest)) else {
            return Ok(self.page);
        };
        let keyspace = match self.query.id {
            Some(_) => &opened.keyspaces[ROWS],
            None => &opened.keyspaces[PERIODS],
        };
        loop {
            let stored = snapshot.range(keyspace, (first, end.clone()));
            match self.walk(stored)? {
                End::Reached => return Ok(self.page),
                End::Paused => {
                    self.page.next = self.last;
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
            None => Bound::Excluded(keys::by_period(dimension, after)),
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
                Bound::Excluded(keys::by_key(dimension, &place))
            }
        };
        Some((first, end))
    }

    fn walk(&mut self, stored: impl Iterator<Item = fjall::Guard>) -> Result<End, PortError> {
        let mut others = 0;
        for pair in stored {
            let is_full = self.page.rows.len() >= self.query.limit.max(1);
            if is_full || self.passed >= PASSED_MAX {
                return Ok(End::Paused);
            }
            let pair = pair.into_inner();
            let (key, value) = pair.map_err(|error| self.core.kv.port_error(&error))?;
            let place = self.place(&key);
            let place = place.ok_or_else(|| self.core.kv.damaged("key of a row"))?;
            let window = place.window;
            self.last = Some(place);
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
            match self.row(&value)? {
                Some(row) => self.page.rows.push(row),
                None => self.passed += 1,
            }
        }
        Ok(End::Reached)
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

    fn place(&self, key: &[u8]) -> Option<RowCursor> {
        match &self.query.id {
            None => keys::place_of(key),
            Some(id) => Some(RowCursor {
                window: keys::window_of(key, self.prefix.len())?,
                id: id.as_str().into(),
                part: keys::part_of(key)?,
            }),
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
