//! What the lines of a file are.

use std::path::Path;

/// The form of a file, told from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// One record a line; every newline ends a record.
    Jsonl,
    /// A header, then one record a line; a newline in a quoted field ends nothing. Fields are
    /// separated by commas, and a quote opens a field only as its first byte. A quoted
    /// newline ends the record nevertheless when the record would be longer than
    /// [`LINE_BYTES_MAX`](crate::LINE_BYTES_MAX) or its quote is never closed.
    Csv,
}

impl FileKind {
    /// [`Csv`](Self::Csv) when the name ends in `.csv`, in letters of any case, else
    /// [`Jsonl`](Self::Jsonl).
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("csv") => Self::Csv,
            _ => Self::Jsonl,
        }
    }
}
