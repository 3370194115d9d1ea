//! `return`: Products of an order came back.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// Products of an order came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Return {
    /// The order lines, 1 to [`crate::limits::ORDER_LINES_MAX`].
    pub lines: Vec<Line>,
}

impl EventKind for Return {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            lines: draft.order_lines()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Negative(8.0)
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn is_return(&self) -> bool {
        true
    }
}
