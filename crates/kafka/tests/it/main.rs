//! Tests on a real broker: Apache Kafka at the address in `VITRINA_TEST_KAFKA`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod cluster;
mod copy;
mod errors;
mod fixture;
mod foreign;
mod group;
mod log;
mod seat;
