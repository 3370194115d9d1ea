//! The rows that a job made, read back from the log, where they are for good.

use super::{EachRow, LinesJob, RowsReport};
use crate::error::EngineError;
use crate::shared::Shared;
use std::sync::Arc;
use tokio::task::JoinSet;
use vitrina_ports::PortError;
use vitrina_ports::log::EventLog;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::row::WindowRow;
use vitrina_types::state::TaskState;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Bytes read in one step.
const READ_BYTES: usize = 1_024 * 1_024;

/// Adds all rows up and hands each to `each`.
pub(super) async fn report(
    shared: &Arc<Shared>,
    job: &LinesJob,
    each: &mut EachRow<'_>,
) -> Result<RowsReport, EngineError> {
    let mut report = RowsReport::default();
    let threads = shared.options.stream_threads as u16;
    for first in (0..PARTITIONS).step_by(usize::from(threads)) {
        let mut readers = JoinSet::new();
        for number in first..PARTITIONS.min(first.saturating_add(threads)) {
            let shared = Arc::clone(shared);
            readers.spawn(async move {
                let rows = rows(&*shared.ports.log, Partition(number)).await;
                (number, rows)
            });
        }
        let mut read = readers.join_all().await;
        read.sort_unstable_by_key(|(number, _)| *number);
        for (_, rows) in read {
            for row in rows? {
                add(&mut report, &row);
                each(&row).map_err(|error| PortError::Unavailable {
                    port: "output of rows",
                    detail: error.to_string(),
                })?;
            }
        }
    }
    for file in 0..job.files {
        let at = StatePartition {
            space: Space::Lines,
            partition: Partition(file),
        };
        let own = [TaskState::KEY.to_owned()];
        let found = shared.ports.state.get_many(at, &own).await?.values;
        let task = found.into_iter().flatten().next();
        let task: Option<TaskState> = task.and_then(|bytes| stored::decode(&bytes).ok());
        let task = task.unwrap_or_default();
        report.rejected += task.rejected;
        report.late += task.late;
    }
    Ok(report)
}

/// The rows of a partition by window and key, the parts of each added up.
async fn rows(log: &dyn EventLog, partition: Partition) -> Result<Vec<WindowRow>, EngineError> {
    let end = log.bounds(Topic::WindowRows, partition).end;
    let mut parts: Vec<WindowRow> = Vec::new();
    let mut from = 0;
    while from < end {
        let read = log.read(Topic::WindowRows, partition, from, READ_BYTES);
        let records = read.await?;
        let Some(last) = records.last() else { break };
        from = last.offset + 1;
        for record in &records {
            let row = stored::decode(&record.bytes).map_err(|error| PortError::Damaged {
                what: format!("{}/{}: {error}", Topic::WindowRows, partition.0),
            })?;
            parts.push(row);
        }
    }
    // Nearly in order already: only what came behind the watermark of its file is not. Of equal
    // parts the newest pane comes last.
    parts.sort_by(|a, b| {
        let windows = a.window.cmp(&b.window);
        let parts = || (a.part, a.pane).cmp(&(b.part, b.pane));
        windows.then_with(|| a.key.cmp(&b.key)).then_with(parts)
    });
    let mut rows: Vec<WindowRow> = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter().peekable();
    while let Some(part) = parts.next() {
        let same_row = |other: &WindowRow| other.window == part.window && other.key == part.key;
        if parts
            .peek()
            .is_some_and(|next| same_row(next) && next.part == part.part)
        {
            continue;
        }
        match rows.last_mut() {
            Some(row) if same_row(row) => row.measures.merge(&part.measures),
            _ => rows.push(part),
        }
    }
    Ok(rows)
}

fn add(report: &mut RowsReport, row: &WindowRow) {
    report.rows += 1;
    report.events += row.measures.events.total();
    report.purchases += row.measures.events.of("purchase");
    for &(_, currency, amount) in &row.measures.values {
        let sum = report.sums.entry(currency).or_default();
        *sum = sum.plus(amount);
    }
}
