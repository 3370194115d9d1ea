//! One stage of the stream on one worker: its tasks, their positions, publish and commit.
//!
//! Publish first, state second: outputs and the position O go to the log in one transaction, then
//! state and the position S go to the state store in one commit a partition. After any error the
//! stage forgets its memory and starts again from S; what lies between S and O is applied again
//! with its outputs suppressed.

mod assign;
mod batch;
mod commit;
mod round;

use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use rustc_hash::FxHashMap;
use std::future::Future;
use std::pin::Pin;
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumer, Offset};
use vitrina_ports::seat::{Seat, TaskId};
use vitrina_ports::state::{Space, StatePartition};
use vitrina_stream::{Operator, Task};
use vitrina_types::partition::Partition;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

pub(crate) use batch::Batch;

/// Sees every change of a stage's state, before it is committed.
pub(crate) type OnChange<V> = Box<dyn Fn(&str, Option<&V>) + Send>;

/// Makes the task of a partition.
pub(crate) type MakeTask<O> = Box<dyn Fn(Partition) -> Task<O> + Send>;

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
    make: MakeTask<O>,
    /// By partition.
    slots: Vec<Slot<O>>,
    attempts: FxHashMap<(Partition, Offset), u32>,
    on_change: OnChange<O::Value>,
    last_commit: IngestTime,
    /// What nobody waits for is committed this long after the last commit, in milliseconds.
    pace_ms: i64,
    /// Records of the turn that goes on.
    records: usize,
    /// Bytes of one partition read in one round.
    read_bytes: usize,
    /// Whether commits coalesce however little there is to do.
    is_bulk: bool,
    /// Tasks that went to somebody else, which a right worker forgets.
    parked: Vec<Slot<O>>,
}

/// Which stage it is, for whoever looks at stages from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StageId {
    /// Where its state is.
    pub(crate) space: Space,
    /// The name under which its tasks commit their positions.
    pub(crate) name: &'static str,
    /// What it reads.
    pub(crate) input: Topic,
}

impl StageId {
    /// Who commits the position O of one of its tasks.
    pub(crate) fn consumer(self, partition: Partition) -> Consumer {
        Consumer {
            name: self.name,
            source: format!("{}/{}", self.input, partition.0),
        }
    }

    /// The state of one of its tasks.
    pub(crate) fn state(self, partition: Partition) -> StatePartition {
        let space = self.space;
        StatePartition { space, partition }
    }
}

/// What a worker does with each of its stages, whatever they compute.
pub(crate) trait AnyStage: Send {
    /// Which stage it is.
    fn id(&self) -> StageId;

    /// These tasks of its input are ours from now on.
    fn take(&mut self, tasks: &[TaskId], shared: &Shared);

    /// Forgets tasks that are not ours any more; all of them for `None`.
    fn forget(&mut self, tasks: Option<&[TaskId]>, shared: &Shared);

    /// All memory is in doubt: [`assign`](Self::assign) before the next round.
    fn doubt(&mut self);

    /// Forgets the memory of every task in doubt and starts it from the stored positions.
    ///
    /// # Errors
    /// `CannotStart` when the positions contradict each other or the log no longer reaches back
    /// to S; a port's error otherwise.
    fn assign<'a>(&'a mut self, shared: &'a Shared, seat: &'a mut dyn Seat) -> Step<'a, ()>;

    /// Processes what is there to read, into a batch that the worker publishes; answers how many
    /// records it was.
    ///
    /// # Errors
    /// Any error means: all is in doubt, [`doubt`](Self::doubt).
    fn process<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        shared: &'a Shared,
        seat: &'a mut dyn Seat,
    ) -> Step<'a, usize>;

    /// Notes how far its tasks are published.
    fn published(&mut self, batch: &Batch);

    /// Commits what is due after a turn, in which the worker found nothing to do if `is_idle`:
    /// what somebody may be waiting for, and what has waited long enough.
    ///
    /// # Errors
    /// Any error means: all is in doubt, [`doubt`](Self::doubt).
    fn commit_due<'a>(&'a mut self, is_idle: bool, shared: &'a Shared) -> Step<'a, ()>;

    /// Commits whatever was processed since the last commit.
    ///
    /// # Errors
    /// Any error means: all is in doubt, [`doubt`](Self::doubt).
    fn commit<'a>(&'a mut self, shared: &'a Shared) -> Step<'a, ()>;

    /// Looks whether the state of idle tasks still stands where it was left.
    ///
    /// # Errors
    /// `PositionMismatch` when it does not: all is in doubt, [`doubt`](Self::doubt).
    fn recheck<'a>(&'a mut self, shared: &'a Shared) -> Step<'a, ()>;
}

/// A step of a stage.
pub(crate) type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

impl<O: Operator> Stage<O> {
    pub(crate) fn new(space: Space, make: MakeTask<O>, on_change: OnChange<O::Value>) -> Self {
        Self {
            space,
            make,
            slots: Vec::new(),
            attempts: FxHashMap::default(),
            on_change,
            last_commit: IngestTime(0),
            pace_ms: 0,
            records: 0,
            read_bytes: round::read_bytes(space),
            is_bulk: false,
            parked: Vec::new(),
        }
    }

    /// The same stage for old data only: it reads `read_bytes` of a partition in one round, and
    /// commits as after a large one, whoever waits for it.
    pub(crate) fn in_bulk(self, read_bytes: usize) -> Self {
        Self {
            read_bytes,
            is_bulk: true,
            ..self
        }
    }

    fn at(&self, partition: Partition) -> StatePartition {
        StatePartition {
            space: self.space,
            partition,
        }
    }

    async fn recheck_all(&mut self, shared: &Shared) -> Result<(), EngineError> {
        if shared.has(Flaw::NoIdleCheck) {
            return Ok(());
        }
        for place in 0..self.slots.len() {
            let slot = &self.slots[place];
            if !slot.is_assigned {
                continue;
            }
            let (at, expected) = (self.at(slot.task.partition()), slot.committed);
            let found = shared.ports.state.get_many(at, &[]).await?;
            check_position(at, expected, found.position)?;
        }
        Ok(())
    }
}

impl<O: Operator> AnyStage for Stage<O> {
    fn id(&self) -> StageId {
        StageId {
            space: self.space,
            name: O::NAME,
            input: O::INPUT,
        }
    }

    fn take(&mut self, tasks: &[TaskId], shared: &Shared) {
        for task in tasks.iter().filter(|task| task.topic == O::INPUT) {
            let parked = |slot: &Slot<O>| slot.task.partition() == task.partition;
            let slot = match self.parked.iter().position(parked) {
                Some(place) if shared.has(Flaw::MemoryKept) => self.parked.remove(place),
                _ => Slot {
                    task: (self.make)(task.partition),
                    committed: 0,
                    published: None,
                    is_assigned: false,
                },
            };
            self.slots.retain(|known| !parked(known));
            let place = self
                .slots
                .partition_point(|known| known.task.partition() < task.partition);
            self.slots.insert(place, slot);
        }
    }

    fn forget(&mut self, tasks: Option<&[TaskId]>, shared: &Shared) {
        let goes = |slot: &Slot<O>| {
            let (topic, partition) = (O::INPUT, slot.task.partition());
            tasks.is_none_or(|tasks| tasks.contains(&TaskId { topic, partition }))
        };
        let (gone, kept): (Vec<_>, _) = std::mem::take(&mut self.slots).into_iter().partition(goes);
        self.slots = kept;
        for slot in &gone {
            shared.handed_over(self.space, slot.task.partition());
        }
        if shared.has(Flaw::MemoryKept) {
            self.parked = gone;
        }
    }

    fn doubt(&mut self) {
        for slot in &mut self.slots {
            slot.is_assigned = false;
        }
    }

    fn assign<'a>(&'a mut self, shared: &'a Shared, seat: &'a mut dyn Seat) -> Step<'a, ()> {
        Box::pin(async move {
            for place in 0..self.slots.len() {
                if !self.slots[place].is_assigned {
                    self.assign_one(place, shared, seat).await?;
                }
            }
            Ok(())
        })
    }

    fn process<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        shared: &'a Shared,
        seat: &'a mut dyn Seat,
    ) -> Step<'a, usize> {
        Box::pin(self.process_all(batch, shared, seat))
    }

    fn published(&mut self, batch: &Batch) {
        for (partition, next) in batch.published(self.space) {
            let mut slots = self.slots.iter_mut();
            if let Some(slot) = slots.find(|slot| slot.task.partition() == partition) {
                slot.published = Some(next);
            }
        }
    }

    fn commit_due<'a>(&'a mut self, is_idle: bool, shared: &'a Shared) -> Step<'a, ()> {
        Box::pin(self.commit_some(is_idle, shared))
    }

    fn commit<'a>(&'a mut self, shared: &'a Shared) -> Step<'a, ()> {
        Box::pin(self.commit_where(shared, |_| true))
    }

    fn recheck<'a>(&'a mut self, shared: &'a Shared) -> Step<'a, ()> {
        Box::pin(self.recheck_all(shared))
    }
}

/// The name under which a task commits its position.
pub(crate) fn consumer<O: Operator>(partition: Partition) -> Consumer {
    Consumer {
        name: O::NAME,
        source: format!("{}/{}", O::INPUT, partition.0),
    }
}

/// Every read of state must stand where the task left it: else somebody else was here, or a tail
/// was lost.
fn check_position(at: StatePartition, expected: Offset, found: Offset) -> Result<(), PortError> {
    if found == expected {
        return Ok(());
    }
    Err(PortError::PositionMismatch {
        what: format!("{} state {}", at.space.name(), at.partition.0),
        expected,
        found,
    })
}

#[cfg(test)]
mod tests;
