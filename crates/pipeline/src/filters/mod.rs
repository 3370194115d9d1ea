//! Filters: each keeps a candidate or removes it, and says so.

use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Keeps or removes candidates.
///
/// Law, checked for every filter by this crate's tests: kept and removed together are what came
/// in, each candidate in one of them.
pub trait Filter: Send + Sync {
    /// Stable name, used in metrics and traces. Never rename.
    fn name(&self) -> &'static str;

    /// Whether the candidate must not be shown.
    fn removes(&self, view: &View<'_>, candidate: &Candidate, facts: &Facts) -> bool;

    /// Parts `kept` (places in `candidates`): what is removed goes to `removed` under `place`,
    /// this filter's place in [`all`]. Both keep their order.
    fn part(&self, view: &View<'_>, stage: &mut Parted<'_>, place: u8) {
        let Parted {
            candidates,
            facts,
            kept,
            removed,
        } = stage;
        kept.retain(|&at| {
            let gone = self.removes(view, &candidates[at as usize], &facts[at as usize]);
            if gone {
                removed.push((at, place));
            }
            !gone
        });
    }
}

/// Candidates, and which of them are kept.
#[derive(Debug)]
pub struct Parted<'a> {
    /// All candidates.
    pub candidates: &'a [Candidate],
    /// Their hot columns.
    pub facts: &'a [Facts],
    /// Places of those kept.
    pub kept: &'a mut Vec<u32>,
    /// Places of those removed, with the place of the filter that did.
    pub removed: &'a mut Vec<(u32, u8)>,
}

macro_rules! filters {
    ($($module:ident :: $Filter:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every filter the platform knows, in the order in which they are asked.
        pub fn all() -> &'static [&'static dyn Filter] {
            &[$(&$module::$Filter),+]
        }
    };
}

filters! {
    unknown::Unknown,
    banned::Banned,
    excluded::Excluded,
    already_purchased::AlreadyPurchased,
    out_of_stock::OutOfStock,
    query_filter::ByQuery,
}

/// Asks every filter.
pub(crate) fn part(view: &View<'_>, stage: &mut Parted<'_>) {
    stage.kept.clear();
    stage.removed.clear();
    stage.kept.extend(0..stage.candidates.len() as u32);
    for (filter, place) in all().iter().zip(0u8..) {
        filter.part(view, stage, place);
    }
}

/// Whether no filter removes the candidate.
pub(crate) fn keeps(view: &View<'_>, candidate: &Candidate, facts: &Facts) -> bool {
    !all()
        .iter()
        .any(|filter| filter.removes(view, candidate, facts))
}
