//! Scorers: each adds its parts to the score of every candidate that was kept.

use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Scores candidates. Law, checked for every scorer by this crate's tests: scores are finite and
/// the same for the same arguments.
pub trait Scorer: Send + Sync {
    /// Stable name, used in metrics and traces. Never rename.
    fn name(&self) -> &'static str;

    /// Adds to the parts of the candidates at the places `kept`.
    fn score(&self, view: &View<'_>, candidates: &mut [Candidate], facts: &[Facts], kept: &[u32]);
}

macro_rules! scorers {
    ($($module:ident :: $Scorer:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every scorer the platform knows, in the order in which they are asked.
        pub fn all() -> &'static [&'static dyn Scorer] {
            &[$(&$module::$Scorer),+]
        }
    };
}

scorers! {
    blend::Blend,
    seen::Seen,
}

/// Asks every scorer and sums the parts.
pub(crate) fn score(view: &View<'_>, candidates: &mut [Candidate], facts: &[Facts], kept: &[u32]) {
    for scorer in all() {
        scorer.score(view, candidates, facts, kept);
    }
    for &at in kept {
        let candidate = &mut candidates[at as usize];
        let total = candidate.parts.total();
        candidate.score = vitrina_types::score::Score::saturating(total).get();
    }
}
