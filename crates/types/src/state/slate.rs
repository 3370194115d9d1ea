//! All state of one slate: what was shown, and what came before it was known to be.

use crate::answer::Impression;
use crate::event::KindTag;
use crate::id::ProductId;
use crate::money::{Amount, Currency};
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// An interaction that waits for its slate: the two come by different ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlatePending {
    /// The product.
    pub product: ProductId,
    /// The kind of event.
    pub kind: KindTag,
    /// When.
    pub at: EventTime,
    /// Price times quantity, negative for a return.
    pub value: Option<(Currency, Amount)>,
    /// Pieces.
    pub pieces: u32,
    /// 64-bit hash of the visitor.
    pub visitor: u64,
}

/// All state of one slate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SlateState {
    /// What was shown; `None` while only its interactions are known.
    pub shown: Option<Box<Impression>>,
    /// Interactions that came first, in the order they came.
    pub pending: Vec<SlatePending>,
    /// When the first of it was taken in.
    pub first_ingest: IngestTime,
}

/// A value of the slate space. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SlateValue {
    /// Under `s/<slate id>`.
    Slate(Box<SlateState>),
    /// Under `~x/<hour>`: keys of slates that began in that hour of ingest time.
    Expiry(Vec<Box<str>>),
}

impl Stored for SlateValue {
    const NAME: &'static str = "slate-space value";
    const VERSION: u8 = 1;
}
