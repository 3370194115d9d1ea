//! What operators remember, as stored: one value holds all state of one user, product, category,
//! ban or slate.

mod product;
mod rows;
mod seen_form;
mod sessions;
mod slate;
mod task;
mod user;

/// What the keys begin with of state that a task keeps in memory as a whole: what is open now, so
/// most of them come and go quickly. No other key begins so.
pub const RESIDENT_PREFIX: &str = "~r/";

pub use product::{CategoryState, Neighbour, Neighbours, ProductKey, ProductState, ProductValue};
pub use rows::{Facets, GatherState, PartialCell, RowCell};
pub use sessions::{OpenSession, OpenSessions};
pub use slate::{SlatePending, SlateState, SlateValue};
pub use task::{Backfill, TaskState};
pub use user::{ExpiryDay, ExpiryDays};
pub use user::{HistoryEntry, Purchased, Seen, Session, UserState, UserValue};
