//! Records of `slate-signals`: slates shown, and what came of them.

use crate::answer::Impression;
use crate::event::KindTag;
use crate::id::{ProductId, SlateId};
use crate::money::{Amount, Currency};
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// A record of `slate-signals`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlateEnvelope {
    /// When its cause was taken in.
    pub ingest_time: IngestTime,
    /// Whether its cause is old data being loaded.
    pub backfill: bool,
    /// The record.
    pub record: SlateRecord,
}

/// What a slate-keyed task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SlateRecord {
    /// A slate was shown. In the slate's partition.
    Shown(Box<Impression>),
    /// A visitor did something with a product and named the slate it came from. In the slate's
    /// partition. Counted once before: the user stage drops duplicates.
    Interacted {
        /// The slate.
        slate: SlateId,
        /// The product.
        product: ProductId,
        /// The kind of event.
        kind: KindTag,
        /// When.
        at: EventTime,
        /// Price times quantity, negative for a return.
        value: Option<(Currency, Amount)>,
        /// Pieces, 1 where nothing was said.
        pieces: u32,
        /// 64-bit hash of the visitor.
        visitor: u64,
    },
    /// Time passes, also where nothing happens.
    Tick,
    /// A task to itself: the expiry bucket of this hour is due. In its own partition.
    Expire {
        /// Hours of ingest time since the epoch.
        hour: u32,
    },
    /// A task to itself: these slates go. In its own partition.
    Forget {
        /// Keys of slates.
        keys: Vec<Box<str>>,
    },
}

impl SlateRecord {
    /// The id that decides the partition; `None` for a tick, which goes to every partition, and
    /// for what a task sends to itself.
    pub fn partition_id(&self) -> Option<&str> {
        match self {
            Self::Shown(impression) => Some(impression.slate_id.as_str()),
            Self::Interacted { slate, .. } => Some(slate.as_str()),
            Self::Tick | Self::Expire { .. } | Self::Forget { .. } => None,
        }
    }
}

impl Stored for SlateEnvelope {
    const NAME: &'static str = "slate-signals record";
    const VERSION: u8 = 1;
}
