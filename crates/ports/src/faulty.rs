//! Ports that fail on purpose, by a seeded plan.
//!
//! A call fails in one of two ways, both as [`PortError::Unavailable`]: before it took effect, or
//! after, so that the caller cannot know. The same seed and the same order of calls give the same
//! failures. Reads fail too; waits and `bounds` never do.

use crate::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use crate::state::{Commit, StatePartition, StateStore, Versioned};
use crate::{PortError, PortFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// How often calls fail, each of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// Calls that fail without effect.
    pub before_per_mille: u16,
    /// Calls that take effect and fail all the same.
    pub after_per_mille: u16,
}

/// How many calls went how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    /// Calls let through.
    pub passed: u64,
    /// Calls failed without effect.
    pub failed_before: u64,
    /// Calls failed after they took effect.
    pub failed_after: u64,
}

/// What happens to the calls, in their order. Shared by the ports that follow it.
#[derive(Debug)]
pub struct FaultPlan {
    inner: Mutex<PlanState>,
}

#[derive(Debug)]
struct PlanState {
    random: SplitMix64,
    rates: FaultRates,
    counts: FaultCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    FailBefore,
    FailAfter,
}

impl FaultPlan {
    /// A plan that `seed` determines.
    pub fn new(seed: u64, rates: FaultRates) -> Arc<Self> {
        let inner = PlanState {
            random: SplitMix64::new(seed),
            rates,
            counts: FaultCounts::default(),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
        })
    }

    /// From now on calls fail this often; with the default rates, never.
    pub fn set_rates(&self, rates: FaultRates) {
        self.inner.lock().rates = rates;
    }

    /// What happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.inner.lock().counts
    }

    fn next_fate(&self) -> Fate {
        let mut plan = self.inner.lock();
        let drawn = (plan.random.next() % 1_000) as u16;
        let FaultRates {
            before_per_mille,
            after_per_mille,
        } = plan.rates;
        if drawn < before_per_mille {
            plan.counts.failed_before += 1;
            Fate::FailBefore
        } else if drawn < before_per_mille.saturating_add(after_per_mille) {
            plan.counts.failed_after += 1;
            Fate::FailAfter
        } else {
            plan.counts.passed += 1;
            Fate::Pass
        }
    }

    /// Lets `call` through, or not, or lets it through and answers an error. The fate is drawn
    /// when the future is first polled, and what fails before is never polled itself.
    fn follow<'a, T: Send + 'a>(
        &'a self,
        port: &'static str,
        what: &'static str,
        call: PortFuture<'a, T>,
    ) -> PortFuture<'a, T> {
        Box::pin(async move {
            match self.next_fate() {
                Fate::Pass => call.await,
                Fate::FailBefore => Err(PortError::Unavailable {
                    port,
                    detail: format!("{what} was made to fail before it took effect"),
                }),
                Fate::FailAfter => {
                    call.await?;
                    Err(PortError::Unavailable {
                        port,
                        detail: format!("{what} was made to fail, its outcome is unknown"),
                    })
                }
            }
        })
    }
}

/// A small random generator: the whole state is one number.
///
/// Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014; constants of S. Vigna's public-domain `splitmix64.c`.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator that `seed` determines.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so no Option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// An [`EventLog`] that follows a [`FaultPlan`].
pub struct FaultyLog<L> {
    inner: L,
    plan: Arc<FaultPlan>,
}

impl<L> FaultyLog<L> {
    /// Wraps `inner`.
    pub fn new(inner: L, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    /// The log itself, which does not fail.
    pub fn inner(&self) -> &L {
        &self.inner
    }
}

const LOG: &str = "faulty log";

impl<L: EventLog> EventLog for FaultyLog<L> {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        self.plan.follow(LOG, "append", self.inner.append(batch))
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        let call = self.inner.publish(outputs, consumed, durable);
        self.plan.follow(LOG, "publish", call)
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        let call = self.inner.read(topic, partition, from, bytes_max);
        self.plan.follow(LOG, "read", call)
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        let call = self.inner.committed(consumer);
        self.plan.follow(LOG, "committed", call)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        self.inner.bounds(topic, partition)
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        self.inner.changed(seen)
    }
}

/// A [`StateStore`] that follows a [`FaultPlan`].
pub struct FaultyState<S> {
    inner: S,
    plan: Arc<FaultPlan>,
}

impl<S> FaultyState<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    /// The store itself, which does not fail.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

const STATE: &str = "faulty state";

impl<S: StateStore> StateStore for FaultyState<S> {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        let call = self.inner.get_many(partition, keys);
        self.plan.follow(STATE, "get_many", call)
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        let call = self.inner.commit(commit);
        self.plan.follow(STATE, "commit", call)
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        let call = self.inner.scan(partition, after, limit);
        self.plan.follow(STATE, "scan", call)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.inner.reached(partition, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Records;
    use crate::log::memory::MemoryLog;
    use crate::state::memory::MemoryState;
    use crate::suite::{Volatile, block_on};

    /// Without faults the wrappers are invisible.
    mod calm_log {
        use super::*;
        crate::event_log_suite!(Volatile(|| {
            FaultyLog::new(MemoryLog::new(), FaultPlan::new(1, FaultRates::default()))
        }));
    }

    mod calm_state {
        use super::*;
        crate::state_store_suite!(Volatile(|| {
            FaultyState::new(MemoryState::new(), FaultPlan::new(1, FaultRates::default()))
        }));
    }

    fn appended(log: &FaultyLog<MemoryLog>, calls: u64) -> Vec<(bool, u64)> {
        block_on(async {
            let mut history = Vec::new();
            for _ in 0..calls {
                let mut records = Records::default();
                records.push(b"record");
                let (topic, partition) = (Topic::UserEvents, Partition(0));
                let batch = vec![Append {
                    topic,
                    partition,
                    records,
                }];
                let is_ok = log.append(batch).await.is_ok();
                history.push((is_ok, log.bounds(topic, partition).end));
            }
            history
        })
    }

    #[test]
    fn every_record_is_accounted_for_and_a_seed_repeats() {
        let rates = FaultRates {
            before_per_mille: 200,
            after_per_mille: 100,
        };
        let seed = 0x5eed;
        let log = FaultyLog::new(MemoryLog::new(), FaultPlan::new(seed, rates));
        let history = appended(&log, 1_000);
        let counts = log.plan.counts();
        assert!((140..260).contains(&counts.failed_before), "{counts:?}");
        assert!((60..140).contains(&counts.failed_after), "{counts:?}");
        let acknowledged = history.iter().filter(|(is_ok, _)| *is_ok).count() as u64;
        assert_eq!(acknowledged, counts.passed);
        let end = history.last().map(|&(_, end)| end);
        assert_eq!(end, Some(counts.passed + counts.failed_after));

        let again = FaultyLog::new(MemoryLog::new(), FaultPlan::new(seed, rates));
        assert_eq!(appended(&again, 1_000), history);
        log.plan.set_rates(FaultRates::default());
        assert!(appended(&log, 100).iter().all(|(is_ok, _)| *is_ok));
    }

    #[test]
    fn splitmix64_equals_the_reference() {
        // First numbers of the public-domain C program for seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let first = [(); 3].map(|()| random.next());
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, want);
    }
}
