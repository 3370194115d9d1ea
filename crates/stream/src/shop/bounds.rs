//! How much the shop stage remembers of bans that are no more.

/// Lifted bans that are remembered in one partition, so that setting them again late, from an
/// older version, does nothing. Bans come in order of their versions, so this is a second net.
pub const LIFTED_MAX: usize = 10_000;
