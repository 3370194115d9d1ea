//! Stored form of the ids seen: 12 bytes each instead of 16, because a visitor's state is mostly
//! them. Times are kept as milliseconds before the newest one, at most 49 days.

use super::Seen;
use crate::time::EventTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(with = "postcard::fixint::le")]
    hash: u64,
    before_newest_ms: u32,
}

struct Entries<'a> {
    seen: &'a [Seen],
    newest: EventTime,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.seen.iter().map(|s| Entry {
            hash: s.hash,
            before_newest_ms: u32::try_from(self.newest.since_ms(s.at)).unwrap_or(u32::MAX),
        }))
    }
}

pub(super) fn serialize<S: Serializer>(seen: &[Seen], serializer: S) -> Result<S::Ok, S::Error> {
    let newest = seen.iter().map(|s| s.at).max().unwrap_or_default();
    (newest, Entries { seen, newest }).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Seen>, D::Error> {
    let (newest, entries) = <(EventTime, Vec<Entry>)>::deserialize(deserializer)?;
    let seen = entries.into_iter().map(|entry| Seen {
        hash: entry.hash,
        at: newest.plus_ms(-i64::from(entry.before_newest_ms)),
    });
    Ok(seen.collect())
}
