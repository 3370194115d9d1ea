//! Reads a fjall journal to find where a power cut tore it.
//!
//! fjall opens no database whose journal has a batch with a wrong checksum, even when it is the
//! last one, which nobody was told is durable. Only the framing is understood here, never keys or
//! values. Format 3, of fjall 3: a batch is a start (tag 1, item count u32, sequence u64), items
//! (tag 2) and clears (tag 4), and an end (tag 3, xxh3 of items and clears as stored, `FJL\x03`);
//! all numbers are little-endian.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: &[u8] = b"FJL\x03";
/// Tag, value type, compression, keyspace, lengths of key, value and stored value.
const ITEM_HEADER_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;

/// The state of the newest journal of a database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Batches to the end, or to where only zeros follow; or no journal at all.
    Whole,
    /// Batches up to `good_bytes`, then something else.
    Torn {
        path: PathBuf,
        good_bytes: u64,
        /// Whether whole batches follow the unreadable place: then it is no torn tail.
        has_good_batches_after: bool,
    },
}

/// Reads the newest journal in `dir`. Older ones were synced before they were left.
pub(super) fn inspect(dir: &Path) -> io::Result<Verdict> {
    let mut newest: Option<(u64, PathBuf)> = None;
    if !dir.try_exists()? {
        return Ok(Verdict::Whole);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_journal = path.extension().is_some_and(|ending| ending == "jnl");
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| is_journal) {
            newest = newest.max(Some((number, path)));
        }
    }
    let Some((_, path)) = newest else {
        return Ok(Verdict::Whole);
    };
    let bytes = fs::read(&path)?;
    let mut good = 0;
    let mut last_sequence = 0;
    while let Some(batch) = Batch::parse(&bytes[good..]) {
        good += batch.bytes;
        last_sequence = batch.sequence;
    }
    let rest = &bytes[good..];
    if rest.iter().all(|&byte| byte == 0) {
        return Ok(Verdict::Whole);
    }
    Ok(Verdict::Torn {
        path,
        good_bytes: good as u64,
        has_good_batches_after: has_batch(rest, last_sequence),
    })
}

/// Cuts a journal to its first `good_bytes`.
pub(super) fn cut(path: &Path, good_bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(good_bytes)?;
    file.sync_all()
}

/// Whether a whole batch newer than `last_sequence` begins anywhere in `bytes`.
fn has_batch(bytes: &[u8], last_sequence: u64) -> bool {
    (0..bytes.len()).any(|at| {
        let rest = &bytes[at..];
        rest[0] == START && Batch::parse(rest).is_some_and(|batch| batch.sequence > last_sequence)
    })
}

struct Batch {
    sequence: u64,
    bytes: usize,
}

impl Batch {
    /// The batch at the beginning of `bytes`, if it is whole and its checksum is right.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        let count = u32::from_le_bytes(*rest.first_chunk()?);
        let sequence = u64::from_le_bytes(*rest.get(4..)?.first_chunk()?);
        if tag != START {
            return None;
        }
        let content = bytes.get(1 + 4 + 8..)?;
        let mut at = 0;
        for _ in 0..count {
            at += entry_bytes(content.get(at..)?)?;
        }
        let end = content.get(at..at + 1 + 8 + MAGIC.len())?;
        let sum = u64::from_le_bytes(*end.get(1..)?.first_chunk()?);
        let is_whole = end[0] == END && &end[9..] == MAGIC && sum == xxh3_64(&content[..at]);
        is_whole.then_some(Self {
            sequence,
            bytes: 1 + 4 + 8 + at + end.len(),
        })
    }
}

/// Bytes of the item or clear at the beginning of `bytes`.
fn entry_bytes(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        CLEAR => (bytes.len() >= 9).then_some(9),
        ITEM => {
            let lengths = bytes.get(11..ITEM_HEADER_BYTES)?;
            let key = u16::from_le_bytes(*lengths.first_chunk()?);
            let stored = u32::from_le_bytes(*lengths.get(6..)?.first_chunk()?);
            let total = ITEM_HEADER_BYTES + usize::from(key) + stored as usize;
            (bytes.len() >= total).then_some(total)
        }
        _ => None,
    }
}
