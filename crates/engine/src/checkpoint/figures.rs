//! What is known of checkpoints: for `status`, `/metrics` and the console.

use super::manifest::Manifest;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vitrina_types::time::IngestTime;

/// What checkpoints come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckpointStatus {
    /// The newest one there is.
    pub newest: Option<String>,
    /// How old it is, in seconds.
    pub age_s: Option<u64>,
    /// How long the last one took; 0 before the first of this process.
    pub duration_ms: u64,
    /// Bytes written for it.
    pub bytes: u64,
    /// How many failed or were given up, since the process began.
    pub failures: u64,
}

/// Counts what checkpoints come to.
#[derive(Debug, Default)]
pub struct CheckpointFigures {
    is_on: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    status: CheckpointStatus,
    created_at: IngestTime,
}

impl CheckpointFigures {
    /// What is known at `now`; `None` where no checkpoints are taken.
    pub fn status(&self, now: IngestTime) -> Option<CheckpointStatus> {
        let known = self.known.lock();
        let age_s = now.since_ms(known.created_at).max(0) as u64 / 1_000;
        self.is_on
            .load(Ordering::Relaxed)
            .then(|| CheckpointStatus {
                age_s: known.status.newest.as_ref().map(|_| age_s),
                ..known.status.clone()
            })
    }

    /// Checkpoints are taken from now on.
    pub(super) fn on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// This is the newest there is.
    pub(super) fn newest(&self, manifest: &Manifest) {
        let mut known = self.known.lock();
        known.status.newest = Some(manifest.id.to_string());
        known.created_at = manifest.created_at;
    }

    /// One was taken.
    pub(super) fn took(&self, manifest: &Manifest, duration: Duration) {
        self.newest(manifest);
        let mut known = self.known.lock();
        known.status.duration_ms = duration.as_millis() as u64;
        known.status.bytes = manifest.bytes;
    }

    /// One failed or was given up.
    pub(super) fn failed(&self) {
        self.known.lock().status.failures += 1;
    }
}
