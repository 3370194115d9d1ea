//! The event log on Apache Kafka, and the seat of a worker in its consumer group.
//!
//! [`KafkaLog`] is the port `EventLog`, [`KafkaSeat`] the port `Seat`. What is atomic is one
//! transaction of Kafka; every reader sees committed records only. librdkafka blocks, so each of
//! its clients is driven by an OS thread, and the async side talks to that thread.
//!
//! The one law: who may write is decided by a stable transactional id, never by a clock.

mod acls;
mod client;
mod delivery;
mod failure;
mod log;
mod options;
mod patience;
mod place;
mod positions;
mod publisher;
mod reader;
mod seat;
mod topics;
mod url;

pub use acls::{Role, acls};
pub use log::KafkaLog;
pub use options::{KafkaOptions, Mechanism, Sasl, Security, Tls};
pub use seat::{KafkaSeat, SeatOptions};
