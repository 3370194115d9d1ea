//! Which visit an event belongs to.
//!
//! A session ends after the gap without an event, or when the shop's own session id changes. The
//! newest session is kept; an event that belongs before it finds its visit in the history.

use vitrina_types::event::Event;
use vitrina_types::state::{HistoryEntry, Session, UserState};
use vitrina_types::time::EventTime;
use xxhash_rust::xxh3::xxh3_64;

/// The visit of one event: the part of the history that belongs to it.
pub(super) struct Visit {
    /// Earliest event time.
    pub(super) from: EventTime,
    /// Latest event time.
    pub(super) until: EventTime,
}

impl Visit {
    /// The entries of the history that belong to the visit, oldest first.
    pub(super) fn of<'a>(&self, history: &'a [HistoryEntry]) -> &'a [HistoryEntry] {
        let start = history.partition_point(|entry| entry.at < self.from);
        let end = history.partition_point(|entry| entry.at <= self.until);
        &history[start..end.max(start)]
    }
}

/// Places an event that is not in the history yet, and counts it in its session.
pub(super) fn place(state: &mut UserState, event: &Event, gap_ms: i64) -> Visit {
    let at = event.event_time;
    let shop = event.session_id.as_ref();
    let shop_session = shop.map_or(0, |id| xxh3_64(id.as_str().as_bytes()).max(1));
    let session = &mut state.session;
    let another =
        shop_session != 0 && session.shop_session != 0 && shop_session != session.shop_session;
    let after = at.since_ms(session.last) > gap_ms || (another && at >= session.last);
    if session.events == 0 || after {
        state.sessions += 1;
        state.session = Session {
            shop_session,
            started: at,
            last: at,
            events: 1,
        };
        return Visit {
            from: at,
            until: at,
        };
    }
    if another || session.started.since_ms(at) > gap_ms {
        let visit = earlier(state, at, gap_ms);
        // An older visit that nothing was known of.
        state.sessions += u32::from(visit.of(&state.history).is_empty());
        return visit;
    }
    session.started = session.started.min(at);
    session.last = session.last.max(at);
    session.events += 1;
    if session.shop_session == 0 {
        session.shop_session = shop_session;
    }
    Visit {
        from: session.started,
        until: session.last,
    }
}

/// The visit around `at` before the newest session: as far as the history has no gap.
fn earlier(state: &UserState, at: EventTime, gap_ms: i64) -> Visit {
    let newest = state.session.started;
    let end = state.history.partition_point(|entry| entry.at < newest);
    let past = &state.history[..end];
    let place = past.partition_point(|entry| entry.at <= at);
    let mut visit = Visit {
        from: at,
        until: at,
    };
    for entry in past[..place].iter().rev() {
        if visit.from.since_ms(entry.at) > gap_ms {
            break;
        }
        visit.from = entry.at;
    }
    for entry in &past[place..] {
        if entry.at.since_ms(visit.until) > gap_ms {
            break;
        }
        visit.until = entry.at;
    }
    visit
}

/// Joins another state's newest session: the newer of two, or one when they touch.
pub(super) fn merge(state: &mut UserState, other: &UserState, gap_ms: i64) {
    state.sessions = state.sessions.saturating_add(other.sessions);
    let (ours, theirs) = (state.session, other.session);
    if ours.events == 0 || theirs.events == 0 {
        state.session = if ours.events == 0 { theirs } else { ours };
        return;
    }
    let (older, newer) = if ours.last <= theirs.last {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    let one_shop_session = older.shop_session == 0
        || newer.shop_session == 0
        || older.shop_session == newer.shop_session;
    if !one_shop_session || newer.started.since_ms(older.last) > gap_ms {
        state.session = newer;
        return;
    }
    state.sessions = state.sessions.saturating_sub(1);
    state.session = Session {
        shop_session: newer.shop_session.max(older.shop_session),
        started: older.started.min(newer.started),
        last: newer.last,
        events: older.events.saturating_add(newer.events),
    };
}
