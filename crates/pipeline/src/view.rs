//! All that a component may look at.

use crate::config::{PipelineConfig, PlacementConfig, SourceShare};
use crate::hydrate::HydratedQuery;
use crate::items::ItemTable;
use crate::query::Query;

/// One answer's inputs, read-only.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The query as asked.
    pub query: &'a Query,
    /// The query in the table's numbers.
    pub hydrated: &'a HydratedQuery,
    /// The item side.
    pub items: &'a ItemTable,
    /// Settings of all placements.
    pub config: &'a PipelineConfig,
    /// Settings of this placement.
    pub placement: &'a PlacementConfig,
    /// Weight and limit by place in [`crate::sources::all`].
    pub(crate) shares: &'a [SourceShare; crate::candidate::SOURCES_MAX],
}

impl View<'_> {
    /// Items wanted, within bounds.
    pub fn limit(&self) -> usize {
        self.query
            .limit
            .clamp(1, vitrina_types::limits::SLATE_ITEMS_MAX)
    }
}

/// A well-mixed number of a seed and a product: the finaliser of SplitMix64.
pub(crate) fn mix(seed: u64, product: u32) -> u64 {
    let mut z = seed ^ u64::from(product).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
