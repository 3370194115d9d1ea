//! What an adapter of Kafka is told: where, under which names, how safe, how patient.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use vitrina_types::partition::PARTITIONS;
use vitrina_types::topic::Topic;

/// How often a transaction is committed below [`MANY_PARTITIONS`] partitions.
const COMMIT_INTERVAL: Duration = Duration::from_millis(50);
/// The same from there on: every commit writes a marker to every partition it touched.
const COMMIT_INTERVAL_MANY: Duration = Duration::from_millis(200);
/// From so many partitions of one topic on, markers cost more than the wait.
const MANY_PARTITIONS: u16 = 64;

/// Where Kafka is and how it is spoken to.
///
/// Made by [`from_url`](Self::from_url), or from the default, which is one broker of a developer:
/// replication 1, no encryption. In production replication 3 and `min_insync` 2 are asked for.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port,host:port`.
    pub bootstrap: String,
    /// What the names of topics, of the group and of transactional ids begin with; may be empty.
    /// Two installations of one cluster need two.
    pub prefix: String,
    /// Stable name of this process among those that append, 1 to 64 bytes: it makes the
    /// transactional id of its appends. Of two living processes with one name the later one
    /// fences the earlier.
    pub member: String,
    /// Topics that are created where they are missing, and looked at where they are there.
    pub topics: Vec<Topic>,
    /// Partitions of a keyed topic; the others have one. Anything but
    /// [`PARTITIONS`] is for tests: keys are spread over that many.
    pub partitions: u16,
    /// Copies of each partition, at least 1.
    pub replication: u16,
    /// Copies that must have a record before it is acknowledged, `1..=replication`.
    pub min_insync: u16,
    /// How long records are kept.
    pub retention: Duration,
    /// Encryption and who we are.
    pub security: Security,
    /// How long one request, or one step that waits for the broker, may take.
    pub request_timeout: Duration,
    /// After this long the broker aborts a transaction that nobody ends, so that it does not hold
    /// readers; above the commit interval.
    pub transaction_timeout: Duration,
    /// After this long without a sign of life a worker's tasks go to others. The broker has
    /// bounds for it, 6 s to 30 min by default.
    pub session_timeout: Duration,
    /// How often a transaction should be committed; by the number of partitions where it is `None`.
    /// It paces whoever drives a seat, not the seat.
    pub commit_interval: Option<Duration>,
    /// How long a worker may keep tasks that were revoked; then it gives up its membership.
    pub release_timeout: Duration,
    /// How often ends of partitions that nobody reads here are asked for.
    pub refresh_interval: Duration,
}

/// Encryption and authentication; neither by default.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// TLS, where wanted.
    pub tls: Option<Tls>,
    /// User and password, where wanted. Without TLS the password of `PLAIN` can be read on the way.
    pub sasl: Option<Sasl>,
}

/// TLS with the broker's certificate checked.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates of authorities, PEM; those of the system where none is named.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, PEM, where the broker asks for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// How a password is shown to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is.
    Plain,
    /// Salted challenge, SHA-256.
    ScramSha256,
    /// Salted challenge, SHA-512.
    ScramSha512,
}

/// User and password.
#[derive(Clone)]
pub struct Sasl {
    /// How.
    pub mechanism: Mechanism,
    /// Who.
    pub username: String,
    /// The password; never shown.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Default for KafkaOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            bootstrap: "localhost:9092".to_owned(),
            prefix: String::new(),
            member: "0".to_owned(),
            topics: Topic::ALL.to_vec(),
            partitions: PARTITIONS,
            replication: 1,
            min_insync: 1,
            retention: 30 * DAY,
            security: Security::default(),
            request_timeout: Duration::from_secs(10),
            transaction_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(10),
            commit_interval: None,
            release_timeout: Duration::from_secs(30),
            refresh_interval: Duration::from_millis(250),
        }
    }
}

impl KafkaOptions {
    /// Partitions that a topic has.
    pub fn partitions_of(&self, topic: Topic) -> u16 {
        if topic.is_keyed() { self.partitions } else { 1 }
    }

    /// How often a transaction should be committed: where it is not said, every 50 ms below 64
    /// partitions, every 200 ms from there on.
    pub fn commit_interval(&self) -> Duration {
        let by_count = match self.partitions {
            ..MANY_PARTITIONS => COMMIT_INTERVAL,
            MANY_PARTITIONS.. => COMMIT_INTERVAL_MANY,
        };
        self.commit_interval.unwrap_or(by_count)
    }
}
