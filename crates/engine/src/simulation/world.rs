//! The world of one schedule: a broker, a store, workers that run the real stages over them.

use super::input::{Arrival, SIMULATED, Source};
use super::pace::{StepByStep, stop};
use super::wrong::{Wrong, WrongOperator, WrongSeat, WrongState};
use crate::error::EngineError;
use crate::options::{EngineOptions, Ports};
use crate::shared::Shared;
use crate::stage::consumer;
use crate::topology;
use crate::worker::{Turn, Worker};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use vitrina_ports::broker::{Broker, BrokerReader, Isolation, Pace, SimState};
use vitrina_ports::faulty::SplitMix64;
use vitrina_ports::log::{
    Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset, Records,
};
use vitrina_ports::seat::{Seat, TaskId};
use vitrina_ports::state::{Space, StatePartition};
use vitrina_ports::{PortError, PortFuture};
use vitrina_stream::{ProductStage, RowStage, UserStage};
use vitrina_types::partition::Partition;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Topics of the simulated stages: two re-keyed ones behind the first.
pub(super) const INPUTS: [Topic; 3] = [Topic::UserEvents, Topic::ProductSignals, Topic::RowSignals];

/// Every simulated task.
pub(super) fn tasks() -> Vec<TaskId> {
    let each = INPUTS.iter().flat_map(|&topic| {
        SIMULATED
            .iter()
            .map(move |&partition| TaskId { topic, partition })
    });
    each.collect()
}

/// The state partition behind a task.
pub(super) fn state_of(task: TaskId) -> StatePartition {
    let space = match task.topic {
        Topic::UserEvents => Space::Users,
        Topic::ProductSignals => Space::Products,
        _ => Space::Rows,
    };
    StatePartition {
        space,
        partition: task.partition,
    }
}

/// The consumer of a task.
pub(super) fn consumer_of(task: TaskId) -> Consumer {
    match task.topic {
        Topic::UserEvents => consumer::<UserStage>(task.partition),
        Topic::ProductSignals => consumer::<ProductStage>(task.partition),
        _ => consumer::<RowStage>(task.partition),
    }
}

fn state_of_consumer(consumer: &Consumer) -> Option<StatePartition> {
    let task = tasks()
        .into_iter()
        .find(|&task| consumer_of(task) == *consumer);
    task.map(state_of)
}

/// A simulated task with what belongs to it.
pub(super) struct Known {
    pub(super) task: TaskId,
    pub(super) state: StatePartition,
    pub(super) consumer: Consumer,
}

/// Ends only when something is wrong: with what.
type Running = Pin<Box<dyn Future<Output = String> + Send>>;

/// One worker of the simulation.
pub(super) struct SimWorker {
    running: Option<Running>,
    /// Not scheduled for so many choices.
    pub(super) paused: u32,
    /// Never comes back.
    pub(super) is_gone: bool,
}

/// Everything of one schedule.
pub(super) struct World {
    pub(super) broker: Broker,
    pub(super) state: SimState,
    pub(super) pace: Arc<StepByStep>,
    pub(super) workers: Vec<SimWorker>,
    pub(super) source: Source,
    pub(super) wrong: Option<Wrong>,
    /// What came from outside, by target.
    pub(super) arrived: BTreeMap<(Topic, Partition), Vec<Bytes>>,
    /// What retention took, kept for the laws.
    pub(super) expired: BTreeMap<(Topic, Partition), Vec<(Offset, Bytes)>>,
    pub(super) options: EngineOptions,
    /// Every simulated task.
    pub(super) known: Vec<Known>,
    /// Whether the group was made to forget its positions.
    pub(super) positions_lost: bool,
    lives: u64,
}

impl World {
    /// `hot_keys_max`: keys a task keeps in memory.
    pub(super) fn new(workers: usize, hot_keys_max: usize, wrong: Option<Wrong>) -> Self {
        let pace = Arc::new(StepByStep::default());
        let broker = Broker::with_pace(Arc::clone(&pace) as _);
        broker.create_group(tasks());
        let times_out = !matches!(
            wrong,
            Some(Wrong::RandomTransactionalId | Wrong::NeverReturns)
        );
        broker.set_transaction_time_outs(times_out);
        broker.set_require_stable(wrong != Some(Wrong::PublishedNotStable));
        let unknown = Wrong::Engine(crate::flaw::Flaw::UnknownMember);
        broker.set_accepts_unknown_member(wrong == Some(unknown));
        let state = SimState::new();
        state.set_compares(wrong != Some(Wrong::NoCompareAndSet));
        let flaw = match wrong {
            Some(Wrong::Engine(flaw)) => Some(flaw),
            _ => None,
        };
        let options = EngineOptions {
            hot_keys_max,
            flaw,
            // In some schedules a worker's calls stand side by side, in others one by one.
            state_calls_together: if workers > 2 { 4 } else { 1 },
            ..EngineOptions::default()
        };
        let known = |task| Known {
            task,
            state: state_of(task),
            consumer: consumer_of(task),
        };
        let worker = |_| SimWorker {
            running: None,
            paused: 0,
            is_gone: false,
        };
        let mut world = Self {
            broker,
            state,
            pace,
            workers: (0..workers).map(worker).collect(),
            source: Source::new(),
            wrong,
            arrived: BTreeMap::new(),
            expired: BTreeMap::new(),
            options,
            known: tasks().into_iter().map(known).collect(),
            positions_lost: false,
            lives: 0,
        };
        let beginning = world.source.beginning();
        world.arrive(beginning);
        world
    }

    /// Appends what comes from outside.
    pub(super) fn arrive(&mut self, arrivals: Vec<Arrival>) {
        for (topic, partition, bytes) in arrivals {
            let mut records = Records::default();
            records.push(&bytes);
            let append = Append {
                topic,
                partition,
                records,
            };
            let log = self.broker.reader(Isolation::Committed);
            let mut appending = log.append(vec![append]);
            let mut context = Context::from_waker(Waker::noop());
            while appending.as_mut().poll(&mut context).is_pending() {}
            let arrived = self.arrived.entry((topic, partition)).or_default();
            arrived.push(bytes.into());
        }
    }

    /// Whether a worker is alive.
    pub(super) fn is_alive(&self, slot: usize) -> bool {
        self.workers[slot].running.is_some()
    }

    /// Starts a worker, with nothing in its memory.
    pub(super) fn start(&mut self, slot: usize) {
        self.lives += 1;
        let (slot_id, wrong) = (slot as u32, self.wrong);
        let pace: Arc<dyn Pace> = Arc::clone(&self.pace) as _;
        let isolation = match wrong {
            Some(Wrong::ReadUncommitted) => Isolation::Uncommitted,
            _ => Isolation::Committed,
        };
        let log = Sips {
            inner: self.broker.reader(isolation).of(slot_id),
            bytes: parking_lot::Mutex::new(SplitMix64::new(self.lives)),
        };
        let believed = Arc::default();
        let state = WrongState {
            inner: Arc::new(self.state.handle(slot_id, Arc::clone(&pace))),
            wrong,
            believed: Arc::clone(&believed),
        };
        let ports = Ports {
            log: Arc::new(log),
            state: Arc::new(state),
            ..Ports::in_memory()
        };
        let clock = Arc::new(|| IngestTime(0));
        let shared = Arc::new(Shared::new(ports, self.options.clone(), clock));
        let seat: Box<dyn Seat> = match wrong {
            Some(Wrong::RandomTransactionalId) => {
                Box::new(self.broker.seat_with_random_id(slot_id))
            }
            _ => Box::new(self.broker.seat(slot_id)),
        };
        let truth = self.state.clone();
        let seat = WrongSeat {
            inner: seat,
            wrong,
            believed,
            position: Box::new(move |at| truth.position(at)),
            state_of: state_of_consumer,
        };
        let clock = self.lives as i64 * 1_000;
        self.workers[slot].running = Some(Box::pin(work(shared, seat, wrong, clock)));
        self.workers[slot].paused = 0;
    }

    /// A worker dies where it stands.
    pub(super) fn crash(&mut self, slot: usize) {
        self.workers[slot].running = None;
    }

    /// Lets a worker take one step.
    ///
    /// # Errors
    /// What a worker that cannot start says.
    pub(super) fn step(&mut self, slot: usize) -> Result<(), String> {
        let Some(running) = self.workers[slot].running.as_mut() else {
            return Ok(());
        };
        let mut context = Context::from_waker(Waker::noop());
        match running.as_mut().poll(&mut context) {
            Poll::Pending => Ok(()),
            Poll::Ready(why) => {
                self.workers[slot].running = None;
                Err(why)
            }
        }
    }

    /// Retention takes what lies before `before`.
    pub(super) fn expire(&mut self, task: TaskId, before: Offset) {
        let place = (task.topic, task.partition);
        let kept = self.expired.entry(place).or_default();
        let known = kept.last().map_or(0, |last| last.0 + 1);
        let records = self.broker.committed_records(task.topic, task.partition);
        kept.extend(
            records
                .into_iter()
                .filter(|(offset, _)| (known..before).contains(offset)),
        );
        self.broker.expire(task.topic, task.partition, before);
    }

    /// Every committed record a partition ever had.
    pub(super) fn records(&self, topic: Topic, partition: Partition) -> Vec<(Offset, Bytes)> {
        let expired = self.expired.get(&(topic, partition));
        let mut all = expired.cloned().unwrap_or_default();
        let known = all.last().map_or(0, |last| last.0 + 1);
        let left = self.broker.committed_records(topic, partition);
        all.extend(left.into_iter().filter(|(offset, _)| *offset >= known));
        all
    }
}

/// A worker, for ever.
async fn work(shared: Arc<Shared>, seat: WrongSeat, wrong: Option<Wrong>, clock: i64) -> String {
    let options = &shared.options;
    let users = WrongOperator::new(topology::user_stage(options), wrong, clock);
    let products = WrongOperator::new(topology::product_stage(options), wrong, clock);
    let rows = WrongOperator::new(topology::row_stage(options), wrong, clock);
    let stages = vec![
        topology::stage(&shared, Space::Users, users),
        topology::stage(&shared, Space::Products, products),
        topology::stage(&shared, Space::Rows, rows),
    ];
    let mut worker = Worker::new(Box::new(seat), stages, 0);
    loop {
        let turned = match worker.turn(&shared).await {
            Ok(Turn::Moved) => Ok(()),
            Ok(Turn::Idle) => worker.rest(&shared).await,
            Err(error) => Err(error),
        };
        match turned {
            Ok(()) => {}
            Err(EngineError::CannotStart { reason }) => return reason,
            Err(_) => stop().await,
        }
    }
}

/// Reads a few records at a time, so that batches end everywhere.
struct Sips {
    inner: BrokerReader,
    bytes: parking_lot::Mutex<SplitMix64>,
}

impl EventLog for Sips {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        self.inner.append(batch)
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        self.inner.publish(outputs, consumed, durable)
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        _bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        let sip = self.bytes.lock().next() % 1_500;
        self.inner.read(topic, partition, from, sip as usize)
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.inner.committed(consumer)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        self.inner.bounds(topic, partition)
    }

    fn changed(&self, _seen: u64) -> PortFuture<'_, u64> {
        Box::pin(async {
            Err(PortError::Closed {
                port: "simulated workers never wait",
            })
        })
    }
}
