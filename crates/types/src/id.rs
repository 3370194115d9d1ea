//! Identifiers, in two worlds that never mix.
//!
//! `*Id` is the shop's own name for a thing: a string, stable for ever, seen on the wire.
//! `*Ix` is our dense number for it: a `u32`, valid inside one table, never on the wire.
//!
//! An id takes 24 bytes and, up to 24 bytes of text, no room on the heap.

use crate::limits::ID_BYTES_MAX;
use compact_str::CompactString;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A string is no id: it is empty, longer than [`ID_BYTES_MAX`] or holds a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("id is empty")]
    Empty,
    /// Too many bytes.
    #[error("id has {got} bytes, the limit is {ID_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// A control character, which no log or URL survives.
    #[error("id holds a control character")]
    ControlCharacter,
}

fn check(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong { got: id.len() });
    }
    // Every stored record is checked, so this is one pass over the bytes without a branch in it.
    let (mut control, mut all) = (false, 0);
    for &byte in id.as_bytes() {
        control |= byte < 0x20 || byte == 0x7f;
        all |= byte;
    }
    // The other control characters, U+0080 to U+009F, are C2 80 to C2 9F.
    let is_c1 = |pair: &[u8]| pair[0] == 0xc2 && (0x80..=0x9f).contains(&pair[1]);
    if control || (all >= 0x80 && id.as_bytes().windows(2).any(is_c1)) {
        return Err(IdError::ControlCharacter);
    }
    Ok(())
}

/// Checks decoded text and keeps it; that of a short id is copied once and never to the heap.
struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = CompactString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    // Borrowed and owned strings come here too.
    fn visit_str<E: serde::de::Error>(self, id: &str) -> Result<CompactString, E> {
        check(id).map_err(E::custom)?;
        Ok(CompactString::new(id))
    }
}

macro_rules! external_id {
    ($($(#[$doc:meta])* $Name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(CompactString);

        // Not derived: serde's `into` would copy the text first.
        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor).map(Self)
            }
        }

        impl $Name {
            /// Wraps an id of 1 to [`ID_BYTES_MAX`] bytes without control characters.
            ///
            /// # Errors
            /// [`IdError`] outside those bounds.
            pub fn new(id: &str) -> Result<Self, IdError> {
                check(id)?;
                Ok(Self(id.into()))
            }

            /// The id as the shop wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<Box<str>> for $Name {
            type Error = IdError;
            fn try_from(id: Box<str>) -> Result<Self, IdError> {
                check(&id)?;
                Ok(Self(id.into()))
            }
        }

        impl From<$Name> for Box<str> {
            fn from(id: $Name) -> Self {
                id.0.into()
            }
        }

        impl AsRef<str> for $Name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $Name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($Name), "({:?})"), self.0)
            }
        }
    )+};
}

external_id! {
    /// A product of the catalogue, as the shop names it.
    ProductId,
    /// A stock-keeping unit: several products (offers) may share one.
    Sku,
    /// A registered user of the shop.
    UserId,
    /// A visitor before registration: a cookie or device id.
    AnonymousId,
    /// A visit, when the shop itself cuts sessions.
    SessionId,
    /// Idempotency key of an event.
    EventId,
    /// One answer, as shown to one visitor.
    SlateId,
    /// A place in the shop where a slate is shown.
    PlacementId,
    /// A question asked over a topic, named by who asks.
    RequestId,
}

/// Position of a product in the append-only dictionary of one answering node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductIx(pub u32);

impl ProductIx {
    /// The position as an index into a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_cases() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        #[rustfmt::skip]
        let cases: &[(&str, &str, Result<(), IdError>)] = &[
            ("plain",     "1004856",          Ok(())),
            ("cyrillic",  "товар-1",          Ok(())),
            ("at limit",  &long[1..],         Ok(())),
            ("empty",     "",                 Err(IdError::Empty)),
            ("too long",  &long,              Err(IdError::TooLong { got: 129 })),
            ("newline",   "a\nb",             Err(IdError::ControlCharacter)),
            ("nul",       "a\0",              Err(IdError::ControlCharacter)),
            ("delete",    "\u{7f}",           Err(IdError::ControlCharacter)),
            ("next line", "a\u{85}b",         Err(IdError::ControlCharacter)),
            ("no break",  "a\u{a0}b",         Ok(())),
            ("c2 and on", "\u{c2}\u{9f}",     Err(IdError::ControlCharacter)),
            ("arrow",     "\u{2085}",         Ok(())),
        ];
        for (name, id, want) in cases {
            assert_eq!(ProductId::new(id).map(|_| ()), *want, "{name}");
        }
    }

    #[test]
    fn an_id_is_its_text() {
        for text in [
            "u",
            "exactly-24-bytes-of-text",
            "more-than-24-bytes-of-text",
        ] {
            let id = UserId::new(text).unwrap();
            assert_eq!(UserId::try_from(Box::from(text)).as_ref(), Ok(&id));
            assert_eq!(Box::<str>::from(id.clone()), Box::from(text));
            assert_eq!(format!("{id} {id:?}"), format!("{text} UserId({text:?})"));
            let stored = postcard::to_stdvec(&id).unwrap();
            assert_eq!(stored, postcard::to_stdvec(text).unwrap());
            assert_eq!(postcard::from_bytes(&stored), Ok(id.clone()));
            let known = std::collections::HashSet::from([id]);
            assert!(known.contains(text));
        }
    }

    #[test]
    fn ids_sort_as_their_text() {
        let mut ids = [
            "z",
            "exactly-24-bytes-of-text",
            "more-than-24-bytes-of-text",
            "a",
        ]
        .map(|text| UserId::new(text).unwrap());
        ids.sort();
        assert!(ids.is_sorted_by_key(UserId::as_str));
    }

    #[test]
    fn a_damaged_id_does_not_decode() {
        assert!(serde_json::from_str::<UserId>("\"\"").is_err());
        assert!(serde_json::from_str::<UserId>("\"u\\n1\"").is_err());
        assert!(postcard::from_bytes::<UserId>(b"\x02u\n").is_err());
        assert!(serde_json::from_str::<UserId>("\"u1\"").is_ok());
    }
}
