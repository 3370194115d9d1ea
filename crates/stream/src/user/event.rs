//! What an event does to its visitor.

use super::{Scope, dedupe, history, link, purchases, session, signals, visitor_mut};
use vitrina_types::event::{Event, Rejection};
use vitrina_types::limits::{EVENT_TIME_AHEAD_MAX_MS, WATERMARK_AHEAD_MAX_MS};
use vitrina_types::record::UserRecord;
use vitrina_types::state::UserState;
use vitrina_types::stored;

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
        let known = self.visitor(key);
        if known.is_some_and(|state| dedupe::is_duplicate(state, seen)) {
            self.task.duplicates += 1;
            return;
        }
        let linked_to = known.and_then(|state| state.linked_to.clone());
        self.enlist(key);
        let horizon_ms = self.options.dedupe_horizon_ms;
        let Some(state) = visitor_mut(self.working, key) else {
            return;
        };
        dedupe::remember(state, seen, horizon_ms);
        if let Some(user_id) = linked_to {
            let event = Box::new(event.clone());
            self.send_user(UserRecord::Forward { user_id, event });
            return;
        }
        count(state, event);
        let interest = event.kind.signal().interest();
        signals::interactions(event, interest, self.envelope, self.options, self.out);
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
