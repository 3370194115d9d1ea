//! What an event does to its visitor.

use super::{Scope, dedupe, history, link, purchases, session, signals, visitor_at};
use crate::slab::Place;
use vitrina_types::event::{Event, Rejection};
use vitrina_types::id::UserId;
use vitrina_types::limits::{EVENT_TIME_AHEAD_MAX_MS, WATERMARK_AHEAD_MAX_MS};
use vitrina_types::record::UserRecord;
use vitrina_types::state::{Seen, UserState};
use vitrina_types::stored;
use xxhash_rust::xxh3::xxh3_64;

impl Scope<'_> {
    /// Applies an event to the visitor under `key`.
    pub(super) fn event(&mut self, event: &Event, key: &str) {
        let ingest_time = self.envelope.ingest_time;
        if event.event_time.since_ms(ingest_time.as_event_time()) > EVENT_TIME_AHEAD_MAX_MS {
            let rejection = Rejection::new(
                "event_time_in_future",
                "event_time",
                "the event time is more than 24 h ahead of its ingest time",
            );
            let bytes = stored::encode(self.envelope);
            self.out.dead_letter(ingest_time, rejection, 1, &bytes);
            return;
        }
        self.advance_watermark(event);
        // A clock ahead must not push sessions and windows over what really happens meanwhile.
        let latest = ingest_time.as_event_time().plus_ms(WATERMARK_AHEAD_MAX_MS);
        let cut;
        let event = if event.event_time > latest {
            cut = Event {
                event_time: latest,
                ..event.clone()
            };
            &cut
        } else {
            event
        };
        let seen = dedupe::seen_of(event, ingest_time);
        let place = self.working.place(key);
        let known = self.visitor_at(place);
        if known.is_some_and(|state| dedupe::is_duplicate(state, seen)) {
            self.task.duplicates += 1;
            return;
        }
        let linked_to = known.and_then(|state| state.linked_to.clone());
        self.enlist(key, place);
        match linked_to {
            Some(user_id) => self.forward(event, place, seen, user_id),
            None => {
                self.tell_event(event, key);
                self.count_for(event, place, seen);
            }
        }
    }

    /// Leaves an event of a linked anonymous visitor to the user; here it is only remembered.
    fn forward(&mut self, event: &Event, place: Place, seen: Seen, user_id: UserId) {
        if let Some(state) = visitor_at(self.working, place) {
            dedupe::remember(state, seen, self.options.dedupe_horizon_ms);
            let event = Box::new(event.clone());
            self.send_user(UserRecord::Forward { user_id, event });
        }
    }

    /// Tells products, the slate and the session what happened; of a visitor who is not to be
    /// analysed only the products.
    fn tell_event(&mut self, event: &Event, key: &str) {
        let interest = event.kind.signal().interest();
        let analysed = event.consent.analytics;
        let visitor = analysed.then(|| xxh3_64(key.as_bytes()));
        let (cause, options) = (self.envelope, self.options);
        signals::interactions(event, interest, visitor, cause, options, self.out);
        if let Some(visitor) = visitor {
            signals::slate(event, visitor, cause, options, self.out);
            self.count_in_session(event, key, visitor);
        }
    }

    /// Counts an event for the visitor at `place`; with consent it becomes part of the profile.
    fn count_for(&mut self, event: &Event, place: Place, seen: Seen) {
        let Some(state) = visitor_at(self.working, place) else {
            return;
        };
        dedupe::remember(state, seen, self.options.dedupe_horizon_ms);
        count(state, event);
        if !event.consent.personalisation {
            return;
        }
        let visit = session::place(state, event, self.options.session_gap_ms);
        let arrival = history::Arrival::new(event, seen.hash);
        signals::pairs(state, &arrival, &visit, self.envelope, self.out);
        history::add(state, &arrival);
        purchases::add(state, event, self.options);
        if let Some(link) = link::found(state, event) {
            self.send_user(link);
        }
    }
}

fn count(state: &mut UserState, event: &Event) {
    let first = state.counters.total() == 0;
    state.counters.add(event.kind.tag(), 1);
    if first || event.event_time < state.first_seen {
        state.first_seen = event.event_time;
    }
    if first || event.event_time > state.last_seen {
        state.last_seen = event.event_time;
    }
}
