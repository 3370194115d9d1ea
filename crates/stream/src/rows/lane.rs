//! The two lanes of event time.

use vitrina_types::time::{EventTime, Progress, Watermark};

/// Which watermark decides when something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// What happens now.
    Live,
    /// Old data being loaded.
    Backfill,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Backfill];

    /// The lane of a record, by whether its cause is old data being loaded.
    pub fn of(is_backfill: bool) -> Self {
        if is_backfill {
            Self::Backfill
        } else {
            Self::Live
        }
    }

    /// Whether `end` is passed in this lane; always, where no old data is being loaded.
    pub fn passed(self, progress: Progress, end: EventTime) -> bool {
        match self {
            Self::Live => progress.live.passed(end),
            Self::Backfill => progress.backfill.is_none_or(|w: Watermark| w.passed(end)),
        }
    }

    /// The letter in stored keys.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Live => 'l',
            Self::Backfill => 'b',
        }
    }

    pub(super) fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.letter() == letter)
    }
}
