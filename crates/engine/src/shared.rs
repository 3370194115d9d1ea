//! What all loops of one engine share.

use crate::figures::Figures;
use crate::follow;
use crate::followed::Followed;
use crate::ids::Ids;
use crate::items::ItemSide;
use crate::options::{Clock, EngineOptions, Ports};
use crate::requests::Answers;
use crate::sinks::{AnalyticsSink, CatalogueSink};
use crate::traces::Traces;
use crate::unread::STAGES;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::interval;
use tracing::warn;
use vitrina_ports::log::Offset;
use vitrina_ports::state::Space;
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
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

/// Rows that have not come any further for so long are not waited for.
const ROWS_WAIT: Duration = Duration::from_secs(10);
/// A wait for state that lasts is told this often.
const LONG_WAIT: Duration = Duration::from_secs(30);

/// What is known of one task.
#[derive(Default)]
pub(crate) struct TaskFigures {
    /// S: where its state stands.
    pub(crate) applied: AtomicU64,
    /// Whether a worker of this process has it and says where it stands. Held while somebody else
    /// says so: what was read before the worker began must not take the place of what it says.
    is_here: Mutex<bool>,
    /// Events left out as duplicates, ever.
    pub(crate) duplicates: AtomicU64,
    /// Events that came after their window was closed, ever.
    pub(crate) late: AtomicU64,
    /// Windows and sessions that are open.
    pub(crate) open: AtomicU64,
    /// How far event time has come, in ms; the least number before the first event.
    pub(crate) watermark: AtomicI64,
}

pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) options: EngineOptions,
    pub(crate) clock: Clock,
    pub(crate) figures: Figures,
    pub(crate) items: ItemSide,
    pub(crate) traces: Traces,
    pub(crate) answers: Answers,
    /// Where those who follow topics stand.
    pub(crate) followed: Followed,
    /// Held while bans on texts are counted and one more is set.
    pub(crate) text_bans: tokio::sync::Mutex<()>,
    pub(crate) ids: Ids,
    pub(crate) began: Instant,
    /// Turns true once, when the engine stops.
    pub(crate) stop: watch::Sender<bool>,
    /// Told when state is to be written to disk before its time.
    pub(crate) flush_due: tokio::sync::Notify,
    progress: watch::Sender<u64>,
    /// What is known of every task, by space and partition.
    tasks: [Vec<TaskFigures>; Space::ALL.len()],
    on_the_way: Vec<Mutex<VecDeque<OnTheWay>>>,
}

impl Shared {
    pub(crate) fn new(ports: Ports, options: EngineOptions, clock: Clock) -> Self {
        let tasks = || Partition::all().map(|_| TaskFigures::default()).collect();
        Self {
            traces: Traces::new(options.traces_bytes_max),
            answers: Answers::default(),
            followed: Followed::default(),
            text_bans: tokio::sync::Mutex::default(),
            ids: Ids::new(options.id_seed),
            items: ItemSide::new(options.items.clone()),
            ports,
            options,
            clock,
            figures: Figures::default(),
            began: Instant::now(),
            stop: watch::channel(false).0,
            flush_due: tokio::sync::Notify::new(),
            progress: watch::channel(0).0,
            tasks: std::array::from_fn(|_| tasks()),
            on_the_way: Partition::all().map(|_| Mutex::default()).collect(),
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
        let applied = &self.task(space, partition).applied;
        let before = applied.swap(position, Ordering::AcqRel);
        if space == Space::Users {
            let records = position.saturating_sub(before);
            self.figures.applied.add(records, self.second());
            self.arrived(partition, position);
        }
        self.moved();
    }

    /// What was acknowledged up to `position` is in the state of visitors.
    fn arrived(&self, partition: Partition, position: Offset) {
        let second = self.second();
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

    /// A state partition starts at `position`, on a worker of this process.
    pub(crate) fn assigned(&self, space: Space, partition: Partition, position: Offset) {
        let task = self.task(space, partition);
        *task.is_here.lock() = true;
        task.applied.store(position, Ordering::Release);
    }

    /// A state partition is somebody else's from now on.
    pub(crate) fn handed_over(&self, space: Space, partition: Partition) {
        *self.task(space, partition).is_here.lock() = false;
    }

    /// Whether a worker of this process has the task of a state partition.
    pub(crate) fn is_here(&self, space: Space, partition: Partition) -> bool {
        *self.task(space, partition).is_here.lock()
    }

    /// A state partition was read and stood at `position`, with what its task says of itself.
    /// Means nothing where a worker of this process knows better.
    pub(crate) fn heard(
        &self,
        space: Space,
        partition: Partition,
        position: Offset,
        task: &TaskState,
    ) {
        let known = self.task(space, partition);
        let is_here = known.is_here.lock();
        if *is_here {
            return;
        }
        // Down too: state that lost its tail has to come that way again.
        let before = known.applied.swap(position, Ordering::AcqRel);
        // What is open is known to whoever has it in memory.
        self.counted(space, partition, task, 0);
        drop(is_here);
        if before != position {
            if space == Space::Users {
                self.arrived(partition, position);
            }
            self.moved();
        }
    }

    /// Whether the item side is kept up by what the log says has changed: what the product stage
    /// does is done by others, or may be at any time.
    pub(crate) fn follows_signals(&self) -> bool {
        !(self.options.roles.stream && self.ports.seats.are_alone())
    }

    /// Up to where the item side holds what product signals changed; no end where it holds what
    /// state does, or there is none.
    fn items_at(&self, partition: Partition) -> Offset {
        let is_read = self.options.roles.answers && self.follows_signals();
        if is_read {
            self.items.read_to(partition)
        } else {
            Offset::MAX
        }
    }

    /// Whether anybody waits for something to move.
    pub(crate) fn is_awaited(&self) -> bool {
        self.progress.receiver_count() > 0
    }

    /// What a task says of itself, and how many windows it has open.
    pub(crate) fn counted(
        &self,
        space: Space,
        partition: Partition,
        task: &TaskState,
        open: usize,
    ) {
        let figures = self.task(space, partition);
        figures.duplicates.store(task.duplicates, Ordering::Relaxed);
        figures.late.store(task.late, Ordering::Relaxed);
        figures.open.store(open as u64, Ordering::Relaxed);
        figures.watermark.store(task.watermark.0, Ordering::Relaxed);
    }

    /// What is known of a task.
    pub(crate) fn task(&self, space: Space, partition: Partition) -> &TaskFigures {
        &self.tasks[space as usize][partition.at()]
    }

    /// The sum of one figure over the tasks of a space.
    pub(crate) fn sum(&self, space: Space, figure: impl Fn(&TaskFigures) -> &AtomicU64) -> u64 {
        let tasks = self.tasks[space as usize].iter();
        tasks.map(|task| figure(task).load(Ordering::Relaxed)).sum()
    }

    /// Whether the engine is to be wrong in this way.
    #[cfg(test)]
    pub(crate) fn has(&self, flaw: crate::flaw::Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// Whether the engine is to be wrong in this way.
    #[cfg(not(test))]
    #[inline]
    pub(crate) const fn has(&self, _flaw: crate::flaw::Flaw) -> bool {
        false
    }

    /// Where a state partition stands.
    pub(crate) fn applied(&self, space: Space, partition: Partition) -> Offset {
        self.task(space, partition).applied.load(Ordering::Acquire)
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

    /// Changes whenever something moved.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Something moved that somebody may wait for.
    pub(crate) fn moved(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Whether nothing is on its way: in the log but not in state, offered but not in the catalogue,
    /// in the outbox. Each is looked at before what it leads to, so that nothing slips by.
    async fn is_settled(&self) -> bool {
        let applied = || {
            let is_read = |p| self.items_at(p) >= self.ports.log.bounds(SIGNALS, p).end;
            STAGES.iter().all(|space| self.lag(*space) == 0) && Partition::all().all(is_read)
        };
        if !applied() || follow::behind(self, &CatalogueSink).await != Some(0) {
            return false;
        }
        // What another process keeps it may not let us see.
        let is_elsewhere = !self.options.roles.chores;
        let outbox = self.ports.catalogue.outbox(0, 1).await;
        outbox.map_or(is_elsewhere, |changes| changes.is_empty()) && applied()
    }

    /// Waits until nothing is on its way, and what was told of windows is in the analytics. Rows
    /// are not waited for while they do not move: a store that is broken or full must not hold up
    /// for ever what is done without it.
    pub(crate) async fn settled(&self) {
        let mut progress = self.progress.subscribe();
        while !self.is_settled().await {
            tokio::select! {
                _ = progress.changed() => {}
                () = self.stopped() => return,
            }
        }
        self.rows_settled().await;
    }

    async fn rows_settled(&self) {
        let mut progress = self.progress.subscribe();
        let (mut least, mut since) = (u64::MAX, tokio::time::Instant::now());
        loop {
            let behind = follow::behind(self, &AnalyticsSink).await;
            if behind.is_none() && !self.options.roles.chores {
                return;
            }
            let behind = behind.unwrap_or(u64::MAX);
            if behind == 0 {
                return;
            }
            if behind < least {
                (least, since) = (behind, tokio::time::Instant::now());
            } else if since.elapsed() >= ROWS_WAIT {
                warn!("window rows do not come into the analytics; they wait in the log");
                return;
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = tokio::time::sleep(ROWS_WAIT) => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Waits until what is in the log now is in the state of visitors, and then until what that
    /// led to is in the state of products, and in the item side.
    pub(crate) async fn caught_up(&self) {
        for space in [Space::Users, Space::Products] {
            let end = |partition| self.ports.log.bounds(input_of(space), partition).end;
            let ends: Vec<_> = Partition::all().map(|p| (p, end(p))).collect();
            let mut progress = self.progress.subscribe();
            let is_behind = |&&(partition, end): &&(Partition, Offset)| {
                let is_read = space != Space::Products || self.items_at(partition) >= end;
                self.applied(space, partition) < end || !is_read
            };
            let mut looks = interval(LONG_WAIT);
            looks.tick().await;
            while ends.iter().any(|one| is_behind(&one)) {
                tokio::select! {
                    _ = progress.changed() => {}
                    _ = looks.tick() => {
                        let partitions = ends.iter().filter(is_behind).count();
                        warn!(space = space.name(), partitions, "state has not caught up yet");
                    }
                    () = self.stopped() => return,
                }
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

/// What names the products that changed.
const SIGNALS: Topic = Topic::ProductSignals;

/// The topic a space's tasks read.
pub(crate) fn input_of(space: Space) -> Topic {
    match space {
        Space::Users => Topic::UserEvents,
        Space::Products => Topic::ProductSignals,
        Space::Slates => Topic::SlateSignals,
        Space::Rows => Topic::RowSignals,
        Space::Shop => Topic::ShopProducts,
        Space::Lines => Topic::UserEvents,
    }
}

#[cfg(test)]
mod tests;
