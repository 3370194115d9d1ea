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
/// Buckets in which the last release kept one day's visitors: sealed ones are numbered from here.
pub const EXPIRY_SHARDS: u32 = 64;
/// Keys of one bucket: so few that it costs little to write the open one with every commit.
pub const EXPIRY_KEYS_MAX: usize = 128;
/// Days that have an open bucket: around midnight two take turns, and more where a task far behind
/// sends on to one that is not.
pub const EXPIRY_OPEN_MAX: usize = 8;
/// Of the buckets that are due one in so many is asked for by each tick, where that is more than
/// the option says: with 8,640 ticks a day any number of visitors goes as fast as it came.
pub const EXPIRY_DUE_PER_ASKED: u32 = 1_024;
/// Buckets one tick asks for beyond what the option says: 32,768 visitors.
pub const EXPIRY_ASKED_MAX: u32 = 256;
/// Days after the first tick of this release in which the one before may have written buckets
/// still: its newest record may have had a clock ahead.
pub const EXPIRY_OLD_DAYS: u32 = 7;
/// States named by one record that forgets them.
pub const FORGET_KEYS_MAX: usize = 256;
