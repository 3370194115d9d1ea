//! Every field of the configuration: name, bounds, and what it does with its unit.

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, levels joined by dots.
    pub key: &'static str,
    /// Smallest and largest value of a number; `None` for other fields.
    pub bounds: Option<(u64, u64)>,
    /// What it does, with its unit.
    pub doc: &'static str,
}

const fn text(key: &'static str, doc: &'static str) -> Field {
    let bounds = None;
    Field { key, bounds, doc }
}

const fn number(key: &'static str, min: u64, max: u64, doc: &'static str) -> Field {
    let bounds = Some((min, max));
    Field { key, bounds, doc }
}

const DAY_MS: u64 = 86_400_000;
const TIB: u64 = 1 << 40;

/// All fields, in the order they are shown.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    text("listen", "address and port to serve HTTP on; other than loopback it needs api_keys or insecure"),
    text("data_dir", "directory of the embedded store; created when absent"),
    text("log", "URL of the event log: embedded:, or kafka://HOST:PORT,HOST:PORT/PREFIX"),
    text("state", "URL of the state store: embedded:, or redis://HOST:PORT"),
    text("catalogue", "URL of the catalogue: embedded:"),
    text("slates", "URL of the store of slates: embedded:"),
    text("analytics", "URL of the store of window rows: embedded:"),
    text("snapshots", "URL of the store of checkpoints: embedded: for snapshots/ in data_dir, or file:DIR"),
    text("api_keys", "keys with all rights: one or a list, each plain (at least 8 bytes) or sha256:<64 hex digits>"),
    text("write_keys", "keys that may only send events, for browsers; written like api_keys"),
    text("insecure", "true serves other than loopback addresses without any key"),
    text("cors_origins", "origins that browsers may call from, such as https://shop.example"),
    number("retention_days", 1, 3_650, "how long the event log is kept, in days"),
    number("retention_bytes", 0, 1_024 * TIB, "how large the event log may grow, in bytes; 0 for no bound"),
    number("rows_keep_days", 1, 36_500, "how long window rows are kept, in days of event time; a million events make some 100 MB of them"),
    number("checkpoint_interval_s", 0, DAY_MS / 1_000, "from the beginning of one checkpoint to that of the next, in seconds; 0 takes none"),
    number("checkpoint_timeout_s", 1, DAY_MS / 1_000, "longest time for one checkpoint, in seconds; one that takes longer is given up"),
    number("checkpoint_pause_s", 0, DAY_MS / 1_000, "shortest time between the end of one checkpoint and the beginning of the next, in seconds"),
    number("checkpoint_keep", 1, 1_000, "checkpoints kept, the newest"),
    number("disk_reserve_bytes", 1_024 * 1_024, TIB, "disk space that is never used, in bytes; below it intake answers 507"),
    number("flush_interval_ms", 10, 60_000, "how often state is flushed to disk, in milliseconds; while a backlog is worked off a tenth as often, or whenever 128 MiB of it wait; the log is flushed before every acknowledgement"),
    number("commit_interval_ms", 1, 10_000, "how long commits of state may coalesce while a backlog is worked off, in milliseconds"),
    number("after_wait_ms", 0, 1_000, "longest wait of an answer for its after= position, in milliseconds"),
    number("shutdown_deadline_ms", 100, 600_000, "longest time from a signal to the end of the process, in milliseconds"),
    text("currency", "currency of prices that come without one (ISO 4217)"),
    text("log_format", "how log lines are written: text or json"),
    text("log_filter", "which log lines are written: error, warn, info, debug, trace, or target=level pairs"),
    number("limits.body_bytes_in_flight", 16 * 1_024 * 1_024, TIB, "bytes of request bodies in memory at once; more are answered 503"),
    number("limits.connections_max", 1, 1_000_000, "connections at once; further ones wait until one ends"),
    number("limits.request_timeout_ms", 10, DAY_MS, "time for one request, in milliseconds"),
    number("limits.waiting_events_max", 1_000, 100_000_000, "events accepted and not yet applied; intake is answered 429 above it"),
    text("pipeline.already_purchased", "true leaves out what the visitor has bought"),
    text("pipeline.out_of_stock", "true leaves out what is out of stock"),
];
