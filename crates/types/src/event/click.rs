//! `click`: The visitor clicked a product in a list.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor clicked a product in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Click {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for Click {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Positive(1.5)
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
