//! What is popular with everybody.

use super::{CandidateSource, SourceWork, popular, propose_ranked};
use crate::candidate::Proposal;
use crate::slate::Reason;
use crate::view::View;

/// The most popular products; none that nobody has shown interest in.
pub(super) struct Popular;

impl CandidateSource for Popular {
    fn name(&self) -> &'static str {
        "popular"
    }

    fn propose(&self, view: &View<'_>, limit: usize, _work: &mut SourceWork, out: &mut Vec<Proposal>) {
        propose_ranked(popular(view, None), limit, 1.0, Reason::Popular, out);
    }
}
