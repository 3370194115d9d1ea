//! Snapshots: model generations and checkpoints, as objects that are written once.

use crate::{PortError, PortFuture};
use bytes::Bytes;
use std::sync::Arc;

pub mod memory;
pub mod suite;

/// Bytes of one object. More than one object makes a larger snapshot.
pub const OBJECT_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Bytes of one path.
pub const PATH_BYTES_MAX: usize = 512;
/// Bytes of one segment of a path, so that it is a file's name on every disk.
pub const SEGMENT_BYTES_MAX: usize = 128;

/// An object there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotObject {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A store of objects by path.
///
/// A path is one segment or several, joined by `/`: `models/als/0000000042/items`. A segment has
/// lower-case letters, digits, `.`, `_`, `-` and `=`, and begins with a letter or a digit: no store
/// and no disk takes two such paths for one. A path that begins with another one and a `/` must
/// not be used together with it; adapters need not notice.
///
/// Laws, checked by [`suite`] for every adapter: an object is there whole or not at all, also
/// after a crash; what was put is durable when the call resolves; an object never changes.
pub trait SnapshotStore: Send + Sync {
    /// Keeps an object. The same bytes at the same path again are fine, so a put whose outcome is
    /// unknown may be repeated.
    ///
    /// # Errors
    /// `Exists` when there is an object of other bytes; `Invalid` for what is no path; `TooLarge`
    /// above [`OBJECT_BYTES_MAX`], [`PATH_BYTES_MAX`] or [`SEGMENT_BYTES_MAX`]; `Full`;
    /// `Unavailable`. Nothing was kept then, except that after `Unavailable` the outcome may be
    /// unknown.
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()>;

    /// The object at this path.
    ///
    /// # Errors
    /// `Invalid`; `TooLarge` for an object that is none of ours; `Unavailable`.
    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>>;

    /// Every object whose path begins with the segments of `prefix` and has more of them, in
    /// order of paths, bytewise; every object there is for an empty prefix.
    ///
    /// # Errors
    /// `Invalid`; `Unavailable`.
    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>>;

    /// Removes the object at this path. Answers whether there was one. One that is gone may come
    /// back with a power cut, whole.
    ///
    /// # Errors
    /// `Invalid`; `Unavailable`.
    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool>;
}

/// Refuses an object over the limits, or at what is no path.
///
/// # Errors
/// `TooLarge`, `Invalid`.
pub fn check_object(path: &str, bytes: &Bytes) -> Result<(), PortError> {
    check_path(path)?;
    within("bytes of an object", bytes.len(), OBJECT_BYTES_MAX)
}

/// Refuses what is no path of an object.
///
/// # Errors
/// `TooLarge`, `Invalid`.
pub fn check_path(path: &str) -> Result<(), PortError> {
    within("bytes of a path", path.len(), PATH_BYTES_MAX)?;
    for segment in path.split('/') {
        within("bytes of a segment", segment.len(), SEGMENT_BYTES_MAX)?;
        if !is_segment(segment) {
            return Err(PortError::Invalid {
                what: format!("path {path:?}"),
                expected: "segments of a-z, 0-9, '.', '_', '-' and '=' that begin with a letter \
                           or a digit, joined by '/'",
            });
        }
    }
    Ok(())
}

/// Refuses what is neither a path nor empty.
///
/// # Errors
/// `TooLarge`, `Invalid`.
pub fn check_prefix(prefix: &str) -> Result<(), PortError> {
    if prefix.is_empty() {
        return Ok(());
    }
    check_path(prefix)
}

/// The refusal of other bytes at a path that has an object.
pub fn exists(path: &str) -> PortError {
    PortError::Exists {
        what: format!("an object of other bytes at {path}"),
    }
}

fn is_segment(segment: &str) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: &u8| is_plain(byte) || b"._-=".contains(byte);
    segment.as_bytes().first().is_some_and(is_plain) && segment.as_bytes().iter().all(is_allowed)
}

fn within(what: &'static str, got: usize, limit: usize) -> Result<(), PortError> {
    if got > limit {
        return Err(PortError::TooLarge { what, got, limit });
    }
    Ok(())
}

impl<S: SnapshotStore + ?Sized> SnapshotStore for Arc<S> {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        (**self).put(path, bytes)
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        (**self).get(path)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        (**self).list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        (**self).delete(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_cases() {
        let (long, longer) = (
            "s".repeat(SEGMENT_BYTES_MAX),
            "s".repeat(SEGMENT_BYTES_MAX + 1),
        );
        #[rustfmt::skip]
        let cases: &[(&str, &str, bool)] = &[
            ("one segment",      "model",                   true),
            ("several",          "models/als/0042/items",   true),
            ("marks",            "day=2019-10-01/a_b.bin",  true),
            ("longest",          &long,                     true),
            ("too long",         &longer,                   false),
            ("empty",            "",                        false),
            ("root",             "/",                       false),
            ("absolute",         "/a",                      false),
            ("a folder",         "a/",                      false),
            ("empty segment",    "a//b",                    false),
            ("up",               "a/../b",                  false),
            ("here",             "./a",                     false),
            ("hidden",           "a/.b",                    false),
            ("an option",        "-a",                      false),
            ("upper case",       "A",                       false),
            ("not ascii",        "модель",                  false),
            ("a blank",          "a b",                     false),
            ("a staged file",    "a#1",                     false),
            ("escaped",          "a%2f",                    false),
            ("backslash",        "a\\b",                    false),
        ];
        for (name, path, want) in cases {
            assert_eq!(check_path(path).is_ok(), *want, "{name}");
        }
        assert!(check_prefix("").is_ok());
        let deep = vec!["segment"; PATH_BYTES_MAX / 8 + 1].join("/");
        assert!(check_path(&deep).is_err());
    }
}
