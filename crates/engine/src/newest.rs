//! Records of a topic with one partition, for whoever looks at them: the newest first, or one.

use crate::error::EngineError;
use crate::shared::Shared;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::stored::{self, Stored};
use vitrina_types::topic::Topic;

/// Read in one step; records that people look at have at most a few hundred KiB.
pub(crate) const READ_BYTES: usize = 1_024 * 1_024;
/// The one partition.
pub(crate) const ONLY: Partition = Partition(0);

/// The newest records before `before`, newest first, with their offsets. Those that do not decode
/// are left out.
///
/// # Errors
/// As the log.
pub(crate) async fn newest<T: Stored>(
    shared: &Shared,
    topic: Topic,
    before: Option<Offset>,
    limit: usize,
) -> Result<Vec<(Offset, T)>, EngineError> {
    let log = &shared.ports.log;
    let bounds = log.bounds(topic, ONLY);
    let end = before.unwrap_or(bounds.end).min(bounds.end);
    let mut from = end.saturating_sub(limit as u64).max(bounds.start);
    let mut found = Vec::new();
    while from < end {
        let records = log.read(topic, ONLY, from, READ_BYTES).await?;
        let Some(last) = records.last() else { break };
        from = last.offset + 1;
        for record in records.iter().filter(|record| record.offset < end) {
            if let Ok(value) = stored::decode(&record.bytes) {
                found.push((record.offset, value));
            }
        }
    }
    found.reverse();
    Ok(found)
}

/// The record at `offset`; `None` when there is none, or retention took it.
///
/// # Errors
/// As the log.
pub(crate) async fn one<T: Stored>(
    shared: &Shared,
    topic: Topic,
    offset: Offset,
) -> Result<Option<T>, EngineError> {
    let log = &shared.ports.log;
    let bounds = log.bounds(topic, ONLY);
    if !(bounds.start..bounds.end).contains(&offset) {
        return Ok(None);
    }
    let records = log.read(topic, ONLY, offset, 1).await?;
    let found = records.first().filter(|record| record.offset == offset);
    Ok(found.and_then(|record| stored::decode(&record.bytes).ok()))
}
