//! The follower: the stages of a shop, run a second time, in silence.
//!
//! It reads the log of the running engine and keeps state of its own. It never gets ahead of what
//! the engine has published (S ≤ O): derived topics are read as the engine wrote them, and a
//! restored engine starts from S and suppresses outputs below O. So for every partition it stands
//! at a point from which the engine could have started itself.

use super::capped::{CappedLog, Caps};
use super::recording::Recording;
use super::seat::MutedSeat;
use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::options::{Clock, EngineOptions, Ports, Upkeep};
use crate::shared::Shared;
use crate::stage::{AnyStage, StageId};
use crate::topology;
use crate::worker::{Turn, Worker};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::warn;
use vitrina_ports::PortError;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::seat::solo::share;
use vitrina_ports::state::{StatePartition, StateStore};
use vitrina_types::partition::Partition;

/// Of the keys that a task of the engine keeps in memory, one of so many: nobody waits for the
/// follower, and memory is for those who answer.
const HOT_KEYS_SHARE: usize = 8;
/// Up to so many records behind, it rests after every turn as long as the turn took. Further
/// behind, keeping up is worth a whole core.
const RESTS_BELOW: u64 = 100_000;
/// Longest rest after a turn.
const REST_MAX: Duration = Duration::from_millis(100);
/// It tells its own number from those of the engine's workers.
const NUMBER: u64 = 1_000;

/// Runs the stages over a state store of its own.
pub(super) struct Follower {
    shared: Arc<Shared>,
    log: Arc<dyn EventLog>,
    capped: Arc<CappedLog>,
    recording: Arc<Recording>,
    stages: Vec<StageId>,
    /// `None` when its memory is in doubt: after an error, or when a turn was not finished.
    /// Behind a lock that nobody ever waits for, since a worker is not to be shared.
    worker: Mutex<Option<Worker>>,
    backoff: Backoff,
}

/// The stages, and nobody looks at what they change.
pub(super) fn stages(shared: &Shared) -> Vec<Box<dyn AnyStage>> {
    topology::stages_with(shared, Box::new(|_, _| {}))
}

impl Follower {
    /// A follower of `ports.log` over `state`, which is its own.
    pub(super) fn new(
        ports: &Ports,
        mut options: EngineOptions,
        clock: Clock,
        state: Arc<dyn StateStore>,
        upkeep: Arc<dyn Upkeep>,
    ) -> Self {
        let capped = Arc::new(CappedLog::new(Arc::clone(&ports.log)));
        let recording = Arc::new(Recording::new(state));
        let own = Ports {
            log: Arc::clone(&capped) as _,
            state: Arc::clone(&recording) as _,
            upkeep,
            ..ports.clone()
        };
        options.hot_keys_max = options.hot_keys_max.div_ceil(HOT_KEYS_SHARE);
        let shared = Arc::new(Shared::new(own, options, clock));
        Self {
            stages: stages(&shared).iter().map(|stage| stage.id()).collect(),
            log: Arc::clone(&ports.log),
            shared,
            capped,
            recording,
            worker: Mutex::default(),
            backoff: Backoff::new(NUMBER),
        }
    }

    /// Every task: its stage and its partition.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (StageId, Partition)> {
        let stages = self.stages.iter().copied();
        stages.flat_map(|stage| Partition::all().map(move |partition| (stage, partition)))
    }

    /// Its state.
    pub(super) fn state(&self) -> &Recording {
        &self.recording
    }

    /// O: up to where the engine has published; 0 before the first time.
    pub(super) async fn published(
        &self,
        stage: StageId,
        partition: Partition,
    ) -> Result<Offset, PortError> {
        let committed = self.log.committed(&stage.consumer(partition)).await?;
        Ok(committed.unwrap_or(0))
    }

    /// S: where its own state stands.
    pub(super) async fn position(&self, at: StatePartition) -> Result<Offset, PortError> {
        Ok(self.recording.get_many(at, &[]).await?.position)
    }

    /// Goes on to where the engine stood when this was called, in small turns. May be dropped at
    /// any moment; the next call goes on.
    ///
    /// # Errors
    /// `CannotStart` when its state cannot go on with this log; a port's while nothing was read.
    pub(super) async fn catch_up(&mut self) -> Result<(), EngineError> {
        let caps = self.ends().await?;
        self.capped.set(caps);
        // Whatever happens before it is put back, its memory is in doubt.
        let known = self.worker.get_mut().take();
        let mut worker = match known {
            Some(worker) => worker,
            None => self.begin().await?,
        };
        loop {
            let began = Instant::now();
            match self.turn(&mut worker).await {
                Ok(true) => break,
                Ok(false) => self.rest(began.elapsed()).await,
                Err(error @ EngineError::CannotStart { .. }) => return Err(error),
                Err(error) => {
                    let wait = self.backoff.pause();
                    let pause_ms = wait.as_millis() as u64;
                    warn!(%error, pause_ms, "the follower starts again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
        self.backoff.reset();
        *self.worker.get_mut() = Some(worker);
        Ok(())
    }

    /// One turn; answers whether everything is read and committed.
    async fn turn(&self, worker: &mut Worker) -> Result<bool, EngineError> {
        if worker.turn(&self.shared).await? == Turn::Moved {
            return Ok(false);
        }
        worker.rest(&self.shared).await?;
        Ok(self.behind() == 0)
    }

    /// Records between its state and its caps.
    fn behind(&self) -> u64 {
        let tasks = self.tasks().map(|(stage, partition)| {
            let end = self.capped.bounds(stage.input, partition).end;
            end.saturating_sub(self.shared.applied(stage.space, partition))
        });
        tasks.sum()
    }

    async fn rest(&self, took: Duration) {
        if self.behind() < RESTS_BELOW {
            tokio::time::sleep(took.min(REST_MAX)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Where the engine stands now, durably: it may lose what is not.
    async fn ends(&self) -> Result<Caps, PortError> {
        let mut caps = Caps::default();
        for (stage, partition) in self.tasks() {
            let published = self.published(stage, partition).await?;
            let end = self.log.bounds(stage.input, partition).end;
            let cap = caps.entry((stage.input, partition)).or_insert(Offset::MAX);
            *cap = published.min(end).min(*cap);
        }
        // An empty durable call waits for all before it.
        self.log.publish(Vec::new(), Vec::new(), true).await?;
        Ok(caps)
    }

    /// A worker with nothing in memory, on the stored positions.
    async fn begin(&self) -> Result<Worker, EngineError> {
        for (stage, partition) in self.tasks() {
            let position = self.position(stage.state(partition)).await?;
            let published = self.published(stage, partition).await?;
            if position > published {
                let source = stage.consumer(partition).source;
                return Err(EngineError::CannotStart {
                    reason: format!(
                        "the state of the follower stands at {position} of {source}, the engine \
                         has published up to {published}: they are not of one log; empty the \
                         follower's store, it fills from the newest checkpoint or from the log"
                    ),
                });
            }
        }
        let tasks = share(&topology::INPUTS, 0, 1);
        let seat = Box::new(MutedSeat::new(tasks));
        let mut worker = Worker::new(seat, stages(&self.shared), NUMBER);
        worker.start(&self.shared).await?;
        Ok(worker)
    }
}
