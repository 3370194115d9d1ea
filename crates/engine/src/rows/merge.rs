//! The windows of one step side by side, merged by id.
//!
//! Rows come by window, then by id; sums are asked for by id. A page needs a few rows of each
//! window at a time, never all rows of the step.

use super::{Reader, RowSum, behind_id};
use crate::error::EngineError;
use std::collections::{BTreeMap, VecDeque};
use vitrina_ports::analytics::{RowCursor, RowQuery};
use vitrina_types::row::{Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::time::EventTime;

/// Rows of one window read at a time.
const CHUNK: usize = if cfg!(test) { 3 } else { 256 };

/// The rows of one window that are read and not summed yet.
struct Lane {
    rows: VecDeque<WindowRow>,
    query: RowQuery,
    /// Whether the last row of the window was read.
    is_read: bool,
}

impl Lane {
    /// Reads on until there are rows of two ids: those of the last one may go on.
    async fn fill(&mut self, reader: &Reader<'_>) -> Result<(), EngineError> {
        while !self.is_read && self.is_one_id() {
            let page = reader.store.rows(self.query.clone()).await?;
            self.rows.extend(page.rows);
            self.is_read = page.next.is_none();
            self.query.after = page.next;
        }
        Ok(())
    }

    fn is_one_id(&self) -> bool {
        let ends = self.rows.front().zip(self.rows.back());
        ends.is_none_or(|(first, last)| first.key.id == last.key.id)
    }

    /// The id from which on more rows may come; `None` where all were read.
    fn unsure_from(&self) -> Option<&str> {
        let last = self.rows.back().filter(|_| !self.is_read);
        last.map(|row| &*row.key.id)
    }
}

/// Up to `room` sums of a step, of ids behind `behind`, by id.
pub(super) async fn by_id(
    reader: &Reader<'_>,
    step: TimeWindow,
    window_ms: i64,
    behind: Option<&str>,
    room: usize,
) -> Result<Vec<RowSum>, EngineError> {
    let mut lanes = lanes(reader, step, window_ms, behind);
    let mut sums: BTreeMap<Box<str>, Measures> = BTreeMap::new();
    while sums.len() < room && !lanes.is_empty() {
        for lane in &mut lanes {
            lane.fill(reader).await?;
        }
        lanes.retain(|lane| !lane.rows.is_empty());
        let sure = lanes.iter().filter_map(Lane::unsure_from).min();
        let sure: Option<Box<str>> = sure.map(Into::into);
        for lane in &mut lanes {
            let is_sure = |row: &WindowRow| sure.as_ref().is_none_or(|sure| row.key.id < *sure);
            while let Some(row) = lane.rows.pop_front_if(|row| is_sure(row)) {
                sums.entry(row.key.id).or_default().merge(&row.measures);
            }
        }
    }
    let dimension = reader.asked.dimension;
    let sum = |(id, measures)| RowSum {
        key: RowKey { dimension, id },
        window: step,
        measures,
    };
    Ok(sums.into_iter().take(room).map(sum).collect())
}

/// One for every window of the step, nothing read yet.
fn lanes(reader: &Reader<'_>, step: TimeWindow, window_ms: i64, behind: Option<&str>) -> Vec<Lane> {
    let starts = (0..step.length_ms() / window_ms).map(|n| step.start.plus_ms(n * window_ms));
    let lane = |start: EventTime| {
        let end = start.plus_ms(window_ms);
        let window = TimeWindow { start, end };
        let after: Option<RowCursor> = behind.map(|id| behind_id(window, id));
        Lane {
            rows: VecDeque::new(),
            query: RowQuery {
                after,
                ..reader.query(start, start.plus_ms(1), CHUNK)
            },
            is_read: false,
        }
    };
    starts.map(lane).collect()
}
