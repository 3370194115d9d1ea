//! `impression`: A product was shown to the visitor.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// A product was shown to the visitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impression {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for Impression {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::None
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
