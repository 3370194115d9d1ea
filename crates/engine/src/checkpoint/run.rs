//! Taking checkpoints, from time to time.

use super::figures::{CheckpointFigures, CheckpointStatus};
use super::follower::Follower;
use super::manifest::{CheckpointId, Manifest};
use super::options::{CheckpointOptions, CheckpointStores};
use super::rest::refuse_unless_at_rest;
use super::restore::{is_empty, restore};
use super::shelf::{list, sweep};
use super::snapshot::Taking;
use crate::error::EngineError;
use crate::options::{Clock, EngineOptions, Ports};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{error, info, warn};

/// Between two checkpoints the follower goes on this often, so that the next one finds little to
/// do.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Follows an engine and takes checkpoints of what it comes to.
pub struct Checkpointer {
    ports: Ports,
    clock: Clock,
    options: CheckpointOptions,
    stores: CheckpointStores,
    follower: Follower,
    figures: Arc<CheckpointFigures>,
    /// Whether it has looked what there is.
    is_prepared: bool,
    /// What the keys that were noted changed since; `None` when that is not known.
    previous: Option<Manifest>,
}

impl Checkpointer {
    /// A follower of the engine on `ports`, with the options the engine has: they decide what
    /// operators do. Beside an engine, `Engine::checkpoints` makes one; alone, it is the role
    /// `checkpoint`.
    pub fn new(
        ports: Ports,
        options: EngineOptions,
        clock: Clock,
        stores: CheckpointStores,
    ) -> Self {
        Self::counting(ports, options, clock, stores, Arc::default())
    }

    pub(crate) fn counting(
        ports: Ports,
        options: EngineOptions,
        clock: Clock,
        stores: CheckpointStores,
        figures: Arc<CheckpointFigures>,
    ) -> Self {
        let checkpoints = options.checkpoints.clone();
        if !checkpoints.interval.is_zero() {
            figures.on();
        }
        let (state, upkeep) = (Arc::clone(&stores.state), Arc::clone(&stores.upkeep));
        Self {
            follower: Follower::new(&ports, options, Arc::clone(&clock), state, upkeep),
            options: checkpoints,
            is_prepared: false,
            previous: None,
            ports,
            clock,
            stores,
            figures,
        }
    }

    /// What checkpoints come to; `None` where none are taken from time to time.
    pub fn status(&self) -> Option<CheckpointStatus> {
        self.figures.status((self.clock)())
    }

    /// Goes on to where the engine stands.
    ///
    /// # Errors
    /// `CannotStart` when its own state cannot go on with this log; a port's.
    pub async fn follow(&mut self) -> Result<(), EngineError> {
        self.prepare().await?;
        self.follower.catch_up().await
    }

    /// Takes a checkpoint now, of where the engine stands when this is called. May be dropped at
    /// any moment: then there is none.
    ///
    /// # Errors
    /// As [`follow`](Self::follow); the snapshot store's.
    pub async fn checkpoint(&mut self) -> Result<Manifest, EngineError> {
        self.take(false).await
    }

    /// Takes a checkpoint from which new operator code may start. Nobody else is at work: every
    /// engine has stopped, and what was left is [drained](super::drain).
    ///
    /// # Errors
    /// `CheckpointRefused` when something is not at rest, with what to do; as
    /// [`checkpoint`](Self::checkpoint).
    pub async fn checkpoint_at_rest(&mut self) -> Result<Manifest, EngineError> {
        self.take(true).await
    }

    /// Looks what there is: what retention must leave, and whether an empty follower can start
    /// from a checkpoint instead of the beginning of the log.
    async fn prepare(&mut self) -> Result<(), EngineError> {
        if self.is_prepared {
            return Ok(());
        }
        let found = list(&*self.stores.snapshots).await?;
        for damaged in &found.damaged {
            warn!(id = %damaged.id, reason = damaged.reason, "a checkpoint cannot be used");
        }
        let newest = found.newest(self.stores.log.as_deref());
        if let Some(newest) = newest
            && self.is_of_this_log(newest).await?
        {
            if is_empty(&*self.stores.state).await? {
                restore(&*self.stores.snapshots, &newest.id, &*self.stores.state).await?;
                info!(id = %newest.id, "the follower starts from the newest checkpoint");
                self.previous = Some(newest.clone());
            }
            self.stores.floor.set(newest);
            self.figures.newest(newest);
        }
        self.is_prepared = true;
        Ok(())
    }

    /// Whether a checkpoint can be of this log: the engine has published all it holds.
    async fn is_of_this_log(&self, manifest: &Manifest) -> Result<bool, EngineError> {
        for (stage, partition) in self.follower.tasks() {
            let point = manifest.point(stage.state(partition));
            let published = self.follower.published(stage, partition).await?;
            if point.is_some_and(|point| point.position > published) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn take(&mut self, at_rest: bool) -> Result<Manifest, EngineError> {
        let began = Instant::now();
        self.follow().await?;
        let upkeep = Arc::clone(&self.stores.upkeep);
        let flushed = tokio::task::spawn_blocking(move || upkeep.flush());
        flushed.await.map_err(|_| EngineError::Stopping)??;
        let found = list(&*self.stores.snapshots).await?;
        // What somebody removed or damaged is no ground to build on.
        let is_good = |previous: &&Manifest| found.good.contains(previous);
        let now = (self.clock)();
        let id = CheckpointId::after(found.newest_name(), now);
        let mut taking = Taking {
            follower: &self.follower,
            snapshots: &*self.stores.snapshots,
            options: &self.options,
            id: &id,
            previous: self.previous.as_ref().filter(is_good),
            bytes: 0,
        };
        let partitions = taking.partitions().await?;
        let bytes = taking.bytes;
        if at_rest {
            refuse_unless_at_rest(&self.follower, &self.ports).await?;
        }
        let manifest = Manifest {
            release: self.stores.release.clone(),
            log: self.stores.log.clone(),
            at_rest,
            bytes,
            partitions,
            ..Manifest::new(id, now)
        };
        let encoded = Bytes::from(manifest.encode()?);
        let path = manifest.id.manifest_path();
        self.stores.snapshots.put(&path, encoded).await?;
        // Nothing waits between here and the end of what it means that the checkpoint is there.
        self.follower.state().forget();
        self.previous = Some(manifest.clone());
        self.stores.floor.set(&manifest);
        self.figures.took(&manifest, began.elapsed());
        self.put_away().await;
        Ok(manifest)
    }

    async fn put_away(&self) {
        match sweep(&*self.stores.snapshots, self.options.keep).await {
            Ok(0) => {}
            Ok(objects) => info!(objects, "removed old checkpoints"),
            Err(error) => warn!(%error, "old checkpoints are removed later"),
        }
    }

    /// Takes checkpoints until `stop` turns true, or at once nothing where they are off.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if self.options.interval.is_zero() {
            return;
        }
        let stopped = stop.wait_for(|stop| *stop);
        tokio::select! {
            biased;
            _ = stopped => {}
            () = self.keep_on() => {}
        }
    }

    async fn keep_on(&mut self) {
        let mut due = self.first_due().await;
        loop {
            self.follow_until(due).await;
            let began = Instant::now();
            self.attempt().await;
            due = (began + self.options.interval).max(Instant::now() + self.options.pause);
        }
    }

    /// The first one is due when the newest there is, of whatever process, is old enough.
    async fn first_due(&mut self) -> Instant {
        if let Err(error) = self.prepare().await {
            warn!(%error, "could not look at the checkpoints there are");
        }
        let age_s = self.status().and_then(|status| status.age_s);
        let left = age_s.map(|age_s| {
            let age = Duration::from_secs(age_s);
            self.options.interval.saturating_sub(age)
        });
        Instant::now() + left.unwrap_or(Duration::ZERO)
    }

    async fn follow_until(&mut self, due: Instant) {
        while Instant::now() < due {
            // Cut off when a checkpoint is due: it goes on from there itself.
            if let Ok(Err(error)) = timeout_at(due, self.follow()).await {
                warn!(%error, "the follower does not follow");
            }
            sleep_until(due.min(Instant::now() + FOLLOW_EVERY)).await;
        }
    }

    async fn attempt(&mut self) {
        let timeout_ms = self.options.timeout.as_millis() as u64;
        match timeout(self.options.timeout, self.checkpoint()).await {
            Ok(Ok(manifest)) => {
                let (id, bytes) = (&manifest.id, manifest.bytes);
                info!(%id, bytes, "took a checkpoint");
            }
            Ok(Err(error @ EngineError::CannotStart { .. })) => {
                self.figures.failed();
                error!(%error, "no checkpoint can be taken");
            }
            Ok(Err(error)) => {
                self.figures.failed();
                warn!(%error, "a checkpoint failed, the next one follows");
            }
            Err(_) => {
                self.figures.failed();
                warn!(timeout_ms, "gave up a checkpoint that took too long");
            }
        }
    }
}
