//! Keys of visitors by the day of ingest time on which they were seen, in buckets.
//!
//! One bucket of a day is open and takes keys. When it is full, or when it is due, it is sealed:
//! from then on it is an ordinary value that nothing ever changes, whatever its day still brings.
//! So a day costs as much as it has visitors, and what a task keeps in memory is a few buckets and
//! a number for each day.

use super::bounds::{EXPIRY_KEYS_MAX, EXPIRY_OPEN_MAX, EXPIRY_SHARDS};
use std::collections::{BTreeMap, BTreeSet};
use vitrina_types::state::{ExpiryDay, ExpiryDays, UserValue};
use vitrina_types::stored::{self, StoredError};

const OPEN_PREFIX: &str = "~r/x/";

/// A bucket that takes no more keys, and is to be kept under its day and number.
pub(super) struct Sealed {
    pub(super) day: u32,
    pub(super) number: u32,
    pub(super) keys: Vec<Box<str>>,
}

/// The buckets of one task: the open ones, and the numbers of the sealed ones.
#[derive(Default)]
pub(super) struct Buckets {
    /// By day; none is empty.
    open: BTreeMap<u32, Vec<Box<str>>>,
    days: ExpiryDays,
    /// Days whose open bucket is not as it is stored.
    changed: BTreeSet<u32>,
    /// Days whose open bucket is stored.
    stored: BTreeSet<u32>,
    days_changed: bool,
}

impl Buckets {
    /// Adds a key to the open bucket of `day`, and hands out one that is full now, or that has to
    /// make room because too many days have one. O(log [`EXPIRY_OPEN_MAX`]).
    pub(super) fn add(&mut self, day: u32, key: &str) -> Option<Sealed> {
        let keys = self.open.entry(day).or_default();
        keys.push(key.into());
        let is_full = keys.len() >= EXPIRY_KEYS_MAX;
        self.changed.insert(day);
        if is_full {
            return self.seal(day);
        }
        let mut oldest = self.open.keys().copied().filter(|open| *open != day);
        let oldest = oldest.next();
        oldest
            .filter(|_| self.open.len() > EXPIRY_OPEN_MAX)
            .and_then(|day| self.seal(day))
    }

    /// Seals an open bucket of a day before `due`; `None` where there is none.
    pub(super) fn seal_before(&mut self, due: u32) -> Option<Sealed> {
        let (&day, _) = self.open.range(..due).next()?;
        self.seal(day)
    }

    fn seal(&mut self, day: u32) -> Option<Sealed> {
        let keys = self.open.remove(&day)?;
        self.changed.insert(day);
        let days = &mut self.days.days;
        let place = days.binary_search_by_key(&day, |known| known.day);
        let place = place.unwrap_or_else(|place| {
            let fresh = ExpiryDay {
                day,
                asked: EXPIRY_SHARDS,
                sealed: EXPIRY_SHARDS,
            };
            days.insert(place, fresh);
            place
        });
        let number = days[place].sealed;
        days[place].sealed += 1;
        self.days_changed = true;
        Some(Sealed { day, number, keys })
    }

    /// How many sealed buckets of days before `due` were not asked for yet.
    pub(super) fn due(&self, due: u32) -> u32 {
        let waiting = self.days.days.iter().take_while(|known| known.day < due);
        waiting.fold(0, |sum, known| {
            sum.saturating_add(known.sealed.saturating_sub(known.asked))
        })
    }

    /// Day and number of the next of them; it is asked for now.
    pub(super) fn ask(&mut self, due: u32) -> Option<(u32, u32)> {
        let mut waiting = self
            .days
            .days
            .iter_mut()
            .take_while(|known| known.day < due);
        let next = waiting.find(|known| known.asked < known.sealed)?;
        let number = next.asked;
        next.asked += 1;
        self.days_changed = true;
        Some((next.day, number))
    }

    /// A bucket that was asked for is gone. With its last one, which is asked for last, a day is
    /// forgotten; until then its numbers go on, so that none is used twice while it may be stored.
    pub(super) fn gone(&mut self, day: u32, number: u32) {
        let days = &mut self.days.days;
        if let Ok(place) = days.binary_search_by_key(&day, |known| known.day)
            && number.checked_add(1) == Some(days[place].sealed)
        {
            days.remove(place);
            self.days_changed = true;
        }
    }

    /// The last day that may have buckets of the release before, which had no open ones; `day`
    /// where it was not noted yet.
    pub(super) fn old_until(&mut self, day: u32) -> u32 {
        if self.days.old_until.is_none() {
            self.days.old_until = Some(day);
            self.days_changed = true;
        }
        self.days.old_until.unwrap_or(day)
    }

    /// All of them were asked for.
    pub(super) fn old_are_gone(&mut self) {
        self.days.old_until = None;
        self.days_changed = true;
    }

    /// Takes a stored pair; whether the key is one of ours.
    pub(super) fn load(&mut self, key: &str, value: &[u8]) -> Result<bool, StoredError> {
        if key == ExpiryDays::KEY {
            self.days = stored::decode(value)?;
            return Ok(true);
        }
        let Some(day) = key.strip_prefix(OPEN_PREFIX) else {
            return Ok(false);
        };
        let name = "open bucket";
        match (day.parse(), stored::decode(value)?) {
            (Ok(day), UserValue::Expiry(keys)) => {
                self.open.insert(day, keys);
                self.stored.insert(day);
                Ok(true)
            }
            _ => Err(StoredError::Damaged { name }),
        }
    }

    /// Hands out what changed.
    pub(super) fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        while let Some(day) = self.changed.pop_first() {
            let key = format!("{OPEN_PREFIX}{day}");
            if let Some(keys) = self.open.get_mut(&day) {
                let value = UserValue::Expiry(std::mem::take(keys));
                each(&key, Some(stored::encode(&value)));
                if let UserValue::Expiry(back) = value {
                    *keys = back;
                }
                self.stored.insert(day);
            } else if self.stored.remove(&day) {
                each(&key, None);
            }
        }
        if std::mem::take(&mut self.days_changed) {
            let is_empty = self.days == ExpiryDays::default();
            let value = (!is_empty).then(|| stored::encode(&self.days));
            each(ExpiryDays::KEY, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::expiry::bucket_key;

    /// What is stored now, by key.
    type Stored = BTreeMap<String, Vec<u8>>;

    /// Takes the changes; one that is loaded from what is stored then goes on in its place.
    fn restart(buckets: &mut Buckets, stored: &mut Stored) {
        buckets.take_changes(&mut |key, value| match value {
            Some(value) => drop(stored.insert(key.to_owned(), value)),
            None => assert!(stored.remove(key).is_some(), "{key} was never stored"),
        });
        let mut fresh = Buckets::default();
        for (key, value) in stored {
            assert!(fresh.load(key, value).unwrap());
        }
        assert_eq!((&fresh.open, &fresh.days), (&buckets.open, &buckets.days));
        *buckets = fresh;
    }

    /// No number is used twice while a bucket may have it, a day is forgotten with its last, and
    /// whoever is loaded goes on where the one before stopped.
    #[test]
    fn numbers_go_on_until_the_last_is_gone() {
        enum Step {
            Add,
            Seal(u32),
            Ask(Option<u32>),
            Gone(u32),
        }
        use Step::{Add, Ask, Gone, Seal};
        #[rustfmt::skip]
        let steps = [
            Add, Add, Seal(64), Add, Seal(65), Ask(Some(64)), Ask(Some(65)), Ask(None),
            Gone(64), Add, Seal(66), Gone(65), Ask(Some(66)), Gone(66), Add, Seal(64),
            Ask(Some(64)), Gone(64),
        ];
        let (mut buckets, mut stored) = (Buckets::default(), Stored::new());
        for (place, step) in steps.into_iter().enumerate() {
            assert!(buckets.ask(7).is_none(), "step {place}");
            match step {
                Add => assert!(buckets.add(7, "u/u").is_none(), "step {place}"),
                Seal(number) => {
                    assert!(buckets.seal_before(7).is_none(), "step {place}");
                    let sealed = buckets.seal_before(8).map(|sealed| sealed.number);
                    assert_eq!(sealed, Some(number), "step {place}");
                }
                Ask(number) => {
                    assert_eq!(buckets.due(8) > 0, number.is_some(), "step {place}");
                    assert_eq!(
                        buckets.ask(8),
                        number.map(|number| (7, number)),
                        "step {place}"
                    );
                }
                Gone(number) => buckets.gone(7, number),
            }
            restart(&mut buckets, &mut stored);
        }
        assert!(stored.is_empty());
        assert_eq!(buckets.old_until(9), 9);
        restart(&mut buckets, &mut stored);
        assert_eq!(buckets.old_until(10), 9);
        buckets.old_are_gone();
        restart(&mut buckets, &mut stored);
        assert!(stored.is_empty());
    }

    /// A million visitors in a day: no value is larger than a bucket, and what is written grows
    /// with the visitors, not with their square.
    #[test]
    fn values_of_a_busy_day_are_bounded() {
        const KEYS: usize = 1_000_000;
        const COMMIT: usize = 100;
        let mut buckets = Buckets::default();
        let (mut stored, mut sealed) = (BTreeMap::new(), BTreeMap::new());
        let (mut written, mut largest) = (0, 0);
        for place in 0..KEYS {
            if let Some(full) = buckets.add(18_170, &format!("u/{place:020}")) {
                let key = bucket_key(full.day, full.number);
                let bytes = stored::encode(&UserValue::Expiry(full.keys));
                (written, largest) = (written + bytes.len(), largest.max(bytes.len()));
                assert!(sealed.insert(key, bytes).is_none());
            }
            if place % COMMIT == COMMIT - 1 {
                buckets.take_changes(&mut |key, value| {
                    let bytes = value.as_ref().map_or(0, Vec::len);
                    (written, largest) = (written + bytes, largest.max(bytes));
                    match value {
                        Some(value) => drop(stored.insert(key.to_owned(), value)),
                        None => drop(stored.remove(key)),
                    }
                });
            }
        }
        assert!(largest <= EXPIRY_KEYS_MAX * 24, "{largest} bytes");
        // Each key once sealed, and each commit at most one bucket that is open.
        let most = KEYS * 24 + KEYS / COMMIT * (EXPIRY_KEYS_MAX * 24 + 64);
        assert!(written <= most, "{written} bytes");
        assert_eq!(sealed.len(), KEYS / EXPIRY_KEYS_MAX);
        assert_eq!(stored.len(), 2, "what is open, and how many are not");
        assert_eq!(buckets.due(18_170), 0);
        assert_eq!(buckets.due(18_171) as usize, sealed.len());
    }
}
