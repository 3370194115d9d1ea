//! Tests of both stages, through the driver and task by task.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod alone;
mod astray;
mod attribution;
mod catalogue;
mod expiry;
mod funnel;
mod lanes;
mod limits;
mod links;
mod make;
mod order;
mod pairs;
mod panes;
mod restore;
mod rows;
mod sessions;
mod shop;
mod task;
mod visitors;
mod watermarks;
