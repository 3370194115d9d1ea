//! Open sessions of one task in one lane, by visitor.
//!
//! The law: a session is a longest run of a visitor's events without a gap between neighbours.
//! Its window reaches from its first event to the gap behind its newest one. While events come at
//! most the grace behind the watermark, which sessions there are in the end does not depend on
//! the order of arrival.
//!
//! What identifies a row is (visitor, window, part). A session is told when the watermark passes
//! the end of its window and closed the grace later. One that was told and takes another event:
//!
//! * its window stays as it is: the row is told again, as the next pane;
//! * its window grows, at either end or into another session: the row of the old window is taken
//!   back at once, by a next pane without measures. The row of the new window begins at pane 0
//!   and is told when its end is passed, which may be at once.
//!
//! So whoever keeps the newest pane of each row and drops the empty ones has each told session
//! exactly once. No row comes up a second time: a window only grows, open sessions of one visitor
//! do not touch, and one opened later ends later than all that are closed. In old data, where it
//! need not end later, the offset that opened a session sets its row apart.

use super::queue::Queue;
use crate::rows::Lane;
use crate::slab::{Place, Slab};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use vitrina_types::row::{Measures, TimeWindow};
use vitrina_types::state::{OpenSession, OpenSessions};
use vitrina_types::stored::{self, StoredError};
use vitrina_types::time::{EventTime, Progress};
use xxhash_rust::xxh3::xxh3_64;

/// What decides whether a session is over.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) lane: Lane,
    pub(super) progress: Progress,
    /// At least 0.
    pub(super) grace_ms: i64,
}

impl Clock {
    /// Whether a session that ends then is to be told.
    fn passed(self, end: EventTime) -> bool {
        self.lane.passed(self.progress, end)
    }

    /// Whether a session that ends then takes nothing more. By time and not by what was swept
    /// away already: what a backlog leaves behind must not decide where an event belongs.
    pub(super) fn is_closed(self, end: EventTime) -> bool {
        self.passed(end.plus_ms(self.grace_ms))
    }

    /// When something is to be done about the session next.
    fn due(self, session: &OpenSession) -> EventTime {
        let end = session.window.end;
        if session.told == 0 {
            end
        } else {
            end.plus_ms(self.grace_ms)
        }
    }
}

/// A row to be told; with empty measures it is taken back.
pub(super) struct Told<'a> {
    pub(super) window: TimeWindow,
    pub(super) part: u64,
    pub(super) pane: u32,
    pub(super) measures: &'a Measures,
}

struct Visitor {
    name: Arc<str>,
    /// Hash of the name (xxh3): orders visitors that are due at one moment.
    hash: u64,
    sessions: OpenSessions,
    /// The moment under which the visitor stands in the queue: never later than the first of its
    /// sessions is due. An entry with another moment is void.
    queued: Option<EventTime>,
    is_changed: bool,
    is_stored: bool,
}

impl Visitor {
    fn new(name: Arc<str>, hash: u64) -> Self {
        Self {
            name,
            hash,
            sessions: OpenSessions::default(),
            queued: None,
            is_changed: false,
            is_stored: false,
        }
    }
}

/// Sessions of one lane. Memory is bounded by the visitors of the last gap and grace of event time.
#[derive(Default)]
pub(super) struct Open {
    index: FxHashMap<Arc<str>, Place>,
    visitors: Slab<Visitor>,
    /// Hashes and places of visitors by the moment something may be due. A session that grows
    /// leaves its entry where it is; it is put right when its moment comes, so that an event
    /// costs no search.
    queue: Queue<(u64, Place)>,
    /// Places of visitors whose stored form is out of date, in the order they became so.
    changed: Vec<Place>,
    sessions: usize,
}

fn touch(a: TimeWindow, b: TimeWindow) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// Makes the session's window reach over `window`; where it grows, what was told is taken back.
fn widen(session: &mut OpenSession, window: TimeWindow, tell: &mut impl FnMut(Told<'_>)) {
    let union = TimeWindow {
        start: session.window.start.min(window.start),
        end: session.window.end.max(window.end),
    };
    if union != session.window {
        take_back(session, tell);
        session.window = union;
    }
}

fn take_back(session: &mut OpenSession, tell: &mut impl FnMut(Told<'_>)) {
    if session.told > 0 {
        tell(Told {
            window: session.window,
            part: session.part,
            pane: session.told,
            measures: &Measures::default(),
        });
        session.told = 0;
    }
}

fn tell_again(session: &mut OpenSession, tell: &mut impl FnMut(Told<'_>)) {
    tell(Told {
        window: session.window,
        part: session.part,
        pane: session.told,
        measures: &session.measures,
    });
    session.told = session.told.saturating_add(1);
}

impl Visitor {
    /// The place of the one session that an event of this window belongs to: all that it touches
    /// become one. `None` when it touches none.
    fn joined(
        &mut self,
        window: TimeWindow,
        clock: Clock,
        tell: &mut impl FnMut(Told<'_>),
    ) -> Option<usize> {
        let sessions = &mut self.sessions.0;
        let mut joined = None;
        let mut place = 0;
        while let Some(session) = sessions.get(place) {
            if !touch(session.window, window) || clock.is_closed(session.window.end) {
                place += 1;
                continue;
            }
            let Some(first) = joined else {
                joined = Some(place);
                place += 1;
                continue;
            };
            let mut other = sessions.remove(place);
            take_back(&mut other, tell);
            let session: &mut OpenSession = &mut sessions[first];
            widen(session, other.window, tell);
            session.part = session.part.min(other.part);
            session.measures.merge(&other.measures);
        }
        joined
    }

    /// Opens a session and answers its place.
    fn open(&mut self, window: TimeWindow, part: u64) -> usize {
        let sessions = &mut self.sessions.0;
        sessions.push(OpenSession {
            window,
            part,
            told: 0,
            measures: Measures::default(),
        });
        sessions.len() - 1
    }

    fn due(&self, clock: Clock) -> Option<EventTime> {
        let sessions = self.sessions.0.iter();
        sessions.map(|session| clock.due(session)).min()
    }

    /// Tells what has ended and drops what is closed, at most `left` sessions.
    fn take_due(&mut self, clock: Clock, left: &mut usize, tell: &mut impl FnMut(&str, Told<'_>)) {
        let name = &*self.name;
        self.sessions.0.retain(|session| {
            if *left == 0 || !clock.passed(clock.due(session)) {
                return true;
            }
            *left -= 1;
            if session.told == 0 {
                tell_again(session, &mut |told| tell(name, told));
            }
            !clock.is_closed(session.window.end)
        });
    }
}

impl Open {
    /// Whether an event of this window belongs to a session that is open.
    pub(super) fn touches(&self, key: &str, window: TimeWindow, clock: Clock) -> bool {
        let place = self.index.get(key);
        let visitor = place.and_then(|place| self.visitors.get(*place));
        visitor.is_some_and(|visitor| {
            let mut sessions = visitor.sessions.0.iter();
            sessions.any(|s| touch(s.window, window) && !clock.is_closed(s.window.end))
        })
    }

    /// The place of a visitor, made where there is none.
    fn place(&mut self, key: &str, hash: u64) -> Place {
        match self.index.get(key) {
            Some(place) => *place,
            None => self.put(Visitor::new(key.into(), hash)),
        }
    }

    fn put(&mut self, visitor: Visitor) -> Place {
        let name = visitor.name.clone();
        let place = self.visitors.put(visitor);
        self.index.insert(name, place);
        place
    }

    /// Counts an event, whose `window` is what it were a session of its own, in all sessions it
    /// touches, which become one, else in a new one of `part`. O(open sessions of the visitor),
    /// which is 1 or 2 as a rule.
    ///
    /// * `hash` — of the key (xxh3).
    pub(super) fn join(
        &mut self,
        (key, hash): (&str, u64),
        window: TimeWindow,
        part: u64,
        clock: Clock,
        count: impl FnOnce(&mut Measures),
        mut tell: impl FnMut(Told<'_>),
    ) {
        let place = self.place(key, hash);
        let Some(visitor) = self.visitors.get_mut(place) else {
            unreachable!("the index names no visitor that is gone");
        };
        let before = visitor.sessions.0.len();
        let joined = visitor.joined(window, clock, &mut tell);
        let joined = joined.unwrap_or_else(|| visitor.open(window, part));
        self.sessions = self.sessions + visitor.sessions.0.len() - before;
        let session = &mut visitor.sessions.0[joined];
        widen(session, window, &mut tell);
        count(&mut session.measures);
        if session.told > 0 || clock.passed(session.window.end) {
            tell_again(session, &mut tell);
        }
        let due = clock.due(session);
        if visitor.queued.is_none_or(|queued| due < queued) {
            visitor.queued = Some(due);
            self.queue.push(due, (visitor.hash, place));
        }
        note_change(&mut self.changed, place, visitor);
    }

    /// Tells what has ended and drops what is closed, `left` sessions at most, in order of when
    /// that was due. Answers whether more is due. O(1) when nothing is.
    pub(super) fn take_due(
        &mut self,
        clock: Clock,
        left: &mut usize,
        mut tell: impl FnMut(&str, Told<'_>),
    ) -> bool {
        while let Some((at, (hash, place))) = self.queue.pop(|at| clock.passed(at)) {
            let Some(visitor) = self.visitors.get_mut(place) else {
                continue;
            };
            // The place may be another visitor's by now.
            if visitor.queued != Some(at) || visitor.hash != hash {
                continue;
            }
            visitor.queued = visitor.due(clock);
            let is_due = visitor.queued.is_some_and(|due| due <= at);
            if is_due && *left > 0 {
                self.sessions -= visitor.sessions.0.len();
                visitor.take_due(clock, left, &mut tell);
                self.sessions += visitor.sessions.0.len();
                visitor.queued = visitor.due(clock);
                if visitor.queued.is_none() && !visitor.is_stored {
                    // The store never learns of it.
                    self.forget(place);
                    continue;
                }
                note_change(&mut self.changed, place, visitor);
            }
            if let Some(due) = visitor.queued {
                self.queue.push(due, (hash, place));
                // Only now is it known that this one is due: what the queue says may be too early.
                if is_due && *left == 0 && clock.passed(due) {
                    return true;
                }
            }
        }
        false
    }

    /// Takes the stored sessions of a visitor.
    pub(super) fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        let sessions: OpenSessions = stored::decode(value)?;
        let hash = xxh3_64(key.as_bytes());
        // Told sessions are due later; the queue may say too early.
        let queued = sessions.0.iter().map(|session| session.window.end).min();
        self.sessions += sessions.0.len();
        let visitor = Visitor {
            sessions,
            queued,
            is_stored: true,
            ..Visitor::new(key.into(), hash)
        };
        let place = self.put(visitor);
        if let Some(at) = queued {
            self.queue.push(at, (hash, place));
        }
        Ok(())
    }

    fn forget(&mut self, place: Place) {
        if let Some(gone) = self.visitors.take(place) {
            self.index.remove(&gone.name);
        }
    }

    /// Hands out what changed, by `prefix` and key of the visitor.
    pub(super) fn take_changes(
        &mut self,
        prefix: &str,
        each: &mut dyn FnMut(&str, Option<Vec<u8>>),
    ) {
        let mut key = prefix.to_owned();
        let mut scratch = Vec::new();
        let mut changed = std::mem::take(&mut self.changed);
        for place in changed.drain(..) {
            // The place may be named twice: by one who is gone, and by another who has it now.
            let Some(visitor) = self.visitors.get_mut(place) else {
                continue;
            };
            if !std::mem::take(&mut visitor.is_changed) {
                continue;
            }
            key.truncate(prefix.len());
            key.push_str(&visitor.name);
            if !visitor.sessions.0.is_empty() {
                visitor.is_stored = true;
                scratch.clear();
                stored::encode_into(&visitor.sessions, &mut scratch);
                each(&key, Some(scratch.as_slice().to_vec()));
                continue;
            }
            if visitor.is_stored {
                each(&key, None);
            }
            self.forget(place);
        }
        // Kept for its memory.
        self.changed = changed;
    }

    /// Sessions that are open.
    pub(super) fn len(&self) -> usize {
        self.sessions
    }
}

/// A visitor that is stored and whose last session is closed stays until its changes are taken:
/// they name it once.
fn note_change(changed: &mut Vec<Place>, place: Place, visitor: &mut Visitor) {
    if !visitor.is_changed {
        visitor.is_changed = true;
        changed.push(place);
    }
}

#[cfg(test)]
mod tests;
