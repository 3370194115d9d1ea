//! Tests of both stages, through the driver and task by task.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod catalogue;
mod expiry;
mod limits;
mod links;
mod make;
mod order;
mod pairs;
mod restore;
mod sessions;
mod task;
mod visitors;
mod watermarks;
