//! `add_to_cart`: The visitor put a product into the cart.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor put a product into the cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddToCart {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for AddToCart {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Positive(4.0)
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
