//! `view`: The visitor looked at a product.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor looked at a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for View {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Positive(1.0)
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
