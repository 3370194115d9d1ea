//! State on real servers: one from `VITRINA_TEST_REDIS`, a cluster from
//! `VITRINA_TEST_REDIS_CLUSTER`, and servers of its own that are stopped, filled and killed.
//!
//! Without services a test fails and says how to bring them up; with `VITRINA_WITHOUT_SERVICES=1`
//! it says so and checks nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commits;
mod failover;
mod memory;
mod outage;
mod proxy;
mod resent;
mod server;
mod settings;
mod subject;
mod suite;
