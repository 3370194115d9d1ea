//! How a task starts: from S, muted below O.

use super::{Stage, check_position, consumer};
use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use bytes::Bytes;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::seat::Seat;
use vitrina_ports::state::Versioned;
use vitrina_stream::{Operator, RESIDENT_PREFIX, Task};
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
use vitrina_types::stored;

/// Resident pairs read in one step.
const RESIDENT_PAGE: usize = 1_000;

impl<O: Operator> Stage<O> {
    /// Forgets the memory of one task and starts it anew. What succeeded before an error need not
    /// be done again.
    pub(super) async fn assign_one(
        &mut self,
        place: usize,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<(), EngineError> {
        let partition = self.slots[place].task.partition();
        let (found, mut published) = self.positions(partition, shared, seat).await?;
        if shared.has(Flaw::UnknownIsAborted) && self.slots[place].published.is_some() {
            published = self.slots[place].published;
        }
        let state_position = found.position;
        if let Err(error) = refuse_contradictions::<O>(partition, state_position, published, shared)
        {
            // Somebody else may have gone on, and retention after them, since S was read.
            let at = self.at(partition);
            let now = shared.ports.state.get_many(at, &[]).await?;
            check_position(at, state_position, now.position)?;
            return Err(error);
        }
        let (from, below) = match published {
            Some(o) if shared.has(Flaw::StartAtPublished) => (o, o),
            _ if shared.has(Flaw::NoSuppression) || shared.has(Flaw::SuppressByBatch) => {
                (state_position, state_position)
            }
            o => (state_position, o.unwrap_or(0)),
        };
        let slot = &mut self.slots[place];
        if let Err(error) = slot.task.assign(from, below) {
            let source = consumer::<O>(partition).source;
            return Err(EngineError::CannotStart {
                reason: format!("{source}: {error}; restore state and log from one backup"),
            });
        }
        slot.committed = state_position;
        slot.published = published;
        self.load_resident(place, shared).await?;
        self.slots[place].is_assigned = true;
        shared.assigned(self.space, partition, state_position);
        let mut values = found.values.into_iter().flatten();
        let task: Option<TaskState> = values.find_map(|bytes| stored::decode(&bytes).ok());
        let open = self.slots[place].task.open();
        shared.counted(self.space, partition, &task.unwrap_or_default(), open);
        Ok(())
    }

    /// Reads S with the task's own state, then O.
    async fn positions(
        &mut self,
        partition: Partition,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<(Versioned<Vec<Option<Bytes>>>, Option<Offset>), EngineError> {
        let (at, consumer) = (self.at(partition), consumer::<O>(partition));
        let own = [TaskState::KEY.to_owned()];
        if shared.has(Flaw::PublishedReadFirst) {
            let published = seat.committed(&consumer).await?;
            return Ok((shared.ports.state.get_many(at, &own).await?, published));
        }
        let found = shared.ports.state.get_many(at, &own).await?;
        let published = seat.committed(&consumer).await?;
        Ok((found, published))
    }

    /// Reads everything resident of a task that starts.
    async fn load_resident(&mut self, place: usize, shared: &Shared) -> Result<(), EngineError> {
        let at = self.at(self.slots[place].task.partition());
        let mut after = RESIDENT_PREFIX.to_owned();
        loop {
            let state = &shared.ports.state;
            let page = state.scan(at, Some(&after), RESIDENT_PAGE).await?;
            let slot = &mut self.slots[place];
            check_position(at, slot.committed, page.position)?;
            let is_last = page.values.len() < RESIDENT_PAGE;
            for (key, value) in page.values {
                if !key.starts_with(RESIDENT_PREFIX) {
                    return Ok(());
                }
                load(&mut slot.task, &key, Some(&value))?;
                after = key;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Gives a task a stored value.
pub(super) fn load<O: Operator>(
    task: &mut Task<O>,
    key: &str,
    value: Option<&[u8]>,
) -> Result<(), EngineError> {
    let loaded = task.load(key.to_owned(), value);
    Ok(loaded.map_err(|error| PortError::Damaged {
        what: format!("state of {key}: {error}"),
    })?)
}

/// Refuses positions that contradict each other or that the log no longer reaches back to.
fn refuse_contradictions<O: Operator>(
    partition: Partition,
    state_position: Offset,
    published: Option<Offset>,
    shared: &Shared,
) -> Result<(), EngineError> {
    let source = consumer::<O>(partition).source;
    let refuse = |reason: String| {
        let reason = format!("{source}: {reason}");
        Err(EngineError::CannotStart { reason })
    };
    if published.is_none() && state_position > 0 {
        return refuse(format!(
            "state stands at {state_position} but the log knows no position of {}; state and log \
             are not of one origin, restore both from one backup",
            O::NAME
        ));
    }
    let start = shared.ports.log.bounds(O::INPUT, partition).start;
    if state_position < start {
        return refuse(format!(
            "state stands at {state_position}, the log begins at {start}; restore a checkpoint or \
             a backup"
        ));
    }
    Ok(())
}
