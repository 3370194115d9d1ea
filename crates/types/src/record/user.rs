//! Records of `user-events`: what visitors did.

use crate::event::Event;
use crate::id::{AnonymousId, UserId};
use crate::state::UserState;
use crate::stored::Stored;
use crate::time::IngestTime;
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
    /// A task to itself: this bucket of the day is due. In its own partition.
    Expire {
        /// Days of ingest time since the epoch.
        day: u32,
        /// Which of the day's buckets. Once one byte, below 64: the same bytes mean the same.
        number: u32,
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
    /// A task to itself: sessions that ended are still to be told. In its own partition.
    Continue,
    /// What somebody did, put by a foreign client into a partition that is not the visitor's.
    /// Made by whoever reads the log, never written to it.
    Astray(Box<Event>),
    /// The same, sent on. In the partition of the user, else of the anonymous visitor.
    Home(Box<Event>),
}

impl UserRecord {
    /// The id that decides the partition; `None` for a tick, which goes to every partition, for
    /// what a task sends to itself, and for what lies in any partition.
    pub fn partition_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) | Self::Home(event) => Some(event.subject.partition_id()),
            Self::Link { anonymous_id, .. } => Some(anonymous_id.as_str()),
            Self::Adopt { user_id, .. }
            | Self::Forward { user_id, .. }
            | Self::Unlink { user_id, .. } => Some(user_id.as_str()),
            Self::Tick
            | Self::Expire { .. }
            | Self::Forget { .. }
            | Self::Continue
            | Self::Astray(_) => None,
        }
    }
}

impl Stored for UserEnvelope {
    const NAME: &'static str = "user-events record";
    const VERSION: u8 = 1;
}
