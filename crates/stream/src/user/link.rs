//! An anonymous visitor turns out to be a user.
//!
//! The link goes to the anonymous visitor's partition, which sends its past to the user's
//! partition in one record and forwards what still comes. Each event is in exactly one of the
//! two, so it counts once for the user, whatever arrives first.

use super::bounds::{LINKED_BYTES_MAX, LINKED_MAX};
use super::{Scope, dedupe, history, purchases, session, visitor_at};
use vitrina_types::event::{Event, anonymous_key, user_key};
use vitrina_types::id::{AnonymousId, UserId};
use vitrina_types::record::UserRecord;
use vitrina_types::state::UserState;

/// The link an event tells of, when the user's state does not know it yet; remembers it.
pub(super) fn found(state: &mut UserState, event: &Event) -> Option<UserRecord> {
    let user_id = event.subject.user_id.clone()?;
    let anonymous_id = event.subject.anonymous_id.clone()?;
    if state.linked.contains(&anonymous_id) {
        return None;
    }
    state.linked.push(anonymous_id.clone());
    cut(&mut state.linked);
    Some(UserRecord::Link {
        anonymous_id,
        user_id,
    })
}

/// Forgets the visitors linked first. One that comes again is linked again, which changes
/// nothing.
fn cut(linked: &mut Vec<AnonymousId>) {
    let bytes = |linked: &[AnonymousId]| linked.iter().map(|id| id.as_str().len() + 2).sum();
    let over = |linked: &[AnonymousId]| {
        let total: usize = bytes(linked);
        linked.len() > LINKED_MAX || total > LINKED_BYTES_MAX
    };
    while over(linked) {
        linked.remove(0);
    }
}

impl Scope<'_> {
    /// Sends the past of `anonymous_id` to the user, once, and forwards its future.
    pub(super) fn link(&mut self, anonymous_id: &AnonymousId, user_id: &UserId) {
        let key = anonymous_key(anonymous_id);
        let place = self.working.place(&key);
        let known = self.visitor_at(place);
        if known.is_some_and(|state| state.linked_to.as_ref() == Some(user_id)) {
            return;
        }
        self.enlist(&key, place);
        let Some(state) = visitor_at(self.working, place) else {
            return;
        };
        let left = UserState {
            seen: state.seen.clone(),
            linked_to: Some(user_id.clone()),
            last_ingest: state.last_ingest,
            ..UserState::default()
        };
        let past = std::mem::replace(state, left);
        if let Some(before) = &past.linked_to {
            // Who was it before must link again to be it once more.
            let (user_id, anonymous_id) = (before.clone(), anonymous_id.clone());
            self.send_user(UserRecord::Unlink {
                user_id,
                anonymous_id,
            });
        }
        // What was linked before has no past of its own, only the ids it saw.
        if past.counters.total() > 0 {
            let (user_id, anonymous_id) = (user_id.clone(), anonymous_id.clone());
            self.send_user(UserRecord::Adopt {
                user_id,
                anonymous_id,
                state: Box::new(past),
            });
        }
    }

    /// The visitor is somebody else now: an event with both ids links it again.
    pub(super) fn unlink(&mut self, user_id: &UserId, anonymous_id: &AnonymousId) {
        let key = user_key(user_id);
        let place = self.working.place(&key);
        let known = self.visitor_at(place);
        if known.is_some_and(|state| state.linked.contains(anonymous_id))
            && let Some(state) = visitor_at(self.working, place)
        {
            state.linked.retain(|id| id != anonymous_id);
        }
    }

    /// Joins the past of an anonymous visitor to the user's. Products were told of it when it
    /// happened.
    pub(super) fn adopt(&mut self, user_id: &UserId, past: &UserState) {
        let key = user_key(user_id);
        let place = self.working.place(&key);
        self.enlist(&key, place);
        let options = self.options;
        let Some(state) = visitor_at(self.working, place) else {
            return;
        };
        if past.counters.total() > 0 {
            let first = state.counters.total() == 0;
            if first || past.first_seen < state.first_seen {
                state.first_seen = past.first_seen;
            }
            if first || past.last_seen > state.last_seen {
                state.last_seen = past.last_seen;
            }
        }
        state.counters.merge(&past.counters);
        session::merge(state, past, options.session_gap_ms);
        history::merge(state, past);
        purchases::merge(state, past);
        dedupe::merge(state, &past.seen, options.dedupe_horizon_ms);
    }
}
