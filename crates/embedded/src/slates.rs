//! Stored slates on the data directory, in the database of the state.
//!
//! | key | value |
//! |---|---|
//! | `s`, id | version byte 1, `expires_at` i64, body |
//! | `x`, `expires_at` i64 with its sign bit turned, id | nothing |
//!
//! Numbers are big-endian. The second kind of row is an index by expiry, so that a purge reads
//! only what it removes. A slate that was put again leaves a stale row there, which a purge
//! recognises by comparing it with the slate.

use crate::kv::{Kv, Opened, Room};
use crate::state::SLATES;
use bytes::Bytes;
use fjall::PersistMode;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;
use vitrina_ports::slates::{SlateStore, StoredSlate};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::time::IngestTime;

const SLATE: u8 = b's';
const EXPIRY: u8 = b'x';
const VERSION: u8 = 1;
/// Version and expiry.
const HEADER_BYTES: usize = 1 + 8;

/// The slate store of one data directory. Opened and closed with its
/// [`EmbeddedState`](crate::state::EmbeddedState).
pub struct EmbeddedSlates {
    kv: Arc<Kv>,
    /// Index rows before this key are purged: a purge need not step over their remains.
    purged_to: Mutex<Vec<u8>>,
}

impl EmbeddedSlates {
    pub(crate) fn new(kv: Arc<Kv>) -> Self {
        Self {
            kv,
            purged_to: Mutex::new(vec![EXPIRY]),
        }
    }

    fn put(&self, slates: &[StoredSlate]) -> Result<(), PortError> {
        let bytes = slates.iter().map(|s| s.body.len() + 2 * s.id.len() + 64);
        let room = Room::Takes(bytes.sum());
        // Held until the rows are there, so that no purge runs past a row that is on its way.
        let mut purged_to = self.purged_to.lock();
        for slate in slates {
            let row = expiry_key(slate.expires_at, &slate.id);
            if row < *purged_to {
                *purged_to = row;
            }
        }
        self.kv.write(room, PersistMode::Buffer, |opened, batch| {
            let keyspace = &opened.keyspaces[SLATES];
            for slate in slates {
                batch.insert(keyspace, slate_key(&slate.id), encode(slate));
                let row = expiry_key(slate.expires_at, &slate.id);
                batch.insert(keyspace, row, b"");
            }
            Ok(())
        })
    }

    fn find(&self, id: &str, now: IngestTime) -> Result<Option<Bytes>, PortError> {
        self.kv.read(|opened| {
            let found = opened.keyspaces[SLATES].get(slate_key(id));
            let Some(stored) = found.map_err(|error| self.kv.port_error(&error))? else {
                return Ok(None);
            };
            let (expires_at, body) = decode(&stored).ok_or_else(|| self.kv.damaged(id))?;
            Ok((expires_at > now).then(|| Bytes::copy_from_slice(body)))
        })
    }

    fn purge_expired(&self, now: IngestTime, limit: usize) -> Result<usize, PortError> {
        let mut purged_to = self.purged_to.lock();
        let (count, next) = self
            .kv
            .write(Room::Frees, PersistMode::Buffer, |opened, batch| {
                let keyspace = &opened.keyspaces[SLATES];
                let (mut removed, mut next) = (HashSet::new(), purged_to.clone());
                let end = expiry_key(now.plus_ms(1), "");
                let rows = (Bound::Included(purged_to.clone()), Bound::Excluded(end));
                for row in keyspace.range::<Vec<u8>, _>(rows) {
                    if removed.len() == limit {
                        break;
                    }
                    let row = row.key().map_err(|error| self.kv.port_error(&error))?;
                    let (_, id) = parse_expiry(&row).ok_or_else(|| self.kv.damaged("expiry"))?;
                    let is_expired = self.stored_expiry(opened, id)?.is_some_and(|at| at <= now);
                    if is_expired && removed.insert(id.to_owned()) {
                        batch.remove(keyspace, slate_key(id));
                    }
                    next = row.to_vec();
                    next.push(0);
                    batch.remove(keyspace, &row[..]);
                }
                Ok((removed.len(), next))
            })?;
        *purged_to = next;
        Ok(count)
    }

    fn stored_expiry(&self, opened: &Opened, id: &str) -> Result<Option<IngestTime>, PortError> {
        let found = opened.keyspaces[SLATES].get(slate_key(id));
        match found.map_err(|error| self.kv.port_error(&error))? {
            None => Ok(None),
            Some(stored) => match decode(&stored) {
                Some((expires_at, _)) => Ok(Some(expires_at)),
                None => Err(self.kv.damaged(id)),
            },
        }
    }
}

fn slate_key(id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + id.len());
    key.push(SLATE);
    key.extend_from_slice(id.as_bytes());
    key
}

fn expiry_key(expires_at: IngestTime, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 8 + id.len());
    key.push(EXPIRY);
    // With the sign bit turned, bytes sort as the numbers do.
    let sortable = expires_at.0 ^ i64::MIN;
    key.extend_from_slice(&sortable.to_be_bytes());
    key.extend_from_slice(id.as_bytes());
    key
}

fn parse_expiry(key: &[u8]) -> Option<(IngestTime, &str)> {
    let sortable = i64::from_be_bytes(*key.get(1..)?.first_chunk()?);
    let id = std::str::from_utf8(key.get(9..)?).ok()?;
    Some((IngestTime(sortable ^ i64::MIN), id))
}

fn encode(slate: &StoredSlate) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER_BYTES + slate.body.len());
    stored.push(VERSION);
    stored.extend_from_slice(&slate.expires_at.0.to_be_bytes());
    stored.extend_from_slice(&slate.body);
    stored
}

fn decode(stored: &[u8]) -> Option<(IngestTime, &[u8])> {
    let (header, body) = stored.split_at_checked(HEADER_BYTES)?;
    let expires_at = i64::from_be_bytes(*header[1..].first_chunk()?);
    (header[0] == VERSION).then_some((IngestTime(expires_at), body))
}

impl SlateStore for EmbeddedSlates {
    fn put_many(&self, slates: Vec<StoredSlate>) -> PortFuture<'_, ()> {
        Box::pin(async move { self.put(&slates) })
    }

    fn get<'a>(&'a self, id: &'a str, now: IngestTime) -> PortFuture<'a, Option<Bytes>> {
        Box::pin(async move { self.find(id, now) })
    }

    fn purge(&self, now: IngestTime, limit: usize) -> PortFuture<'_, usize> {
        Box::pin(async move { self.purge_expired(now, limit) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{EmbeddedState, StateOptions};
    use vitrina_ports::suite::{Subject, block_on, ok};

    /// A slate store opened and closed with its state.
    struct Slates(tempfile::TempDir);

    struct Open {
        state: EmbeddedState,
        slates: EmbeddedSlates,
    }

    impl SlateStore for Open {
        fn put_many(&self, slates: Vec<StoredSlate>) -> PortFuture<'_, ()> {
            self.slates.put_many(slates)
        }

        fn get<'a>(&'a self, id: &'a str, now: IngestTime) -> PortFuture<'a, Option<Bytes>> {
            self.slates.get(id, now)
        }

        fn purge(&self, now: IngestTime, limit: usize) -> PortFuture<'_, usize> {
            self.slates.purge(now, limit)
        }
    }

    impl Subject for Slates {
        type Port = Open;

        fn open(&self) -> PortFuture<'_, Open> {
            Box::pin(async {
                let mut options = StateOptions::new(Box::new(|| Ok(())));
                options.reserve_bytes = 0;
                let state = EmbeddedState::open(self.0.path(), options)?;
                let slates = state.slates();
                Ok(Open { state, slates })
            })
        }

        fn close<'a>(&'a self, port: &'a Open) -> PortFuture<'a, ()> {
            Box::pin(async { port.state.close() })
        }

        fn is_durable(&self) -> bool {
            true
        }
    }

    vitrina_ports::slate_store_suite!(Slates(tempfile::tempdir().unwrap()));

    #[test]
    fn purged_rows_leave_nothing_behind() {
        block_on(async {
            let subject = Slates(tempfile::tempdir().unwrap());
            let store = ok(subject.open().await, "open");
            for round in 0..2 {
                let slates = (0..100).map(|n| StoredSlate {
                    id: format!("{n:03}"),
                    body: Bytes::from("body"),
                    expires_at: IngestTime(n + round),
                });
                store.put_many(slates.collect()).await.unwrap();
            }
            let mut purged = 0;
            while let count @ 1.. = store.purge(IngestTime(1_000), 7).await.unwrap() {
                purged += count;
            }
            assert_eq!(purged, 100);
            let kv = &store.slates.kv;
            let left = kv.read(|opened| Ok(opened.keyspaces[SLATES].len().unwrap()));
            assert_eq!(left.unwrap(), 0);
        });
    }

    #[test]
    fn stored_forms_are_as_they_were() {
        let slate = StoredSlate {
            id: "ab".into(),
            body: Bytes::from("body"),
            expires_at: IngestTime(258),
        };
        let fixture = [1, 0, 0, 0, 0, 0, 0, 1, 2, b'b', b'o', b'd', b'y'];
        assert_eq!(encode(&slate), fixture);
        assert_eq!(decode(&fixture), Some((IngestTime(258), &b"body"[..])));
        assert_eq!(decode(&fixture[..8]), None);
        assert_eq!(decode(&[2; 20]), None);
        let row = expiry_key(slate.expires_at, &slate.id);
        assert_eq!(row, [b'x', 0x80, 0, 0, 0, 0, 0, 1, 2, b'a', b'b']);
        assert_eq!(parse_expiry(&row), Some((IngestTime(258), "ab")));
        assert!(expiry_key(IngestTime(-1), "z") < expiry_key(IngestTime(0), "a"));
    }
}
