//! Positions of consumers that have no group: the relay, imports, sinks.
//!
//! They are records of one compacted topic, written in the transaction of the outputs they belong
//! to. A position may be anything, a byte of a file as well, which a group's offsets may not.

use crate::place::Place;
use crate::reader::Reader;
use std::collections::HashMap;
use tokio::sync::Mutex;
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumer, Offset};

/// Bytes read in one step.
const READ_BYTES: usize = 256 * 1_024;
/// Bytes of the position itself; the key follows.
const OFFSET_BYTES: usize = size_of::<Offset>();

/// What a position is kept under: name and source, which newlines keep apart.
pub(crate) fn key(consumer: &Consumer) -> String {
    format!("{}\n{}", consumer.name, consumer.source)
}

/// The record of a position. The key stands in the payload too, for a reader sees nothing else.
pub(crate) fn encode(key: &str, next: Offset) -> Vec<u8> {
    let mut bytes = next.to_be_bytes().to_vec();
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(String, Offset)> {
    let (offset, key) = bytes.split_first_chunk::<OFFSET_BYTES>()?;
    let key = String::from_utf8(key.to_vec()).ok()?;
    Some((key, Offset::from_be_bytes(*offset)))
}

/// Committed positions, as far as they were read.
#[derive(Default)]
pub(crate) struct Positions {
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    next: Offset,
    by_key: HashMap<String, Offset>,
}

impl Positions {
    /// Reads what was committed since, up to what `reader` knows to be there.
    async fn catch_up(&self, reader: &Reader, read: &mut Read) -> Result<(), PortError> {
        loop {
            let bounds = reader.bounds(Place::POSITIONS);
            if read.next >= bounds.end {
                return Ok(());
            }
            let from = read.next.max(bounds.start);
            let records = reader.read(Place::POSITIONS, from, READ_BYTES).await?;
            read.next = records.last().map_or(bounds.end, |last| last.offset + 1);
            for record in records {
                let (key, next) = decode(&record.bytes).ok_or_else(|| PortError::Damaged {
                    what: format!("position record {}", record.offset),
                })?;
                read.by_key.insert(key, next);
            }
        }
    }

    /// The position under `key`, as of now.
    pub(crate) async fn get(
        &self,
        reader: &Reader,
        key: &str,
    ) -> Result<Option<Offset>, PortError> {
        reader.fresh_end(Place::POSITIONS).await?;
        let mut read = self.read.lock().await;
        self.catch_up(reader, &mut read).await?;
        Ok(read.by_key.get(key).copied())
    }

    /// Every source that somebody has a position in, and the position.
    pub(crate) async fn all(&self, reader: &Reader) -> Result<Vec<(String, Offset)>, PortError> {
        let mut read = self.read.lock().await;
        self.catch_up(reader, &mut read).await?;
        let all = read.by_key.iter();
        let all = all.filter_map(|(key, next)| Some((key.split_once('\n')?.1.to_owned(), *next)));
        Ok(all.collect())
    }

    /// Every position that begins with `name`, of those before `end`, which is waited for.
    pub(crate) async fn of(
        &self,
        reader: &Reader,
        name: &str,
        end: Offset,
    ) -> Result<HashMap<String, Offset>, PortError> {
        reader.committed_up_to([(Place::POSITIONS, end)]);
        let mut read = self.read.lock().await;
        self.catch_up(reader, &mut read).await?;
        let prefix = format!("{name}\n");
        let all = read.by_key.iter();
        let own = all.filter(|(key, _)| key.starts_with(&prefix));
        Ok(own.map(|(key, next)| (key.clone(), *next)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_with_its_key() {
        let consumer = Consumer {
            name: "import",
            source: "fingerprint/ü".to_owned(),
        };
        let key = key(&consumer);
        assert_eq!(key, "import\nfingerprint/ü");
        assert_eq!(decode(&encode(&key, 77)), Some((key, 77)));
        assert_eq!(decode(b"short"), None);
        assert_eq!(decode(b"12345678\xff"), None, "not text");
    }
}
