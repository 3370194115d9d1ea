//! All state of one visitor.

use crate::event::{Counters, KindTag};
use crate::id::{AnonymousId, ProductId, UserId};
use crate::money::{Amount, Currency};
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// One product the visitor met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The product.
    pub product: ProductId,
    /// How they met.
    pub kind: KindTag,
    /// What it said of the visitor's interest, in quarters of a view's; negative for the opposite.
    pub strength: i8,
    /// When.
    pub at: EventTime,
    /// Hash of the event id: orders equal event times.
    #[serde(with = "postcard::fixint::le")]
    pub order: u64,
}

/// A product the visitor owns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchased {
    /// The product.
    pub product: ProductId,
    /// When it was last bought.
    pub at: EventTime,
}

/// An event id that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// 64-bit hash of the event id.
    pub hash: u64,
    /// When the event happened; at most a minute after it was taken in.
    pub at: EventTime,
}

/// The visitor's newest session, by event time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Session {
    /// Hash of the shop's own session id; 0 when it sends none.
    pub shop_session: u64,
    /// First event.
    pub started: EventTime,
    /// Newest event.
    pub last: EventTime,
    /// Events in it.
    pub events: u32,
}

/// All state of one user, or of one anonymous visitor. At most about 4 KiB; the limits are the
/// operator's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UserState {
    /// First event.
    pub first_seen: EventTime,
    /// Newest event.
    pub last_seen: EventTime,
    /// Events by kind.
    pub counters: Counters,
    /// Sessions begun.
    pub sessions: u32,
    /// The newest session.
    pub session: Session,
    /// Products met, oldest first, by (event time, event id).
    pub history: Vec<HistoryEntry>,
    /// Products bought, each once, oldest first.
    pub purchased: Vec<Purchased>,
    /// Event ids counted within the dedupe horizon, oldest first.
    #[serde(with = "super::seen_form")]
    pub seen: Vec<Seen>,
    /// Money spent net of returns, by currency.
    pub spent: Vec<(Currency, Amount)>,
    /// Anonymous visitors known to be this user.
    pub linked: Vec<AnonymousId>,
    /// Of an anonymous visitor: the user it turned out to be.
    pub linked_to: Option<UserId>,
    /// Event time and id hash of the newest history entry forgotten for want of room: what is
    /// older is not taken any more, so that the history does not depend on the order of arrival.
    pub history_floor: Option<(EventTime, u64)>,
    /// Newest ingest time of what made this state: idleness is measured from it.
    pub last_ingest: IngestTime,
}

impl UserState {
    /// The products of the newest session, newest first, each once.
    pub fn session_products(&self) -> impl Iterator<Item = &HistoryEntry> {
        let started = self.session.started;
        let mut shown: Vec<&ProductId> = Vec::new();
        self.history
            .iter()
            .rev()
            .take_while(move |entry| entry.at >= started)
            .filter(move |entry| {
                let fresh = !shown.contains(&&entry.product);
                if fresh {
                    shown.push(&entry.product);
                }
                fresh
            })
    }
}

impl Stored for UserState {
    const NAME: &'static str = "user state";
    const VERSION: u8 = 1;
}

/// A value of the user space. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UserValue {
    /// Under `u/<user id>` or `a/<anonymous id>`.
    State(Box<UserState>),
    /// A bucket: keys of states seen first on a day of ingest time, each looked at again when it
    /// may have been idle for too long. Under `~x/<day>/<number>`, and never changed again; while
    /// it is open, under `~r/x/<day>`.
    Expiry(Vec<Box<str>>),
}

impl UserValue {
    /// The state of a visitor, when it is one.
    pub fn as_state(&self) -> Option<&UserState> {
        match self {
            Self::State(state) => Some(state),
            Self::Expiry(_) => None,
        }
    }
}

impl Stored for UserValue {
    const NAME: &'static str = "user-space value";
    const VERSION: u8 = 1;
}

/// The buckets of one day of ingest time that are sealed. Numbers begin at 64: those below are of
/// a release that kept a day in 64 buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryDay {
    /// Days of ingest time since the epoch.
    pub day: u32,
    /// The first bucket that was not asked for yet; at most `sealed`.
    pub asked: u32,
    /// The number of the next bucket to be sealed.
    pub sealed: u32,
}

/// Which buckets of visitors' keys one task has; under [`ExpiryDays::KEY`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExpiryDays {
    /// Days that have sealed buckets, ascending.
    pub days: Vec<ExpiryDay>,
    /// The last day that may have buckets numbered below 64; `None` once they are gone, or where
    /// there were none.
    pub old_until: Option<u32>,
}

impl ExpiryDays {
    /// The key.
    pub const KEY: &'static str = "~r/x";
}

impl Stored for ExpiryDays {
    const NAME: &'static str = "days of expiry";
    const VERSION: u8 = 1;
}
