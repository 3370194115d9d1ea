//! What a shop may set, with defaults that need no setting.
//!
//! Options are configuration, not state: they take effect at a position of the log and never
//! rewrite what was counted.

use crate::rows::Windowing;
use vitrina_types::money::Currency;
use vitrina_types::row::Dimension;

const MINUTE_MS: i64 = 60_000;
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
    /// Expiry buckets looked at per tick, of at most 128 visitors each; more where so many are
    /// due that they would not all go within a day. Default 16.
    pub expiry_buckets_per_tick: u32,
    /// A session takes events so long behind its end, in ms of the watermark; what comes later
    /// than that is late. At least 0. Default 5 min.
    pub grace_ms: i64,
    /// The live watermark is told on whenever it rose by this, in ms, at least 1; a tick tells
    /// it whenever it rose at all. Default 1 s.
    pub watermark_step_ms: i64,
    /// The same of the watermark of old data being loaded. Default 1 h.
    pub backfill_step_ms: i64,
    /// Loading ends when none of the old data was taken in for this long, in ms of ingest time,
    /// at least 0. Default 10 s.
    pub backfill_quiet_ms: i64,
}

impl UserOptions {
    /// For shops whose events come up to 5 min late as a rule: the watermark stays that far
    /// behind, so that everything is told that much later instead of twice.
    pub fn late_tolerant() -> Self {
        Self {
            out_of_orderness_ms: 5 * MINUTE_MS,
            ..Self::default()
        }
    }
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
            grace_ms: 5 * MINUTE_MS,
            watermark_step_ms: 1_000,
            backfill_step_ms: HOUR_MS,
            backfill_quiet_ms: 10_000,
        }
    }
}

/// Options of [`crate::ProductStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct ProductOptions {
    /// Interest in a product or category halves in this time, in ms, above 0. Default 3 days.
    pub interest_half_life_ms: f64,
    /// The strength of products met together halves in this time, in ms, above 0.
    /// Default 14 days.
    pub covisit_half_life_ms: f64,
    /// The strength of products bought together halves in this time, in ms, above 0.
    /// Default 28 days.
    pub bought_half_life_ms: f64,
    /// How rows are made. The row stage has to have the same.
    pub rows: RowOptions,
}

impl Default for ProductOptions {
    fn default() -> Self {
        Self {
            interest_half_life_ms: (3 * DAY_MS) as f64,
            covisit_half_life_ms: (14 * DAY_MS) as f64,
            bought_half_life_ms: (28 * DAY_MS) as f64,
            rows: RowOptions::default(),
        }
    }
}

/// How window rows are made: options of [`crate::RowStage`], and of the stages before it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOptions {
    /// Length of a row's window, in ms of event time, above 0. Windows are aligned to the epoch.
    /// Default 10 min.
    pub row_window_ms: i64,
    /// So long behind its end, in ms of the watermark, a window still takes what comes; later
    /// than that it is late. At least 0. Default 5 min.
    pub grace_ms: i64,
    /// The live watermark is told on whenever it rose by this, in ms, at least 1. Default 1 s.
    pub watermark_step_ms: i64,
    /// Length of the longer windows that placements have besides, in ms, above 0. Default 1 h.
    pub placement_window_ms: i64,
    /// A longer window of a placement begins every so many ms, above 0. Default 5 min.
    pub placement_step_ms: i64,
}

impl Default for RowOptions {
    fn default() -> Self {
        Self {
            row_window_ms: 10 * MINUTE_MS,
            grace_ms: 5 * MINUTE_MS,
            watermark_step_ms: 1_000,
            placement_window_ms: HOUR_MS,
            placement_step_ms: 5 * MINUTE_MS,
        }
    }
}

impl RowOptions {
    /// The windowing every dimension has.
    pub fn windowing(&self) -> Windowing {
        Windowing::Tumbling {
            length_ms: self.row_window_ms,
        }
    }

    /// Every windowing of a dimension.
    pub fn windowings(&self, dimension: Dimension) -> impl Iterator<Item = Windowing> {
        let hopping = Windowing::Hopping {
            length_ms: self.placement_window_ms,
            step_ms: self.placement_step_ms,
        };
        let longer = (dimension == Dimension::Placement).then_some(hopping);
        std::iter::once(self.windowing()).chain(longer)
    }
}

/// What the value of an event in a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineValue {
    /// Its price, whatever its quantity.
    Price,
    /// Its price times its quantity.
    #[default]
    Total,
}

/// Options of [`crate::LineStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct LineOptions {
    /// How rows are made. The row stage has to have the same.
    pub rows: RowOptions,
    /// How far the watermark of a file stays behind the newest event time in it, in ms.
    /// Default 5 s.
    pub out_of_orderness_ms: i64,
    /// How many files are read side by side; 0 where that is not known. Default 1.
    pub upstreams: u16,
    /// What is summed up as the value of an event. Default [`LineValue::Total`].
    pub value: LineValue,
    /// Currency of a price that came without one. Default USD.
    pub currency: Currency,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            rows: RowOptions::default(),
            out_of_orderness_ms: 5_000,
            upstreams: 1,
            value: LineValue::Total,
            currency: Currency::USD,
        }
    }
}
