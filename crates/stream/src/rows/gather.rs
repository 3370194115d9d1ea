//! How far every task upstream has come: a re-keyed stage waits for the slowest.
//!
//! The law: the result does not depend on how far the tasks upstream are apart, only on what each
//! told. One that never told anything holds the live lane back; the lane of old data waits for
//! those that load some.

use vitrina_types::partition::PARTITIONS;
use vitrina_types::record::Upstream;
use vitrina_types::state::GatherState;
use vitrina_types::stored::{self, StoredError};
use vitrina_types::time::{Progress, Watermark};

/// What a task that read its file to the end says of old data.
pub const FINISHED: Watermark = Watermark(i64::MAX);

/// Gathers what the tasks upstream tell, in partition 0, and keeps what every partition was told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gather {
    state: GatherState,
    is_unsaved: bool,
}

impl Gather {
    /// The key of its stored form.
    pub const KEY: &'static str = "~r/gather";

    /// Takes what a task upstream told. Answers what every partition of this stage is to be told:
    /// when the live minimum rose by `step_ms` or more, or that of old data changed or ended.
    ///
    /// O(tasks upstream).
    pub fn hear(&mut self, upstream: &Upstream, step_ms: i64) -> Option<Progress> {
        let tasks = &mut self.state.tasks;
        match tasks.binary_search_by_key(&upstream.from, |known| known.from) {
            Ok(place) => {
                let known = &mut tasks[place];
                known.of = upstream.of;
                known.progress = joined(known.progress, upstream.progress);
            }
            Err(place) => tasks.insert(place, *upstream),
        }
        self.is_unsaved = true;
        let (now, told) = (self.minimum(), self.state.told);
        let rose = now.live.0.saturating_sub(told.live.0) >= step_ms.max(1);
        (rose || now.backfill != told.backfill).then(|| {
            self.state.told = now;
            now
        })
    }

    /// How far all of them have come. O(tasks upstream).
    pub fn minimum(&self) -> Progress {
        let tasks = &self.state.tasks;
        let live = || tasks.iter().filter(|task| task.from < PARTITIONS);
        let all_spoke = live().count() == usize::from(PARTITIONS);
        let slowest = live().map(|task| task.progress.live).min();
        Progress {
            live: slowest.filter(|_| all_spoke).unwrap_or(Watermark::NONE),
            backfill: self.minimum_backfill(),
        }
    }

    fn minimum_backfill(&self) -> Option<Watermark> {
        let tasks = &self.state.tasks;
        let slowest = tasks
            .iter()
            .filter_map(|task| task.progress.backfill)
            .min()?;
        let of = tasks.iter().map(|task| task.of).max().unwrap_or(0);
        let spoke = tasks.iter().filter(|task| task.of > 0).count();
        Some(if spoke < usize::from(of) {
            Watermark::NONE
        } else {
            slowest
        })
    }

    /// Takes what this partition was told.
    pub fn reach(&mut self, progress: Progress) {
        let reached = &mut self.state.reached;
        let live = reached.live.max(progress.live);
        let backfill = progress.backfill;
        let now = Progress { live, backfill };
        self.is_unsaved |= now != *reached;
        *reached = now;
    }

    /// How far all tasks upstream have come, as this partition was told.
    pub fn reached(&self) -> Progress {
        self.state.reached
    }

    pub(super) fn load(&mut self, value: &[u8]) -> Result<(), StoredError> {
        self.state = stored::decode(value)?;
        Ok(())
    }

    pub(super) fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        if std::mem::take(&mut self.is_unsaved) {
            each(Self::KEY, Some(stored::encode(&self.state)));
        }
    }
}

/// What a task told before and what it tells now. No lane falls back; that of old data begins anew
/// after it ended.
fn joined(before: Progress, now: Progress) -> Progress {
    let backfill = match (before.backfill, now.backfill) {
        (Some(before), Some(now)) if before != FINISHED => Some(before.max(now)),
        (_, now) => now,
    };
    Progress {
        live: before.live.max(now.live),
        backfill,
    }
}
