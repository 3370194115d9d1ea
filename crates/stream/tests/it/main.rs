//! Tests of both stages, through the driver and task by task.

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
