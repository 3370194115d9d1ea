//! A product on its way into a slate.

use crate::slate::Reason;
use vitrina_types::id::ProductIx;

/// More sources than this cannot be registered.
pub const SOURCES_MAX: usize = 12;
/// More candidates than this are never in one answer.
pub const CANDIDATES_MAX: usize = 500;

/// What a source says of a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// The product.
    pub product: ProductIx,
    /// How strongly, above 0, on the source's own scale.
    pub recall: f32,
    /// Why.
    pub reason: Reason,
}

/// What makes up a score, each part unitless and already weighted; they sum to the score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScoreParts {
    /// From the sources that proposed it.
    pub recall: f32,
    /// From the visitor's leaning to its category and brand.
    pub affinity: f32,
    /// From its popularity.
    pub popularity: f32,
    /// From being new in the catalogue.
    pub freshness: f32,
    /// Drawn at random, where the placement explores.
    pub exploration: f32,
    /// At most 0: the visitor has just seen it.
    pub seen: f32,
}

impl ScoreParts {
    /// The sum.
    pub fn total(&self) -> f32 {
        self.recall
            + self.affinity
            + self.popularity
            + self.freshness
            + self.exploration
            + self.seen
    }
}

/// What the query says of a product, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u8);

impl Marks {
    /// The visitor owns it.
    pub const PURCHASED: Self = Self(1);
    /// It is not wanted: excluded, in view or in the cart.
    pub const EXCLUDED: Self = Self(2);
    /// The visitor met it lately.
    pub const RECENT: Self = Self(4);

    /// Whether `mark` is among them.
    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    pub(crate) fn set(&mut self, mark: Self) {
        self.0 |= mark.0;
    }
}

/// A product proposed by at least one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The product.
    pub product: ProductIx,
    /// By place in [`crate::sources::all`]: what the source said, its best proposal being 1; 0
    /// where it said nothing.
    pub recalls: [f32; SOURCES_MAX],
    /// One bit per source that proposed it.
    pub sources: u16,
    /// The source whose word weighs most, as a place in [`crate::sources::all`].
    pub source: u8,
    /// What the query says of it.
    pub marks: Marks,
    /// The reason of that source.
    pub reason: Reason,
    /// What makes up the score.
    pub parts: ScoreParts,
    /// Their sum, finite.
    pub score: f32,
}

impl Candidate {
    /// A product no source has spoken for yet.
    pub fn new(product: ProductIx) -> Self {
        Self {
            product,
            recalls: [0.0; SOURCES_MAX],
            sources: 0,
            source: 0,
            marks: Marks::default(),
            reason: Reason::Popular,
            parts: ScoreParts::default(),
            score: 0.0,
        }
    }
}
