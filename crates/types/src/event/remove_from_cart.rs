//! `remove_from_cart`: The visitor took a product out of the cart.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor took a product out of the cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoveFromCart {
    /// The product, pieces and price.
    pub line: Line,
}

impl EventKind for RemoveFromCart {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        Ok(Self {
            line: draft.line()?,
        })
    }

    fn signal(&self) -> Signal {
        Signal::Negative(2.0)
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
