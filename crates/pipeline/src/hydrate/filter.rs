//! A query's filter in the table's numbers.

use crate::items::{BrandIx, CategoryIx, Facts, ItemTable};
use crate::query::QueryFilter;
use vitrina_types::money::Amount;

/// See the module. Bounds are inclusive, in ten-thousandths of the currency's unit.
#[derive(Debug, Default)]
pub(crate) struct ResolvedFilter {
    pub(crate) categories: Vec<CategoryIx>,
    brands: Vec<BrandIx>,
    price: Option<(i64, i64)>,
    in_stock: bool,
    /// Asks only for categories or brands that nobody has.
    impossible: bool,
}

impl ResolvedFilter {
    pub(super) fn fill(&mut self, filter: &QueryFilter, items: &ItemTable) {
        self.categories.clear();
        self.brands.clear();
        for path in &filter.categories {
            if let Some(found) = items.find_category(path)
                && !self.categories.contains(&found)
            {
                self.categories.push(found);
            }
        }
        self.brands.extend(
            filter
                .brands
                .iter()
                .filter_map(|name| items.find_brand(name)),
        );
        self.impossible = (!filter.categories.is_empty() && self.categories.is_empty())
            || (!filter.brands.is_empty() && self.brands.is_empty());
        let bound = |bound: Option<Amount>, open| bound.map_or(open, Amount::ten_thousandths);
        let bounded = filter.min_price.is_some() || filter.max_price.is_some();
        self.price = bounded.then(|| {
            let min = bound(filter.min_price, i64::MIN);
            (min, bound(filter.max_price, i64::MAX))
        });
        self.in_stock = filter.in_stock;
    }

    /// Whether no product can pass.
    pub(crate) fn is_impossible(&self) -> bool {
        self.impossible
    }

    /// Whether a product passes.
    pub(crate) fn passes(&self, items: &ItemTable, facts: &Facts) -> bool {
        if self.impossible || (self.in_stock && !facts.is_in_stock()) {
            return false;
        }
        if let Some((min, max)) = self.price
            && !facts
                .price()
                .is_some_and(|price| (min..=max).contains(&price))
        {
            return false;
        }
        if !self.brands.is_empty() && !self.brands.contains(&facts.brand()) {
            return false;
        }
        let inside = |wider: &CategoryIx| items.is_within(facts.category(), *wider);
        self.categories.is_empty() || self.categories.iter().any(inside)
    }
}
