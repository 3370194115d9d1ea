//! Names of keys and of writers.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use vitrina_ports::PortError;
use vitrina_ports::state::StatePartition;

/// Bytes of a prefix.
const PREFIX_BYTES_MAX: usize = 128;

/// The field of the position, beside the values: keys are UTF-8, and no UTF-8 has the byte 255.
pub(crate) const POSITION_FIELD: &[u8] = b"\xffposition";

/// The keys of one partition. The braces are the hash tag: both lie on one node of a cluster.
pub(crate) struct Keys {
    /// Hash: the values by key, and the position.
    pub(crate) values: String,
    /// Sorted set of the keys, all with score 0: their order.
    pub(crate) index: String,
}

/// Makes the keys of partitions.
#[derive(Clone)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    /// # Errors
    /// `Invalid` for a prefix with braces, which would move the hash tag; `TooLarge`.
    pub(crate) fn new(prefix: &str) -> Result<Self, PortError> {
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(PortError::TooLarge {
                what: "bytes of a key prefix",
                got: prefix.len(),
                limit: PREFIX_BYTES_MAX,
            });
        }
        if prefix.contains(['{', '}']) {
            return Err(PortError::Invalid {
                what: format!("key prefix {prefix}"),
                expected: "a prefix without braces",
            });
        }
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    pub(crate) fn keys(&self, StatePartition { space, partition }: StatePartition) -> Keys {
        let values = format!("{{{}{}/{}}}", self.prefix, space.name(), partition.0);
        let index = format!("{values}:keys");
        Keys { values, index }
    }
}

/// Gives every commit a token of its own.
pub(crate) struct Tokens {
    /// 128 random bits: two stores never share it.
    writer: String,
    commits: AtomicU64,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        // The standard library draws the seeds of its hash maps from the system's randomness.
        let seeds = RandomState::new();
        let writer = format!("{:016x}{:016x}", seeds.hash_one(0), seeds.hash_one(1));
        Self {
            writer,
            commits: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> String {
        let commit = self.commits.fetch_add(1, Ordering::Relaxed);
        format!("{}-{commit}", self.writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use vitrina_ports::state::Space;
    use vitrina_types::partition::Partition;

    #[test]
    fn the_keys_of_a_partition_share_a_hash_tag() {
        let at = StatePartition {
            space: Space::Users,
            partition: Partition(3),
        };
        let keys = Names::new("shop:").unwrap().keys(at);
        assert_eq!(keys.values, "{shop:users/3}");
        assert_eq!(keys.index, "{shop:users/3}:keys");
    }

    #[test]
    fn a_prefix_that_would_move_the_hash_tag_is_refused() {
        for prefix in ["a{", "}", "{shop}", &"p".repeat(PREFIX_BYTES_MAX + 1)] {
            assert!(Names::new(prefix).is_err(), "{prefix}");
        }
    }

    #[test]
    fn no_token_comes_twice() {
        let stores = [Tokens::new(), Tokens::new()];
        let tokens: HashSet<String> = (0..20).map(|n| stores[n % 2].next()).collect();
        assert_eq!(tokens.len(), 20);
    }
}
