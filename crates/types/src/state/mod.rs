//! What operators remember, as stored: one value holds all state of one user, product, category
//! or ban.

mod product;
mod seen_form;
mod user;

pub use product::{
    CategoryState, Neighbour, Neighbours, ProductKey, ProductState, ProductValue, TaskState,
};
pub use user::{HistoryEntry, Purchased, Seen, Session, UserState, UserValue};
