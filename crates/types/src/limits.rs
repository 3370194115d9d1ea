//! Every limit on what a shop may send, by name.
//!
//! A limit lives here when more than one crate has to agree on it; limits of one component stay
//! beside the component.

/// Longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;
/// Longest search query, in bytes of UTF-8.
pub const QUERY_BYTES_MAX: usize = 1_024;
/// Longest free-text field of a product (title, brand, URL), in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Longest product description, in bytes of UTF-8.
pub const DESCRIPTION_BYTES_MAX: usize = 16_384;
/// Levels of a category path.
pub const CATEGORY_LEVELS_MAX: usize = 10;
/// Attributes of one product or user.
pub const ATTRIBUTES_MAX: usize = 100;
/// Lines of one order.
pub const ORDER_LINES_MAX: usize = 200;
/// Pieces in one order line.
pub const QUANTITY_MAX: u32 = 1_000_000;
/// Events in one intake request.
pub const EVENTS_PER_REQUEST_MAX: usize = 10_000;
/// Bytes of one intake request, after decompression.
pub const REQUEST_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Bytes of one event as JSON.
pub const EVENT_BYTES_MAX: usize = 64 * 1_024;
/// Levels of nesting in one event as JSON.
pub const EVENT_DEPTH_MAX: usize = 16;
/// Items of one slate.
pub const SLATE_ITEMS_MAX: usize = 200;
/// Products named in one query: a session, a cart, an exclusion list.
pub const QUERY_PRODUCTS_MAX: usize = 500;
/// An event time further ahead of its ingest time than this makes the event a dead letter.
pub const EVENT_TIME_AHEAD_MAX_MS: i64 = 24 * 3_600_000;
/// An event time further ahead of its ingest time than this never moves a watermark.
pub const WATERMARK_AHEAD_MAX_MS: i64 = 60_000;
/// Bytes of a rejected input that are kept in its dead letter.
pub const DEAD_LETTER_BYTES_MAX: usize = 64 * 1_024;
