//! Wrong variants of the protocol that need no switch in the engine: wrappers and broker settings.

use crate::flaw::Flaw;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vitrina_ports::log::{Append, Consumed, Consumer, Offset};
use vitrina_ports::seat::{Assignment, Membership, Seat, TaskId};
use vitrina_ports::state::{Commit, StatePartition, StateStore, Versioned};
use vitrina_ports::{PortError, PortFuture};
use vitrina_stream::{Operator, Outbox, Working};
use vitrina_types::event::Rejection;
use vitrina_types::state::TaskState;
use vitrina_types::time::{IngestTime, Watermark};
use vitrina_types::topic::Topic;

/// Every wrong variant the simulation must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A switch in the engine.
    Engine(Flaw),
    /// The store takes a commit whatever position it expects.
    NoCompareAndSet,
    /// Values and position are two commits.
    PositionOutsideCommit,
    /// O is sent one too low.
    PublishedOneLow,
    /// O is sent one too high.
    PublishedOneHigh,
    /// A read of state answers values without the position they stand for.
    ReadsWithoutPosition,
    /// Positions are compared before publishing only, not with every read.
    RecheckedBeforePublishOnly,
    /// O is read while a transaction that may move it is open.
    PublishedNotStable,
    /// The group forgot O, and the worker goes on as if S were it.
    PublishedLost,
    /// Stages read what is not committed.
    ReadUncommitted,
    /// Each life of a worker has another transactional id, and transactions never time out.
    RandomTransactionalId,
    /// A worker never returns, transactions never time out and nobody ends its own.
    NeverReturns,
    /// An operator reads the clock.
    ClockInOperator,
    /// The watermark is taken over all partitions of a worker.
    WatermarkOverWorker,
    /// One key is kept in memory only.
    KeyInMemoryOnly,
    /// Retention goes by S, not by the newest checkpoint.
    RetentionBeyondCheckpoint,
}

/// What a worker believes its state stands at, where it does not ask.
type Believed = Arc<Mutex<BTreeMap<StatePartition, Offset>>>;

/// A state store that is wrong in some way, or not.
pub(super) struct WrongState {
    pub(super) inner: Arc<dyn StateStore>,
    pub(super) wrong: Option<Wrong>,
    pub(super) believed: Believed,
}

impl WrongState {
    fn lies(&self) -> bool {
        matches!(
            self.wrong,
            Some(Wrong::ReadsWithoutPosition | Wrong::RecheckedBeforePublishOnly)
        )
    }
}

impl StateStore for WrongState {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<bytes::Bytes>>>> {
        Box::pin(async move {
            let mut found = self.inner.get_many(partition, keys).await?;
            // A task that starts asks for its own state, and one that rests for nothing: those
            // answers are true. The others believe what was true last.
            let starts = keys.iter().all(|key| key == TaskState::KEY);
            let mut believed = self.believed.lock();
            if starts {
                believed.insert(partition, found.position);
            } else if self.lies() {
                found.position = believed.get(&partition).copied().unwrap_or(found.position);
            }
            Ok(found)
        })
    }

    fn commit(&self, mut commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let (partition, next) = (commit.partition, commit.next);
            if self.wrong == Some(Wrong::KeyInMemoryOnly) {
                commit.changes.retain(|change| change.key != TaskState::KEY);
            }
            if self.wrong == Some(Wrong::PositionOutsideCommit) {
                let values = Commit {
                    next: commit.expected,
                    ..commit.clone()
                };
                self.inner.commit(values).await?;
                commit.changes.clear();
            }
            self.inner.commit(commit).await?;
            self.believed.lock().insert(partition, next);
            Ok(())
        })
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, bytes::Bytes)>>> {
        self.inner.scan(partition, after, limit)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.inner.reached(partition, wanted)
    }
}

/// A seat that is wrong in some way, or not.
pub(super) struct WrongSeat {
    pub(super) inner: Box<dyn Seat>,
    pub(super) wrong: Option<Wrong>,
    pub(super) believed: Believed,
    /// The truth: where a state partition stands.
    pub(super) position: Box<dyn Fn(StatePartition) -> Offset + Send + Sync>,
    /// The state partition behind a consumer.
    pub(super) state_of: fn(&Consumer) -> Option<StatePartition>,
}

impl WrongSeat {
    /// Whether what a worker believes of its state is still so.
    fn recheck(&self, consumed: &[Consumed]) -> Result<(), PortError> {
        if self.wrong != Some(Wrong::RecheckedBeforePublishOnly) {
            return Ok(());
        }
        let believed = self.believed.lock();
        for at in consumed
            .iter()
            .filter_map(|one| (self.state_of)(&one.consumer))
        {
            let (expected, found) = (believed.get(&at).copied(), (self.position)(at));
            if expected.is_some_and(|expected| expected != found) {
                return Err(PortError::PositionMismatch {
                    what: format!("{at:?}"),
                    expected: expected.unwrap_or(0),
                    found,
                });
            }
        }
        Ok(())
    }
}

impl Seat for WrongSeat {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        self.inner.poll()
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        self.inner.release(tasks)
    }

    fn membership(&self) -> Option<Membership> {
        self.inner.membership()
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        self.inner.send(outputs)
    }

    fn send_positions<'a>(
        &'a mut self,
        mut consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        for one in &mut consumed {
            match self.wrong {
                Some(Wrong::PublishedOneLow) => one.next = one.next.saturating_sub(1),
                Some(Wrong::PublishedOneHigh) => one.next += 1,
                _ => {}
            }
        }
        Box::pin(async move {
            self.recheck(&consumed)?;
            self.inner.send_positions(consumed, as_member).await
        })
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        self.inner.commit()
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        self.inner.reset()
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move {
            let found = self.inner.committed(consumer).await?;
            if found.is_none() && self.wrong == Some(Wrong::PublishedLost) {
                return Ok((self.state_of)(consumer).map(|at| (self.position)(at)));
            }
            Ok(found)
        })
    }
}

/// An operator that is wrong in some way, or not.
#[derive(Clone)]
pub(super) struct WrongOperator<O> {
    pub(super) inner: O,
    pub(super) wrong: Option<Wrong>,
    /// A clock: moves with every look at it.
    pub(super) clock: Arc<AtomicI64>,
    /// The newest watermark of all tasks of a worker.
    pub(super) newest: Arc<AtomicI64>,
}

impl<O> WrongOperator<O> {
    /// A right one.
    pub(super) fn right(inner: O) -> Self {
        Self::new(inner, None, 0)
    }

    pub(super) fn new(inner: O, wrong: Option<Wrong>, clock: i64) -> Self {
        Self {
            inner,
            wrong,
            clock: Arc::new(AtomicI64::new(clock)),
            newest: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }
}

impl<O: Operator> Operator for WrongOperator<O> {
    type Record = O::Record;
    type Value = O::Value;
    type Resident = O::Resident;
    const NAME: &'static str = O::NAME;
    const INPUT: Topic = O::INPUT;

    fn decode(&self, bytes: &[u8]) -> Result<O::Record, Rejection> {
        self.inner.decode(bytes)
    }

    fn keys(&self, record: &O::Record, keys: &mut Vec<String>) {
        self.inner.keys(record, keys);
    }

    fn ingest_time(&self, record: &O::Record) -> IngestTime {
        self.inner.ingest_time(record)
    }

    fn apply(
        &self,
        record: &O::Record,
        state: &mut Working<O::Value, O::Resident>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        if self.wrong == Some(Wrong::ClockInOperator) {
            let now = self.clock.fetch_add(1, Ordering::Relaxed);
            task.backfill.last_ingest = IngestTime(now);
        }
        self.inner.apply(record, state, task, out);
        if self.wrong == Some(Wrong::WatermarkOverWorker) {
            let newest = self.newest.fetch_max(task.watermark.0, Ordering::Relaxed);
            task.watermark = Watermark(newest.max(task.watermark.0));
        }
    }
}
