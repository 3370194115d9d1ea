//! What the tasks of one turn send, and how far they have come: one transaction for all stages.

use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use rustc_hash::FxHashMap;
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, Consumed, Offset, Records};
use vitrina_ports::seat::{Membership, Seat};
use vitrina_ports::state::{Space, StatePartition};
use vitrina_stream::Output;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Outputs of a turn beyond this are published before the next task is processed.
const PUBLISH_BYTES: usize = 8 * 1_024 * 1_024;

/// Outputs and positions of all tasks of a turn.
#[derive(Default)]
pub(crate) struct Batch {
    /// Who we were as it began.
    member: Option<Membership>,
    /// One [`Append`] a target partition.
    records: FxHashMap<(Topic, Partition), Records>,
    bytes: usize,
    consumed: Vec<Consumed>,
    /// Tasks and their next O, to be noted once it is so.
    reached: Vec<(StatePartition, Offset)>,
    /// The same of what is published.
    published: Vec<(StatePartition, Offset)>,
    /// Whether a task read so much that there is likely more: then the next batch is as full.
    has_more: bool,
}

impl Batch {
    /// Notes who we are, before anything is processed for it. A worker the group does not know
    /// begins none.
    ///
    /// # Errors
    /// `Fenced` for such a worker.
    pub(super) fn begin(&mut self, shared: &Shared, seat: &dyn Seat) -> Result<(), PortError> {
        if self.member.is_none() {
            self.member = Some(captured(shared, seat)?);
        }
        Ok(())
    }

    /// Adds what one task sent.
    pub(super) fn add(&mut self, output: Output) {
        self.bytes += output.bytes.len();
        let target = (output.topic, output.partition);
        let records = self.records.entry(target).or_default();
        records.append(output.bytes, output.ends);
    }

    /// Adds how far the task `at` has come.
    pub(super) fn reach(&mut self, at: StatePartition, consumed: Consumed) {
        self.reached.push((at, consumed.next));
        self.consumed.push(consumed);
    }

    /// Notes that a task read so much that there is likely more.
    pub(super) fn expect_more(&mut self) {
        self.has_more = true;
    }

    /// Whether the next batch is likely to be full at once.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether so much is in it that it is to be published at once.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= PUBLISH_BYTES
    }

    /// The tasks of a stage that were published, and their O.
    pub(super) fn published(&self, space: Space) -> impl Iterator<Item = (Partition, Offset)> {
        let of_stage = move |(at, _): &&(StatePartition, Offset)| at.space == space;
        let published = self.published.iter().filter(of_stage);
        published.map(|&(at, next)| (at.partition, next))
    }

    /// Makes outputs and positions visible, together. What is processed after it is another
    /// batch.
    ///
    /// # Errors
    /// The seat's; whether it was published is not known then.
    pub(crate) async fn publish(
        &mut self,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<(), EngineError> {
        let Some(captured) = self.member.take().filter(|_| !self.consumed.is_empty()) else {
            return Ok(());
        };
        let (appends, consumed) = self.take();
        if !(appends.is_empty() && shared.has(Flaw::NoTransactionWhenEmpty)) {
            if !appends.is_empty() {
                seat.send(appends).await?;
            }
            let fresh = seat.membership().unwrap_or_else(unknown);
            let is_fresh = shared.has(Flaw::RevokeIgnored) || shared.has(Flaw::LossIgnored);
            let member = if is_fresh { &fresh } else { &captured };
            seat.send_positions(consumed, member).await?;
            let committed = seat.commit().await;
            if !shared.has(Flaw::UnknownIsCommitted) {
                committed?;
            }
        }
        self.published.append(&mut self.reached);
        Ok(())
    }

    /// Outputs by topic and partition, and positions.
    fn take(&mut self) -> (Vec<Append>, Vec<Consumed>) {
        self.bytes = 0;
        let records = self.records.drain();
        let mut appends: Vec<Append> = records
            .map(|((topic, partition), records)| Append {
                topic,
                partition,
                records,
            })
            .collect();
        appends.sort_unstable_by_key(|append| (append.topic, append.partition));
        (appends, std::mem::take(&mut self.consumed))
    }
}

fn captured(shared: &Shared, seat: &dyn Seat) -> Result<Membership, PortError> {
    match seat.membership() {
        Some(member) => Ok(member),
        None if shared.has(Flaw::UnknownMember) => Ok(unknown()),
        None => Err(PortError::Fenced {
            what: "this worker".into(),
            detail: "the group does not know it yet".into(),
        }),
    }
}

/// What a client library says of itself before it has joined.
fn unknown() -> Membership {
    Membership {
        member: "".into(),
        generation: u64::MAX,
    }
}
