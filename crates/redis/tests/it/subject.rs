//! Where tests find Redis, and what most of them do with it.

use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Change, Commit, Space, StatePartition, StateStore};
use vitrina_ports::suite::Subject;
use vitrina_ports::{PortError, PortFuture};
use vitrina_redis::{RedisOptions, RedisState};
use vitrina_types::partition::Partition;

pub(crate) const ONE: &str = "VITRINA_TEST_REDIS";
pub(crate) const CLUSTER: &str = "VITRINA_TEST_REDIS_CLUSTER";
const WITHOUT: &str = "VITRINA_WITHOUT_SERVICES";

pub(crate) const HERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(3),
};

/// A prefix of its own on a server that is shared.
pub(crate) struct OnRedis {
    pub(crate) options: RedisOptions,
}

/// Whether tests run without services; says so.
pub(crate) fn is_without_services() -> bool {
    let is_without = std::env::var(WITHOUT).is_ok_and(|value| value == "1");
    if is_without {
        eprintln!("NOT TESTED: {WITHOUT}=1");
    }
    is_without
}

/// A subject at the address that a variable names; `None` when tests run without services.
pub(crate) fn subject(variable: &str) -> Option<OnRedis> {
    if is_without_services() {
        return None;
    }
    let Ok(address) = std::env::var(variable) else {
        panic!("{variable} is not set: `cargo xtask services up`, or {WITHOUT}=1 to test without");
    };
    Some(OnRedis {
        options: options(address),
    })
}

/// Options with a prefix that no other test has.
pub(crate) fn options(address: impl Into<String>) -> RedisOptions {
    static TESTS: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let test = TESTS.fetch_add(1, Ordering::Relaxed);
    RedisOptions {
        prefix: format!("test-{}-{test}:", since.as_nanos()),
        // A machine that tests is busy.
        connect_timeout: Duration::from_secs(15),
        response_timeout: Duration::from_secs(15),
        ..RedisOptions::new(address)
    }
}

impl Subject for OnRedis {
    type Port = RedisState;

    fn open(&self) -> PortFuture<'_, RedisState> {
        Box::pin(RedisState::connect(self.options.clone()))
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Leaves nothing on a shared server, if it is still there.
impl Drop for OnRedis {
    fn drop(&mut self) {
        let _ = forget_all(&self.options);
    }
}

fn forget_all(options: &RedisOptions) -> redis::RedisResult<()> {
    let address = &options.address;
    if !address.contains("-cluster://") && !address.contains(',') {
        let client = redis::Client::open(address.as_str())?;
        return forget(&options.prefix, &mut client.get_connection()?);
    }
    let hosts = address
        .split(',')
        .filter_map(|part| part.rsplit("://").next());
    let nodes = hosts.map(|host| format!("redis://{host}"));
    let client = redis::cluster::ClusterClient::new(nodes)?;
    forget(&options.prefix, &mut client.get_connection()?)
}

fn forget(prefix: &str, redis: &mut impl redis::ConnectionLike) -> redis::RedisResult<()> {
    for space in Space::ALL {
        for partition in Partition::all() {
            let values = format!("{{{prefix}{}/{}}}", space.name(), partition.0);
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(format!("{values}:keys")).arg(values);
            unlink.exec(redis)?;
        }
    }
    Ok(())
}

/// A commit of values.
pub(crate) fn commit(expected: Offset, next: Offset, pairs: &[(&str, &str)]) -> Commit {
    let changes = pairs.iter().map(|&(key, value)| Change {
        key: key.to_owned(),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    });
    Commit {
        partition: HERE,
        expected,
        next,
        changes: changes.collect(),
    }
}

/// Keys that every commit of [`step`] sets to its position.
const STEPPED: [&str; 3] = ["a", "m", "z"];

/// Moves the partition from a position one on, with the new position as value of some keys.
pub(crate) async fn step(state: &RedisState, expected: Offset) -> Result<(), PortError> {
    let value = (expected + 1).to_string();
    let pairs = STEPPED.map(|key| (key, value.as_str()));
    state.commit(commit(expected, expected + 1, &pairs)).await
}

/// The position, if it agrees with the values of [`step`]; fails the test when it does not.
pub(crate) async fn stands(state: &RedisState) -> Result<Offset, PortError> {
    let found = state.get_many(HERE, &STEPPED.map(String::from)).await?;
    let want = (found.position > 0).then(|| Bytes::from(found.position.to_string()));
    assert_eq!(found.values, vec![want; 3], "at {}", found.position);
    Ok(found.position)
}

/// The first answer that is not `Unavailable`.
pub(crate) async fn stands_again(state: &RedisState) -> Offset {
    vitrina_ports::suite::within_deadline(
        async {
            loop {
                match stands(state).await {
                    Ok(position) => return position,
                    Err(PortError::Unavailable { .. }) => tokio::task::yield_now().await,
                    Err(other) => panic!("{other}"),
                }
            }
        },
        "Redis is back",
    )
    .await
}
