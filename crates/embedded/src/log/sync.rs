//! Group commit: one thread makes durable what all callers have written.
//!
//! It syncs outside every lock, so writing goes on meanwhile, and one sync answers all who wait.
//! When a sync fails the log has failed: the kernel may have thrown the unsynced pages away, so a
//! second sync that succeeds would prove nothing.

use crate::disk::DiskFile;
use crate::log::core::{Core, Left};
use crate::log::segment::{Segment, index_name, new_name, segment_name};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What is to be made durable. Bytes are counted over segments since the log was opened.
pub(crate) struct Plan {
    pub(crate) written: u64,
    /// Up to where somebody waits.
    pub(crate) wanted: u64,
    synced: u64,
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    /// Durable bytes of the newest segment.
    synced_len: u64,
    /// The segment before the newest, while it is not durable.
    pub(crate) left: Option<Left>,
    pub(crate) is_stopping: bool,
    /// Whether the syncer waits for nothing but to be woken.
    pub(crate) is_idle: bool,
    /// Syncs so far.
    pub(crate) sync_count: u64,
}

/// One round of the syncer.
struct Round {
    upto: u64,
    segment: Arc<Segment>,
    len: u64,
    file: Arc<dyn DiskFile>,
    left: Option<Left>,
}

impl Plan {
    /// The plan of a segment of which everything is durable.
    pub(crate) fn new(segment: Arc<Segment>, file: Arc<dyn DiskFile>) -> Self {
        Self {
            written: 0,
            wanted: 0,
            synced: 0,
            synced_len: segment.len(),
            segment,
            file,
            left: None,
            is_stopping: false,
            is_idle: false,
            sync_count: 0,
        }
    }

    /// Counts `bytes` more as written; `durable` asks for a sync. Answers whether to wake the
    /// syncer.
    pub(crate) fn add(&mut self, bytes: u64, durable: bool) -> bool {
        let was_clean = self.written == self.synced;
        self.written += bytes;
        if durable {
            self.wanted = self.written;
        }
        self.is_idle && (self.wanted > self.synced || (was_clean && bytes > 0))
    }

    /// Durable bytes of a segment, as far as known.
    pub(crate) fn synced_len(&self, number: u64) -> u64 {
        if self.segment.number == number {
            self.synced_len
        } else {
            0
        }
    }

    /// Goes over to the next segment.
    pub(crate) fn roll(&mut self, left: Left, segment: Arc<Segment>, file: Arc<dyn DiskFile>) {
        self.left = Some(left);
        self.segment = segment;
        self.file = file;
        self.synced_len = 0;
    }

    fn round(&self) -> Round {
        Round {
            upto: self.written,
            segment: Arc::clone(&self.segment),
            len: self.segment.len(),
            file: Arc::clone(&self.file),
            left: self.left.clone(),
        }
    }
}

/// Runs until the log is closed or has failed.
pub(crate) fn run(core: &Core) {
    // Whoever waits must not wait for ever for a thread that is gone.
    let _guard = Guard(core);
    while let Some(round) = next_round(core) {
        if let Err(error) = core.sync_round(&round) {
            core.fail(&format!("sync failed: {error}"));
            return;
        }
    }
}

struct Guard<'a>(&'a Core);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the syncer panicked");
        }
    }
}

/// Waits for something to sync; `None` when the log is closed and all of it is durable.
fn next_round(core: &Core) -> Option<Round> {
    let mut plan = core.plan.lock();
    let mut deadline = None;
    loop {
        if core.durable.borrow().failure.is_some() {
            return None;
        }
        let is_dirty = plan.written > plan.synced;
        let is_urgent = plan.wanted > plan.synced || plan.left.is_some();
        if is_urgent || (is_dirty && plan.is_stopping) {
            return Some(plan.round());
        }
        if plan.is_stopping {
            return None;
        }
        plan.is_idle = true;
        if is_dirty {
            // What nobody waits for becomes durable too, a little later.
            let by = *deadline.get_or_insert_with(|| Instant::now() + core.options.sync_after);
            let timeout = core.wake.wait_until(&mut plan, by);
            if timeout.timed_out() {
                plan.is_idle = false;
                return Some(plan.round());
            }
        } else {
            core.wake.wait(&mut plan);
        }
        plan.is_idle = false;
    }
}

impl Core {
    fn sync_round(&self, round: &Round) -> io::Result<()> {
        if let Some(left) = &round.left {
            left.file.sync()?;
        }
        round.file.sync()?;
        let number = round.segment.number;
        if round.left.is_some() {
            // Only now may the new segment be found after a crash: all before it is durable.
            let from = self.folder.path(&new_name(number));
            let to = self.folder.path(&segment_name(number));
            self.folder.disk.rename(&from, &to)?;
            self.folder.sync()?;
        }
        let mut plan = self.plan.lock();
        plan.synced = plan.synced.max(round.upto);
        plan.sync_count += 1;
        if plan.segment.number == number {
            plan.synced_len = round.len;
        }
        if round.left.is_some() {
            plan.left = None;
        }
        drop(plan);
        self.durable.send_modify(|durable| {
            durable.upto = durable.upto.max(round.upto);
        });
        if let Some(left) = &round.left {
            self.finish(left);
        }
        Ok(())
    }

    /// Writes the index of a segment that was left and frees its memory. Failure costs a scan.
    fn finish(&self, left: &Left) {
        let segment = &left.segment;
        let len = segment.len();
        // Gives back the room that was claimed ahead.
        let cut = left.file.set_len(len);
        let index = left.index.encode(segment.number, len);
        let written = cut.and_then(|()| self.folder.write(&index_name(segment.number), &index));
        if let Err(error) = written {
            tracing::warn!(segment = segment.number, %error, "index of a segment not written");
        }
        let mut view = self.view.write();
        let is_this = |kept: &Left| kept.segment.number == segment.number;
        if view.left.as_ref().is_some_and(is_this) {
            view.left = None;
        }
    }
}
