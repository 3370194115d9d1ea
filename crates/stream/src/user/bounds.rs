//! How much a visitor's state may hold: at most about 4 KiB encoded.
//!
//! The sum of the byte budgets, 12 bytes for each id seen and about 250 for the rest is below
//! 4 096.

/// Entries of a visitor's history.
pub const HISTORY_MAX: usize = 64;
/// Encoded bytes of a visitor's history: 64 entries with ids of 7 bytes, 26 with ids of 40.
pub const HISTORY_BYTES_MAX: usize = 1_552;
/// Products remembered as bought.
pub const PURCHASED_MAX: usize = 64;
/// Encoded bytes of the products bought.
pub const PURCHASED_BYTES_MAX: usize = 496;
/// Event ids remembered for deduplication.
pub const SEEN_MAX: usize = 128;
/// Anonymous visitors remembered as linked.
pub const LINKED_MAX: usize = 8;
/// Encoded bytes of the visitors linked.
pub const LINKED_BYTES_MAX: usize = 256;
/// Currencies a visitor's spending is kept in; others are not counted.
pub const SPENT_CURRENCIES_MAX: usize = 4;
/// Products of the session that a new one is paired with: the nearest in time.
pub const COVISIT_NEIGHBOURS_MAX: usize = 8;
/// Parts of one day's expiry bucket.
pub const EXPIRY_SHARDS: u32 = 64;
/// Keys of one bucket. A visitor who finds its bucket full is enlisted on a later day it comes;
/// one value stays far below what a state store takes, whatever ids are sent.
pub const EXPIRY_KEYS_MAX: usize = 2_000;
/// States named by one record that forgets them.
pub const FORGET_KEYS_MAX: usize = 256;
