//! Window rows for whoever looks at them: summed up to steps, the funnel of sessions, the busiest
//! of the last windows.
//!
//! Reads the analytics store only, and a bounded part of it in one call. The law: pages of sums
//! join to what [`roll_up`] makes of all the rows at once, as long as no row is written between.

mod merge;
mod sessions;
#[cfg(test)]
mod tests;

use crate::Engine;
use crate::error::EngineError;
use crate::shared::Shared;
use std::sync::atomic::Ordering;
use vitrina_ports::analytics::{AnalyticsStore, PAGE_ROWS_MAX, RowCursor, RowQuery};
use vitrina_ports::state::Space;
use vitrina_types::event::Rejection;
use vitrina_types::partition::Partition;
use vitrina_types::rollup::{Funnel, roll_up, step_of};
use vitrina_types::row::{Dimension, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::time::{EventTime, Watermark};

/// Longest period of one funnel, in ms: 92 days.
pub const FUNNEL_SPAN_MAX_MS: i64 = 92 * 86_400_000;
/// Sums of one page.
pub const SUMS_PER_PAGE_MAX: usize = 1_000;
/// Windows of one step: more would make one page too much work.
const WINDOWS_PER_STEP_MAX: i64 = 1_024;
/// Rows of one step that are summed in memory, where they cannot be merged by window.
const ROWS_PER_STEP_MAX: usize = 100_000;
/// How many of the newest windows are looked at for rows.
const LATEST_LOOKED_AT: i64 = 12;
/// Of them, so many that have rows are told of.
const LATEST_TOLD: usize = 3;

/// Which sums are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsAsked {
    /// What they are about.
    pub dimension: Dimension,
    /// Only of this id; `None` for all.
    pub id: Option<String>,
    /// The steps from the one that this lies in …
    pub from: EventTime,
    /// … to the one that the moment before this lies in.
    pub to: EventTime,
    /// Length of a step, in ms: a multiple of the length of the rows' windows.
    pub step_ms: i64,
    /// Added to event time before it is cut into steps, in ms: likewise.
    pub offset_ms: i64,
    /// Only sums after this one: [`RowSums::next`] of the page before.
    pub after: Option<SumCursor>,
    /// At most so many, up to [`SUMS_PER_PAGE_MAX`]. 0 is taken for 1.
    pub limit: usize,
}

/// Where a sum stands among the others: by begin of its step, then by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumCursor {
    /// Begin of the step.
    pub start: EventTime,
    /// The id.
    pub id: Box<str>,
}

/// Everything of one key in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSum {
    /// What it is about.
    pub key: RowKey,
    /// The step.
    pub window: TimeWindow,
    /// What was measured.
    pub measures: Measures,
}

/// A page of sums, in the order of [`SumCursor`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowSums {
    /// The sums.
    pub sums: Vec<RowSum>,
    /// Where the next page goes on; `None` when this was the last one.
    pub next: Option<SumCursor>,
}

impl Engine {
    /// Window rows summed up to steps.
    ///
    /// # Errors
    /// `Rejected`, naming the field, when the step or the offset is no multiple of the windows,
    /// or a step of sessions holds too many of them; the analytics store's.
    pub async fn row_sums(&self, asked: RowsAsked) -> Result<RowSums, EngineError> {
        let shared = &self.shared;
        let window_ms = shared.options.product.rows.row_window_ms;
        Reader::new(&*shared.ports.analytics, asked, window_ms)?
            .page()
            .await
    }

    /// How many sessions that began in a period came how far.
    ///
    /// # Errors
    /// `Rejected` for a period above [`FUNNEL_SPAN_MAX_MS`] or with too many sessions; the
    /// analytics store's.
    pub async fn funnel(&self, from: EventTime, to: EventTime) -> Result<Funnel, EngineError> {
        sessions::funnel(&*self.shared.ports.analytics, from, to).await
    }

    /// The rows with the most views among the newest windows that have any, the busiest first.
    ///
    /// # Errors
    /// The analytics store's.
    pub async fn busiest(
        &self,
        dimension: Dimension,
        limit: usize,
    ) -> Result<Vec<RowSum>, EngineError> {
        busiest(&self.shared, dimension, limit).await
    }

    /// Length of the windows that rows are made of, in ms.
    pub fn row_window_ms(&self) -> i64 {
        self.shared.options.product.rows.row_window_ms
    }
}

/// Reads one page.
struct Reader<'a> {
    store: &'a dyn AnalyticsStore,
    asked: RowsAsked,
    /// Length of the rows' windows; `None` where each has its own.
    window_ms: Option<i64>,
}

impl<'a> Reader<'a> {
    fn new(
        store: &'a dyn AnalyticsStore,
        mut asked: RowsAsked,
        window_ms: i64,
    ) -> Result<Self, EngineError> {
        let window_ms = (asked.dimension != Dimension::Session).then_some(window_ms.max(1));
        if let Some(window_ms) = window_ms {
            check_steps(&asked, window_ms)?;
        }
        asked.limit = asked.limit.clamp(1, SUMS_PER_PAGE_MAX);
        asked.from = asked.step_of(asked.from).start;
        asked.to = asked.step_of(asked.to.plus_ms(-1)).end;
        Ok(Self {
            store,
            asked,
            window_ms,
        })
    }

    async fn page(self) -> Result<RowSums, EngineError> {
        let limit = self.asked.limit;
        let mut after = self.asked.after.clone();
        let mut from = after
            .as_ref()
            .map_or(self.asked.from, |after| after.start.max(self.asked.from));
        let mut page = RowSums::default();
        while page.sums.len() <= limit
            && let Some(first) = self.first(from).await?
        {
            let step = self.asked.step_of(first);
            let behind = after.take().filter(|after| after.start == step.start);
            let behind = behind.as_ref().map(|after| &*after.id);
            let room = limit + 1 - page.sums.len();
            match self.window_ms.filter(|_| self.asked.id.is_none()) {
                Some(window_ms) => {
                    let merged = merge::by_id(&self, step, window_ms, behind, room).await?;
                    page.sums.extend(merged);
                }
                None => page.sums.extend(self.whole(step, behind, room).await?),
            }
            from = step.end;
        }
        if page.sums.len() > limit {
            page.sums.truncate(limit);
            page.next = page.sums.last().map(|last| SumCursor {
                start: last.window.start,
                id: last.key.id.clone(),
            });
        }
        Ok(page)
    }

    /// When the first row begins, not before `from`.
    async fn first(&self, from: EventTime) -> Result<Option<EventTime>, EngineError> {
        let mut query = self.query(from, self.asked.to, 1);
        loop {
            let found = self.store.rows(query.clone()).await?;
            if let Some(row) = found.rows.first() {
                return Ok(Some(row.window.start));
            }
            match found.next {
                Some(next) => query.after = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// The sums of one step behind an id, up to `room` of them: all its rows at once.
    async fn whole(
        &self,
        step: TimeWindow,
        behind: Option<&str>,
        room: usize,
    ) -> Result<Vec<RowSum>, EngineError> {
        let query = self.query(step.start, step.end, PAGE_ROWS_MAX);
        let rows = read_all(self.store, query, ROWS_PER_STEP_MAX).await?;
        let rows = rows.ok_or_else(|| {
            let detail = format!("a step has more than {ROWS_PER_STEP_MAX} sessions; use a shorter one, or name an id");
            Rejection::new("too_many_rows", "step", detail)
        })?;
        let rows = rows.into_iter();
        let rows = rows.filter(|row| behind.is_none_or(|behind| &*row.key.id > behind));
        let sums = roll_up(rows, self.asked.step_ms, self.asked.offset_ms);
        let sums = sums.into_iter().take(room);
        let sum = |((key, window), measures)| RowSum {
            key,
            window,
            measures,
        };
        Ok(sums.map(sum).collect())
    }

    fn query(&self, from: EventTime, to: EventTime, limit: usize) -> RowQuery {
        RowQuery {
            dimension: self.asked.dimension,
            id: self.asked.id.clone(),
            from,
            to,
            window_ms: self.window_ms,
            after: None,
            limit,
        }
    }
}

impl RowsAsked {
    fn step_of(&self, at: EventTime) -> TimeWindow {
        step_of(at, self.step_ms, self.offset_ms)
    }
}

/// Refuses steps that windows do not fit into.
fn check_steps(asked: &RowsAsked, window_ms: i64) -> Result<(), Rejection> {
    let multiple = |field: &'static str| {
        let detail = format!(
            "{field} is a multiple of the rows' windows, {} s",
            window_ms / 1_000
        );
        Rejection::new("out_of_range", field, detail)
    };
    if asked.step_ms < window_ms || asked.step_ms % window_ms != 0 {
        return Err(multiple("step"));
    }
    if asked.step_ms / window_ms > WINDOWS_PER_STEP_MAX {
        let detail = format!("a step has at most {WINDOWS_PER_STEP_MAX} windows");
        return Err(Rejection::new("out_of_range", "step", detail));
    }
    if asked.offset_ms % window_ms != 0 {
        return Err(multiple("zone_offset"));
    }
    Ok(())
}

/// Every row asked for; `None` when there are more than `rows_max`.
async fn read_all(
    store: &dyn AnalyticsStore,
    mut query: RowQuery,
    rows_max: usize,
) -> Result<Option<Vec<WindowRow>>, EngineError> {
    let mut rows = Vec::new();
    loop {
        let page = store.rows(query.clone()).await?;
        rows.extend(page.rows);
        if rows.len() > rows_max {
            return Ok(None);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(Some(rows)),
        }
    }
}

async fn busiest(
    shared: &Shared,
    dimension: Dimension,
    limit: usize,
) -> Result<Vec<RowSum>, EngineError> {
    let tasks = Partition::all().map(|partition| shared.task(Space::Rows, partition));
    let newest = tasks
        .map(|task| task.watermark.load(Ordering::Relaxed))
        .max();
    let Some(newest) = newest.filter(|&newest| newest > Watermark::NONE.0) else {
        return Ok(Vec::new());
    };
    let window_ms = shared.options.product.rows.row_window_ms.max(1);
    let mut window = step_of(EventTime(newest), window_ms, 0);
    let (mut busiest, mut told) = (Vec::new(), 0);
    for _ in 0..LATEST_LOOKED_AT {
        let query = RowQuery {
            dimension,
            id: None,
            from: window.start,
            to: window.end,
            window_ms: Some(window_ms),
            after: None,
            limit: PAGE_ROWS_MAX,
        };
        let rows = read_all(&*shared.ports.analytics, query, ROWS_PER_STEP_MAX).await?;
        let sums = roll_up(rows.unwrap_or_default(), window_ms, 0);
        told += usize::from(!sums.is_empty());
        busiest.extend(sums.into_iter().map(|((key, window), measures)| RowSum {
            key,
            window,
            measures,
        }));
        if told == LATEST_TOLD {
            break;
        }
        window = step_of(window.start.plus_ms(-1), window_ms, 0);
    }
    // Stable: of equally busy ones the newest window first, then by id.
    busiest.sort_by_key(|sum| std::cmp::Reverse(sum.measures.events.of("view")));
    busiest.truncate(limit);
    Ok(busiest)
}

/// Behind every part of an id in a window.
fn behind_id(window: TimeWindow, id: &str) -> RowCursor {
    RowCursor {
        window,
        id: id.into(),
        part: u64::MAX,
    }
}
