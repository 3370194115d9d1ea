//! Diversity: no slate of ten times the same brand.

use super::{RerankWork, Reranker};
use crate::candidate::Candidate;
use crate::items::{BrandIx, CategoryIx, Facts};
use crate::view::View;

/// Maximal marginal relevance over brand and category, with caps.
///
/// Place by place, takes the candidate with the largest
/// `λ·score − (1 − λ)·max similarity to what is already taken`, scores relative to the best one,
/// among those under the caps per brand and per narrowest category; among all when none is under
/// them. Similarities are at least 0, so `λ·score` is a bound and the walk in order of scores
/// stops early: the result is that of the full O(limit × candidates) search.
///
/// Source: J. Carbonell and J. Goldstein, "The Use of MMR, Diversity-Based Reranking for
/// Reordering Documents and Producing Summaries", SIGIR 1998.
pub(super) struct Diversity;

/// A candidate as this re-ranker sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    at: u32,
    relevance: f32,
    category: CategoryIx,
    top_category: CategoryIx,
    brand: BrandIx,
    /// Largest similarity to the first `compared` products taken.
    similarity: f32,
    compared: u32,
    is_taken: bool,
}

impl Row {
    /// 0 (nothing in common) to 1 (same brand and narrowest category). Products of which no
    /// category is known are of one kind: else they would pass for the most diverse of all.
    fn similarity_to(&self, other: &Self) -> f32 {
        let near = if self.category == other.category {
            0.6
        } else if self.top_category == other.top_category && self.top_category.is_some() {
            0.2
        } else {
            0.0
        };
        near + if self.brand == other.brand && self.brand.is_some() { 0.4 } else { 0.0 }
    }
}

/// Products of one kind that a slate of `limit` may hold.
fn cap(share: f32, limit: usize) -> u32 {
    ((share * limit as f32).ceil() as u32).max(1)
}

impl Reranker for Diversity {
    fn name(&self) -> &'static str {
        "diversity"
    }

    fn rerank(
        &self,
        view: &View<'_>,
        candidates: &[Candidate],
        facts: &[Facts],
        work: &mut RerankWork,
        order: &mut Vec<u32>,
    ) {
        fill(candidates, facts, work, order);
        let limit = view.limit();
        let caps = Caps {
            brand: cap(view.placement.brand_share_max, limit),
            category: cap(view.placement.category_share_max, limit),
        };
        let lambda = view.placement.diversity_lambda;
        while work.taken.len() < limit.min(work.rows.len()) {
            let fits = next(work, lambda, Some(&caps));
            let Some(best) = fits.or_else(|| next(work, lambda, None)) else {
                break;
            };
            work.rows[best].is_taken = true;
            let row = work.rows[best];
            work.taken.push(row);
            if row.brand.is_some() {
                *work.brands.entry(row.brand.0).0 += 1;
            }
            if row.category.is_some() {
                *work.categories.entry(row.category.0).0 += 1;
            }
        }
        order.clear();
        order.extend(work.taken.iter().map(|row| row.at));
        order.extend(work.rows.iter().filter(|row| !row.is_taken).map(|row| row.at));
    }
}

struct Caps {
    brand: u32,
    category: u32,
}

fn fill(candidates: &[Candidate], facts: &[Facts], work: &mut RerankWork, order: &[u32]) {
    work.taken.clear();
    work.brands.clear();
    work.categories.clear();
    work.rows.clear();
    let best = order.first().map_or(0.0, |&at| candidates[at as usize].score);
    let scale = if best > 0.0 { 1.0 / best } else { 1.0 };
    work.rows.extend(order.iter().map(|&at| {
        let facts = &facts[at as usize];
        Row {
            at,
            relevance: candidates[at as usize].score * scale,
            category: facts.category,
            top_category: facts.top_category,
            brand: facts.brand,
            similarity: 0.0,
            compared: 0,
            is_taken: false,
        }
    }));
}

/// The place in `rows` of the best candidate that is not taken and under the caps.
fn next(work: &mut RerankWork, lambda: f32, caps: Option<&Caps>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (place, row) in work.rows.iter_mut().enumerate() {
        if row.is_taken {
            continue;
        }
        let bound = lambda * row.relevance;
        if best.is_some_and(|(_, value)| bound <= value) {
            break;
        }
        let full = |caps: &Caps| {
            work.brands.get(row.brand.0).is_some_and(|count| count >= caps.brand)
                || work.categories.get(row.category.0).is_some_and(|count| count >= caps.category)
        };
        if caps.is_some_and(full) {
            continue;
        }
        for taken in &work.taken[row.compared as usize..] {
            row.similarity = row.similarity.max(row.similarity_to(taken));
        }
        row.compared = work.taken.len() as u32;
        let value = bound - (1.0 - lambda) * row.similarity;
        if best.is_none_or(|(_, held)| value > held) {
            best = Some((place, value));
        }
    }
    best.map(|(place, _)| place)
}
