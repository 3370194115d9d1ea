//! Event-time operators as deterministic state machines.
//!
//! Nothing here reads a clock, a disk or a socket: the same state and the same record give the
//! same changes and the same outputs, so that a task can be replayed, moved and tested without a
//! broker. Time, bans and catalogue facts enter as records.
//!
//! [`Task`] runs one [`Operator`] over one partition; `engine` gives it records and keeps its
//! changes. [`driver::Driver`] does the same in memory, for tests.

mod dead_letter;
pub mod driver;
mod operator;
mod options;
mod outbox;
mod product;
mod resident;
mod rows;
mod shop;
mod slab;
mod slates;
mod task;
mod user;
mod watermark;
mod working;

pub use operator::{Operator, decode_stored};
pub use options::{LineOptions, LineValue, ProductOptions, RowOptions, UserOptions};
pub use outbox::{Outbox, Output};
pub use product::ProductStage;
pub use resident::{RESIDENT_PREFIX, Resident};
pub use rows::{
    FINISHED, Gather, Gathered, Lane, Line, LineStage, Partials, ROWS_PER_RECORD, RowStage, Rows,
    Windowing,
};
pub use shop::{Bans, ShopStage};
pub use slates::{SlateOptions, SlateStage};
pub use task::{AssignError, EachChange, HOT_KEYS_MAX, OUTPUT_BYTES_MAX, Task};
pub use user::{Sessions, UserStage};
pub use working::Working;

/// Bounds of what one visitor's or product's state holds.
pub mod bounds {
    pub use crate::product::bounds::*;
    pub use crate::shop::bounds::*;
    pub use crate::slates::bounds::*;
    pub use crate::user::bounds::*;
}
