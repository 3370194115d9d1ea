//! The work of one stage in a turn: read, process; and after the publish, commit.

use super::assign::load;
use super::batch::Batch;
use super::{Stage, check_position, consumer};
use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use futures_util::future::try_join_all;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::{error, warn};
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumed, Offset};
use vitrina_ports::seat::Seat;
use vitrina_ports::state::{KEYS_PER_READ_MAX, Space};
use vitrina_stream::Operator;

/// Bytes of one partition read in one round. An order of 200 lines makes some 400 times its bytes
/// in outputs, so this bounds a publish too: below a third of what a log call may carry.
const READ_BYTES: usize = 64 * 1_024;
/// The same of a stage behind the first: about what a round of the first one sends it, so that it
/// does not fall behind and finds what it reads in memory. What it sends is bounded by the rows
/// told a record.
const SIGNAL_READ_BYTES: usize = 256 * 1_024;
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
    /// Processes what there is to read; answers how many records it was.
    pub(super) async fn process_all(
        &mut self,
        batch: &mut Batch,
        shared: &Shared,
        seat: &mut dyn Seat,
    ) -> Result<usize, EngineError> {
        let mut records = 0;
        let together = shared.options.state_calls_together.max(1);
        for first in (0..self.slots.len()).step_by(together) {
            // Also while the group does not know us: then there is nothing to send either.
            batch.begin(shared, seat)?;
            let places = first..self.slots.len().min(first + together);
            let mut filled = Vec::with_capacity(together);
            for place in places {
                let (position, published) = self.stands(place);
                let end = shared.ports.log.bounds(O::INPUT, self.partition(place)).end;
                if end > position {
                    let read = self.fill(place, end, shared).await?;
                    records += read.records;
                    if read.bytes >= self.read_bytes / 2 {
                        batch.expect_more();
                    }
                    filled.push((place, position, published, read.missing));
                }
            }
            self.load_missing(&mut filled, shared).await?;
            for (place, position, published, _) in filled {
                self.process_one(place, position, published, batch, shared)?;
                if batch.is_full() {
                    batch.publish(shared, seat).await?;
                    batch.begin(shared, seat)?;
                }
            }
        }
        self.records = records;
        Ok(records)
    }

    /// Processes what one task, which stood at `first` with its O at `published`, has read.
    fn process_one(
        &mut self,
        place: usize,
        first: Offset,
        published: Option<Offset>,
        batch: &mut Batch,
        shared: &Shared,
    ) -> Result<(), EngineError> {
        let task = &mut self.slots[place].task;
        if catch_unwind(AssertUnwindSafe(|| task.process())).is_err() {
            shared.figures.panics.add(1);
            return Err(self.panicked(place));
        }
        let mutes_all = shared.has(Flaw::SuppressByBatch) && first < published.unwrap_or(0);
        for output in task.take_outputs() {
            if !mutes_all {
                batch.add(output);
            }
        }
        let next = task.position().max(published.unwrap_or(0));
        if published != Some(next) {
            let partition = self.partition(place);
            let consumed = Consumed {
                consumer: consumer::<O>(partition),
                expected: published,
                next,
            };
            batch.reach(self.at(partition), consumed);
        }
        Ok(())
    }

    /// Commits what is due after a turn.
    ///
    /// Live that is everything, so that answers know it; in a backlog, what waited for the
    /// interval; when the worker has nothing to do, what is left. Where writing state is dear,
    /// what nobody waits for takes its time.
    pub(super) async fn commit_some(
        &mut self,
        is_idle: bool,
        shared: &Shared,
    ) -> Result<(), EngineError> {
        let records = std::mem::take(&mut self.records);
        let live = records > 0 && records <= BACKFILL_ROUND && !self.is_bulk;
        let since_ms = shared.now().since_ms(self.last_commit);
        let interval_ms = shared.options.commit_interval.as_millis() as i64;
        // Also where nothing came: what a backlog left must not wait until the other stages of
        // this worker rest.
        let is_due = since_ms >= interval_ms || since_ms < 0;
        if !is_due && !live && !is_idle {
            return Ok(());
        }
        let is_paced = since_ms >= 0 && since_ms < self.pace_ms;
        self.commit_where(shared, |task| !is_paced || task.is_awaited())
            .await
    }

    /// The next offset a task reads, and its O.
    fn stands(&self, place: usize) -> (Offset, Option<Offset>) {
        let slot = &self.slots[place];
        (slot.task.position(), slot.published)
    }

    fn partition(&self, place: usize) -> vitrina_types::partition::Partition {
        self.slots[place].task.partition()
    }

    /// Reads a batch into a task. Where the log has no record before `end`, only what a transaction
    /// leaves behind, the task moves over it.
    async fn fill(
        &mut self,
        place: usize,
        end: Offset,
        shared: &Shared,
    ) -> Result<Read, EngineError> {
        let (partition, read_bytes) = (self.partition(place), self.read_bytes);
        let slot = &mut self.slots[place];
        let position = slot.task.position();
        let log = &shared.ports.log;
        let records = log.read(O::INPUT, partition, position, read_bytes).await?;
        if records.is_empty() {
            slot.task.skip_to(end);
        }
        let pairs = records.iter().map(|r| (r.offset, &r.bytes[..]));
        Ok(Read {
            missing: slot.task.accept(pairs),
            bytes: records.iter().map(|record| record.bytes.len()).sum(),
            records: records.len(),
        })
    }

    /// Asks for the state that tasks need, for all at the same time.
    async fn load_missing(
        &mut self,
        filled: &mut [Filled],
        shared: &Shared,
    ) -> Result<(), EngineError> {
        let asked = filled.iter().flat_map(|(place, _, _, missing)| {
            let chunks = missing.chunks(KEYS_PER_READ_MAX);
            chunks.map(move |keys| (*place, keys))
        });
        let asking = asked.map(|(place, keys)| {
            let at = self.at(self.partition(place));
            async move {
                let found = shared.ports.state.get_many(at, keys).await?;
                Ok::<_, PortError>((place, at, keys, found))
            }
        });
        let asking = Vec::from_iter(asking);
        for (place, at, keys, found) in try_join_all(asking).await? {
            let slot = &mut self.slots[place];
            check_position(at, slot.committed, found.position)?;
            for (key, value) in keys.iter().zip(found.values) {
                load(&mut slot.task, key, value.as_deref())?;
            }
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

/// What a task has read.
struct Read {
    records: usize,
    bytes: usize,
    /// Keys whose state it needs.
    missing: Vec<String>,
}

/// A task that has read: its place, where it stood, its O, and the keys whose state it needs.
type Filled = (usize, Offset, Option<Offset>, Vec<String>);
