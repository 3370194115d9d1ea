//! The seat of a follower: it owns every task, and everything is published already.
//!
//! Below the position O a task suppresses its outputs. This seat answers an O that no log
//! reaches, so the very stages that publish elsewhere publish nothing here and have no position
//! to move: their next position is never beyond O. What is sent all the same goes nowhere.

use vitrina_ports::PortFuture;
use vitrina_ports::log::{Append, Consumed, Consumer, Offset};
use vitrina_ports::seat::{Assignment, Membership, Seat, TaskId};

/// The O of every task: no log reaches it, and there is room above it to count on.
const EVERYTHING: Offset = u64::MAX / 2;

/// A member that owns its tasks for ever and says nothing.
pub(super) struct MutedSeat {
    /// Told with the first poll.
    tasks: Vec<TaskId>,
}

impl MutedSeat {
    /// The seat of the one that owns `tasks`.
    pub(super) fn new(tasks: Vec<TaskId>) -> Self {
        Self { tasks }
    }
}

impl Seat for MutedSeat {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        let tasks = std::mem::take(&mut self.tasks);
        let changed = match tasks.is_empty() {
            true => Vec::new(),
            false => vec![Assignment::Assigned(tasks)],
        };
        Box::pin(async { Ok(changed) })
    }

    fn release<'a>(&'a mut self, _tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn membership(&self) -> Option<Membership> {
        Some(Membership {
            member: "follower".into(),
            generation: 0,
        })
    }

    fn send(&mut self, _outputs: Vec<Append>) -> PortFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn send_positions<'a>(
        &'a mut self,
        _consumed: Vec<Consumed>,
        _as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn committed<'a>(&'a mut self, _consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async { Ok(Some(EVERYTHING)) })
    }
}
