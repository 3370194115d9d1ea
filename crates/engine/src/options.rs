//! Everything about the engine that can be set, with its default.

use crate::checkpoint::CheckpointOptions;
use crate::roles::Roles;
use std::sync::Arc;
use std::time::Duration;
use vitrina_pipeline::{ItemConfig, PipelineConfig};
use vitrina_ports::PortError;
use vitrina_ports::analytics::AnalyticsStore;
use vitrina_ports::catalogue::Catalogue;
use vitrina_ports::log::EventLog;
use vitrina_ports::seat::Seats;
use vitrina_ports::slates::SlateStore;
use vitrina_ports::state::StateStore;
use vitrina_stream::{ProductOptions, SlateOptions, UserOptions};
use vitrina_types::time::IngestTime;

/// Where the engine gets the time: the one clock of the house.
pub type Clock = Arc<dyn Fn() -> IngestTime + Send + Sync>;

/// What the engine stands on.
#[derive(Clone)]
pub struct Ports {
    /// Event log.
    pub log: Arc<dyn EventLog>,
    /// Seats of the stream's workers.
    pub seats: Arc<dyn Seats>,
    /// Keyed state.
    pub state: Arc<dyn StateStore>,
    /// Catalogue.
    pub catalogue: Arc<dyn Catalogue>,
    /// Stored slates.
    pub slates: Arc<dyn SlateStore>,
    /// Window rows.
    pub analytics: Arc<dyn AnalyticsStore>,
    /// Chores of embedded stores.
    pub upkeep: Arc<dyn Upkeep>,
}

impl Ports {
    /// Everything in memory: for tests, and for jobs that leave nothing behind.
    pub fn in_memory() -> Self {
        Self {
            log: Arc::new(vitrina_ports::log::memory::MemoryLog::new()),
            seats: crate::topology::solo_seats(),
            state: Arc::new(vitrina_ports::state::memory::MemoryState::new()),
            catalogue: Arc::new(vitrina_ports::catalogue::memory::MemoryCatalogue::new()),
            slates: Arc::new(vitrina_ports::slates::memory::MemorySlates::new()),
            analytics: Arc::new(vitrina_ports::analytics::memory::MemoryAnalytics::new()),
            upkeep: Arc::new(NoUpkeep),
        }
    }
}

/// What stores in one data directory need done from time to time. Stores that look after
/// themselves use [`NoUpkeep`].
pub trait Upkeep: Send + Sync {
    /// Writes state to disk, behind the log. Blocking.
    ///
    /// # Errors
    /// As the store; nothing is lost then, and the next call tries again.
    fn flush(&self) -> Result<(), PortError>;

    /// How much waits in memory for a flush.
    fn waiting(&self) -> Waiting {
        Waiting::Little
    }

    /// Removes what retention no longer keeps. Blocking.
    ///
    /// # Errors
    /// As the store.
    fn retain(&self, now: IngestTime) -> Result<(), PortError>;

    /// Re-opens stores that failed, if they can be. Blocking. Answers whether state may have
    /// stepped back.
    ///
    /// # Errors
    /// As the store.
    fn heal(&self) -> Result<bool, PortError>;

    /// Facts for `status` and the console.
    fn storage(&self) -> Storage;
}

/// How much waits in memory for a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// So little that it is written at any time.
    Little,
    /// So much that it pays to wait for more: what changes again meanwhile is written once.
    Much,
    /// So much that it is written now.
    TooMuch,
}

/// Facts about the stores.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Storage {
    /// Bytes of the event log.
    pub log_bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: u64,
    /// Bytes that are never used.
    pub reserve_bytes: u64,
    /// What was repaired when the stores were opened, in words.
    pub repairs: Vec<String>,
}

/// For stores that look after themselves.
pub struct NoUpkeep;

impl Upkeep for NoUpkeep {
    fn flush(&self) -> Result<(), PortError> {
        Ok(())
    }

    fn retain(&self, _now: IngestTime) -> Result<(), PortError> {
        Ok(())
    }

    fn heal(&self) -> Result<bool, PortError> {
        Ok(false)
    }

    fn storage(&self) -> Storage {
        Storage::default()
    }
}

/// While a backlog is worked off, one flush takes the place of so many.
pub(crate) const FLUSHES_SAVED: u32 = 10;

/// Settings of the engine.
#[derive(Clone)]
pub struct EngineOptions {
    /// Threads of the stream, at least 1 where there is one; partitions are dealt out to them.
    pub stream_threads: usize,
    /// Live, state is committed with every batch; while a backlog is worked off, commits
    /// coalesce up to this long.
    pub commit_interval: Duration,
    /// Values that a stage of a worker writes to the state store in a second, `None` without a
    /// limit. Beyond it commits coalesce, up to 5 s, except those of changes that somebody may be
    /// waiting for: where a store is shared, work that answers do not need does not take its time
    /// from answers.
    pub state_writes_per_second: Option<u32>,
    /// Calls of a stage of a worker to the state store at the same time, at least 1. One where
    /// state is in this process, so that what was read is processed while it is in the cache;
    /// more over a network, where they wait together.
    pub state_calls_together: usize,
    /// State is written to disk this often; while much of it waits ten times as
    /// long, or when too much does.
    pub flush_interval: Duration,
    /// Time passes for idle partitions this often.
    pub tick_interval: Duration,
    /// An idle worker looks this often whether its state still stands where it left it.
    pub idle_check_interval: Duration,
    /// Retention and expiry are looked after this often.
    pub retain_interval: Duration,
    /// An answer waits at most this long for the position it was asked after.
    pub after_wait: Duration,
    /// A catalogue write waits at most this long until answers see it.
    pub visible_wait: Duration,
    /// Events accepted but not applied, beyond which intake is refused.
    pub lag_max: u64,
    /// What of the work this process does; other processes on the same stores do the rest.
    pub roles: Roles,
    /// While somebody waits, or records are on their way, what other processes did is looked at
    /// this often: where their tasks stand, and which products they changed.
    pub progress_interval: Duration,
    /// Keys whose state one task keeps decoded in memory; each stage has 32 tasks.
    pub hot_keys_max: usize,
    /// Bytes of full traces kept in memory for `explain`.
    pub traces_bytes_max: usize,
    /// Days of event time that window rows are kept.
    pub rows_keep_days: u32,
    /// How long a slate can be explained.
    pub slate_lifetime_ms: i64,
    /// Key of the hash under which network addresses are stored.
    pub address_key: u64,
    /// Seed of slate and event ids.
    pub id_seed: u64,
    /// Of the user-keyed stage.
    pub user: UserOptions,
    /// Of the product-keyed stage.
    pub product: ProductOptions,
    /// Of attribution.
    pub slate: SlateOptions,
    /// Of the item side; its half-lives are those of `product`.
    pub items: ItemConfig,
    /// Of the pipeline.
    pub pipeline: PipelineConfig,
    /// Of checkpoints.
    pub checkpoints: CheckpointOptions,
    /// In which way the engine is to be wrong.
    #[cfg(test)]
    pub(crate) flaw: Option<crate::flaw::Flaw>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            stream_threads: 1,
            commit_interval: Duration::from_secs(1),
            state_writes_per_second: None,
            state_calls_together: 1,
            flush_interval: Duration::from_secs(1),
            tick_interval: Duration::from_secs(10),
            idle_check_interval: Duration::from_secs(5),
            retain_interval: Duration::from_secs(60),
            after_wait: Duration::from_millis(50),
            visible_wait: Duration::from_secs(2),
            lag_max: 1_000_000,
            roles: Roles::all(),
            progress_interval: Duration::from_millis(50),
            hot_keys_max: 2_048,
            traces_bytes_max: 32 * 1_024 * 1_024,
            rows_keep_days: 3_650,
            slate_lifetime_ms: 7 * 86_400_000,
            address_key: 0,
            id_seed: 0,
            user: UserOptions::default(),
            product: ProductOptions::default(),
            slate: SlateOptions::default(),
            items: ItemConfig::default(),
            pipeline: PipelineConfig::default(),
            checkpoints: CheckpointOptions::default(),
            #[cfg(test)]
            flaw: None,
        }
    }
}
