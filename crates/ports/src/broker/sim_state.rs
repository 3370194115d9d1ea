//! A state store for simulations: it stops where a [`Pace`] says, loses its tail, and may take a
//! commit long after the caller gave up.
//!
//! Underneath is [`MemoryState`]; a lost tail is a row of commits that take back the last ones.

use super::Pace;
use super::waiting::{Waited, Waiting, change, until};
use crate::log::Offset;
use crate::state::memory::{MemoryState, Pairs};
use crate::state::{Change, Commit, KEYS_PER_READ_MAX, StatePartition, StateStore, Versioned};
use crate::{PortError, PortFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const PORT: &str = "simulated state";

/// The store. A clone is the same store.
#[derive(Clone)]
pub struct SimState {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    memory: MemoryState,
    /// How to take back each commit that can be lost, oldest first.
    undo: BTreeMap<StatePartition, Vec<Commit>>,
    floors: BTreeMap<StatePartition, Offset>,
    /// Slots whose next commit is delayed.
    to_delay: BTreeSet<u32>,
    delayed: VecDeque<Commit>,
    compares: bool,
    waiting: Waiting,
}

impl Waited for Inner {
    fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }
}

impl Default for SimState {
    fn default() -> Self {
        Self::new()
    }
}

impl SimState {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                memory: MemoryState::new(),
                undo: BTreeMap::new(),
                floors: BTreeMap::new(),
                to_delay: BTreeSet::new(),
                delayed: VecDeque::new(),
                compares: true,
                waiting: Waiting::default(),
            })),
        }
    }

    /// The store as the worker of `slot` sees it.
    pub fn handle(&self, slot: u32, pace: Arc<dyn Pace>) -> SimHandle {
        SimHandle {
            inner: Arc::clone(&self.inner),
            slot,
            pace,
        }
    }

    /// A partition steps back by `commits`, but never below its [floor](Self::set_floor). Answers
    /// where it stands then.
    pub fn lose_tail(&self, partition: StatePartition, commits: usize) -> Offset {
        change(&self.inner, |inner| {
            for _ in 0..commits {
                let undo = inner.undo.entry(partition).or_default();
                let Some(undone) = undo.pop() else {
                    break;
                };
                // It expects the position that it finds: the commit it takes back is the last.
                let _ = now(inner.memory.commit(undone));
            }
            inner.position(partition)
        })
    }

    /// How many commits [`lose_tail`](Self::lose_tail) could take back.
    pub fn commits_at_risk(&self, partition: StatePartition) -> usize {
        let inner = self.inner.lock();
        inner.undo.get(&partition).map_or(0, Vec::len)
    }

    /// A checkpoint at `position`: the partition never steps back below it. Lower than an
    /// earlier one it changes nothing.
    pub fn set_floor(&self, partition: StatePartition, position: Offset) {
        change(&self.inner, |inner| {
            let floor = inner.floors.entry(partition).or_default();
            *floor = position.max(*floor);
            let floor = *floor;
            if let Some(undo) = inner.undo.get_mut(&partition) {
                // All from the last that would step below the floor: those before it cannot be
                // reached without it.
                let kept_from = undo.iter().rposition(|one| one.next < floor);
                undo.drain(..kept_from.map_or(0, |last| last + 1));
            }
        });
    }

    /// The next commit of this slot answers `Unavailable` and arrives
    /// [later](Self::deliver_delayed), or [never](Self::lose_delayed).
    pub fn delay_next_commit(&self, slot: u32) {
        change(&self.inner, |inner| inner.to_delay.insert(slot));
    }

    /// How many delayed commits are under way.
    pub fn delayed_count(&self) -> usize {
        self.inner.lock().delayed.len()
    }

    /// The oldest delayed commit arrives, and is accepted or refused; `None` when there is none.
    pub fn deliver_delayed(&self) -> Option<Result<(), PortError>> {
        change(&self.inner, |inner| {
            let commit = inner.delayed.pop_front()?;
            Some(inner.commit(commit))
        })
    }

    /// The oldest delayed commit is lost on its way; answers whether there was one.
    pub fn lose_delayed(&self) -> bool {
        change(&self.inner, |inner| inner.delayed.pop_front().is_some())
    }

    /// Whether a commit is refused when the position is not the one it expects. It is; not to
    /// compare is a wrong variant.
    pub fn set_compares(&self, compares: bool) {
        change(&self.inner, |inner| inner.compares = compares);
    }

    /// Where a partition stands.
    pub fn position(&self, partition: StatePartition) -> Offset {
        self.inner.lock().position(partition)
    }

    /// Everything there is: partition, position, pairs in key order.
    pub fn dump(&self) -> Vec<(StatePartition, Versioned<Pairs>)> {
        self.inner.lock().memory.dump()
    }
}

impl Inner {
    fn position(&self, partition: StatePartition) -> Offset {
        let found = now(self.memory.get_many(partition, &[]));
        found.map_or(0, |found| found.position)
    }

    fn commit(&mut self, mut commit: Commit) -> Result<(), PortError> {
        let partition = commit.partition;
        let found = self.position(partition);
        if !self.compares {
            commit.expected = found;
        }
        let keys = commit.changes.iter().map(|one| one.key.clone());
        let keys: Vec<String> = keys.collect();
        let mut before = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_PER_READ_MAX) {
            before.extend(now(self.memory.get_many(partition, some))?.values);
        }
        let changes = keys.into_iter().zip(before);
        let undo = Commit {
            partition,
            expected: commit.next,
            next: found,
            changes: changes.map(|(key, value)| Change { key, value }).collect(),
        };
        now(self.memory.commit(commit))?;
        if found >= self.floors.get(&partition).copied().unwrap_or(0) {
            self.undo.entry(partition).or_default().push(undo);
        }
        self.waiting.news();
        Ok(())
    }
}

/// What a call of [`MemoryState`] answers: it never waits.
fn now<T>(mut call: PortFuture<'_, T>) -> Result<T, PortError> {
    let mut context = Context::from_waker(Waker::noop());
    match Pin::as_mut(&mut call).poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(PortError::Closed { port: PORT }),
    }
}

/// A [`SimState`] as one worker sees it.
#[derive(Clone)]
pub struct SimHandle {
    inner: Arc<Mutex<Inner>>,
    slot: u32,
    pace: Arc<dyn Pace>,
}

impl SimHandle {
    fn step(&self, what: &'static str) -> PortFuture<'_, ()> {
        self.pace.step(self.slot, what)
    }
}

impl StateStore for SimHandle {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            self.step("state read").await?;
            now(self.inner.lock().memory.get_many(partition, keys))
        })
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.step("state commit").await?;
            change(&self.inner, |inner| {
                if inner.to_delay.remove(&self.slot) {
                    inner.delayed.push_back(commit);
                    return Err(PortError::Unavailable {
                        port: PORT,
                        detail: "no answer to the commit, it may arrive later".to_owned(),
                    });
                }
                inner.commit(commit)
            })?;
            self.step("state commit answered").await
        })
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        Box::pin(async move {
            self.step("state scan").await?;
            now(self.inner.lock().memory.scan(partition, after, limit))
        })
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.step("state reached").await?;
            let reached = until(&self.inner, |inner| {
                (inner.position(partition) >= wanted).then_some(())
            });
            reached.await;
            Ok(())
        })
    }
}
