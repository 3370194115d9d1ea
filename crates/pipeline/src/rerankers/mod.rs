//! Re-rankers: each may change the order that the scores gave.

use crate::candidate::Candidate;
use crate::dense::DenseMap;
use crate::items::Facts;
use crate::view::View;

/// Orders candidates. Law, checked for every re-ranker by this crate's tests: what comes out is
/// what came in, in some order.
pub trait Reranker: Send + Sync {
    /// Stable name, used in metrics and traces. Never rename.
    fn name(&self) -> &'static str;

    /// Reorders `order` (places in `candidates`, best score first) so that its first
    /// [`View::limit`] places are the slate.
    fn rerank(
        &self,
        view: &View<'_>,
        candidates: &[Candidate],
        facts: &[Facts],
        work: &mut RerankWork,
        order: &mut Vec<u32>,
    );
}

macro_rules! rerankers {
    ($($module:ident :: $Reranker:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every re-ranker the platform knows, in the order in which they are asked.
        pub fn all() -> &'static [&'static dyn Reranker] {
            &[$(&$module::$Reranker),+]
        }
    };
}

rerankers! {
    diversity::Diversity,
}

/// Buffers that re-rankers share.
#[derive(Debug, Default)]
pub struct RerankWork {
    rows: Vec<diversity::Row>,
    taken: Vec<diversity::Row>,
    brands: DenseMap<u32>,
    categories: DenseMap<u32>,
}
