//! State of visitors long gone, forgotten by records only.
//!
//! Each visitor's key is in the bucket of every day of ingest time on which it was seen first
//! that day. A tick asks for buckets that are due; a bucket names its keys; each state that saw
//! nothing after that day goes. Every step is a record, so no step needs keys that its record
//! does not name. Idleness is counted in ingest time: old data loaded today is not idle.

use super::bounds::{EXPIRY_KEYS_MAX, EXPIRY_SHARDS, FORGET_KEYS_MAX};
use super::{Scope, visitor_mut};
use vitrina_types::id::AnonymousId;
use vitrina_types::record::UserRecord;
use vitrina_types::state::UserValue;
use vitrina_types::time::IngestTime;
use xxhash_rust::xxh3::xxh3_64;

const DAY_MS: i64 = 86_400_000;

/// The day of an ingest time, counted from the epoch; the last day that still has a bucket
/// number is the 67,108,863rd.
pub(super) fn day_of(ingest_time: IngestTime) -> u32 {
    let last = i64::from(u32::MAX / EXPIRY_SHARDS);
    ingest_time.0.div_euclid(DAY_MS).clamp(0, last) as u32
}

/// The part of a day's bucket that a key belongs to.
pub(super) fn shard_of(key: &str) -> u32 {
    (xxh3_64(key.as_bytes()) % u64::from(EXPIRY_SHARDS)) as u32
}

/// The key of a bucket.
pub(super) fn bucket_key(day: u32, shard: u32) -> String {
    // Every event makes one: room for the longest that `day_of` and `shard_of` lead to.
    let mut key = String::with_capacity("~x/67108863/63".len());
    key.push_str("~x/");
    push_number(&mut key, day);
    key.push('/');
    push_number(&mut key, shard);
    key
}

/// Writes `number` as `Display` does, without its detours.
fn push_number(key: &mut String, number: u32) {
    if number >= 10 {
        push_number(key, number / 10);
    }
    key.push(char::from(b'0' + (number % 10) as u8));
}

impl Scope<'_> {
    /// Notes that the visitor under `key` was seen, before its state is changed.
    pub(super) fn enlist(&mut self, key: &str) {
        let ingest_time = self.envelope.ingest_time;
        let day = day_of(ingest_time);
        let known = self.visitor(key).map(|state| state.last_ingest);
        if known.is_none_or(|last| ingest_time > last)
            && let Some(state) = visitor_mut(self.working, key)
        {
            state.last_ingest = ingest_time;
        }
        if known.is_some_and(|last| day_of(last) >= day) {
            return;
        }
        let shard = shard_of(key);
        let empty = || UserValue::Expiry(Vec::new());
        let bucket = self.working.entry(&bucket_key(day, shard), empty);
        if let UserValue::Expiry(keys) = bucket
            && keys.len() < EXPIRY_KEYS_MAX
        {
            keys.push(key.into());
        }
        let first = day * EXPIRY_SHARDS;
        let next = self.task.expiry_next.unwrap_or(first);
        self.task.expiry_next = Some(next.min(first));
    }

    /// Lets time pass and asks for the buckets that are due, a bounded number.
    pub(super) fn tick(&mut self) {
        if self.envelope.backfill {
            return;
        }
        self.pass_time();
        self.ask_for_buckets();
        self.tell(true);
    }

    fn ask_for_buckets(&mut self) {
        let now = self.envelope.ingest_time;
        // The first moment of the day after the bucket's, plus the idle days, is in the past.
        let due = day_of(now).saturating_sub(self.options.idle_days);
        for _ in 0..self.options.expiry_buckets_per_tick {
            let Some(next) = self.task.expiry_next else {
                return;
            };
            let (day, shard) = (next / EXPIRY_SHARDS, next % EXPIRY_SHARDS);
            if day >= due {
                return;
            }
            let shard = shard as u8;
            self.send_user(UserRecord::Expire { day, shard });
            self.task.expiry_next = Some(next + 1);
        }
    }

    /// Empties a bucket: its keys are looked at next.
    pub(super) fn expire(&mut self, day: u32, shard: u8) {
        let key = bucket_key(day, u32::from(shard));
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

#[cfg(test)]
mod tests {
    use super::{bucket_key, day_of};
    use vitrina_types::time::IngestTime;

    #[test]
    fn bucket_key_cases() {
        let last = day_of(IngestTime(i64::MAX));
        for (day, shard) in [
            (0, 0),
            (9, 9),
            (10, 10),
            (18_262, 63),
            (last, 63),
            (u32::MAX, 255),
        ] {
            assert_eq!(bucket_key(day, shard), format!("~x/{day}/{shard}"));
        }
    }
}
