//! What all loops of one engine share.

use crate::figures::Figures;
use crate::ids::Ids;
use crate::items::ItemSide;
use crate::options::{Clock, EngineOptions, Ports};
use crate::traces::Traces;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use vitrina_ports::log::Offset;
use vitrina_ports::state::Space;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

/// Events acknowledged together, on their way to state.
struct OnTheWay {
    end: Offset,
    events: u64,
    since: Instant,
}

/// Acknowledgements remembered for the freshness figure, a partition. Beyond it, the oldest is
/// left out of the figure, not out of processing.
const ON_THE_WAY_MAX: usize = 4_096;

pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) options: EngineOptions,
    pub(crate) clock: Clock,
    pub(crate) figures: Figures,
    pub(crate) items: ItemSide,
    pub(crate) traces: Traces,
    pub(crate) ids: Ids,
    pub(crate) began: Instant,
    /// Turns true once, when the engine stops.
    pub(crate) stop: watch::Sender<bool>,
    progress: watch::Sender<u64>,
    /// State positions, by space and partition.
    applied: [Vec<AtomicU64>; 2],
    /// Events left out as duplicates, ever, by partition.
    duplicates: Vec<AtomicU64>,
    on_the_way: Vec<Mutex<VecDeque<OnTheWay>>>,
}

impl Shared {
    pub(crate) fn new(ports: Ports, options: EngineOptions, clock: Clock) -> Self {
        let zeros = || (0..PARTITIONS).map(|_| AtomicU64::new(0)).collect();
        Self {
            traces: Traces::new(options.traces_bytes_max),
            ids: Ids::new(options.id_seed),
            items: ItemSide::new(options.items.clone()),
            ports,
            options,
            clock,
            figures: Figures::default(),
            began: Instant::now(),
            stop: watch::channel(false).0,
            progress: watch::channel(0).0,
            applied: [zeros(), zeros()],
            duplicates: zeros(),
            on_the_way: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The time, by the one clock of the house.
    pub(crate) fn now(&self) -> IngestTime {
        (self.clock)()
    }

    /// The same instant, as what happens now is stamped.
    pub(crate) fn event_now(&self) -> EventTime {
        self.now().as_event_time()
    }

    /// Seconds since the engine began: the scale of the recent figures.
    pub(crate) fn second(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Remembers that `events` events up to `end` were acknowledged just now.
    pub(crate) fn acknowledged(&self, partition: Partition, end: Offset, events: u64) {
        let mut queue = self.on_the_way[partition.at()].lock();
        // The stream may read a record before it is durable: then it has been applied already.
        if self.applied(Space::Users, partition) >= end {
            let freshness = &self.figures.freshness;
            freshness.record_many(Duration::ZERO, events, self.second());
            return;
        }
        if queue.len() >= ON_THE_WAY_MAX {
            queue.pop_front();
        }
        queue.push_back(OnTheWay {
            end,
            events,
            since: Instant::now(),
        });
    }

    /// A state partition now stands at `position`.
    pub(crate) fn committed(&self, space: Space, partition: Partition, position: Offset) {
        let before = self.applied[space as usize][partition.at()].swap(position, Ordering::AcqRel);
        if space == Space::Users {
            let second = self.second();
            self.figures
                .applied
                .add(position.saturating_sub(before), second);
            let mut queue = self.on_the_way[partition.at()].lock();
            while queue.front().is_some_and(|first| first.end <= position) {
                if let Some(done) = queue.pop_front() {
                    let took = done.since.elapsed();
                    self.figures
                        .freshness
                        .record_many(took, done.events, second);
                }
            }
        }
        self.moved();
    }

    /// A state partition starts at `position`.
    pub(crate) fn assigned(&self, space: Space, partition: Partition, position: Offset) {
        self.applied[space as usize][partition.at()].store(position, Ordering::Release);
    }

    /// A task has left out so many duplicates, ever.
    pub(crate) fn counted(&self, space: Space, partition: Partition, duplicates: u64) {
        if space == Space::Users {
            self.duplicates[partition.at()].store(duplicates, Ordering::Relaxed);
        }
    }

    /// Events left out as duplicates, ever.
    pub(crate) fn duplicates(&self) -> u64 {
        let counts = self.duplicates.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Where a state partition stands.
    pub(crate) fn applied(&self, space: Space, partition: Partition) -> Offset {
        self.applied[space as usize][partition.at()].load(Ordering::Acquire)
    }

    /// Records that are in the log, but not in the state of `space`.
    pub(crate) fn lag(&self, space: Space) -> u64 {
        Partition::all()
            .map(|partition| {
                let end = self.ports.log.bounds(input_of(space), partition).end;
                end.saturating_sub(self.applied(space, partition))
            })
            .sum()
    }

    /// Something moved that somebody may wait for.
    pub(crate) fn moved(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Whether anything is on its way: in the outbox, or in the log but not in state.
    async fn is_settled(&self) -> bool {
        let outbox = self.ports.catalogue.outbox(0, 1).await;
        outbox.is_ok_and(|changes| changes.is_empty())
            && self.lag(Space::Users) + self.lag(Space::Products) == 0
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn settled(&self) {
        let mut progress = self.progress.subscribe();
        while !self.is_settled().await {
            tokio::select! {
                _ = progress.changed() => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Waits until fewer than `limit` user records are on their way.
    pub(crate) async fn lag_below(&self, limit: u64) {
        let mut progress = self.progress.subscribe();
        while self.lag(Space::Users) >= limit {
            tokio::select! {
                _ = progress.changed() => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Resolves when the engine stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as `self`, so this only ends with a true.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

/// The topic a space's tasks read.
pub(crate) fn input_of(space: Space) -> Topic {
    match space {
        Space::Users => Topic::UserEvents,
        Space::Products => Topic::ProductSignals,
    }
}
