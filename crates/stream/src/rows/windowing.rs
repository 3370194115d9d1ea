//! Which windows of event time a moment lies in.
//!
//! Pure assignment, as in T. Akidau et al., "The Dataflow Model", VLDB 2015: windows are half-open
//! and aligned to the epoch, so they are the same in every task and after every restart.

use vitrina_types::row::TimeWindow;
use vitrina_types::time::EventTime;

/// A way to cut event time into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Windowing {
    /// Windows side by side: every moment lies in one.
    Tumbling {
        /// Length, in ms, above 0.
        length_ms: i64,
    },
    /// A window of `length_ms` begins every `step_ms`: every moment lies in
    /// ⌈`length_ms` / `step_ms`⌉ of them where the one is a multiple of the other, else in that
    /// many or one less.
    Hopping {
        /// Length, in ms, above 0.
        length_ms: i64,
        /// From one begin to the next, in ms, above 0.
        step_ms: i64,
    },
}

impl Windowing {
    /// The windows that `at` lies in, ascending. Lengths and steps below 1 are taken for 1; at the
    /// ends of what an [`EventTime`] can say windows are cut.
    ///
    /// O(1) a window, nothing is allocated.
    pub fn windows_of(self, at: EventTime) -> impl Iterator<Item = TimeWindow> {
        let (length_ms, step_ms) = match self {
            Self::Tumbling { length_ms } => (length_ms.max(1), length_ms.max(1)),
            Self::Hopping { length_ms, step_ms } => (length_ms.max(1), step_ms.max(1)),
        };
        // Of the window that began last.
        let into_ms = at.0.rem_euclid(step_ms);
        let rest_ms = length_ms - into_ms;
        let count = if rest_ms > 0 {
            (rest_ms - 1) / step_ms + 1
        } else {
            0
        };
        (0..count).rev().map(move |back| {
            let start = at.plus_ms(-into_ms).plus_ms(-(back * step_ms));
            TimeWindow {
                start,
                end: start.plus_ms(length_ms),
            }
        })
    }

    /// The window that `at` lies in and that began last. O(1).
    #[inline]
    pub fn newest_of(self, at: EventTime) -> TimeWindow {
        let (Self::Tumbling { length_ms } | Self::Hopping { length_ms, .. }) = self;
        let (Self::Tumbling { length_ms: step_ms } | Self::Hopping { step_ms, .. }) = self;
        let start = at.plus_ms(-at.0.rem_euclid(step_ms.max(1)));
        TimeWindow {
            start,
            end: start.plus_ms(length_ms.max(1)),
        }
    }
}
