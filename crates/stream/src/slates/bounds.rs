//! How much the state of slates may hold.

/// Interactions that wait for one slate; more are given up. No visitor does so much with a slate
/// before the answer itself is known.
pub const PENDING_MAX: usize = 200;
/// Parts of one hour's expiry bucket: each is small, because a part is written as often as a
/// slate is added to it.
pub const SLATE_EXPIRY_SHARDS: u32 = 1_024;
/// Keys of one part. All parts together have room for 524,288 slates an hour in one partition; a
/// slate that finds its part full is not remembered, since nothing would ever forget it.
pub const SLATE_EXPIRY_KEYS_MAX: usize = 512;
/// Slates named by one record that forgets them.
pub const SLATE_FORGET_KEYS_MAX: usize = 256;
/// Hours whose buckets one tick asks for: more than one only after a pause.
pub const EXPIRY_HOURS_PER_TICK: u32 = 4;
