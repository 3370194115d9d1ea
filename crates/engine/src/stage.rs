//! One stage of the stream on one worker: its tasks, their positions, publish and commit.
//!
//! Publish first, state second: outputs and the position O go to the log in one call, then state
//! and the position S go to the state store in one commit a partition. After any error the stage
//! forgets its memory and starts again from S; what lies between S and O is applied again with
//! its outputs suppressed.

use crate::error::EngineError;
use crate::shared::Shared;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use tracing::{error, warn};
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, Consumed, Consumer, Offset, Records};
use vitrina_ports::state::{Change, Commit, KEYS_PER_READ_MAX, Space, StatePartition};
use vitrina_stream::{Operator, Output, Task};
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Bytes of one partition read in one round. An order of 200 lines makes some 400 times its bytes
/// in outputs, so this bounds a publish too: below a third of what a log call may carry.
const READ_BYTES: usize = 64 * 1_024;
/// Outputs of a round beyond this are published before the next partition is read.
const PUBLISH_BYTES: usize = 8 * 1_024 * 1_024;
/// A record whose processing panics this often is given up.
const ATTEMPTS_MAX: u32 = 3;
/// A round of more records than this is taken for backfill: its commits coalesce.
const BACKFILL_ROUND: usize = 2_000;

/// Sees every change of a stage's state, before it is committed.
pub(crate) type OnChange<V> = Box<dyn Fn(&str, Option<&V>) + Send>;

struct Slot<O: Operator> {
    task: Task<O>,
    /// S: where the state store stands.
    committed: Offset,
    /// O: up to where outputs are published.
    published: Option<Offset>,
    /// Whether it started from the stored positions since the last error.
    is_assigned: bool,
}

/// One stage's tasks on one worker.
pub(crate) struct Stage<O: Operator> {
    space: Space,
    slots: Vec<Slot<O>>,
    attempts: FxHashMap<(Partition, Offset), u32>,
    on_change: OnChange<O::Value>,
    last_commit: Instant,
}

impl<O: Operator> Stage<O> {
    pub(crate) fn new(
        space: Space,
        tasks: impl Iterator<Item = Task<O>>,
        on_change: OnChange<O::Value>,
    ) -> Self {
        let slots = tasks.map(|task| Slot {
            task,
            committed: 0,
            published: None,
            is_assigned: false,
        });
        Self {
            space,
            slots: slots.collect(),
            attempts: FxHashMap::default(),
            on_change,
            last_commit: Instant::now(),
        }
    }

    /// All memory is in doubt: [`assign`](Self::assign) before the next round.
    pub(crate) fn doubt(&mut self) {
        for slot in &mut self.slots {
            slot.is_assigned = false;
        }
    }

    /// Forgets the memory of every task in doubt and starts it from the stored positions: reads
    /// S, then O. What succeeded before an error need not be done again.
    ///
    /// # Errors
    /// `CannotStart` when the positions contradict each other or the log no longer reaches back
    /// to S; a port's error otherwise.
    pub(crate) async fn assign(&mut self, shared: &Shared) -> Result<(), EngineError> {
        for slot in self.slots.iter_mut().filter(|slot| !slot.is_assigned) {
            let partition = slot.task.partition();
            let at = StatePartition {
                space: self.space,
                partition,
            };
            let own = [TaskState::KEY.to_owned()];
            let found = shared.ports.state.get_many(at, &own).await?;
            let state_position = found.position;
            let consumer = consumer::<O>(partition);
            let published = shared.ports.log.committed(&consumer).await?;
            let bounds = shared.ports.log.bounds(O::INPUT, partition);
            let refuse = |reason: String| {
                let reason = format!("{}: {reason}", consumer.source);
                Err(EngineError::CannotStart { reason })
            };
            if published.is_none() && state_position > 0 {
                return refuse(format!(
                    "state stands at {state_position} but the log knows no position of {}; \
                     state and log are not of one origin, restore both from one backup",
                    O::NAME
                ));
            }
            if state_position < bounds.start {
                return refuse(format!(
                    "state stands at {state_position}, the log begins at {}; restore a backup",
                    bounds.start
                ));
            }
            if let Err(error) = slot.task.assign(state_position, published.unwrap_or(0)) {
                return refuse(format!("{error}; restore state and log from one backup"));
            }
            slot.committed = state_position;
            slot.published = published;
            slot.is_assigned = true;
            shared.assigned(self.space, partition, state_position);
            let task: Option<TaskState> = found
                .values
                .into_iter()
                .flatten()
                .find_map(|bytes| stored::decode(&bytes).ok());
            if let Some(task) = task {
                shared.counted(self.space, partition, task.duplicates);
            }
        }
        Ok(())
    }

    /// Processes what is there to read, publishes, commits; answers how many records it was.
    ///
    /// # Errors
    /// Any error means: all is in doubt, [`doubt`](Self::doubt).
    pub(crate) async fn round(&mut self, shared: &Shared) -> Result<usize, EngineError> {
        let (mut records, mut outputs, mut consumed) = (0, Outputs::default(), Vec::new());
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            let partition = slot.task.partition();
            let position = slot.task.position();
            if shared.ports.log.bounds(O::INPUT, partition).end <= position {
                continue;
            }
            records += fill(self.space, slot, shared).await?;
            if catch_unwind(AssertUnwindSafe(|| slot.task.process())).is_err() {
                shared.figures.panics.add(1);
                return Err(self.panicked(place));
            }
            for output in slot.task.take_outputs() {
                outputs.add(output);
            }
            let next = slot.task.position().max(slot.published.unwrap_or(0));
            if slot.published != Some(next) {
                consumed.push(Consumed {
                    consumer: consumer::<O>(partition),
                    expected: slot.published,
                    next,
                });
                slot.published = Some(next);
            }
            if outputs.bytes >= PUBLISH_BYTES {
                let (appends, consumed) = (outputs.take(), std::mem::take(&mut consumed));
                shared.ports.log.publish(appends, consumed, false).await?;
            }
        }
        if !consumed.is_empty() {
            let appends = outputs.take();
            shared.ports.log.publish(appends, consumed, false).await?;
        }
        let live = records <= BACKFILL_ROUND;
        let interval = shared.options.commit_interval;
        if live || self.last_commit.elapsed() >= interval {
            self.commit(shared).await?;
        }
        Ok(records)
    }

    /// Commits whatever was processed since the last commit.
    ///
    /// # Errors
    /// Any error means: all is in doubt, [`doubt`](Self::doubt).
    pub(crate) async fn commit(&mut self, shared: &Shared) -> Result<(), EngineError> {
        self.last_commit = Instant::now();
        for slot in &mut self.slots {
            let next = slot.task.position();
            if next == slot.committed {
                continue;
            }
            let partition = slot.task.partition();
            let mut changes = Vec::new();
            let on_change = &self.on_change;
            slot.task.take_changes(&mut |key, value, stored| {
                on_change(key, value);
                changes.push(Change {
                    key: key.to_owned(),
                    value: stored.map(Bytes::from),
                });
            });
            let commit = Commit {
                partition: StatePartition {
                    space: self.space,
                    partition,
                },
                expected: slot.committed,
                next,
                changes,
            };
            shared.ports.state.commit(commit).await?;
            slot.committed = next;
            let duplicates = slot.task.task_state().duplicates;
            shared.counted(self.space, partition, duplicates);
            shared.committed(self.space, partition, next);
        }
        Ok(())
    }

    /// Notes a panic; after [`ATTEMPTS_MAX`] of them the record becomes a dead letter.
    fn panicked(&mut self, place: usize) -> EngineError {
        let task = &mut self.slots[place].task;
        let (partition, offset) = (task.partition(), task.current().unwrap_or(task.position()));
        let attempts = self.attempts.entry((partition, offset)).or_insert(0);
        *attempts += 1;
        warn!(
            stage = O::NAME,
            partition = partition.0,
            offset,
            attempts = *attempts,
            "panicked"
        );
        if *attempts >= ATTEMPTS_MAX {
            error!(
                stage = O::NAME,
                partition = partition.0,
                offset,
                "gave up a record"
            );
            task.give_up(offset, *attempts);
            self.attempts.remove(&(partition, offset));
        }
        EngineError::Port(PortError::Unavailable {
            port: O::NAME,
            detail: format!(
                "processing of {}/{}@{offset} panicked",
                O::INPUT,
                partition.0
            ),
        })
    }
}

/// Reads a batch into the task, with the state it needs; answers how many records.
async fn fill<O: Operator>(
    space: Space,
    slot: &mut Slot<O>,
    shared: &Shared,
) -> Result<usize, EngineError> {
    let partition = slot.task.partition();
    let log = &shared.ports.log;
    let records = log
        .read(O::INPUT, partition, slot.task.position(), READ_BYTES)
        .await?;
    let missing = slot
        .task
        .accept(records.iter().map(|r| (r.offset, &r.bytes[..])));
    let at = StatePartition { space, partition };
    for keys in missing.chunks(KEYS_PER_READ_MAX) {
        let found = shared.ports.state.get_many(at, keys).await?;
        if found.position != slot.committed {
            return Err(EngineError::Port(PortError::PositionMismatch {
                what: format!("{} state {}", space.name(), partition.0),
                expected: slot.committed,
                found: found.position,
            }));
        }
        for (key, value) in keys.iter().zip(found.values) {
            let loaded = slot.task.load(key.clone(), value.as_deref());
            loaded.map_err(|error| PortError::Damaged {
                what: format!("state of {key}: {error}"),
            })?;
        }
    }
    Ok(records.len())
}

fn consumer<O: Operator>(partition: Partition) -> Consumer {
    Consumer {
        name: O::NAME,
        source: format!("{}/{}", O::INPUT, partition.0),
    }
}

/// Outputs of all tasks of a round, one [`Append`] a target partition.
#[derive(Default)]
struct Outputs {
    records: FxHashMap<(Topic, Partition), Records>,
    bytes: usize,
}

impl Outputs {
    fn add(&mut self, output: Output) {
        self.bytes += output.bytes.len();
        let target = (output.topic, output.partition);
        let records = self.records.entry(target).or_default();
        for record in output.records() {
            records.push(record);
        }
    }

    /// All of them, by topic and partition; none are left.
    fn take(&mut self) -> Vec<Append> {
        self.bytes = 0;
        let mut appends: Vec<Append> = self
            .records
            .drain()
            .map(|((topic, partition), records)| Append {
                topic,
                partition,
                records,
            })
            .collect();
        appends.sort_unstable_by_key(|append| (append.topic, append.partition));
        appends
    }
}

#[cfg(test)]
mod tests;
