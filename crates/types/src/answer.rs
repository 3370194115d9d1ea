//! What an answer leaves behind: the impression, and the slate as stored.

use crate::id::{PlacementId, ProductId, SlateId, UserId};
use crate::score::Score;
use crate::stored::Stored;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// One place of a slate as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownItem {
    /// The product.
    pub product: ProductId,
    /// Its final score.
    pub score: Score,
    /// The candidate source that proposed it.
    pub source: Box<str>,
}

/// A slate as shown to somebody: a record of `recommendations-results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impression {
    /// The slate.
    pub slate_id: SlateId,
    /// To whom; `None` for a visitor without an id.
    pub user_id: Option<UserId>,
    /// Where.
    pub placement: PlacementId,
    /// When.
    pub at: EventTime,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// What, in order.
    pub items: Vec<ShownItem>,
}

impl Stored for Impression {
    const NAME: &'static str = "impression";
    const VERSION: u8 = 1;
}
