//! The pipeline itself: the stages in their order.

use crate::candidate::Candidate;
use crate::config::PipelineConfig;
use crate::dense::DenseMap;
use crate::items::{ItemTable, RankKey};
use crate::query::Query;
use crate::scratch::{Scratch, Work};
use crate::slate::{Reason, Slate, SlateItem};
use crate::trace::Trace;
use crate::view::{View, mix};
use crate::{filters, hydrate, rerankers, scorers, selectors, sources};
use vitrina_types::id::ProductIx;
use vitrina_types::score::Score;
use vitrina_types::state::UserState;

/// Answers a query: a slate of at most `query.limit` products, none twice, all of which passed
/// every filter; and the trace that explains it.
///
/// An unknown visitor is a cold start, not an error. The slate is full whenever that many
/// products pass the filters.
pub fn recommend(
    query: &Query,
    user: Option<&UserState>,
    items: &ItemTable,
    config: &PipelineConfig,
    scratch: &mut Scratch,
) -> (Slate, Trace) {
    let Scratch { hydrated, work } = scratch;
    hydrated.fill(query, user, items, config);
    let placement = config.placement(&query.placement);
    let view = View {
        query,
        hydrated,
        items,
        config,
        placement,
        shares: &placement.shares(),
    };
    propose_and_filter(&view, work);
    score_and_order(&view, work);
    let shown = work.order.iter().map(|&at| &work.candidates[at as usize]);
    let slate = Slate {
        items: shown.map(item).collect(),
    };
    (
        slate,
        Trace::of(&work.candidates, &work.removed, &work.order),
    )
}

/// Leaves in `kept` what passed every filter, filled up where that is too little.
fn propose_and_filter(view: &View<'_>, work: &mut Work) {
    sources::gather(view, &mut work.sources, &mut work.candidates);
    hydrate::candidates(
        view.hydrated,
        view.items,
        &mut work.candidates,
        &mut work.facts,
    );
    let mut parted = filters::Parted {
        candidates: &work.candidates,
        facts: &work.facts,
        kept: &mut work.kept,
        removed: &mut work.removed,
    };
    filters::part(view, &mut parted);
    if work.kept.len() < view.limit() {
        fill_up(view, work);
        let added = work.candidates[work.facts.len()..].iter();
        work.facts
            .extend(added.map(|candidate| view.items.facts(candidate.product)));
    }
}

/// Leaves in `order` what is shown.
fn score_and_order(view: &View<'_>, work: &mut Work) {
    let (candidates, facts) = (&mut work.candidates, &work.facts);
    scorers::score(view, candidates, facts, &work.kept);
    rank(
        view.query.seed,
        candidates,
        &work.kept,
        &mut work.keys,
        &mut work.order,
    );
    for reranker in rerankers::all() {
        reranker.rerank(view, candidates, facts, &mut work.rerank, &mut work.order);
    }
    for selector in selectors::all() {
        selector.select(view, &mut work.order);
    }
}

fn item(candidate: &Candidate) -> SlateItem {
    SlateItem {
        product: candidate.product,
        score: Score::saturating(candidate.score),
        source: sources::all()[usize::from(candidate.source)].name(),
        reason: candidate.reason,
    }
}

/// Best score first; the seed decides between equals.
fn rank(
    seed: u64,
    candidates: &[Candidate],
    kept: &[u32],
    keys: &mut Vec<(u64, u32)>,
    order: &mut Vec<u32>,
) {
    keys.clear();
    keys.extend(kept.iter().map(|&at| {
        let candidate = &candidates[at as usize];
        let bits = candidate.score.to_bits();
        // Flipped so that the bits order like the values, then inverted: the best come first.
        let worse = if bits >> 31 == 1 {
            bits
        } else {
            !(bits | 1 << 31)
        };
        let drawn = mix(seed, candidate.product.0) >> 32;
        (u64::from(worse) << 32 | drawn, at)
    }));
    keys.sort_unstable();
    order.clear();
    order.extend(keys.iter().map(|key| key.1));
}

/// Sources had too little: adds the most popular products that pass all filters, by walking the
/// ranking, and where that holds too few, all products.
fn fill_up(view: &View<'_>, work: &mut Work) {
    if view.hydrated.filter.is_impossible() {
        return;
    }
    let category = match view.hydrated.filter.categories[..] {
        [only] => Some(only),
        _ => None,
    };
    let mut fill = Fill {
        view,
        places: &mut work.sources.places,
        candidates: &mut work.candidates,
        kept: &mut work.kept,
        place: sources::place_of("popular"),
        reason: category.map_or(Reason::Popular, |category| Reason::PopularInCategory {
            category,
        }),
    };
    for product in view.items.popular(category) {
        if fill.is_full() {
            return;
        }
        fill.add(product);
    }
    // A complete ranking names all that can be shown; but products out of stock are in none.
    let all_seen = view.items.popular_is_complete(category) && view.placement.hide_out_of_stock;
    if fill.is_full() || all_seen {
        return;
    }
    let spare = &mut work.spare;
    spare.clear();
    for (facts, ix) in view.items.all_facts().iter().zip(0u32..) {
        let candidate = fill.candidate(ProductIx(ix));
        if candidate.is_some_and(|candidate| filters::keeps(view, &candidate, facts)) {
            spare.push((RankKey::of_f64(facts.interest_key), ProductIx(ix)));
        }
    }
    let missing = view.limit() - fill.kept.len();
    if spare.len() > missing {
        spare.select_nth_unstable(missing - 1);
        spare.truncate(missing);
    }
    spare.sort_unstable();
    for &(_, product) in &*spare {
        fill.add(product);
    }
}

struct Fill<'a, 'v> {
    view: &'a View<'v>,
    places: &'a mut DenseMap<u32>,
    candidates: &'a mut Vec<Candidate>,
    kept: &'a mut Vec<u32>,
    place: usize,
    reason: Reason,
}

impl Fill<'_, '_> {
    fn is_full(&self) -> bool {
        self.kept.len() >= self.view.limit()
    }

    /// A candidate for the product; `None` when it is one already.
    fn candidate(&self, product: ProductIx) -> Option<Candidate> {
        if self.places.get(product.0).is_some() {
            return None;
        }
        let mut candidate = Candidate::new(product);
        candidate.source = self.place as u8;
        candidate.sources = 1 << self.place;
        candidate.reason = self.reason;
        candidate.marks = self.view.hydrated.marks.get(product.0).unwrap_or_default();
        Some(candidate)
    }

    fn add(&mut self, product: ProductIx) {
        let Some(candidate) = self.candidate(product) else {
            return;
        };
        if !filters::keeps(self.view, &candidate, self.view.items.facts(product)) {
            return;
        }
        let at = self.candidates.len() as u32;
        *self.places.entry(product.0).0 = at;
        self.candidates.push(candidate);
        self.kept.push(at);
    }
}
