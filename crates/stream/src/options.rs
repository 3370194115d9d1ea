//! What a shop may set, with defaults that need no setting.
//!
//! Options are configuration, not state: they take effect at a position of the log and never
//! rewrite what was counted.

use vitrina_types::money::Currency;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Options of [`crate::UserStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct UserOptions {
    /// Currency of a price that came without one. Default USD.
    pub currency: Currency,
    /// How far the watermark stays behind the newest event time, in ms. Default 5 s.
    pub out_of_orderness_ms: i64,
    /// A session ends after this long without an event, in ms of event time. Default 30 min.
    pub session_gap_ms: i64,
    /// How long an event id is remembered behind the newest one, in ms of event time.
    /// Default 1 h.
    pub dedupe_horizon_ms: i64,
    /// Whole days of ingest time without a record after which a visitor's state goes.
    /// Default 90.
    pub idle_days: u32,
    /// Expiry buckets looked at per tick; a day has 64 of them. Default 16.
    pub expiry_buckets_per_tick: u32,
}

impl Default for UserOptions {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            out_of_orderness_ms: 5_000,
            session_gap_ms: HOUR_MS / 2,
            dedupe_horizon_ms: HOUR_MS,
            idle_days: 90,
            expiry_buckets_per_tick: 16,
        }
    }
}

/// Options of [`crate::ProductStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct ProductOptions {
    /// How far the watermark stays behind ticks, in ms. Default 5 s.
    pub out_of_orderness_ms: i64,
    /// Interest in a product or category halves in this time, in ms, above 0. Default 3 days.
    pub interest_half_life_ms: f64,
    /// The strength of products met together halves in this time, in ms, above 0.
    /// Default 14 days.
    pub covisit_half_life_ms: f64,
    /// The strength of products bought together halves in this time, in ms, above 0.
    /// Default 28 days.
    pub bought_half_life_ms: f64,
}

impl Default for ProductOptions {
    fn default() -> Self {
        Self {
            out_of_orderness_ms: 5_000,
            interest_half_life_ms: (3 * DAY_MS) as f64,
            covisit_half_life_ms: (14 * DAY_MS) as f64,
            bought_half_life_ms: (28 * DAY_MS) as f64,
        }
    }
}
