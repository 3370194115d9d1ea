//! How the catalogue lies in the database.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | records | kind, id | version byte 1, record version u64, 1 and the body, or 0 when deleted |
//! | outbox | sequence u64 | version byte 1, kind, record version u64, 1 if created else 0, id length u16, id, 1 and the body, or 0 after a delete |
//! | meta | `next` | version byte 1, sequence of the next change u64 |
//!
//! Numbers are big-endian. A kind is one byte ([`kind_byte`]).

use bytes::Bytes;
use vitrina_ports::catalogue::{Kind, OutboxChange};

const VERSION: u8 = 1;
/// Key of the next sequence.
pub(super) const NEXT: &[u8] = b"next";

/// Stored number of a kind. Never reused.
pub(super) fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Product => 1,
        Kind::User => 2,
        Kind::Ban => 3,
        Kind::Placement => 4,
    }
}

/// The key of a record.
pub(super) fn record_key(kind: Kind, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + id.len());
    key.push(kind_byte(kind));
    key.extend_from_slice(id.as_bytes());
    key
}

/// The id in a record's key.
pub(super) fn id_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

/// A record, or what a deleted one leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub version: u64,
    pub body: Option<Bytes>,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut stored = vec![VERSION];
        stored.extend_from_slice(&self.version.to_be_bytes());
        put_body(&mut stored, self.body.as_ref());
        stored
    }

    pub(super) fn decode(stored: &[u8]) -> Option<Self> {
        let mut rest = checked_version(stored)?;
        let version = take_u64(&mut rest)?;
        let body = take_body(rest)?.map(Bytes::copy_from_slice);
        Some(Self { version, body })
    }

    /// Version and whether it is live, without its body.
    pub(super) fn decode_version(stored: &[u8]) -> Option<(u64, bool)> {
        let mut rest = checked_version(stored)?;
        let version = take_u64(&mut rest)?;
        Some((version, take_body(rest)?.is_some()))
    }
}

/// The value of a change; its sequence is the key.
pub(super) fn encode_change(change: &OutboxChange) -> Vec<u8> {
    let body_bytes = change.body.as_ref().map_or(0, Bytes::len);
    let mut stored = Vec::with_capacity(16 + change.id.len() + body_bytes);
    stored.extend_from_slice(&[VERSION, kind_byte(change.kind)]);
    stored.extend_from_slice(&change.version.to_be_bytes());
    stored.push(u8::from(change.created));
    // Ids are at most 256 bytes.
    stored.extend_from_slice(&(change.id.len() as u16).to_be_bytes());
    stored.extend_from_slice(change.id.as_bytes());
    put_body(&mut stored, change.body.as_ref());
    stored
}

/// The change with this key and value.
pub(super) fn decode_change(key: &[u8], stored: &[u8]) -> Option<OutboxChange> {
    let sequence = decode_sequence(key)?;
    let (&kind, mut rest) = checked_version(stored)?.split_first()?;
    let kind = Kind::ALL.into_iter().find(|&one| kind_byte(one) == kind)?;
    let version = take_u64(&mut rest)?;
    let (&created, rest) = rest.split_first()?;
    let (id_bytes, rest) = rest.split_first_chunk()?;
    let id_bytes = usize::from(u16::from_be_bytes(*id_bytes));
    let (id, rest) = rest.split_at_checked(id_bytes)?;
    Some(OutboxChange {
        sequence,
        kind,
        id: std::str::from_utf8(id).ok()?.to_owned(),
        version,
        created: created == 1,
        body: take_body(rest)?.map(Bytes::copy_from_slice),
    })
}

/// A sequence as a key of the outbox.
pub(super) fn sequence_key(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}

/// The sequence of a key of the outbox.
pub(super) fn decode_sequence(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// The value of [`NEXT`].
pub(super) fn encode_next(next: u64) -> [u8; 9] {
    let mut stored = [VERSION; 9];
    stored[1..].copy_from_slice(&next.to_be_bytes());
    stored
}

/// Reads [`encode_next`].
pub(super) fn decode_next(stored: &[u8]) -> Option<u64> {
    decode_sequence(checked_version(stored)?)
}

fn checked_version(stored: &[u8]) -> Option<&[u8]> {
    let (&version, rest) = stored.split_first()?;
    (version == VERSION).then_some(rest)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (number, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u64::from_be_bytes(*number))
}

fn put_body(stored: &mut Vec<u8>, body: Option<&Bytes>) {
    stored.push(u8::from(body.is_some()));
    stored.extend_from_slice(body.map_or(b"", |body| &body[..]));
}

fn take_body(rest: &[u8]) -> Option<Option<&[u8]>> {
    match rest.split_first()? {
        (0, []) => Some(None),
        (1, body) => Some(Some(body)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_forms_are_as_they_were() {
        let record = Record {
            version: 258,
            body: Some(Bytes::from("b")),
        };
        let fixture = [1, 0, 0, 0, 0, 0, 0, 1, 2, 1, b'b'];
        assert_eq!(record.encode(), fixture);
        assert_eq!(Record::decode(&fixture), Some(record));
        assert_eq!(Record::decode_version(&fixture), Some((258, true)));
        let deleted = [1, 0, 0, 0, 0, 0, 0, 1, 3, 0];
        assert_eq!(Record::decode(&deleted).unwrap().encode(), deleted);
        assert_eq!(Record::decode_version(&deleted), Some((259, false)));
        for broken in [
            &deleted[..9],
            &[2; 10],
            &[],
            &[1, 0, 0, 0, 0, 0, 0, 0, 1, 2],
        ] {
            assert_eq!(Record::decode(broken), None, "{broken:?}");
        }

        let change = OutboxChange {
            sequence: 7,
            kind: Kind::Ban,
            id: "ab".into(),
            version: 2,
            created: true,
            body: Some(Bytes::new()),
        };
        let fixture = [1, 3, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 2, b'a', b'b', 1];
        assert_eq!(encode_change(&change), fixture);
        let key = sequence_key(7);
        assert_eq!(decode_change(&key, &fixture), Some(change));
        for cut in 0..fixture.len() {
            assert_eq!(decode_change(&key, &fixture[..cut]), None, "{cut}");
        }

        assert_eq!(encode_next(258), [1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(decode_next(&encode_next(258)), Some(258));
        assert_eq!(record_key(Kind::Placement, "p"), [4, b'p']);
        assert_eq!(id_of(&[4, b'p']), Some("p"));
    }
}
