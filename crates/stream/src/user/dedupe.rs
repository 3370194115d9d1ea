//! Which events were counted before.
//!
//! Ids are remembered for an hour of event time behind the newest one, at most
//! [`SEEN_MAX`](super::bounds::SEEN_MAX) of them; the history, which remembers longer, is searched
//! too. An id is enough: the same id with another
//! time is the same event, sent again without a time of its own.

use super::bounds::SEEN_MAX;
use vitrina_types::event::Event;
use vitrina_types::limits::WATERMARK_AHEAD_MAX_MS;
use vitrina_types::state::{Seen, UserState};
use vitrina_types::time::IngestTime;
use xxhash_rust::xxh3::xxh3_64;

/// The event as remembered. Its time is cut to a minute after ingest, so that one wrong clock
/// does not push the horizon over everything else.
pub(super) fn seen_of(event: &Event, ingest_time: IngestTime) -> Seen {
    let latest = ingest_time.as_event_time().plus_ms(WATERMARK_AHEAD_MAX_MS);
    Seen {
        hash: xxh3_64(event.event_id.as_str().as_bytes()),
        at: event.event_time.min(latest),
    }
}

/// Whether the event was counted before.
pub(super) fn is_duplicate(state: &UserState, seen: Seen) -> bool {
    let is_seen = state.seen.iter().any(|known| known.hash == seen.hash);
    is_seen || state.history.iter().any(|entry| entry.order == seen.hash)
}

fn is_forgotten(seen: Seen, newest: Seen, horizon_ms: i64) -> bool {
    newest.at.since_ms(seen.at) > horizon_ms
}

/// Remembers the event; forgets what is behind the horizon, and the oldest beyond [`SEEN_MAX`].
pub(super) fn remember(state: &mut UserState, seen: Seen, horizon_ms: i64) {
    let key = |s: &Seen| (s.at, s.hash);
    let place = state.seen.partition_point(|s| key(s) < key(&seen));
    state.seen.insert(place, seen);
    forget(state, horizon_ms);
}

/// Adds what another state remembered.
pub(super) fn merge(state: &mut UserState, other: &[Seen], horizon_ms: i64) {
    state.seen.extend_from_slice(other);
    state.seen.sort_unstable_by_key(|s| (s.at, s.hash));
    state.seen.dedup();
    forget(state, horizon_ms);
}

fn forget(state: &mut UserState, horizon_ms: i64) {
    let Some(&newest) = state.seen.last() else {
        return;
    };
    let behind = state
        .seen
        .partition_point(|s| is_forgotten(*s, newest, horizon_ms));
    let surplus = state.seen.len().saturating_sub(SEEN_MAX);
    state.seen.drain(..behind.max(surplus));
}
