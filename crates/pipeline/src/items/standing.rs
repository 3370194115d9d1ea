//! What decides a product's place in the rankings, and how it moves when that changes.

use super::ranking::{RankKey, Ranking};
use super::{CategoryIx, Facts, ItemTable};
use vitrina_types::id::ProductIx;

/// Keys and category of a product that takes part in rankings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    category: CategoryIx,
    interest: RankKey,
    /// `None` without a card: the product is not new in the catalogue.
    created: Option<RankKey>,
}

impl Standing {
    /// `None` for a product that cannot be shown.
    pub(crate) fn of(facts: &Facts) -> Option<Self> {
        facts.is_rankable().then(|| Self {
            category: facts.category,
            interest: RankKey::of_f64(facts.interest_key),
            created: facts.created_at().map(|at| RankKey::of_i64(at.0)),
        })
    }
}

/// Which ranking of a product.
#[derive(Clone, Copy)]
enum Which {
    Popular,
    Arrivals,
}

impl ItemTable {
    /// Moves a product from where it stood to where it stands.
    pub(crate) fn restand(&mut self, ix: ProductIx, old: Option<Standing>, new: Option<Standing>) {
        match (old, new) {
            (Some(old), Some(new))
                if old.category == new.category && old.created == new.created =>
            {
                if old.interest != new.interest {
                    self.each(old.category, Which::Popular, |ranking| {
                        ranking.update(old.interest, new.interest, ix);
                    });
                }
            }
            (old, new) => {
                if let Some(old) = old {
                    self.leave(ix, old);
                }
                if let Some(new) = new {
                    self.enter(ix, new);
                }
            }
        }
    }

    fn enter(&mut self, ix: ProductIx, at: Standing) {
        self.each(at.category, Which::Popular, |ranking| {
            ranking.insert(at.interest, ix)
        });
        if let Some(created) = at.created {
            self.each(at.category, Which::Arrivals, |ranking| {
                ranking.insert(created, ix)
            });
        }
    }

    fn leave(&mut self, ix: ProductIx, at: Standing) {
        self.each(at.category, Which::Popular, |ranking| {
            ranking.remove(at.interest, ix)
        });
        if let Some(created) = at.created {
            self.each(at.category, Which::Arrivals, |ranking| {
                ranking.remove(created, ix)
            });
        }
    }

    /// Changes every ranking that a product of `category` takes part in, and repairs those that
    /// have become too short. A repair walks all products, but at least 250 products have left
    /// the ranking since the last one.
    fn each(&mut self, category: CategoryIx, which: Which, change: impl Fn(&mut Ranking)) {
        let whole = match which {
            Which::Popular => &mut self.popular,
            Which::Arrivals => &mut self.arrivals,
        };
        change(whole);
        if whole.needs_rebuild() {
            whole.rebuild(members(&self.facts, which, |_| true));
        }
        let mut at = category;
        while let Some(row) = self.categories.rows.get_mut(at.at()) {
            let (here, parent) = (at, row.parent);
            at = parent;
            let ranking = match which {
                Which::Popular => &mut row.popular,
                Which::Arrivals if parent.is_some() => continue,
                Which::Arrivals => &mut row.arrivals,
            };
            change(ranking);
            if ranking.needs_rebuild() {
                let mut ranking = std::mem::take(ranking);
                let categories = &self.categories;
                ranking.rebuild(members(&self.facts, which, |facts| {
                    categories.is_within(facts.category, here)
                }));
                let row = &mut self.categories.rows[here.at()];
                match which {
                    Which::Popular => row.popular = ranking,
                    Which::Arrivals => row.arrivals = ranking,
                }
            }
        }
    }
}

fn members(
    facts: &[Facts],
    which: Which,
    inside: impl Fn(&Facts) -> bool,
) -> impl Iterator<Item = (RankKey, ProductIx)> {
    facts.iter().zip(0u32..).filter_map(move |(facts, ix)| {
        let standing = Standing::of(facts).filter(|_| inside(facts))?;
        let key = match which {
            Which::Popular => Some(standing.interest),
            Which::Arrivals => standing.created,
        };
        key.map(|key| (key, ProductIx(ix)))
    })
}
