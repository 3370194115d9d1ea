//! Sessions as window rows: who did what in one visit.
//!
//! An event counts in the session of the visitor it counts for: what a linked anonymous visitor
//! does counts in the user's; sessions that were open when it was linked stay its own and end by
//! themselves. The shop's own session ids do not cut these sessions, only the gap does.
//!
//! An event is late when even a session of its own would be closed, and it belongs to none that
//! is open; old data never is. One that comes more than the grace behind the watermark and is not
//! late yet may open a session beside one that is closed.

use super::Scope;
use super::buckets::Buckets;
use super::purchases::moved;
use super::sessions::{Clock, Open, Told};
use crate::outbox::Outbox;
use crate::resident::Resident;
use crate::rows::{self, Lane, ROWS_PER_RECORD};
use crate::watermark;
use vitrina_types::event::Event;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::record::UserRecord;
use vitrina_types::row::{Dimension, LateEvent, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::stored::StoredError;
use vitrina_types::time::Progress;
use vitrina_types::topic::Topic;

const LIVE_PREFIX: &str = "~r/s/l/";
const BACKFILL_PREFIX: &str = "~r/s/b/";

/// Every open session of one task, and its open buckets of visitors: what [`crate::UserStage`]
/// keeps in memory as a whole.
#[derive(Default)]
pub struct Sessions {
    live: Open,
    backfill: Open,
    pub(super) buckets: Buckets,
}

impl Sessions {
    fn lane(&mut self, lane: Lane) -> &mut Open {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Backfill => &mut self.backfill,
        }
    }
}

impl Resident for Sessions {
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        if let Some(visitor) = key.strip_prefix(LIVE_PREFIX) {
            self.live.load(visitor, value)
        } else if let Some(visitor) = key.strip_prefix(BACKFILL_PREFIX) {
            self.backfill.load(visitor, value)
        } else if self.buckets.load(key, value)? {
            Ok(())
        } else {
            let name = "key of open sessions";
            Err(StoredError::Damaged { name })
        }
    }

    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        self.live.take_changes(LIVE_PREFIX, each);
        self.backfill.take_changes(BACKFILL_PREFIX, each);
        self.buckets.take_changes(each);
    }

    fn open(&self) -> usize {
        self.live.len() + self.backfill.len()
    }
}

/// Adds one event to `measures`: the sum of its lines, once.
fn count(measures: &mut Measures, event: &Event, default_currency: Currency) {
    let mut sum: Option<Amount> = None;
    let mut pieces = 0u32;
    for line in event.kind.lines() {
        pieces = pieces.saturating_add(line.quantity);
        if let Some(amount) = moved(line, event.kind.is_return()) {
            sum = Some(sum.map_or(amount, |sum| sum.plus(amount)));
        }
    }
    let currency = event.currency.unwrap_or(default_currency);
    let value = sum.map(|amount| (currency, amount));
    rows::count(measures, event.kind.tag(), value, pieces, None);
}

fn send(out: &mut Outbox, visitor: &str, told: Told<'_>) {
    // The parts of a row in its order: a row of its own would copy key and measures.
    let key = (Dimension::Session, visitor);
    let row = (key, told.window, told.part, told.pane, told.measures);
    out.send_parts::<WindowRow>(Topic::WindowRows, Partition::of(visitor), &row);
}

impl Scope<'_> {
    pub(super) fn progress(&self) -> Progress {
        watermark::progress(self.task, self.options.out_of_orderness_ms)
    }

    fn clock(&self, lane: Lane) -> Clock {
        Clock {
            lane,
            progress: self.progress(),
            grace_ms: self.options.grace_ms.max(0),
        }
    }

    /// Counts an event in the session of the visitor under `key`, whose hash is `visitor`.
    pub(super) fn count_in_session(&mut self, event: &Event, key: &str, visitor: u64) {
        let lane = Lane::of(self.envelope.backfill);
        let clock = self.clock(lane);
        let window = TimeWindow {
            start: event.event_time,
            end: event.event_time.plus_ms(self.options.session_gap_ms),
        };
        let currency = self.options.currency;
        let open = self.working.resident.lane(lane);
        if lane == Lane::Live && clock.is_closed(window.end) && !open.touches(key, window, clock) {
            self.send_late(event, key, window);
            return;
        }
        let out = &mut *self.out;
        // Of old data more than one session may have one window: each is a part of its own.
        let part = match lane {
            Lane::Live => 0,
            Lane::Backfill => out.offset().saturating_add(1),
        };
        open.join(
            (key, visitor),
            window,
            part,
            clock,
            |measures| count(measures, event, currency),
            |told| send(out, key, told),
        );
    }

    fn send_late(&mut self, event: &Event, key: &str, window: TimeWindow) {
        self.task.late += 1;
        let mut measures = Measures::default();
        count(&mut measures, event, self.options.currency);
        let late = LateEvent {
            ingest_time: self.envelope.ingest_time,
            operator: "user-stage".into(),
            key: RowKey::new(Dimension::Session, key),
            window,
            at: event.event_time,
            watermark: self.task.watermark,
            measures,
        };
        self.out.send(Topic::LateEvents, Partition(0), &late);
    }

    /// Tells the sessions that ended and closes those whose grace is over, a bounded number. The
    /// rest waits for a record to this task itself; until that comes, nothing but ticks tells, so
    /// that a batch of records does not send more than a few times the bound.
    pub(super) fn tell_sessions(&mut self, is_tick: bool) {
        if self.task.continues && !is_tick {
            return;
        }
        let mut left = ROWS_PER_RECORD;
        for lane in Lane::ALL {
            let clock = self.clock(lane);
            let out = &mut *self.out;
            let open = self.working.resident.lane(lane);
            let tell = |visitor: &str, told: Told<'_>| send(out, visitor, told);
            if open.take_due(clock, &mut left, tell) {
                if !self.task.continues {
                    self.task.continues = true;
                    self.send_user(UserRecord::Continue);
                }
                return;
            }
        }
    }

    /// Goes on with what was left.
    pub(super) fn continue_telling(&mut self) {
        self.task.continues = false;
        self.tell_sessions(false);
    }
}
