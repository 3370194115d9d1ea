//! What travels over HTTP: the shapes of requests and answers, as they are documented.
//!
//! Each shape is one type that is both serialised and described, so that `/openapi.json` cannot
//! drift from what is sent.

pub mod answer;
pub mod ban;
pub mod card;
pub mod checkpoint;
pub mod dead_letter;
pub mod event;
pub mod fields;
pub mod late_event;
pub mod listing;
pub mod problems;
pub mod product;
pub mod product_input;
pub mod query;
pub mod receipt;
pub mod request;
pub mod row;
pub mod shop;
pub mod slate;
