//! The user-keyed stage: from what visitors do to their profiles and sessions, and to what it
//! means for products and slates.
//!
//! Nothing but its own partition's records is read: an anonymous visitor's past and future reach
//! the user's partition as records too.

pub(crate) mod bounds;
mod buckets;
mod dedupe;
mod event;
mod expiry;
mod history;
mod lanes;
mod link;
mod purchases;
mod queue;
mod session;
mod sessions;
mod signals;
mod windows;

pub(crate) use purchases::add_money;
pub use windows::Sessions;

use crate::operator::{Operator, decode_stored};
use crate::options::UserOptions;
use crate::outbox::Outbox;
use crate::slab::Place;
use crate::working::Working;
use vitrina_types::event::{Rejection, anonymous_key, foreign, user_key};
use vitrina_types::partition::Partition;
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::state::{TaskState, UserState, UserValue};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Keeps each visitor's profile and sessions, and tells the stages behind it what happened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserStage {
    /// What the shop set.
    pub options: UserOptions,
}

/// What one record is applied to.
struct Scope<'a> {
    options: &'a UserOptions,
    envelope: &'a UserEnvelope,
    working: &'a mut Working<UserValue, Sessions>,
    task: &'a mut TaskState,
    out: &'a mut Outbox,
}

impl Operator for UserStage {
    type Record = UserEnvelope;
    type Value = UserValue;
    type Resident = Sessions;

    const NAME: &'static str = "user-stage";
    const INPUT: Topic = Topic::UserEvents;

    fn decode(&self, bytes: &[u8]) -> Result<UserEnvelope, Rejection> {
        if foreign::is_foreign(bytes) {
            // Whoever reads the log makes events of good ones.
            return Err(foreign::diagnose(bytes));
        }
        decode_stored(bytes)
    }

    fn keys(&self, record: &UserEnvelope, keys: &mut Vec<String>) {
        let named = match &record.record {
            UserRecord::Event(event) | UserRecord::Home(event) => event.subject.key(),
            UserRecord::Link { anonymous_id, .. } => anonymous_key(anonymous_id),
            UserRecord::Adopt { user_id, .. }
            | UserRecord::Forward { user_id, .. }
            | UserRecord::Unlink { user_id, .. } => user_key(user_id),
            UserRecord::Tick | UserRecord::Continue | UserRecord::Astray(_) => return,
            UserRecord::Expire { day, number } => expiry::bucket_key(*day, *number),
            UserRecord::Forget { keys: gone, .. } => {
                keys.extend(gone.iter().map(|key| key.to_string()));
                return;
            }
        };
        keys.push(named);
    }

    fn ingest_time(&self, record: &UserEnvelope) -> IngestTime {
        record.ingest_time
    }

    fn apply(
        &self,
        record: &UserEnvelope,
        state: &mut Working<UserValue, Sessions>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let mut scope = Scope {
            options: &self.options,
            envelope: record,
            working: state,
            task,
            out,
        };
        match &record.record {
            // Nothing else is done with it: it moves no watermark, and what went home stays there.
            UserRecord::Astray(event) => scope.send_user(UserRecord::Home(event.clone())),
            UserRecord::Event(event) | UserRecord::Home(event) => {
                scope.event(event, &event.subject.key());
                scope.tell(false);
            }
            UserRecord::Forward { user_id, event } => {
                scope.event(event, &user_key(user_id));
                scope.tell(false);
            }
            UserRecord::Link {
                anonymous_id,
                user_id,
            } => scope.link(anonymous_id, user_id),
            UserRecord::Adopt { user_id, state, .. } => scope.adopt(user_id, state),
            UserRecord::Unlink {
                user_id,
                anonymous_id,
            } => scope.unlink(user_id, anonymous_id),
            UserRecord::Tick => scope.tick(),
            UserRecord::Continue => scope.continue_telling(),
            UserRecord::Expire { day, number } => scope.expire(*day, *number),
            UserRecord::Forget { day, keys } => scope.forget(*day, keys),
        }
    }
}

impl Scope<'_> {
    /// The state of a visitor, where there is one.
    fn visitor(&self, key: &str) -> Option<&UserState> {
        self.working.get(key).and_then(UserValue::as_state)
    }

    /// The same, of a visitor whose key lies there.
    fn visitor_at(&self, place: Place) -> Option<&UserState> {
        self.working.at(place).and_then(UserValue::as_state)
    }

    /// Sends a record to the user stage, caused by the current one.
    fn send_user(&mut self, record: UserRecord) {
        let partition = record.partition_id().map(Partition::of);
        let own = self.out.partition();
        let envelope = UserEnvelope {
            ingest_time: self.envelope.ingest_time,
            backfill: self.envelope.backfill,
            record,
        };
        self.out
            .send(Topic::UserEvents, partition.unwrap_or(own), &envelope);
    }
}

/// The state of the visitor whose key lies there, to be changed; an empty one where there is none.
fn visitor_at(working: &mut Working<UserValue, Sessions>, place: Place) -> Option<&mut UserState> {
    match working.entry_at(place, || UserValue::State(Box::default())) {
        UserValue::State(state) => Some(state),
        // Keys of visitors and of buckets differ in their first byte.
        UserValue::Expiry(_) => None,
    }
}
