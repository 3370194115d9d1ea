//! Records of the event log's topics. Everything an operator needs arrives as one of these.

mod dead_letter;
mod product;
mod row;
mod shop;
mod slate;
mod upstream;
mod user;

pub use dead_letter::DeadLetter;
pub use product::{ProductEnvelope, ProductRecord};
pub use row::{RowEnvelope, RowRecord};
pub use shop::{ShopEnvelope, ShopRecord};
pub use slate::{SlateEnvelope, SlateRecord};
pub use upstream::Upstream;
pub use user::{UserEnvelope, UserRecord};
