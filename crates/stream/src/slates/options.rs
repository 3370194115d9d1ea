//! What a shop may set of attribution.

const HOUR_MS: i64 = 3_600_000;

/// Options of [`crate::SlateStage`].
#[derive(Debug, Clone, PartialEq)]
pub struct SlateOptions {
    /// An interaction that happens later than this after its slate was shown is not the slate's
    /// any more, in ms of event time. Default 24 h.
    pub attribution_window_ms: i64,
    /// How far before its slate an interaction may seem to happen, because the two were timed by
    /// different clocks; and how far the watermark stays behind ticks. In ms, default 5 s.
    pub out_of_orderness_ms: i64,
    /// How long a slate is remembered, in ms of ingest time since the first was heard of it: an
    /// interaction may be taken in long after it happened. At least an hour more than
    /// [`Self::attribution_window_ms`], whatever is set. Default 48 h.
    pub slate_keep_ms: i64,
}

impl Default for SlateOptions {
    fn default() -> Self {
        Self {
            attribution_window_ms: 24 * HOUR_MS,
            out_of_orderness_ms: 5_000,
            slate_keep_ms: 48 * HOUR_MS,
        }
    }
}

impl SlateOptions {
    /// How long a slate is remembered, in ms of ingest time: never so short that an interaction
    /// inside the window finds it gone.
    pub(super) fn keep_ms(&self) -> i64 {
        let least = self.attribution_window_ms.saturating_add(HOUR_MS);
        self.slate_keep_ms.max(least)
    }
}
