//! The versioned stored form: one version byte, then the value in postcard.
//!
//! Whatever is kept on disk or sent between processes goes through here. A version is never
//! reused; every version ever written keeps a fixture in `fixtures/` that must decode for ever.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type with a versioned stored form.
pub trait Stored: Serialize + DeserializeOwned {
    /// Name in errors.
    const NAME: &'static str;
    /// The version that is written now.
    const VERSION: u8;

    /// Decodes an older version. The default knows none.
    ///
    /// # Errors
    /// [`StoredError::UnknownVersion`] when `version` was never written by any release.
    fn decode_old(version: u8, _body: &[u8]) -> Result<Self, StoredError> {
        Err(StoredError::UnknownVersion {
            name: Self::NAME,
            version,
        })
    }
}

/// Stored bytes do not decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// No bytes at all.
    #[error("stored {name} is empty")]
    Empty {
        /// The type.
        name: &'static str,
    },
    /// Written by a newer release, or damaged.
    #[error("stored {name} has version {version}, which this release does not know")]
    UnknownVersion {
        /// The type.
        name: &'static str,
        /// The version byte found.
        version: u8,
    },
    /// Damaged.
    #[error("stored {name} is damaged")]
    Damaged {
        /// The type.
        name: &'static str,
    },
}

/// Appends the stored form of `value` to `out`.
pub fn encode_into<T: Stored>(value: &T, out: &mut Vec<u8>) {
    encode_parts_into::<T>(value, out);
}

/// Appends the stored form of a `T` to `out`, from what borrows its parts instead of owning them.
/// Law: `parts` are serialised as that `T` is.
pub fn encode_parts_into<T: Stored>(parts: &impl Serialize, out: &mut Vec<u8>) {
    out.push(T::VERSION);
    // Writing to a Vec cannot fail and no stored type has a sequence of unknown length, which are
    // the only errors postcard's serializer knows.
    let written = postcard::serialize_with_flavor(parts, Appended(out));
    debug_assert!(written.is_ok(), "{} does not encode", T::NAME);
}

/// Appends to a buffer in whole slices; postcard's own goes byte by byte.
struct Appended<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appended<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            // Numbers come here too, and most have one byte: not worth a call of `memcpy`.
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The stored form of `value`.
pub fn encode<T: Stored>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    encode_into(value, &mut out);
    out
}

/// Reads a stored form.
///
/// # Errors
/// [`StoredError`] when the bytes are empty, damaged, longer than the value or of an unknown
/// version.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, StoredError> {
    let (&version, body) = bytes
        .split_first()
        .ok_or(StoredError::Empty { name: T::NAME })?;
    if version != T::VERSION {
        return T::decode_old(version, body);
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(StoredError::Damaged { name: T::NAME }),
    }
}
