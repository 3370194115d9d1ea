//! Scores that are always comparable.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A finite relevance score, higher is better. NaN and infinities cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Score(f32);

impl Score {
    /// The neutral score.
    pub const ZERO: Self = Self(0.0);

    /// `None` when `value` is NaN or infinite.
    pub fn new(value: f32) -> Option<Self> {
        // Adding 0.0 turns -0.0 into 0.0, so that `==` and `cmp` agree.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The nearest finite score: NaN becomes zero, infinities the largest finite values.
    pub fn saturating(value: f32) -> Self {
        if value.is_nan() {
            return Self::ZERO;
        }
        Self(value.clamp(f32::MIN, f32::MAX) + 0.0)
    }

    /// The bare number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Score {
    type Error = &'static str;
    fn try_from(value: f32) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("a score must be finite")
    }
}

impl From<Score> for f32 {
    fn from(score: Score) -> Self {
        score.0
    }
}

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_scores_exist() {
        assert_eq!(Score::new(f32::NAN), None);
        assert_eq!(Score::new(f32::INFINITY), None);
        assert_eq!(Score::new(-0.0), Score::new(0.0));
        assert_eq!(Score::saturating(f32::NAN), Score::ZERO);
        assert!(Score::saturating(f32::INFINITY) > Score::saturating(1e30));
    }
}
