//! A worker: a seat in the group, and every stage's tasks that the group gave it.

use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::shared::Shared;
use crate::stage::{AnyStage, Batch};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};
use vitrina_ports::Retry;
use vitrina_ports::seat::{Assignment, Seat, TaskId};

/// An idle worker asks its seat at least this often what the group says: whoever waits for a task
/// that it is to hand back waits so long.
const SEAT_POLL: Duration = Duration::from_millis(100);

/// What one turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Records were processed, or the assignment changed.
    Moved,
    /// There was nothing to do.
    Idle,
}

/// A seat in the group and the stages behind it.
pub(crate) struct Worker {
    seat: Box<dyn Seat>,
    stages: Vec<Box<dyn AnyStage>>,
    /// Whether memory holds nothing that was not published.
    is_sound: bool,
    /// When the last batch with records began, unless there is likely more for the next one.
    batch_began: Option<Instant>,
    /// When it last looked whether idle state still stands.
    checked: Instant,
    backoff: Backoff,
}

impl Worker {
    /// A worker; `number` tells it from the others of this process.
    pub(crate) fn new(seat: Box<dyn Seat>, stages: Vec<Box<dyn AnyStage>>, number: u64) -> Self {
        Self {
            seat,
            stages,
            is_sound: true,
            batch_began: None,
            checked: Instant::now(),
            backoff: Backoff::new(number),
        }
    }

    /// Takes what it was given and starts it from the stored positions.
    ///
    /// # Errors
    /// `CannotStart` when the stores contradict each other; a port's error otherwise.
    pub(crate) async fn start(&mut self, shared: &Shared) -> Result<(), EngineError> {
        self.reassign(shared).await?;
        self.assign(shared).await
    }

    /// One turn of the loop, without waiting for anything to happen: what the group says, a round
    /// of every stage. After an error the next turn begins by ending what is open and reading
    /// every position again; until that has succeeded nothing is processed and nothing committed,
    /// since memory may hold what was never published.
    ///
    /// # Errors
    /// `CannotStart`: the stores contradict each other, somebody has to act. Any other error: try
    /// again after a pause.
    pub(crate) async fn turn(&mut self, shared: &Shared) -> Result<Turn, EngineError> {
        if !self.is_sound {
            self.seat.reset().await?;
            for stage in &mut self.stages {
                stage.doubt();
            }
            self.is_sound = true;
        }
        let done = self.step(shared).await;
        self.is_sound = done.is_ok();
        done
    }

    async fn step(&mut self, shared: &Shared) -> Result<Turn, EngineError> {
        let is_changed = self.reassign(shared).await?;
        self.assign(shared).await?;
        let began = Instant::now();
        let (mut records, mut batch) = (0, Batch::default());
        for stage in &mut self.stages {
            let seat = &mut *self.seat;
            records += stage.process(&mut batch, shared, seat).await?;
        }
        if shared.has(Flaw::StateFirst) {
            self.commit(shared).await?;
        }
        batch.publish(shared, &mut *self.seat).await?;
        for stage in &mut self.stages {
            stage.published(&batch);
        }
        self.commit_due(false, shared).await?;
        if records > 0 {
            self.batch_began = Some(began).filter(|_| !batch.has_more());
            shared.items.announce();
        }
        let moved = records > 0 || is_changed;
        Ok(if moved { Turn::Moved } else { Turn::Idle })
    }

    /// Does what the group says; answers whether it said anything.
    async fn reassign(&mut self, shared: &Shared) -> Result<bool, EngineError> {
        let changes = self.seat.poll().await?;
        for change in &changes {
            match change {
                Assignment::Assigned(tasks) => {
                    for stage in &mut self.stages {
                        stage.take(tasks, shared);
                    }
                }
                Assignment::Revoked(tasks) => self.hand_back(tasks, shared).await?,
                Assignment::Lost => {
                    if !shared.has(Flaw::LossIgnored) {
                        for stage in &mut self.stages {
                            stage.forget(None, shared);
                        }
                    }
                }
            }
        }
        Ok(!changes.is_empty())
    }

    /// No transaction is open between two rounds, so there is none to end; what was processed is
    /// committed for whoever comes next, who does without it too.
    async fn hand_back(&mut self, tasks: &[TaskId], shared: &Shared) -> Result<(), EngineError> {
        let is_ignored = shared.has(Flaw::RevokeIgnored);
        if !is_ignored && let Err(error) = self.commit(shared).await {
            info!(%error, "handed tasks back without their last commit");
            // What was to be committed is no change any more, of the tasks that stay neither.
            for stage in &mut self.stages {
                stage.doubt();
            }
        }
        if !is_ignored {
            for stage in &mut self.stages {
                stage.forget(Some(tasks), shared);
            }
        }
        Ok(self.seat.release(tasks).await?)
    }

    async fn assign(&mut self, shared: &Shared) -> Result<(), EngineError> {
        for stage in &mut self.stages {
            stage.assign(shared, &mut *self.seat).await?;
        }
        Ok(())
    }

    /// Commits what a backlog left uncommitted, and looks whether idle state still stands.
    pub(crate) async fn rest(&mut self, shared: &Shared) -> Result<(), EngineError> {
        let done = self.settle(shared).await;
        self.is_sound = done.is_ok();
        done
    }

    async fn settle(&mut self, shared: &Shared) -> Result<(), EngineError> {
        self.commit(shared).await?;
        for stage in &mut self.stages {
            stage.recheck(shared).await?;
        }
        Ok(())
    }

    async fn commit_due(&mut self, is_idle: bool, shared: &Shared) -> Result<(), EngineError> {
        for stage in &mut self.stages {
            stage.commit_due(is_idle, shared).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, shared: &Shared) -> Result<(), EngineError> {
        for stage in &mut self.stages {
            stage.commit(shared).await?;
        }
        shared.items.announce();
        Ok(())
    }

    /// Runs until the engine stops; every error ends in a pause and a new start from the stored
    /// positions.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) {
        let mut seen = 0;
        while !*shared.stop.borrow() {
            match self.advance(&shared, &mut seen).await {
                Ok(()) => self.backoff.reset(),
                Err(error) => {
                    let wait = self.backoff.pause();
                    let pause_ms = wait.as_millis() as u64;
                    if error.retry() == Retry::Never {
                        error!(%error, pause_ms, "stream cannot go on, and starts again");
                    } else {
                        warn!(%error, pause_ms, "stream starts again");
                    }
                    shared.figures.reassigned.add(1);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = shared.stopped() => {}
                    }
                }
            }
        }
        if self.is_sound
            && let Err(error) = self.commit(&shared).await
        {
            // Nothing is lost: what is not committed is applied again at the next start.
            info!(%error, "left the last batch to the next start");
        }
    }

    /// Waits until the next batch may begin.
    async fn keep_pace(&mut self, shared: &Shared) {
        let since = self.batch_began.map(|began| began.elapsed());
        let left = since.and_then(|since| self.seat.pace().checked_sub(since));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = shared.stopped() => {}
            }
        }
    }

    /// A turn, and the wait for something to do where there was nothing.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub(crate) async fn advance(
        &mut self,
        shared: &Shared,
        seen: &mut u64,
    ) -> Result<(), EngineError> {
        self.keep_pace(shared).await;
        if self.turn(shared).await? == Turn::Moved {
            return Ok(());
        }
        self.commit_due(true, shared)
            .await
            .inspect_err(|_| self.is_sound = false)?;
        shared.items.announce();
        // By the clock, not by silence: on a busy log there is always something for somebody else.
        let check = shared.options.idle_check_interval;
        let left = check.saturating_sub(self.checked.elapsed());
        if left.is_zero() {
            self.checked = Instant::now();
            return self.rest(shared).await;
        }
        tokio::select! {
            now = shared.ports.log.changed(*seen) => *seen = now?,
            () = tokio::time::sleep(left.min(SEAT_POLL)) => {}
            () = shared.stopped() => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
