//! State of Vitrina on Redis 7 or newer, on one server or on a Redis Cluster.
//!
//! A partition is one hash and the ordered index of its keys, under one hash tag. The position is
//! a field of the hash, so that whatever happens to the hash (a lost tail, a fail-over, a move to
//! another node) happens to the values and the position together. Why so is written in
//! `docs/adr/0016-state-on-redis.md`.
//!
//! A user of Redis needs the keys under the prefix and the commands `HMGET`, `EVAL`, `EVALSHA`,
//! inside the scripts `HGET`, `HMGET`, `HLEN`, `HSET`, `HDEL`, `ZCARD`, `ZADD`, `ZREM` and
//! `ZRANGEBYLEX`, and for the rest `INFO`, `PING`, `CLUSTER INFO` and `CLUSTER SLOTS`.
//!
//! The law: a call is answered exactly, or with `Unavailable`; a commit answered `Unavailable` may
//! have been applied, may be applied later, or never, and its caller reads the position again. So
//! does one whose commit is a mismatch: where a cluster's client sent it twice, another writer may
//! have gone on from it in between.

mod address;
mod failure;
mod link;
mod names;
mod node;
mod options;
mod scripts;
mod state;
mod waiting;

pub use node::{Finding, Level};
pub use options::RedisOptions;
pub use state::{COMMIT_BYTES_MAX, COMMIT_CHANGES_MAX, RedisState, SCAN_PAIRS_MAX};

/// The port in errors.
const PORT: &str = "redis state";
