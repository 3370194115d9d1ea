//! What a commit costs with few and with many keys in its partition.
//!
//! Budget, as its caller sees it: with 1,000,000 keys a commit costs at most 1.3 times what it costs
//! with 100,000, and twice what it costs with 1,000.
//! On the server of `VITRINA_TEST_REDIS`, under a prefix of its own, about 900 MB:
//! `cargo bench -p vitrina-redis`
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Change, Commit, Space, StatePartition, StateStore};
use vitrina_ports::suite::block_on;
use vitrina_redis::{RedisOptions, RedisState};
use vitrina_types::partition::Partition;

const HERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(0),
};
const KEYS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const CHANGES: [u64; 2] = [100, 1_000];
const VALUE_BYTES: usize = 500;
const FILL: u64 = 5_000;
const ROUNDS: u64 = 101;

struct Bench {
    state: RedisState,
    server: redis::Connection,
    position: Offset,
    value: Bytes,
    /// A new key's number.
    fresh: u64,
}

fn key(number: u64) -> String {
    // Scattered, as names of visitors are.
    format!("u/{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Bench {
    async fn commit(&mut self, keys: impl Iterator<Item = String>, value: Option<Bytes>) {
        let changes = keys.map(|key| Change {
            key,
            value: value.clone(),
        });
        let commit = Commit {
            partition: HERE,
            expected: self.position,
            next: self.position + 1,
            changes: changes.collect(),
        };
        self.state.commit(commit).await.unwrap();
        self.position += 1;
    }

    /// Median time of a commit as its caller sees it, and mean time inside Redis; in µs.
    async fn timed(&mut self, keys: u64, changes: u64, new: u64) -> (u128, f64) {
        redis::cmd("CONFIG")
            .arg("RESETSTAT")
            .exec(&mut self.server)
            .unwrap();
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let first = self.fresh;
            self.fresh += new;
            let old = (0..changes - new).map(|n| key((round * 7_919 + n * 104_729) % keys));
            let all: Vec<String> = old.chain((first..first + new).map(key)).collect();
            let begun = Instant::now();
            let value = Some(self.value.clone());
            self.commit(all.into_iter(), value).await;
            times.push(begun.elapsed().as_micros());
        }
        times.sort_unstable();
        (times[times.len() / 2], self.inside())
    }

    fn inside(&mut self) -> f64 {
        let mut ask = redis::cmd("INFO");
        let stats: String = ask.arg("commandstats").query(&mut self.server).unwrap();
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        let (_, rest) = line.unwrap().split_once("usec_per_call=").unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    }
}

fn main() {
    let address = std::env::var("VITRINA_TEST_REDIS").unwrap();
    block_on(async {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let prefix = format!("bench-{}:", now.as_nanos());
        for keys in KEYS {
            let options = RedisOptions {
                prefix: format!("{prefix}{keys}:"),
                ..RedisOptions::new(address.as_str())
            };
            let hash = format!("{{{}users/0}}", options.prefix);
            let mut bench = Bench {
                state: RedisState::connect(options).await.unwrap(),
                server: redis::Client::open(address.as_str())
                    .unwrap()
                    .get_connection()
                    .unwrap(),
                position: 0,
                value: Bytes::from(vec![b'v'; VALUE_BYTES]),
                fresh: keys,
            };
            for first in (0..keys).step_by(FILL as usize) {
                let value = Some(bench.value.clone());
                bench
                    .commit((first..keys.min(first + FILL)).map(key), value)
                    .await;
            }
            for changes in CHANGES {
                for new in [0, changes / 5] {
                    let (median, inside) = bench.timed(keys, changes, new).await;
                    println!(
                        "{keys:>9} keys, {changes:>5} changes, {new:>4} new: \
                         {median:>6} µs a commit, {inside:>8.1} µs inside Redis"
                    );
                }
            }
            let unlink = |name: &str| redis::cmd("UNLINK").arg(name).clone();
            unlink(&hash).exec(&mut bench.server).unwrap();
            unlink(&format!("{hash}:keys"))
                .exec(&mut bench.server)
                .unwrap();
        }
    });
}
