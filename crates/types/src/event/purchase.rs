//! `purchase`: An order, or one line of it, was paid.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// An order, or one line of it, was paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// The order lines, 1 to [`crate::limits::ORDER_LINES_MAX`].
    pub lines: Vec<Line>,
}

impl EventKind for Purchase {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            lines: draft.order_lines()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Positive(8.0)
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn is_purchase(&self) -> bool {
        true
    }
}
