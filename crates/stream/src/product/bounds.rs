//! How much a product's state may hold.

/// Products met with a product that are kept: the strongest.
pub const NEIGHBOURS_MAX: usize = 50;
/// Products bought with a product that are kept: the strongest.
pub const BOUGHT_TOGETHER_MAX: usize = 30;
/// Currencies a product's revenue is kept in; others are not counted.
pub const REVENUE_CURRENCIES_MAX: usize = 4;
/// Longest category path with a state of its own, in bytes, levels joined by dots.
pub const CATEGORY_BYTES_MAX: usize = 250;
