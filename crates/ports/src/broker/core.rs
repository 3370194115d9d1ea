//! Everything of the broker that is behind its lock: partitions, transactions, positions, group.

use super::group::Group;
use super::partition::{Ending, Kept};
use super::waiting::{Waited, Waiting};
use crate::PortError;
use crate::log::{Append, BATCH_BYTES_MAX, Consumed, Consumer, Offset};
use crate::seat::{Assignment, Membership};
use std::collections::{BTreeMap, BTreeSet};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

pub(super) const PORT: &str = "broker";

/// Rules that a wrong variant breaks, and the one that may be missing.
#[derive(Debug)]
pub(super) struct Switches {
    pub(super) requires_stable: bool,
    pub(super) accepts_unknown_member: bool,
    pub(super) times_out: bool,
}

/// A transactional id, as the coordinator of transactions knows it.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) epoch: u64,
    /// Whether others can guess the id and end its transactions.
    pub(super) is_stable: bool,
}

/// A transaction that is open. Of one that ended nothing is left but its markers.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) producer: Box<str>,
    pub(super) seat: u64,
    pub(super) slot: u32,
    touched: BTreeSet<(Topic, Partition)>,
    positions: Vec<(Consumer, Offset)>,
    /// Its commit was sent and has not arrived.
    pub(super) is_commit_late: bool,
}

/// A seat that is alive, as the client library behind it knows the group.
#[derive(Debug)]
pub(super) struct Sitting {
    pub(super) transactional_id: Box<str>,
    pub(super) slot: u32,
    pub(super) member: Option<u64>,
    /// What it believes of its membership.
    pub(super) believes: Option<Membership>,
}

/// The producer side of a seat.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) seat: u64,
    pub(super) slot: u32,
    pub(super) transactional_id: Box<str>,
    pub(super) epoch: u64,
}

/// What is behind the lock.
pub(super) struct Core {
    pub(super) partitions: BTreeMap<(Topic, Partition), Kept>,
    pub(super) committed: BTreeMap<Consumer, Offset>,
    pub(super) producers: BTreeMap<Box<str>, Producer>,
    pub(super) open: BTreeMap<u64, Transaction>,
    pub(super) group: Group,
    pub(super) seats: BTreeMap<u64, Sitting>,
    pub(super) switches: Switches,
    /// By slot: the next commit answers nothing, and whether it takes effect.
    pub(super) unknown_commits: BTreeMap<u32, bool>,
    /// How often something became readable for committed readers.
    pub(super) settled_count: u64,
    /// How often something was appended.
    pub(super) appended_count: u64,
    transaction_count: u64,
    seat_count: u64,
    waiting: Waiting,
}

impl Waited for Core {
    fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }
}

impl Core {
    pub(super) fn new() -> Self {
        Self {
            partitions: BTreeMap::new(),
            committed: BTreeMap::new(),
            producers: BTreeMap::new(),
            open: BTreeMap::new(),
            group: Group::default(),
            seats: BTreeMap::new(),
            switches: Switches {
                requires_stable: true,
                accepts_unknown_member: false,
                times_out: true,
            },
            unknown_commits: BTreeMap::new(),
            settled_count: 0,
            appended_count: 0,
            transaction_count: 0,
            seat_count: 0,
            waiting: Waiting::default(),
        }
    }

    /// Appends outputs of a transaction, or of none, and answers the next offset after each.
    pub(super) fn append(&mut self, outputs: &[Append], transaction: Option<u64>) -> Vec<Offset> {
        let mut ends = Vec::with_capacity(outputs.len());
        let mut touched = BTreeSet::new();
        for output in outputs {
            let place = (output.topic, output.partition);
            let kept = self.partitions.entry(place).or_default();
            kept.append(&output.records, transaction);
            ends.push(kept.end());
            if !output.records.is_empty() {
                touched.insert(place);
            }
        }
        if !touched.is_empty() {
            self.appended_count += 1;
            self.settled_count += u64::from(transaction.is_none());
            self.waiting.news();
        }
        if let Some(open) = transaction.and_then(|number| self.open.get_mut(&number)) {
            open.touched.extend(touched);
        }
        ends
    }

    /// Outputs and positions in one step, without a transaction.
    pub(super) fn publish(
        &mut self,
        outputs: &[Append],
        consumed: Vec<Consumed>,
    ) -> Result<Vec<Offset>, PortError> {
        for one in &consumed {
            let found = self.committed.get(&one.consumer).copied();
            if found != one.expected {
                return Err(PortError::PositionMismatch {
                    what: format!("{} on {}", one.consumer.name, one.consumer.source),
                    expected: one.expected.unwrap_or(0),
                    found: found.unwrap_or(0),
                });
            }
        }
        for one in consumed {
            self.committed.insert(one.consumer, one.next);
        }
        Ok(self.append(outputs, None))
    }

    /// A committed position; `None` while it must be waited for.
    pub(super) fn stable(&self, consumer: &Consumer) -> Option<Option<Offset>> {
        let mut pending = self.open.values().flat_map(|open| &open.positions);
        if self.switches.requires_stable && pending.any(|(who, _)| who == consumer) {
            return None;
        }
        Some(self.committed.get(consumer).copied())
    }

    /// Seats somebody, and begins a new epoch of its transactional id.
    pub(super) fn sit(&mut self, slot: u32, is_stable: bool) -> Identity {
        self.seat_count += 1;
        let transactional_id: Box<str> = if is_stable {
            format!("engine-{slot}").into()
        } else {
            format!("engine-{slot}-life-{}", self.seat_count).into()
        };
        let producer = Producer {
            epoch: 0,
            is_stable,
        };
        let known = self.producers.entry(transactional_id.clone());
        known.or_insert(producer);
        let sitting = Sitting {
            transactional_id: transactional_id.clone(),
            slot,
            member: None,
            believes: None,
        };
        self.seats.insert(self.seat_count, sitting);
        Identity {
            seat: self.seat_count,
            slot,
            epoch: self.fence(&transactional_id),
            transactional_id,
        }
    }

    /// Initialises a transactional id: aborts its open transaction and answers the new epoch.
    pub(super) fn fence(&mut self, transactional_id: &str) -> u64 {
        let open = self.open.iter();
        let its = open.filter(|(_, open)| *open.producer == *transactional_id);
        let its: Vec<u64> = its.map(|(&number, _)| number).collect();
        for number in its {
            self.end(number, Ending::Abort);
        }
        let producer = self.producers.get_mut(transactional_id);
        producer.map_or(0, |producer| {
            producer.epoch += 1;
            producer.epoch
        })
    }

    /// Refuses who has been fenced.
    pub(super) fn check_epoch(&self, who: &Identity) -> Result<(), PortError> {
        let producer = self.producers.get(&who.transactional_id);
        let current = producer.map_or(0, |producer| producer.epoch);
        if current == who.epoch {
            return Ok(());
        }
        let detail = format!("its epoch is {}, the newest is {current}", who.epoch);
        Err(fenced(&who.transactional_id, detail))
    }

    /// The open transaction of a seat, begun when there is none.
    pub(super) fn begun(&mut self, who: &Identity, open: Option<u64>) -> Result<u64, PortError> {
        self.check_epoch(who)?;
        if let Some(number) = open {
            return Ok(number);
        }
        self.transaction_count += 1;
        let transaction = Transaction {
            producer: who.transactional_id.clone(),
            seat: who.seat,
            slot: who.slot,
            touched: BTreeSet::new(),
            positions: Vec::new(),
            is_commit_late: false,
        };
        self.open.insert(self.transaction_count, transaction);
        Ok(self.transaction_count)
    }

    /// Adds positions to an open transaction. The generation and the member are asked, nothing
    /// else: not who owns the task, not where the position stands.
    pub(super) fn add_positions(
        &mut self,
        number: u64,
        consumed: Vec<Consumed>,
        as_member: &Membership,
    ) -> Result<(), PortError> {
        let is_accepted = if as_member.member.is_empty() {
            self.switches.accepts_unknown_member
        } else {
            self.group.knows(as_member)
        };
        if !is_accepted {
            let (of, now) = (as_member.generation, self.group.generation);
            let detail = format!("it was a member in generation {of}, the group is in {now}");
            return Err(fenced(&as_member.member, detail));
        }
        if let Some(open) = self.open.get_mut(&number) {
            let positions = consumed.into_iter().map(|one| (one.consumer, one.next));
            open.positions.extend(positions);
        }
        Ok(())
    }

    /// Commits the transaction of a seat, or loses the answer when a simulation wants it so.
    pub(super) fn commit(&mut self, who: &Identity, number: u64) -> Result<(), PortError> {
        self.check_epoch(who)?;
        let Some(open) = self.open.get_mut(&number) else {
            let detail = "its transaction has ended".to_owned();
            return Err(fenced(&who.transactional_id, detail));
        };
        let unknown = self.unknown_commits.remove(&who.slot);
        if unknown == Some(false) {
            open.is_commit_late = true;
        } else {
            self.end(number, Ending::Commit);
        }
        match unknown {
            None => Ok(()),
            Some(_) => Err(PortError::Unavailable {
                port: PORT,
                detail: "no answer to the commit, its outcome is unknown".to_owned(),
            }),
        }
    }

    /// Ends a transaction: positions move and a marker is written to every partition it touched.
    pub(super) fn end(&mut self, number: u64, ending: Ending) {
        let Some(ended) = self.open.remove(&number) else {
            return;
        };
        for place in ended.touched {
            let kept = self.partitions.entry(place).or_default();
            kept.close(number, ending);
        }
        if ending == Ending::Commit {
            self.committed.extend(ended.positions);
        }
        self.settled_count += 1;
        self.appended_count += 1;
        self.waiting.news();
    }

    /// Fences, for a living member of `by_slot`, the stable ids of other slots without a member
    /// that have left a transaction open; answers how many.
    pub(super) fn end_orphans(&mut self, by_slot: u32) -> usize {
        let members = &self.group.members;
        let mut survivors = members.values().filter(|known| known.slot == by_slot);
        if !survivors.any(|known| self.is_live(known.seat)) {
            return 0;
        }
        let open = self.open.values();
        let orphans = open.filter(|open| {
            let is_member = members.values().any(|known| known.slot == open.slot);
            let producer = self.producers.get(&open.producer);
            !is_member && open.slot != by_slot && producer.is_some_and(|p| p.is_stable)
        });
        let orphans: BTreeSet<Box<str>> = orphans.map(|open| open.producer.clone()).collect();
        for producer in &orphans {
            self.fence(producer);
        }
        orphans.len()
    }

    /// What changed for a seat. It joins when the group does not know it; one that was thrown
    /// out is told so first and joins again at a later poll.
    pub(super) fn poll(&mut self, seat: u64) -> Vec<Assignment> {
        let Some(sitting) = self.seats.get_mut(&seat) else {
            return Vec::new();
        };
        let Some(member) = sitting.member else {
            let member = self
                .group
                .join(&sitting.transactional_id, seat, sitting.slot);
            sitting.member = Some(member);
            sitting.believes = self.group.membership(member);
            return Vec::new();
        };
        sitting.believes = self.group.membership(member);
        if sitting.believes.is_none() {
            sitting.member = None;
            return vec![Assignment::Lost];
        }
        self.group.take_events(member)
    }

    /// The member of a seat, in truth.
    pub(super) fn real(&self, sitting: &Sitting) -> Option<Membership> {
        self.group.membership(sitting.member?)
    }
}

/// Refuses a call that carries too much.
pub(super) fn check_size(outputs: &[Append]) -> Result<(), PortError> {
    let got = outputs.iter().map(|one| one.records.byte_len()).sum();
    if got > BATCH_BYTES_MAX {
        return Err(PortError::TooLarge {
            what: "bytes",
            got,
            limit: BATCH_BYTES_MAX,
        });
    }
    Ok(())
}

/// The refusal of somebody who was overtaken.
pub(super) fn fenced(what: &str, detail: String) -> PortError {
    PortError::Fenced {
        what: what.to_owned(),
        detail,
    }
}
