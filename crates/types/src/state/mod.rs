//! What operators remember, as stored: one value holds all state of one user, product, category,
//! ban or slate.

mod product;
mod rows;
mod seen_form;
mod sessions;
mod slate;
mod task;
mod user;

pub use product::{CategoryState, Neighbour, Neighbours, ProductKey, ProductState, ProductValue};
pub use rows::{Facets, GatherState, PartialCell, RowCell};
pub use sessions::{OpenSession, OpenSessions};
pub use slate::{SlatePending, SlateState, SlateValue};
pub use task::{Backfill, TaskState};
pub use user::{ExpiryDay, ExpiryDays};
pub use user::{HistoryEntry, Purchased, Seen, Session, UserState, UserValue};
