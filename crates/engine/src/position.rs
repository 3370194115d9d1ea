//! The position token of an intake call: what `after=` takes.
//!
//! Opaque to a shop; inside: a version byte, then pairs of partition and next offset as LEB128,
//! in base64url without padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;
use vitrina_ports::log::Offset;
use vitrina_types::partition::{PARTITIONS, Partition};

const VERSION: u8 = 1;

/// Bytes of a token's text; all partitions with the largest offsets fit.
pub const TOKEN_BYTES_MAX: usize = 600;

/// How far intake had come in each partition it wrote to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PositionToken {
    pairs: Vec<(Partition, Offset)>,
}

/// A text is no position token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position token of this service")]
pub struct PositionTokenError;

impl PositionToken {
    /// A token of these next offsets, one a partition.
    pub fn new(pairs: Vec<(Partition, Offset)>) -> Self {
        Self { pairs }
    }

    /// All partitions written to, with their next offsets.
    pub fn pairs(&self) -> &[(Partition, Offset)] {
        &self.pairs
    }

    /// The next offset that `partition` must have reached, if the intake call wrote there.
    pub fn of(&self, partition: Partition) -> Option<Offset> {
        let found = self.pairs.iter().find(|pair| pair.0 == partition);
        found.map(|pair| pair.1)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

impl fmt::Display for PositionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        for &(partition, offset) in &self.pairs {
            put(&mut bytes, u64::from(partition.0));
            put(&mut bytes, offset);
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for PositionToken {
    type Err = PositionTokenError;

    fn from_str(text: &str) -> Result<Self, PositionTokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(PositionTokenError);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| PositionTokenError)?;
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(PositionTokenError);
        };
        let mut pairs = Vec::new();
        while !rest.is_empty() {
            let partition = take(&mut rest).ok_or(PositionTokenError)?;
            let offset = take(&mut rest).ok_or(PositionTokenError)?;
            if partition >= u64::from(PARTITIONS) {
                return Err(PositionTokenError);
            }
            pairs.push((Partition(partition as u16), offset));
        }
        Ok(Self { pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A token reads back as it was written, and fits its limit.
        #[test]
        fn tokens_read_back(pairs in prop::collection::btree_map(0..PARTITIONS, any::<u64>(), 0..32)) {
            let token = PositionToken::new(pairs.into_iter().map(|(p, o)| (Partition(p), o)).collect());
            let text = token.to_string();
            prop_assert!(text.len() <= TOKEN_BYTES_MAX);
            prop_assert_eq!(text.parse::<PositionToken>(), Ok(token));
        }

        /// Any text is answered.
        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            let _ = text.parse::<PositionToken>();
        }
    }

    #[test]
    fn a_token_looks_like_this() {
        let token = PositionToken::new(vec![(Partition(3), 7)]);
        assert_eq!(token.to_string(), "AQMH");
    }
}
