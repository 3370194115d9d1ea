//! One round: read, process, publish, commit.

use super::assign::load;
use super::outputs::Outputs;
use super::{Stage, check_position, consumer};
use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::{error, warn};
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumed, Offset};
use vitrina_ports::seat::{Membership, Seat};
use vitrina_ports::state::{KEYS_PER_READ_MAX, Space};
use vitrina_stream::Operator;

/// Bytes of one partition read in one round. An order of 200 lines makes some 400 times its bytes
/// in outputs, so this bounds a publish too: below a third of what a log call may carry.
const READ_BYTES: usize = 64 * 1_024;
/// The same of a stage behind the first: about what a round of the first one sends it, so that it
/// does not fall behind and finds what it reads in memory. What it sends is bounded by the rows
/// told a record.
const SIGNAL_READ_BYTES: usize = 256 * 1_024;
/// Outputs of a round beyond this are published before the next partition is read.
const PUBLISH_BYTES: usize = 8 * 1_024 * 1_024;
/// A record whose processing panics this often is given up.
pub(super) const ATTEMPTS_MAX: u32 = 3;
/// A round of more records than this is taken for backfill: its commits coalesce.
const BACKFILL_ROUND: usize = 2_000;

pub(super) fn read_bytes(space: Space) -> usize {
    match space {
        Space::Users | Space::Shop | Space::Lines => READ_BYTES,
        Space::Products | Space::Slates | Space::Rows => SIGNAL_READ_BYTES,
    }
}

impl<O: Operator> Stage<O> {
    pub(super) async fn process(
        &mut self,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<usize, EngineError> {
        if self.slots.is_empty() {
            // Also while the group does not know us: then there is nothing to send either.
            return Ok(0);
        }
        let mut member = captured(shared, seat)?;
        let (mut records, mut outputs) = (0, Outputs::default());
        for place in 0..self.slots.len() {
            let (first, published) = self.stands(place);
            let end = shared.ports.log.bounds(O::INPUT, self.partition(place)).end;
            if end <= first {
                continue;
            }
            records += self.fill(place, end, shared).await?;
            let task = &mut self.slots[place].task;
            if catch_unwind(AssertUnwindSafe(|| task.process())).is_err() {
                shared.figures.panics.add(1);
                return Err(self.panicked(place));
            }
            let mutes_all = shared.has(Flaw::SuppressByBatch) && first < published.unwrap_or(0);
            for output in task.take_outputs() {
                if !mutes_all {
                    outputs.add(output);
                }
            }
            let next = task.position().max(published.unwrap_or(0));
            if published != Some(next) {
                let consumed = Consumed {
                    consumer: consumer::<O>(self.partition(place)),
                    expected: published,
                    next,
                };
                outputs.reach(place, consumed);
            }
            if outputs.bytes() >= PUBLISH_BYTES {
                self.publish(&mut outputs, &member, shared, seat).await?;
                member = captured(shared, seat)?;
            }
        }
        self.publish(&mut outputs, &member, shared, seat).await?;
        let live = records <= BACKFILL_ROUND && !self.is_bulk;
        let since_ms = shared.now().since_ms(self.last_commit);
        let interval_ms = shared.options.commit_interval.as_millis() as i64;
        // Also where nothing came: what a backlog left must not wait until the other stages of
        // this worker rest.
        let is_due = since_ms >= interval_ms || since_ms < 0;
        if is_due || (records > 0 && live) {
            self.commit_all(shared).await?;
        }
        Ok(records)
    }

    /// The next offset a task reads, and its O.
    fn stands(&self, place: usize) -> (Offset, Option<Offset>) {
        let slot = &self.slots[place];
        (slot.task.position(), slot.published)
    }

    fn partition(&self, place: usize) -> vitrina_types::partition::Partition {
        self.slots[place].task.partition()
    }

    /// Reads a batch into a task, with the state it needs; answers how many records. Where the
    /// log has none before `end`, only what a transaction leaves behind, the task moves over it.
    async fn fill(
        &mut self,
        place: usize,
        end: Offset,
        shared: &Shared,
    ) -> Result<usize, EngineError> {
        let (at, read_bytes) = (self.at(self.partition(place)), self.read_bytes);
        let slot = &mut self.slots[place];
        let position = slot.task.position();
        let log = &shared.ports.log;
        let read = log.read(O::INPUT, at.partition, position, read_bytes);
        let records = read.await?;
        if records.is_empty() {
            slot.task.skip_to(end);
        }
        let missing = slot
            .task
            .accept(records.iter().map(|r| (r.offset, &r.bytes[..])));
        for keys in missing.chunks(KEYS_PER_READ_MAX) {
            let found = shared.ports.state.get_many(at, keys).await?;
            check_position(at, slot.committed, found.position)?;
            for (key, value) in keys.iter().zip(found.values) {
                load(&mut slot.task, key, value.as_deref())?;
            }
        }
        Ok(records.len())
    }

    /// Makes outputs and positions visible, together.
    async fn publish(
        &mut self,
        outputs: &mut Outputs,
        captured: &Membership,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<(), EngineError> {
        if outputs.is_empty() {
            return Ok(());
        }
        if shared.has(Flaw::StateFirst) {
            self.commit_all(shared).await?;
        }
        let (appends, consumed, reached) = outputs.take();
        if !(appends.is_empty() && shared.has(Flaw::NoTransactionWhenEmpty)) {
            if !appends.is_empty() {
                seat.send(appends).await?;
            }
            let fresh = seat.membership().unwrap_or_else(unknown);
            let is_fresh = shared.has(Flaw::RevokeIgnored) || shared.has(Flaw::LossIgnored);
            let member = if is_fresh { &fresh } else { captured };
            seat.send_positions(consumed, member).await?;
            let committed = seat.commit().await;
            if !shared.has(Flaw::UnknownIsCommitted) {
                committed?;
            }
        }
        for (place, next) in reached {
            self.slots[place].published = Some(next);
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

/// Who we are as the batch begins. A worker the group does not know begins none.
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
