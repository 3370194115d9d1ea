//! Categories: dotted paths under numbers, each with its parent and its rankings.

use super::ranking::Ranking;
use std::collections::HashMap;
use vitrina_types::decayed::DecayedCount;
use vitrina_types::event::Counters;
use vitrina_types::state::CategoryState;
use vitrina_types::time::EventTime;

/// Number of a category in one table; never on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CategoryIx(pub u32);

impl CategoryIx {
    /// No category.
    pub const NONE: Self = Self(u32::MAX);

    /// Whether there is a category.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// The number as an index; beyond every table for [`Self::NONE`].
    pub(crate) fn at(self) -> usize {
        self.0 as usize
    }
}

/// One category.
#[derive(Debug)]
pub struct Category {
    path: Box<str>,
    pub(crate) parent: CategoryIx,
    pub(crate) counters: Counters,
    pub(crate) interest: DecayedCount,
    pub(crate) popular: Ranking,
    /// Filled for top-level categories only.
    pub(crate) arrivals: Ranking,
}

impl Category {
    /// From the widest level to the narrowest, joined by dots.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The category one level wider, [`CategoryIx::NONE`] at the top.
    pub fn parent(&self) -> CategoryIx {
        self.parent
    }

    /// Products in it, at any depth, that can be shown.
    pub fn products(&self) -> usize {
        self.popular.members()
    }

    /// Events by kind.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Decayed interest; the half-life is the table's.
    pub fn interest(&self, half_life_ms: f64, now: EventTime) -> f64 {
        self.interest.value(half_life_ms, now)
    }
}

/// All categories of a table. Append-only.
#[derive(Debug, Default)]
pub(crate) struct Categories {
    by_path: HashMap<Box<str>, CategoryIx>,
    pub(crate) rows: Vec<Category>,
    /// Of each row its parent: answers walk up from many categories, and rows are wide.
    parents: Vec<CategoryIx>,
}

impl Categories {
    /// The category with this dotted path.
    pub(crate) fn find(&self, path: &str) -> Option<CategoryIx> {
        self.by_path.get(path).copied()
    }

    /// The category with this dotted path, made with all its wider levels when it is new.
    pub(crate) fn intern(&mut self, path: &str) -> CategoryIx {
        if let Some(found) = self.find(path) {
            return found;
        }
        let parent = match path.rsplit_once('.') {
            Some((wider, _)) if !wider.is_empty() => self.intern(wider),
            _ => CategoryIx::NONE,
        };
        let ix = CategoryIx(self.rows.len() as u32);
        self.by_path.insert(path.into(), ix);
        self.parents.push(parent);
        self.rows.push(Category {
            path: path.into(),
            parent,
            counters: Counters::default(),
            interest: DecayedCount::default(),
            popular: Ranking::default(),
            arrivals: Ranking::default(),
        });
        ix
    }

    /// `category` and all its wider levels, narrowest first.
    pub(crate) fn chain(&self, category: CategoryIx) -> impl Iterator<Item = CategoryIx> + '_ {
        let first = category.is_some().then_some(category);
        std::iter::successors(first, |at| {
            let parent = self.parents[at.at()];
            parent.is_some().then_some(parent)
        })
    }

    /// The widest level of `category`.
    pub(crate) fn top_of(&self, category: CategoryIx) -> CategoryIx {
        self.chain(category).last().unwrap_or(CategoryIx::NONE)
    }

    /// Whether `category` is `wider` or lies inside it.
    pub(crate) fn is_within(&self, category: CategoryIx, wider: CategoryIx) -> bool {
        self.chain(category).any(|level| level == wider)
    }

    /// Takes over the state of one category.
    pub(crate) fn set_state(&mut self, path: &str, state: Option<&CategoryState>) {
        let ix = self.intern(path);
        let row = &mut self.rows[ix.at()];
        row.counters = state.map(|s| s.counters).unwrap_or_default();
        row.interest = state.map(|s| s.interest).unwrap_or_default();
    }
}
