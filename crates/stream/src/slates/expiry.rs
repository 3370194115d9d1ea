//! State of slates long answered for, forgotten by records only.
//!
//! Each slate's key is in one bucket: that of the hour of ingest time in which it was first heard
//! of. A tick asks for the hours that are due; an hour names its keys; each slate that is old
//! enough goes. Every step is a record, so no step needs keys that its record does not name.
//! Age is counted in ingest time: old data loaded today is not old.

use super::Scope;
use super::bounds::{
    EXPIRY_HOURS_PER_TICK, SLATE_EXPIRY_KEYS_MAX, SLATE_EXPIRY_SHARDS, SLATE_FORGET_KEYS_MAX,
};
use crate::watermark;
use vitrina_types::record::{SlateEnvelope, SlateRecord};
use vitrina_types::state::SlateValue;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;
use xxhash_rust::xxh3::xxh3_64;

const HOUR_MS: i64 = 3_600_000;

/// The hour of an ingest time, counted from the epoch.
fn hour_of(ingest_time: IngestTime) -> u32 {
    let hour = ingest_time.0.div_euclid(HOUR_MS);
    hour.clamp(0, i64::from(u32::MAX)) as u32
}

fn bucket_key(hour: u32, shard: u32) -> String {
    format!("~x/{hour}/{shard}")
}

/// The keys of all parts of an hour's bucket.
pub(super) fn bucket_keys(hour: u32) -> impl Iterator<Item = String> {
    (0..SLATE_EXPIRY_SHARDS).map(move |shard| bucket_key(hour, shard))
}

/// The key of the part that a slate belongs to when it is first heard of at `ingest_time`.
pub(super) fn bucket_of(slate_key: &str, ingest_time: IngestTime) -> String {
    let shard = xxh3_64(slate_key.as_bytes()) % u64::from(SLATE_EXPIRY_SHARDS);
    bucket_key(hour_of(ingest_time), shard as u32)
}

impl Scope<'_> {
    /// Notes that the slate under `key` is heard of for the first time; `false` when there is no
    /// room for it.
    pub(super) fn enlist(&mut self, key: &str) -> bool {
        let ingest_time = self.envelope.ingest_time;
        let bucket = bucket_of(key, ingest_time);
        let empty = || SlateValue::Expiry(Vec::new());
        match self.working.entry(&bucket, empty) {
            SlateValue::Expiry(keys) if keys.len() < SLATE_EXPIRY_KEYS_MAX => keys.push(key.into()),
            SlateValue::Expiry(_) | SlateValue::Slate(_) => return false,
        }
        let hour = hour_of(ingest_time);
        let next = self.task.expiry_next.unwrap_or(hour);
        self.task.expiry_next = Some(next.min(hour));
        true
    }

    /// Lets time pass and asks for the hours that are due, a bounded number.
    pub(super) fn tick(&mut self) {
        if self.envelope.backfill {
            return;
        }
        let now = self.envelope.ingest_time;
        let behind_ms = self.options.out_of_orderness_ms;
        watermark::advance(self.task, now.as_event_time(), now, behind_ms);
        let keep_ms = self.options.keep_ms();
        // Its last moment, plus the time that slates are kept, is in the past.
        let due = hour_of(now.plus_ms(keep_ms.saturating_neg()));
        for _ in 0..EXPIRY_HOURS_PER_TICK {
            let Some(hour) = self.task.expiry_next.filter(|&hour| hour < due) else {
                return;
            };
            self.send_slate(SlateRecord::Expire { hour });
            self.task.expiry_next = Some(hour + 1);
        }
    }

    /// Empties the bucket of an hour: its keys are looked at next.
    pub(super) fn expire(&mut self, hour: u32) {
        let mut keys: Vec<Box<str>> = Vec::new();
        for bucket in bucket_keys(hour) {
            if let Some(SlateValue::Expiry(listed)) = self.working.get(&bucket) {
                keys.extend_from_slice(listed);
                self.working.remove(&bucket);
            }
        }
        for keys in keys.chunks(SLATE_FORGET_KEYS_MAX) {
            let keys = keys.to_vec();
            self.send_slate(SlateRecord::Forget { keys });
        }
    }

    /// Forgets those of the slates that are old enough: one heard of anew since is in a later
    /// bucket. Interactions that waited in vain are given up.
    pub(super) fn forget(&mut self, keys: &[Box<str>]) {
        let keep_ms = self.options.keep_ms();
        for key in keys {
            let Some(slate) = self.slate(key) else {
                continue;
            };
            if self.envelope.ingest_time.since_ms(slate.first_ingest) < keep_ms {
                continue;
            }
            self.task.rejected += slate.pending.len() as u64;
            self.working.remove(key);
        }
    }

    /// Sends a record to this task, caused by the current one.
    fn send_slate(&mut self, record: SlateRecord) {
        let envelope = SlateEnvelope {
            ingest_time: self.envelope.ingest_time,
            backfill: self.envelope.backfill,
            record,
        };
        let own = self.out.partition();
        self.out.send(Topic::SlateSignals, own, &envelope);
    }
}
