//! Commits of state, a partition each.

use super::Stage;
use crate::error::EngineError;
use crate::flaw::Flaw;
use crate::options::Waiting;
use crate::shared::Shared;
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::time::Duration;
use vitrina_ports::PortError;
use vitrina_ports::state::{Change, Commit};
use vitrina_stream::{Operator, Task};

/// However much there is to write, it waits no longer. It is also about what a worker that is
/// killed leaves to be computed again.
const PACE_MAX: Duration = Duration::from_secs(5);

impl<O: Operator> Stage<O> {
    /// Commits what the chosen tasks have processed since their last commit.
    pub(super) async fn commit_where(
        &mut self,
        shared: &Shared,
        is_chosen: impl Fn(&Task<O>) -> bool,
    ) -> Result<(), EngineError> {
        let chosen = |place: &usize| is_chosen(&self.slots[*place].task);
        let places: Vec<usize> = (0..self.slots.len()).filter(chosen).collect();
        let is_whole = places.len() == self.slots.len();
        let began = shared.now();
        let mut written = 0;
        for places in places.chunks(shared.options.state_calls_together.max(1)) {
            let commits: Vec<_> = places
                .iter()
                .filter_map(|&place| Some((place, self.taken(place, shared)?)))
                .collect();
            written += commits
                .iter()
                .map(|(_, one)| one.changes.len())
                .sum::<usize>();
            let done = commits.into_iter().map(|(place, commit)| async move {
                let next = commit.next;
                shared.ports.state.commit(commit).await?;
                Ok::<_, PortError>((place, next))
            });
            for (place, next) in try_join_all(Vec::from_iter(done)).await? {
                let slot = &mut self.slots[place];
                slot.committed = next;
                let (partition, open) = (slot.task.partition(), slot.task.open());
                shared.counted(self.space, partition, slot.task.task_state(), open);
                shared.committed(self.space, partition, next);
            }
            if shared.ports.upkeep.waiting() == Waiting::TooMuch {
                shared.flush_due.notify_one();
            }
        }
        if is_whole {
            self.last_commit = began;
            self.pace_ms = pace_ms(written, shared.options.state_writes_per_second);
        }
        Ok(())
    }

    /// What one task has changed since its last commit; `None` where there is nothing.
    fn taken(&mut self, place: usize, shared: &Shared) -> Option<Commit> {
        let slot = &mut self.slots[place];
        let next = slot.task.position();
        // In doubt, memory may hold what was never published: it must not become state.
        let is_sound = slot.is_assigned || shared.has(Flaw::DoubtCommitted);
        if next == slot.committed || !is_sound {
            return None;
        }
        let partition = slot.task.partition();
        let mut changes = Vec::new();
        let on_change = &self.on_change;
        slot.task.take_changes(&mut |key, value, stored| {
            on_change(key, value);
            changes.push(Change {
                key: key.to_owned(),
                value: stored.map(Bytes::from),
            });
        });
        Some(Commit {
            partition: self.at(partition),
            expected: self.slots[place].committed,
            next,
            changes,
        })
    }
}

/// The pause after a commit of so many values that keeps to `per_second` of them.
fn pace_ms(written: usize, per_second: Option<u32>) -> i64 {
    let Some(per_second) = per_second else {
        return 0;
    };
    let pause = written as u64 * 1_000 / u64::from(per_second.max(1));
    pause.min(PACE_MAX.as_millis() as u64) as i64
}
