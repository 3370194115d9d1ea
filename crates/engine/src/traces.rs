//! The newest answers in full, in memory, for `explain`.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use vitrina_pipeline::{Slate, Trace};
use vitrina_types::answer::Impression;
use vitrina_types::id::SlateId;

/// Answers kept at most, whatever their size.
pub(crate) const TRACES_MAX: usize = 10_000;

/// One answer in full.
pub(crate) struct Kept {
    pub(crate) impression: Impression,
    pub(crate) slate: Slate,
    pub(crate) trace: Trace,
}

impl Kept {
    fn bytes(&self) -> usize {
        /// One shown item with its id and source.
        const ITEM: usize = 80;
        256 + self.impression.items.len() * ITEM + self.trace.bytes()
    }
}

#[derive(Default)]
struct Ring {
    by_id: FxHashMap<SlateId, Arc<Kept>>,
    order: VecDeque<SlateId>,
    bytes: usize,
}

/// The newest answers, bounded in number and bytes.
pub(crate) struct Traces {
    bytes_max: usize,
    ring: Mutex<Ring>,
}

impl Traces {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ring: Mutex::default(),
        }
    }

    pub(crate) fn keep(&self, kept: Kept) {
        let id = kept.impression.slate_id.clone();
        let kept = Arc::new(kept);
        let mut forgotten = Vec::new();
        {
            let mut ring = self.ring.lock();
            ring.bytes += kept.bytes();
            ring.order.push_back(id.clone());
            ring.by_id.insert(id, kept);
            while ring.order.len() > TRACES_MAX || ring.bytes > self.bytes_max {
                let Some(oldest) = ring.order.pop_front() else {
                    break;
                };
                if let Some(gone) = ring.by_id.remove(&oldest) {
                    ring.bytes -= gone.bytes();
                    forgotten.push(gone);
                }
            }
        }
        // Freed outside the lock: other answers do not wait for the allocator.
        drop(forgotten);
    }

    pub(crate) fn get(&self, id: &SlateId) -> Option<Arc<Kept>> {
        self.ring.lock().by_id.get(id).cloned()
    }

    /// The newest, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<Arc<Kept>> {
        let ring = self.ring.lock();
        let ids = ring.order.iter().rev().take(limit);
        ids.filter_map(|id| ring.by_id.get(id).cloned()).collect()
    }
}
