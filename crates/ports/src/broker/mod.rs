//! A transactional broker in memory, under which a simulation runs the engine as it is.
//!
//! It keeps the rules of Kafka that exactly-once rests on, and nothing else: it knows no clock
//! and starts no thread. What a broker does of its own accord are [steps](BrokerStep) that the
//! caller chooses, so that a seed repeats a run; a caller can stop, or crash, at every
//! [pace](Pace) of a call.
//!
//! * A record belongs to a transaction or to none. When a transaction ends, a marker is written
//!   to every partition it touched, and takes an offset there: positions are compared, never
//!   counted. Committed readers see nothing from the first record of an open transaction on, nor
//!   what was aborted.
//! * Positions sent in a transaction count when it commits. They are refused from a member or a
//!   generation that the group has gone on without; who owns the task is not asked.
//! * A newer epoch of a transactional id ends the open transaction and fences the older one. A
//!   new epoch begins with a new seat of the slot, a reset, a time-out, or a survivor that
//!   [ends orphans](Broker::end_orphans).
//! * A member learns of its tasks only at poll, but of its membership in the background.
//! * What a caller sees of a commit and what became of it may differ
//!   ([`next_commit_is_unknown`](Broker::next_commit_is_unknown)).
//!
//! Simpler than Kafka: all markers of a transaction are written in one step, plain appends never
//! arrive twice, and nothing that was acknowledged is lost.

use crate::log::{Consumer, Offset};
use crate::seat::{Membership, TaskId};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

mod core;
mod dump;
mod group;
mod pace;
mod partition;
mod reader;
mod seat;
mod sim_state;
mod steps;
#[cfg(test)]
mod tests;
mod waiting;

pub use pace::{FreePace, Pace};
pub use reader::BrokerReader;
pub use seat::BrokerSeat;
pub use sim_state::{SimHandle, SimState};
pub use steps::BrokerStep;

use self::core::Core;
use self::group::Owner;
use self::waiting::change;

/// In whose name steps are made that belong to no slot.
pub const NOBODY: u32 = u32::MAX;

/// What a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// What is committed, up to the first record of an open transaction.
    Committed,
    /// Everything, aborted records as well. Wrong for everybody but an observer.
    Uncommitted,
}

/// The membership of somebody whom the group does not know, as Kafka spells it.
pub fn unknown_member() -> Membership {
    Membership {
        member: "".into(),
        generation: u64::MAX,
    }
}

/// The broker. A clone is the same broker.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

struct Shared {
    core: Mutex<Core>,
    pace: Arc<dyn Pace>,
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}

impl Broker {
    /// An empty broker that stops nobody.
    pub fn new() -> Self {
        Self::with_pace(Arc::new(FreePace))
    }

    /// An empty broker whose callers go on when `pace` lets them.
    pub fn with_pace(pace: Arc<dyn Pace>) -> Self {
        Self {
            shared: Arc::new(Shared {
                core: Mutex::new(Core::new()),
                pace,
            }),
        }
    }

    /// The broker as an event log, in the name of [`NOBODY`].
    pub fn reader(&self, isolation: Isolation) -> BrokerReader {
        BrokerReader {
            shared: Arc::clone(&self.shared),
            isolation,
            who: NOBODY,
        }
    }

    /// Says which tasks the group shares out. Nobody owns them yet.
    pub fn create_group(&self, tasks: Vec<TaskId>) {
        change(&self.shared.core, |core| {
            let owners = tasks.into_iter().map(|task| (task, Owner::Nobody));
            core.group.owners = owners.collect();
        });
    }

    /// A new life of a slot: initialises the transactional id `engine-<slot>`, which ends the
    /// transaction that an earlier life left open and fences that life.
    pub fn seat(&self, slot: u32) -> BrokerSeat {
        BrokerSeat::new(Arc::clone(&self.shared), slot, true)
    }

    /// A wrong variant: every life of the slot has another transactional id, so that nobody ends
    /// what an earlier one left open.
    pub fn seat_with_random_id(&self, slot: u32) -> BrokerSeat {
        BrokerSeat::new(Arc::clone(&self.shared), slot, false)
    }

    /// Retention: forgets what is before `before`, as far as it is stable.
    pub fn expire(&self, topic: Topic, partition: Partition, before: Offset) {
        change(&self.shared.core, |core| {
            if let Some(kept) = core.partitions.get_mut(&(topic, partition)) {
                kept.expire(before);
            }
        });
    }

    /// The next commit of this slot that has something to commit answers `Unavailable`. With
    /// `took_effect` it is committed; else the transaction stays open, until a reset ends it or
    /// [the commit arrives](BrokerStep::CommitArrives) after all.
    pub fn next_commit_is_unknown(&self, slot: u32, took_effect: bool) {
        change(&self.shared.core, |core| {
            core.unknown_commits.insert(slot, took_effect);
        });
    }

    /// The survivor's rule: in the name of `by_slot`, a living member, initialises the
    /// transactional id of every other slot that has an open transaction and no member in the
    /// group. Answers how many. Ids that nobody can guess are not found.
    pub fn end_orphans(&self, by_slot: u32) -> usize {
        change(&self.shared.core, |core| core.end_orphans(by_slot))
    }

    /// Every committed position is lost, those of plain publishes as well.
    pub fn lose_committed_offsets(&self) {
        change(&self.shared.core, |core| core.committed.clear());
    }

    /// Whether seats wait for positions that an open transaction may move. They do; not to is a
    /// wrong variant.
    pub fn set_require_stable(&self, is_required: bool) {
        change(&self.shared.core, |core| {
            core.switches.requires_stable = is_required;
        });
    }

    /// Whether positions of the [unknown member](unknown_member) are accepted. They are refused;
    /// to accept them is a wrong variant.
    pub fn set_accepts_unknown_member(&self, is_accepted: bool) {
        change(&self.shared.core, |core| {
            core.switches.accepts_unknown_member = is_accepted;
        });
    }

    /// Whether [time-outs of transactions](BrokerStep::TimeOut) are among the steps. They are;
    /// without them and without [`end_orphans`](Self::end_orphans) the transaction of a slot
    /// that never comes back stays open for ever.
    pub fn set_transaction_time_outs(&self, time_out: bool) {
        change(&self.shared.core, |core| core.switches.times_out = time_out);
    }

    /// What a committed reader sees of a partition, all of it.
    pub fn committed_records(&self, topic: Topic, partition: Partition) -> Vec<(Offset, Bytes)> {
        let core = self.shared.core.lock();
        let Some(kept) = core.partitions.get(&(topic, partition)) else {
            return Vec::new();
        };
        let start = kept.bounds(Isolation::Committed).start;
        let records = kept.read(String::new, start, Isolation::Committed, usize::MAX);
        let records = records.unwrap_or_default().into_iter();
        records.map(|one| (one.offset, one.bytes)).collect()
    }

    /// A committed position as it stands, without waiting.
    pub fn committed_position(&self, consumer: &Consumer) -> Option<Offset> {
        self.shared.core.lock().committed.get(consumer).copied()
    }

    /// Whether any transaction is open.
    pub fn has_open_transaction(&self) -> bool {
        !self.shared.core.lock().open.is_empty()
    }

    /// The slot whose member owns a task, also while it is asked to release it.
    pub fn owner(&self, task: TaskId) -> Option<u32> {
        let core = self.shared.core.lock();
        let (Owner::Member(member) | Owner::Revoking(member)) = *core.group.owners.get(&task)?
        else {
            return None;
        };
        core.group.members.get(&member).map(|known| known.slot)
    }

    /// The generation of the group.
    pub fn generation(&self) -> u64 {
        self.shared.core.lock().group.generation
    }

    /// Everything there is, for the message of a run that failed.
    pub fn dump(&self) -> String {
        self.shared.core.lock().dump()
    }
}
