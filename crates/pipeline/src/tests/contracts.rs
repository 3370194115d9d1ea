//! The contracts of the stages, over all components, present and future.

use super::world::{World, any_query, visitor};
use crate::candidate::{Candidate, SOURCES_MAX};
use crate::config::PipelineConfig;
use crate::hydrate::HydratedQuery;
use crate::items::Facts;
use crate::sources::SourceWork;
use crate::view::View;
use crate::{filters, hydrate, rerankers, scorers, selectors, sources};
use std::collections::BTreeSet;

const PRODUCTS: usize = 60;

/// Runs `test` on the inputs of many answers, with all that the stages before would give.
fn on_many(test: impl Fn(u64, &View<'_>, &mut Vec<Candidate>, &[Facts])) {
    for seed in 0..40 {
        let world = World::drawn(seed, PRODUCTS);
        let config = PipelineConfig::default();
        for asked in 0..4 {
            let query = any_query(seed * 4 + asked, PRODUCTS);
            let user = (asked % 2 == 0).then(|| visitor(seed, PRODUCTS));
            let mut hydrated = HydratedQuery::default();
            hydrated.fill(&query, user.as_ref(), &world.items, &config);
            let placement = config.placement(&query.placement);
            let view = View {
                query: &query,
                hydrated: &hydrated,
                items: &world.items,
                config: &config,
                placement,
                shares: &placement.shares(),
            };
            let (mut candidates, mut facts) = (Vec::new(), Vec::new());
            sources::gather(&view, &mut sources::Buffers::default(), &mut candidates);
            hydrate::candidates(&hydrated, &world.items, &mut candidates, &mut facts);
            test(seed, &view, &mut candidates, &facts);
        }
    }
}

#[test]
fn every_source_keeps_the_contract() {
    assert!(sources::all().len() <= SOURCES_MAX);
    on_many(|seed, view, _, _| {
        for source in sources::all() {
            for limit in [0, 1, 7, 300] {
                let propose = || {
                    let mut out = Vec::new();
                    source.propose(view, limit, &mut SourceWork::default(), &mut out);
                    out
                };
                let (out, name) = (propose(), source.name());
                assert!(out.len() <= limit, "{name}, seed {seed}: over the limit");
                let falls = out.is_sorted_by(|a, b| a.recall >= b.recall);
                assert!(falls, "{name}, seed {seed}: not best first");
                let sound = out.iter().all(|p| p.recall > 0.0 && p.recall.is_finite());
                assert!(sound, "{name}, seed {seed}: a recall out of bounds");
                let unique: BTreeSet<_> = out.iter().map(|p| p.product).collect();
                assert_eq!(
                    unique.len(),
                    out.len(),
                    "{name}, seed {seed}: a product twice"
                );
                assert_eq!(propose(), out, "{name}, seed {seed}: not deterministic");
            }
        }
    });
}

#[test]
fn merging_keeps_each_product_once_and_every_word() {
    on_many(|seed, view, candidates, _| {
        let unique: BTreeSet<_> = candidates.iter().map(|c| c.product).collect();
        assert_eq!(unique.len(), candidates.len(), "seed {seed}");
        let mut words = 0;
        for (place, source) in sources::all().iter().enumerate() {
            let (share, mut out) = (view.shares[place], Vec::new());
            if share.weight > 0.0 {
                source.propose(view, share.limit, &mut SourceWork::default(), &mut out);
            }
            words += out.len();
        }
        let merged = candidates.iter().map(|c| c.sources.count_ones() as usize);
        assert_eq!(merged.sum::<usize>(), words, "seed {seed}");
        for candidate in &*candidates {
            let said = candidate.recalls[usize::from(candidate.source)];
            assert!(said > 0.0 && candidate.recalls.iter().all(|r| (0.0..=1.0).contains(r)));
        }
    });
}

#[test]
fn filters_lose_nothing() {
    let removed_by = std::cell::RefCell::new(vec![0; filters::all().len()]);
    on_many(|seed, view, candidates, facts| {
        for (filter, place) in filters::all().iter().zip(0u8..) {
            let (mut kept, mut removed) = ((0..candidates.len() as u32).collect(), Vec::new());
            let mut stage = filters::Parted {
                candidates,
                facts,
                kept: &mut kept,
                removed: &mut removed,
            };
            filter.part(view, &mut stage, place);
            let name = filter.name();
            assert!(
                removed.iter().all(|r| r.1 == place),
                "{name}, seed {seed}: under another name"
            );
            assert!(
                kept.is_sorted() && removed.is_sorted(),
                "{name}, seed {seed}: order lost"
            );
            removed_by.borrow_mut()[usize::from(place)] += removed.len();
            let mut all: Vec<u32> = removed.iter().map(|r| r.0).chain(kept).collect();
            all.sort_unstable();
            let came_in: Vec<u32> = (0..candidates.len() as u32).collect();
            assert_eq!(
                all, came_in,
                "{name}, seed {seed}: kept + removed are not what came in"
            );
        }
    });
    for (filter, removed) in filters::all().iter().zip(removed_by.take()) {
        assert!(
            removed > 0,
            "{}: never removed anything, so nothing was tested",
            filter.name()
        );
    }
}

#[test]
fn every_score_is_finite_and_the_same_again() {
    on_many(|seed, view, candidates, facts| {
        let kept: Vec<u32> = (0..candidates.len() as u32).collect();
        for scorer in scorers::all() {
            let mut again = candidates.clone();
            scorer.score(view, candidates, facts, &kept);
            scorer.score(view, &mut again, facts, &kept);
            let name = scorer.name();
            assert_eq!(*candidates, again, "{name}, seed {seed}: not deterministic");
            let finite = candidates.iter().all(|c| c.parts.total().is_finite());
            assert!(finite, "{name}, seed {seed}: not finite");
        }
    });
}

#[test]
fn rerankers_and_selectors_add_and_lose_nothing() {
    on_many(|seed, view, candidates, facts| {
        let came_in: Vec<u32> = (0..candidates.len() as u32).collect();
        scorers::score(view, candidates, facts, &came_in);
        for reranker in rerankers::all() {
            let mut order = came_in.clone();
            order.sort_by(|&a, &b| {
                candidates[b as usize]
                    .score
                    .total_cmp(&candidates[a as usize].score)
            });
            reranker.rerank(view, candidates, facts, &mut Default::default(), &mut order);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, came_in, "{}, seed {seed}", reranker.name());
            for selector in selectors::all() {
                let mut slate = order.clone();
                selector.select(view, &mut slate);
                assert!(
                    slate.len() <= view.limit() && order.starts_with(&slate),
                    "{}",
                    selector.name()
                );
            }
        }
    });
}

#[test]
fn names_are_unique_within_a_stage() {
    let stages: [Vec<&str>; 5] = [
        sources::all().iter().map(|c| c.name()).collect(),
        filters::all().iter().map(|c| c.name()).collect(),
        scorers::all().iter().map(|c| c.name()).collect(),
        rerankers::all().iter().map(|c| c.name()).collect(),
        selectors::all().iter().map(|c| c.name()).collect(),
    ];
    for names in stages {
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
}

/// Diversity by its definition: every candidate looked at for every place.
fn naive_diversity(
    view: &View<'_>,
    candidates: &[Candidate],
    facts: &[Facts],
    order: &[u32],
) -> Vec<u32> {
    let (lambda, limit) = (view.placement.diversity_lambda, view.limit());
    let best = order
        .first()
        .map_or(1.0, |&at| candidates[at as usize].score);
    let scale = if best > 0.0 { 1.0 / best } else { 1.0 };
    let similarity = |a: u32, b: u32| {
        let (a, b) = (&facts[a as usize], &facts[b as usize]);
        let near = match (a.category == b.category, a.top_category == b.top_category) {
            (true, _) => 0.6,
            (_, true) if a.top_category.is_some() => 0.2,
            _ => 0.0,
        };
        near + if a.brand == b.brand && a.brand.is_some() {
            0.4
        } else {
            0.0
        }
    };
    let cap = |share: f32| ((share * limit as f32).ceil() as usize).max(1);
    let mut taken: Vec<u32> = Vec::new();
    while taken.len() < limit.min(order.len()) {
        let fits = |at: u32| {
            let facts = |at: u32| &facts[at as usize];
            let same_brand = taken.iter().filter(|t| facts(**t).brand == facts(at).brand);
            let same = taken
                .iter()
                .filter(|t| facts(**t).category == facts(at).category);
            let brand_full = same_brand.count() >= cap(view.placement.brand_share_max);
            let category_full = same.count() >= cap(view.placement.category_share_max);
            let full = brand_full && facts(at).brand.is_some();
            !(full || category_full && facts(at).category.is_some())
        };
        let left = || order.iter().copied().filter(|at| !taken.contains(at));
        let any_fits = left().any(fits);
        let mut best: Option<(u32, f32)> = None;
        for at in left().filter(|at| !any_fits || fits(*at)) {
            let near = taken.iter().map(|&t| similarity(at, t)).fold(0.0, f32::max);
            let relevance = candidates[at as usize].score * scale;
            let value = lambda * relevance - (1.0 - lambda) * near;
            if best.is_none_or(|(_, held)| value > held) {
                best = Some((at, value));
            }
        }
        taken.extend(best.map(|(at, _)| at));
    }
    taken
}

#[test]
fn diversity_equals_its_definition() {
    on_many(|seed, view, candidates, facts| {
        let kept: Vec<u32> = (0..candidates.len() as u32).collect();
        scorers::score(view, candidates, facts, &kept);
        let mut order = kept;
        order.sort_by(|&a, &b| {
            candidates[b as usize]
                .score
                .total_cmp(&candidates[a as usize].score)
        });
        let want = naive_diversity(view, candidates, facts, &order);
        for reranker in rerankers::all().iter().filter(|r| r.name() == "diversity") {
            reranker.rerank(view, candidates, facts, &mut Default::default(), &mut order);
        }
        assert_eq!(order[..want.len()], want, "seed {seed}");
    });
}
