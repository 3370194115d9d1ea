//! A read-only event log over JSONL and CSV files, for backfill, replay and benchmarks.
//!
//! One topic is read from files, partition i from file i; every other topic, every append and
//! every committed position is another log's, so positions over a file are committed together
//! with what was made of it. It is not an import: it parses nothing and copies nothing.
//!
//! The law: an offset is the byte at which a record begins, and a read from `from` answers the
//! records whose offsets are at or behind `from`, whatever `from` is. So both the offset of a
//! record and one past it are positions to go on from, as with any other log, though offsets
//! have gaps here.
//!
//! A record is a line without its line end; empty lines are none. Behind the last byte stand
//! [`END_MARKERS`] records without bytes.

mod kind;
mod lines;
mod log;
mod source;

#[cfg(test)]
mod tests;

pub use kind::FileKind;
pub use log::FileLog;

/// Bytes of the longest record, without its line end. A longer line is a record of its first
/// `LINE_BYTES_MAX` bytes, which nothing decodes, so that it becomes a dead letter; the next record
/// begins behind the whole line.
pub const LINE_BYTES_MAX: usize = 1_024 * 1_024;

/// Records without bytes behind the last byte of a file, at the offsets `len..len + END_MARKERS`.
///
/// A file ends, the time of a task does not: windows that are open at the last line fire only on
/// a record behind it. A line is never empty, so an empty record is always such a marker. There
/// are many of them because each may be turned into one step of time.
pub const END_MARKERS: u64 = 256;
