//! `rating`: The visitor rated a product.

use super::draft::{EventDraft, Rejection};
use super::{EventKind, Line, Signal};
use serde::{Deserialize, Serialize};

/// The visitor rated a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The product.
    pub line: Line,
    /// 0 (worst) to 5 (best).
    pub rating: f32,
}

/// The rating that says nothing either way.
const NEUTRAL: f32 = 2.5;

impl EventKind for Rating {
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection> {
        let rating = draft
            .rating
            .ok_or_else(|| Rejection::missing("rating", "a rating needs its number, 0 to 5"))?;
        if !(0.0..=5.0).contains(&rating) {
            return Err(Rejection::new(
                "out_of_range",
                "rating",
                "a rating lies between 0 and 5",
            ));
        }
        Ok(Self {
            line: draft.line()?,
            rating: rating as f32,
        })
    }

    fn signal(&self) -> Signal {
        let strength = (self.rating - NEUTRAL) * 2.0;
        if strength >= 0.0 {
            Signal::Positive(strength)
        } else {
            Signal::Negative(-strength)
        }
    }

    fn lines(&self) -> &[Line] {
        std::slice::from_ref(&self.line)
    }
}
