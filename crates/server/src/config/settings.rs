//! Everything that can be set. What each field means, its unit and its bounds are in
//! [`super::field::FIELDS`], one line per field.

use super::secret::Secrets;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use vitrina_types::money::Currency;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to serve HTTP on.
    pub listen: SocketAddr,
    /// Directory of the embedded store.
    pub data_dir: PathBuf,
    /// URL of the event log.
    pub log: String,
    /// URL of the state store.
    pub state: String,
    /// URL of the catalogue.
    pub catalogue: String,
    /// URL of the slate store.
    pub slates: String,
    /// URL of the store of window rows.
    pub analytics: String,
    /// URL of the store of snapshots.
    pub snapshots: String,
    /// Keys with all rights.
    pub api_keys: Secrets,
    /// Keys that may only send events.
    pub write_keys: Secrets,
    /// Serve other than loopback addresses without keys.
    pub insecure: bool,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// How long the event log is kept, in days.
    pub retention_days: u64,
    /// How large the event log may grow, in bytes; 0 for no bound.
    pub retention_bytes: u64,
    /// How long window rows are kept, in days of event time.
    pub rows_keep_days: u32,
    /// From one checkpoint to the next, in seconds; 0 takes none.
    pub checkpoint_interval_s: u64,
    /// Longest time for one checkpoint, in seconds.
    pub checkpoint_timeout_s: u64,
    /// Shortest time between two checkpoints, in seconds.
    pub checkpoint_pause_s: u64,
    /// Checkpoints kept.
    pub checkpoint_keep: usize,
    /// Disk space that is never used, in bytes.
    pub disk_reserve_bytes: u64,
    /// How often state is flushed to disk, in milliseconds.
    pub flush_interval_ms: u64,
    /// How long commits of state may coalesce while a backlog is worked off, in milliseconds.
    pub commit_interval_ms: u64,
    /// Longest wait of an answer for its `after=` position, in milliseconds.
    pub after_wait_ms: u64,
    /// Longest time from a signal to the end of the process, in milliseconds.
    pub shutdown_deadline_ms: u64,
    /// Currency of prices that come without one.
    pub currency: Currency,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log_filter: String,
    /// Limits on what is taken in at once.
    pub limits: Limits,
    /// What answers are made of.
    pub pipeline: Pipeline,
}

/// Limits on what is taken in at once. The sizes of requests and events are fixed: they are part
/// of the API ([`vitrina_types::limits`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of request bodies in memory at once.
    pub body_bytes_in_flight: u64,
    /// Connections at once.
    pub connections_max: usize,
    /// Time for one request, in milliseconds.
    pub request_timeout_ms: u64,
    /// Events accepted and not yet applied.
    pub waiting_events_max: u64,
}

/// What answers are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Leave out what the visitor has bought, where a placement does.
    pub already_purchased: bool,
    /// Leave out what is out of stock, where a placement does.
    pub out_of_stock: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let embedded = || "embedded:".to_owned();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8_000)),
            data_dir: PathBuf::from("vitrina-data"),
            log: embedded(),
            state: embedded(),
            catalogue: embedded(),
            slates: embedded(),
            analytics: embedded(),
            snapshots: embedded(),
            api_keys: Secrets::default(),
            write_keys: Secrets::default(),
            insecure: false,
            cors_origins: Vec::new(),
            retention_days: 30,
            retention_bytes: 0,
            rows_keep_days: 3_650,
            checkpoint_interval_s: 0,
            checkpoint_timeout_s: 600,
            checkpoint_pause_s: 60,
            checkpoint_keep: 5,
            disk_reserve_bytes: 256 * 1_024 * 1_024,
            flush_interval_ms: 1_000,
            commit_interval_ms: 1_000,
            after_wait_ms: 50,
            shutdown_deadline_ms: 10_000,
            currency: Currency::USD,
            log_format: LogFormat::Text,
            // The stores tell much that matters to their makers only.
            log_filter: "info,fjall=warn,lsm_tree=warn".to_owned(),
            limits: Limits::default(),
            pipeline: Pipeline::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_in_flight: 64 * 1_024 * 1_024,
            connections_max: 4_096,
            request_timeout_ms: 30_000,
            waiting_events_max: 1_000_000,
        }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            already_purchased: true,
            out_of_stock: true,
        }
    }
}
