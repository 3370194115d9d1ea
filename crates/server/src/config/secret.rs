//! Keys that callers show us. Kept as hashes only, never printed.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// The SHA-256 of a key. Configured as the key itself, or as `sha256:<64 hex digits>` so that no
/// file has to hold it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Reads a configured key.
    ///
    /// # Errors
    /// A sentence that does not repeat the key.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            return hash_from_hex(digits)
                .map(Self)
                .ok_or("sha256: must be followed by 64 hexadecimal digits");
        }
        if text.len() < KEY_BYTES_MIN {
            return Err("a key has at least 8 bytes");
        }
        Ok(Self(Sha256::digest(text.as_bytes()).into()))
    }

    /// The hash, in hexadecimal: what the HTTP face compares with.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Shortest key taken.
const KEY_BYTES_MIN: usize = 8;

fn hash_from_hex(digits: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = digits.as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (
            char::from(pair[0]).to_digit(16)?,
            char::from(pair[1]).to_digit(16)?,
        );
        *byte = (high * 16 + low) as u8;
    }
    Some(hash)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Any number of keys: one text or a list of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("(none)"),
            count => write!(f, "({count} set, not shown)"),
        }
    }
}

impl Serialize for Secrets {
    /// For `config show` only: says how many there are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretsVisitor)
    }
}

struct SecretsVisitor;

impl<'de> Visitor<'de> for SecretsVisitor {
    type Value = Secrets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key, or a list of keys")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secrets, E> {
        if text.is_empty() || text == "(none)" {
            return Ok(Secrets::default());
        }
        let secret = Secret::read(text).map_err(E::custom)?;
        Ok(Secrets(vec![secret]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secrets, A::Error> {
        let mut secrets = Vec::new();
        while let Some(one) = list.next_element::<Secrets>()? {
            secrets.extend(one.0);
        }
        Ok(Secrets(secrets))
    }

    // A key of digits only: a number has lost its leading zeros already. The number itself must
    // not come up in the message.
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secrets, E> {
        Err(E::custom("a key of digits only must be quoted"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secrets, E> {
        Err(E::custom("a key of digits only must be quoted"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secrets, E> {
        Err(E::custom("a key of digits only must be quoted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHED: &str = "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

    #[test]
    fn a_key_and_its_hash_are_the_same_secret() {
        let (plain, hashed) = (
            Secret::read("password").unwrap(),
            Secret::read(HASHED).unwrap(),
        );
        assert_eq!(plain, hashed);
        assert_eq!(format!("sha256:{}", plain.hex()), HASHED);
        assert!(Secret::read("short").is_err());
        assert!(Secret::read("sha256:12").is_err());
    }

    #[test]
    fn one_or_many_never_shown() {
        let read = |json: &str| serde_json::from_str::<Secrets>(json);
        let both = read("[\"password\", \"another-key\"]").unwrap();
        assert_eq!(both.iter().next(), Secret::read("password").ok().as_ref());
        assert_eq!(read("\"password\"").unwrap().len(), 1);
        assert!(read("\"\"").unwrap().is_empty());
        let error = read("1234567890").unwrap_err().to_string();
        assert!(
            error.starts_with("a key of digits only must be quoted"),
            "{error}"
        );
        assert_eq!(format!("{both:?}"), "(2 set, not shown)");
        assert_eq!(
            serde_json::to_string(&both).unwrap(),
            "\"(2 set, not shown)\""
        );
    }
}
