//! A worker's seat in a consumer group, with its transactional producer.
//!
//! This is where exactly-once is decided. The engine drives the protocol through these calls, one
//! at a time, so that the same steps run over an embedded log ([`solo`]), over a simulated broker
//! and over Kafka:
//!
//! 1. [`poll`](Seat::poll): what changed of the assignment; revoked tasks are handed back with
//!    [`release`](Seat::release).
//! 2. [`membership`](Seat::membership), captured when a batch begins.
//! 3. [`send`](Seat::send) its outputs, [`send_positions`](Seat::send_positions) its inputs with
//!    the captured membership, [`commit`](Seat::commit).
//! 4. After any error: [`reset`](Seat::reset), then every position is read again.

use crate::PortFuture;
use crate::log::{Append, Consumed, Consumer, EventLog, Offset};
use std::sync::Arc;
use std::time::Duration;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

pub mod solo;
pub mod suite;

/// What one member of the group may own: a partition of an input topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The topic its stage reads.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
}

/// What happened to the assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// These tasks are ours from now on. Whatever was known of them before is void.
    Assigned(Vec<TaskId>),
    /// These tasks go to somebody else once they are [released](Seat::release).
    Revoked(Vec<TaskId>),
    /// The group went on without us: every task is somebody else's already.
    Lost,
}

/// Who we are in the group. Positions sent with an old one are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The member.
    pub member: Box<str>,
    /// The generation of the group.
    pub generation: u64,
}

/// One member of a consumer group, with a transactional producer of its own.
///
/// Laws: outputs and positions of a transaction become visible together or never; readers never
/// see those of an open or aborted one; after [`reset`](Self::reset) no earlier transaction of
/// this seat can still be committed, by anybody; positions sent by a member that the group has
/// gone on without are refused.
pub trait Seat: Send {
    /// What changed of the assignment since the last call, in order. Nothing changes for the
    /// caller between two calls, whatever the group does meanwhile.
    ///
    /// # Errors
    /// `Unavailable`.
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>>;

    /// Hands back revoked tasks: nothing of them is open any more.
    ///
    /// # Errors
    /// `Unavailable`.
    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()>;

    /// Who we are now; `None` while the group does not know us.
    fn membership(&self) -> Option<Membership>;

    /// Sends outputs in the open transaction; begins one when there is none.
    ///
    /// # Errors
    /// `Fenced`, `TooLarge`, `Full`, `Unavailable`: then [`reset`](Self::reset).
    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()>;

    /// Sends positions in the open transaction; begins one when there is none. `as_member` is
    /// the membership captured when the batch began.
    ///
    /// # Errors
    /// `Fenced` when the group has gone on since, `PositionMismatch`, `Unavailable`: then
    /// [`reset`](Self::reset).
    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()>;

    /// Commits the open transaction; nothing to do when there is none.
    ///
    /// # Errors
    /// Any error leaves the outcome unknown: [`reset`](Self::reset), and believe neither.
    fn commit(&mut self) -> PortFuture<'_, ()>;

    /// Ends whatever transaction of this seat is open, here or in an earlier life, by aborting
    /// it, and begins anew.
    ///
    /// # Errors
    /// `Unavailable`: try again.
    fn reset(&mut self) -> PortFuture<'_, ()>;

    /// The committed position of a consumer. Waits while a transaction that may move it is open:
    /// a position that somebody may still move is none.
    ///
    /// # Errors
    /// `Unavailable`.
    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>>;

    /// The least time between the beginnings of two batches, where a commit costs the same whatever
    /// is in it. A batch after a rest begins at once, and so does one that would be full; others
    /// wait for company.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// Gives each worker of one process its seat.
pub trait Seats: Send + Sync {
    /// A seat for worker `worker` of the `of` of this process, the first being 0, that publishes
    /// into `log`. It may be given no task yet, and all of them later. Asked for once a worker.
    ///
    /// # Errors
    /// `Unavailable`, `Invalid`.
    fn seat<'a>(
        &'a self,
        log: &'a Arc<dyn EventLog>,
        worker: usize,
        of: usize,
    ) -> PortFuture<'a, Box<dyn Seat>>;

    /// Whether every task belongs to the workers of this process, from the first poll on and for
    /// ever: then nobody else writes the state of any.
    fn are_alone(&self) -> bool;
}

impl<S: Seat + ?Sized> Seat for Box<S> {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        (**self).poll()
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        (**self).release(tasks)
    }

    fn membership(&self) -> Option<Membership> {
        (**self).membership()
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        (**self).send(outputs)
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        (**self).send_positions(consumed, as_member)
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        (**self).commit()
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        (**self).reset()
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        (**self).committed(consumer)
    }

    fn pace(&self) -> Duration {
        (**self).pace()
    }
}
