//! Records of the event log's topics. Everything an operator needs arrives as one of these.

use crate::ban::BanTarget;
use crate::event::{Event, KindTag, Rejection};
use crate::id::{AnonymousId, ProductId, UserId};
use crate::money::{Amount, Currency};
use crate::product::Product;
use crate::state::UserState;
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// A record of `user-events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserEnvelope {
    /// When it was taken in (of a derived record: when its cause was).
    pub ingest_time: IngestTime,
    /// Whether it is old data being loaded: never late, moves no live watermark.
    pub backfill: bool,
    /// The record.
    pub record: UserRecord,
}

/// What a user-keyed task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UserRecord {
    /// Somebody did something. In the partition of the user, else of the anonymous visitor.
    Event(Box<Event>),
    /// An anonymous visitor turned out to be a user. In the anonymous visitor's partition.
    Link {
        /// The visitor.
        anonymous_id: AnonymousId,
        /// The user.
        user_id: UserId,
    },
    /// The history of an anonymous visitor, on its way to the user. In the user's partition.
    Adopt {
        /// The user.
        user_id: UserId,
        /// The visitor.
        anonymous_id: AnonymousId,
        /// The visitor's state up to the link.
        state: Box<UserState>,
    },
    /// What a linked anonymous visitor did after the link. In the user's partition.
    Forward {
        /// The user.
        user_id: UserId,
        /// What happened.
        event: Box<Event>,
    },
    /// Time passes, also where nothing happens.
    Tick,
    /// A task to itself: the expiry bucket of this day and shard is due. In its own partition.
    Expire {
        /// Days of ingest time since the epoch.
        day: u32,
        /// Part of the day's keys.
        shard: u8,
    },
    /// A task to itself: these states go, where nothing came after `day`. In its own partition.
    Forget {
        /// Days of ingest time since the epoch.
        day: u32,
        /// Keys of states.
        keys: Vec<Box<str>>,
    },
    /// An anonymous visitor known as this user turned out to be another one since. In the user's
    /// partition.
    Unlink {
        /// The user it was.
        user_id: UserId,
        /// The visitor.
        anonymous_id: AnonymousId,
    },
}

impl UserRecord {
    /// The id that decides the partition; `None` for a tick, which goes to every partition, and
    /// for what a task sends to itself.
    pub fn partition_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(event.subject.partition_id()),
            Self::Link { anonymous_id, .. } => Some(anonymous_id.as_str()),
            Self::Adopt { user_id, .. }
            | Self::Forward { user_id, .. }
            | Self::Unlink { user_id, .. } => Some(user_id.as_str()),
            Self::Tick | Self::Expire { .. } | Self::Forget { .. } => None,
        }
    }
}

impl Stored for UserEnvelope {
    const NAME: &'static str = "user-events record";
    const VERSION: u8 = 1;
}

/// A record of `product-signals`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductEnvelope {
    /// When its cause was taken in.
    pub ingest_time: IngestTime,
    /// Whether its cause is old data being loaded.
    pub backfill: bool,
    /// The record.
    pub record: ProductRecord,
}

/// What a product-keyed task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ProductRecord {
    /// A visitor did something with a product. In the product's partition.
    Interaction {
        /// The product.
        product: ProductId,
        /// The kind of event.
        kind: KindTag,
        /// Interest shown, unitless, at least 0.
        interest: f32,
        /// When.
        at: EventTime,
        /// Money moved by it: positive for a purchase, negative for a return.
        revenue: Option<(Currency, Amount)>,
    },
    /// A visitor met two products in one session. In the partition of `product`; its mirror
    /// image goes to the partition of `neighbour`.
    CoVisit {
        /// The product.
        product: ProductId,
        /// The other one.
        neighbour: ProductId,
        /// Strength, unitless, at least 0.
        weight: f32,
        /// The later of the two event times.
        at: EventTime,
        /// Whether both were bought, not only seen.
        bought: bool,
    },
    /// The catalogue has a new version of a product. In the product's partition.
    Upsert {
        /// The version.
        version: u64,
        /// The product.
        product: Box<Product>,
    },
    /// The catalogue lost a product. In the product's partition.
    Delete {
        /// The version.
        version: u64,
        /// The product.
        product: ProductId,
    },
    /// Interest in a product of a category. In the partition of `category`.
    CategoryInteraction {
        /// Category path, levels joined by dots.
        category: Box<str>,
        /// The kind of event.
        kind: KindTag,
        /// Interest shown, unitless, at least 0.
        interest: f32,
        /// When.
        at: EventTime,
    },
    /// A ban was set or lifted. In the partition of the ban's id.
    Ban {
        /// The version.
        version: u64,
        /// What.
        target: BanTarget,
        /// Whether it is banned from here on.
        banned: bool,
    },
    /// Time passes, also where nothing happens.
    Tick,
}

impl ProductRecord {
    /// The id that decides the partition; `None` for a tick, which goes to every partition.
    pub fn partition_id(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(match self {
            Self::Interaction { product, .. }
            | Self::CoVisit { product, .. }
            | Self::Delete { product, .. } => product.as_str().into(),
            Self::Upsert { product, .. } => product.product_id.as_str().into(),
            Self::CategoryInteraction { category, .. } => (&**category).into(),
            Self::Ban { target, .. } => target.id().into(),
            Self::Tick => return None,
        })
    }
}

impl Stored for ProductEnvelope {
    const NAME: &'static str = "product-signals record";
    const VERSION: u8 = 1;
}

/// A record of `dead-letters`: something that could not be processed, with its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was given up.
    pub ingest_time: IngestTime,
    /// Where it came from: `POST /v1/events`, `import:<file>`, `user-events/7@42`.
    pub source: Box<str>,
    /// Why.
    pub rejection: Rejection,
    /// How often it was tried.
    pub attempts: u32,
    /// The input, cut to [`crate::limits::DEAD_LETTER_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl Stored for DeadLetter {
    const NAME: &'static str = "dead letter";
    const VERSION: u8 = 1;
}
