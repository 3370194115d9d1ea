//! What every route shares.

use super::budget::Budget;
use super::options::HttpOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use vitrina_engine::Engine;
use vitrina_ports::snapshots::SnapshotStore;

/// What every route shares. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Settings.
    pub options: Arc<HttpOptions>,
    /// Memory for request bodies.
    pub budget: Budget,
    /// What this face counts about itself.
    pub counts: Arc<HttpCounts>,
    /// Where checkpoints are; `None` where there is no such place.
    pub snapshots: Option<Arc<dyn SnapshotStore>>,
    draining: Arc<AtomicBool>,
}

/// Responses by class of status, and requests begun.
#[derive(Debug, Default)]
pub struct HttpCounts {
    begun: AtomicU64,
    classes: [AtomicU64; 5],
}

impl HttpCounts {
    /// A request begins; answers its number.
    pub fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    /// A response with this status was sent.
    pub fn end(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.classes.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Name and count of every class of status.
    pub fn classes(&self) -> [(&'static str, u64); 5] {
        let names = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        std::array::from_fn(|i| (names[i], self.classes[i].load(Ordering::Relaxed)))
    }
}

impl App {
    /// The face of an engine that has started.
    pub fn new(engine: Arc<Engine>, options: HttpOptions) -> Self {
        Self {
            engine,
            budget: Budget::new(options.body_bytes_in_flight),
            options: Arc::new(options),
            counts: Arc::default(),
            snapshots: None,
            draining: Arc::default(),
        }
    }

    /// The same, with the place where checkpoints are.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Arc<dyn SnapshotStore>) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    /// From here on `/health/ready` says that no more requests are wanted; those that come are
    /// served.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether more requests are wanted.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire)
    }
}
