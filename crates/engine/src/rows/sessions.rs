//! The funnel of sessions, read page by page.

use super::FUNNEL_SPAN_MAX_MS;
use crate::error::EngineError;
use vitrina_ports::analytics::{AnalyticsStore, PAGE_ROWS_MAX, RowQuery};
use vitrina_types::event::Rejection;
use vitrina_types::rollup::{self, Funnel};
use vitrina_types::row::{Dimension, WindowRow};
use vitrina_types::time::EventTime;

/// Rows of sessions read for one funnel.
const ROWS_MAX: usize = 1_000_000;
/// Rows read at a time.
const CHUNK: usize = if cfg!(test) { 7 } else { PAGE_ROWS_MAX };

/// The funnel of the sessions that began in a period.
pub(super) async fn funnel(
    store: &dyn AnalyticsStore,
    from: EventTime,
    to: EventTime,
) -> Result<Funnel, EngineError> {
    if to.since_ms(from) > FUNNEL_SPAN_MAX_MS {
        let days = FUNNEL_SPAN_MAX_MS / 86_400_000;
        let detail = format!("from lies at most {days} days before to");
        return Err(Rejection::new("out_of_range", "from", detail).into());
    }
    let mut query = RowQuery {
        dimension: Dimension::Session,
        id: None,
        from,
        to,
        window_ms: None,
        after: None,
        limit: CHUNK,
    };
    let (mut sum, mut read, mut rows) = (Funnel::default(), 0, Vec::<WindowRow>::new());
    loop {
        let page = store.rows(query.clone()).await?;
        read += page.rows.len();
        if read > ROWS_MAX {
            let detail =
                format!("the period has more than {ROWS_MAX} sessions; choose a shorter one");
            return Err(Rejection::new("too_many_rows", "from", detail).into());
        }
        rows.extend(page.rows);
        let Some(next) = page.next else {
            break;
        };
        // The parts of a session are neighbours: those of the last one may go on.
        let is_last = |row: &WindowRow| row.window == next.window && row.key.id == next.id;
        let whole = rows.iter().position(is_last).unwrap_or(rows.len());
        let rest = rows.split_off(whole);
        add(&mut sum, rollup::funnel(&rows));
        rows = rest;
        query.after = Some(next);
    }
    add(&mut sum, rollup::funnel(&rows));
    Ok(sum)
}

fn add(sum: &mut Funnel, more: Funnel) {
    sum.sessions += more.sessions;
    sum.viewed += more.viewed;
    sum.carted += more.carted;
    sum.purchased += more.purchased;
}
