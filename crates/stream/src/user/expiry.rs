//! State of visitors long gone, forgotten by records only.
//!
//! Each visitor's key is in a bucket of every day of ingest time on which it was seen first
//! that day. A tick asks for buckets that are due; a bucket names its keys; each state that saw
//! nothing after that day goes. Every step is a record, so no step needs keys that its record
//! does not name. Idleness is counted in ingest time: old data loaded today is not idle.
//!
//! The last release kept a day in 64 buckets, numbered from 0: ticks ask for those too, until
//! the last that may be there.

use super::bounds::{EXPIRY_ASKED_MAX, EXPIRY_DUE_PER_ASKED, EXPIRY_OLD_DAYS};
use super::bounds::{EXPIRY_SHARDS, FORGET_KEYS_MAX};
use super::buckets::Sealed;
use super::{Scope, visitor_at};
use crate::slab::Place;
use vitrina_types::id::AnonymousId;
use vitrina_types::record::UserRecord;
use vitrina_types::state::UserValue;
use vitrina_types::time::IngestTime;

const DAY_MS: i64 = 86_400_000;

/// The day of an ingest time, counted from the epoch; the last one is the 67,108,863rd, so that
/// a day times 64 is a number still.
fn day_of(ingest_time: IngestTime) -> u32 {
    let last = i64::from(u32::MAX / EXPIRY_SHARDS);
    ingest_time.0.div_euclid(DAY_MS).clamp(0, last) as u32
}

/// The key of a sealed bucket.
pub(super) fn bucket_key(day: u32, number: u32) -> String {
    format!("~x/{day}/{number}")
}

impl Scope<'_> {
    /// Notes that the visitor under `key`, which lies at `place`, was seen, before its state is
    /// changed.
    pub(super) fn enlist(&mut self, key: &str, place: Place) {
        let ingest_time = self.envelope.ingest_time;
        let known = self.visitor_at(place).map(|state| state.last_ingest);
        if known.is_none_or(|last| ingest_time > last)
            && let Some(state) = visitor_at(self.working, place)
        {
            state.last_ingest = ingest_time;
        }
        let day = day_of(ingest_time);
        if known.is_some_and(|last| day_of(last) >= day) {
            return;
        }
        if let Some(sealed) = self.working.resident.buckets.add(day, key) {
            self.keep(sealed);
        }
    }

    fn keep(&mut self, sealed: Sealed) {
        let key = bucket_key(sealed.day, sealed.number);
        self.working.put_new(&key, UserValue::Expiry(sealed.keys));
    }

    /// Lets time pass and asks for the buckets that are due, a bounded number.
    pub(super) fn tick(&mut self) {
        if self.envelope.backfill {
            return;
        }
        self.pass_time();
        let today = day_of(self.envelope.ingest_time);
        // The first moment of the day after the bucket's, plus the idle days, is in the past.
        let due = today.saturating_sub(self.options.idle_days);
        self.ask_for_buckets(due);
        self.ask_for_old_buckets(today, due);
        self.tell(true);
    }

    fn ask_for_buckets(&mut self, due: u32) {
        while let Some(sealed) = self.working.resident.buckets.seal_before(due) {
            self.keep(sealed);
        }
        let waiting = self.working.resident.buckets.due(due);
        let share = (waiting / EXPIRY_DUE_PER_ASKED).min(EXPIRY_ASKED_MAX);
        for _ in 0..share.max(self.options.expiry_buckets_per_tick) {
            let Some((day, number)) = self.working.resident.buckets.ask(due) else {
                return;
            };
            self.send_user(UserRecord::Expire { day, number });
        }
    }

    /// Those that the last release wrote, whether they are there or not.
    fn ask_for_old_buckets(&mut self, today: u32, due: u32) {
        for _ in 0..self.options.expiry_buckets_per_tick {
            let Some(next) = self.task.expiry_next else {
                return;
            };
            let (day, number) = (next / EXPIRY_SHARDS, next % EXPIRY_SHARDS);
            let buckets = &mut self.working.resident.buckets;
            if day > buckets.old_until(today.saturating_add(EXPIRY_OLD_DAYS)) {
                buckets.old_are_gone();
                self.task.expiry_next = None;
                return;
            }
            if day >= due {
                return;
            }
            self.send_user(UserRecord::Expire { day, number });
            self.task.expiry_next = Some(next + 1);
        }
    }

    /// Empties a bucket: its keys are looked at next.
    pub(super) fn expire(&mut self, day: u32, number: u32) {
        self.working.resident.buckets.gone(day, number);
        let key = bucket_key(day, number);
        let Some(UserValue::Expiry(keys)) = self.working.get(&key) else {
            return;
        };
        let keys = keys.clone();
        self.working.remove(&key);
        for keys in keys.chunks(FORGET_KEYS_MAX) {
            let keys = keys.to_vec();
            self.send_user(UserRecord::Forget { day, keys });
        }
    }

    /// Forgets the states that saw nothing after `day`; the others are in a later bucket.
    pub(super) fn forget(&mut self, day: u32, keys: &[Box<str>]) {
        for key in keys {
            let idle = self
                .visitor(key)
                .is_some_and(|s| day_of(s.last_ingest) <= day);
            if !idle {
                continue;
            }
            let linked_to = self.visitor(key).and_then(|s| s.linked_to.clone());
            self.working.remove(key);
            let anonymous = key.strip_prefix("a/").map(AnonymousId::new);
            if let (Some(user_id), Some(Ok(anonymous_id))) = (linked_to, anonymous) {
                // When it comes again it must link again.
                self.send_user(UserRecord::Unlink {
                    user_id,
                    anonymous_id,
                });
            }
        }
    }
}
