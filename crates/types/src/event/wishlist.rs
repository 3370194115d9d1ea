//! `wishlist`: The visitor put a product on a wish list.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor put a product on a wish list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wishlist {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for Wishlist {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Positive(3.0)
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
