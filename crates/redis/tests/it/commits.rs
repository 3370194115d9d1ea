//! What the suite does not try: large commits, another process, a forgotten script, damage; and a
//! long comparison with the twin in memory.

use crate::server::Server;
use crate::subject::{CLUSTER, HERE, ONE, commit, step, subject};
use bytes::Bytes;
use vitrina_ports::PortError;
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::state::{Change, Commit, StateStore};
use vitrina_ports::suite::{block_on, ok, opened, refused, still_waits, within_deadline};
use vitrina_redis::{COMMIT_BYTES_MAX, COMMIT_CHANGES_MAX, RedisState, SCAN_PAIRS_MAX};

/// Twice what one call inside a script takes, and some.
const MANY: usize = 9_001;

fn numbered(numbers: std::ops::Range<usize>, value: Option<&str>) -> Vec<Change> {
    let value = value.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    numbers
        .map(|n| Change {
            key: format!("key-{n:06}"),
            value: value.clone(),
        })
        .collect()
}

#[test]
fn a_commit_larger_than_a_call_of_a_script_is_whole() {
    for variable in [ONE, CLUSTER] {
        let Some(subject) = subject(variable) else {
            return;
        };
        block_on(async {
            let state = opened(&subject).await;
            let set = Commit {
                changes: numbered(0..MANY, Some("1")),
                ..commit(0, 1, &[])
            };
            ok(state.commit(set).await, "set");
            let all = ok(state.scan(HERE, None, SCAN_PAIRS_MAX).await, "scan");
            assert_eq!((all.position, all.values.len()), (1, MANY));
            assert!(all.values.is_sorted_by(|(one, _), (other, _)| one < other));
            let mut changes = numbered(1..MANY, None);
            changes.extend(numbered(MANY..MANY + 5_000, Some("2")));
            let delete = Commit {
                changes,
                ..commit(1, 2, &[])
            };
            ok(state.commit(delete).await, "delete");
            let left = ok(state.scan(HERE, None, SCAN_PAIRS_MAX).await, "scan").values;
            assert_eq!(left.len(), 5_001, "{variable}");
            assert_eq!(left[0].0, "key-000000");
            assert_eq!(left[1].0, format!("key-{MANY:06}"));
        });
    }
}

#[test]
fn what_is_too_large_for_redis_is_refused_before_it_is_sent() {
    let Some(subject) = subject(ONE) else { return };
    block_on(async {
        let state = opened(&subject).await;
        let value = "v".repeat(vitrina_ports::state::VALUE_BYTES_MAX);
        let values = COMMIT_BYTES_MAX / value.len() + 1;
        let cases = [
            numbered(0..COMMIT_CHANGES_MAX + 1, None),
            numbered(0..values, Some(&value)),
        ];
        for changes in cases {
            let commit = Commit {
                changes,
                ..commit(0, 1, &[])
            };
            let error = refused(state.commit(commit).await, "commit");
            assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
        }
        let error = refused(state.scan(HERE, None, SCAN_PAIRS_MAX + 1).await, "scan");
        assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
    });
}

#[test]
fn a_commit_of_another_process_wakes_a_waiter() {
    for variable in [ONE, CLUSTER] {
        let Some(subject) = subject(variable) else {
            return;
        };
        block_on(async {
            let (here, there) = (opened(&subject).await, opened(&subject).await);
            for position in 0..3 {
                let mut waiter = here.reached(HERE, position + 1);
                assert!(still_waits(&mut waiter));
                ok(step(&there, position).await, "commit");
                ok(within_deadline(waiter, "woken").await, "reached");
            }
        });
    }
}

#[test]
fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let state = RedisState::connect(crate::subject::options(server.address())).await;
        let state = ok(state, "connect");
        for position in 0..3 {
            ok(step(&state, position).await, "commit");
            server.ask::<()>("SCRIPT FLUSH");
            ok(state.scan(HERE, None, 1).await, "scan");
            server.ask::<()>("SCRIPT FLUSH");
        }
    });
}

#[test]
fn values_and_index_that_do_not_belong_together_are_damage() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    block_on(async {
        let options = crate::subject::options(server.address());
        let values = format!("{{{}users/3}}", options.prefix);
        let state = ok(RedisState::connect(options).await, "connect");
        ok(step(&state, 0).await, "commit");
        let damage = [
            format!("ZREM {values}:keys m"),
            format!("HSET {values} m 1 n 1"),
            format!("DEL {values}:keys"),
        ];
        for command in damage {
            server.ask::<()>(&command);
            let scanned = refused(state.scan(HERE, None, 1).await, "scan");
            let committed = refused(step(&state, 1).await, "commit");
            for error in [scanned, committed] {
                assert!(matches!(error, PortError::Damaged { .. }), "{error:?}");
            }
        }
    });
}

/// Numbers that look drawn at random (xorshift; Marsaglia, 2003).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Whatever is called in whatever order, Redis answers as the twin in memory does.
#[test]
fn redis_answers_as_memory_does() {
    for (variable, seed) in [(ONE, 41), (CLUSTER, 42)] {
        let Some(subject) = subject(variable) else {
            return;
        };
        block_on(async {
            let (state, twin) = (opened(&subject).await, MemoryState::new());
            let mut draw = Draw(seed);
            for round in 0..150 {
                let what = format!("{variable}, seed {seed}, round {round}");
                let expected = twin.get_many(HERE, &[]).await.unwrap().position;
                let first = draw.below(60) as usize;
                let mut changes = numbered(first..first + draw.below(30) as usize, Some(&what));
                for change in &mut changes {
                    change.value = change.value.take().filter(|_| draw.below(3) > 0);
                }
                let commit = Commit {
                    changes,
                    ..commit(expected + draw.below(8) / 7, expected + 2, &[])
                };
                let ours = state.commit(commit.clone()).await;
                let theirs = twin.commit(commit).await;
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{what}");

                let after = format!("key-{:06}", draw.below(90));
                let after = (draw.below(4) > 0).then_some(after.as_str());
                let limit = draw.below(40) as usize;
                let ours = state.scan(HERE, after, limit).await.unwrap();
                let theirs = twin.scan(HERE, after, limit).await.unwrap();
                assert_eq!(ours, theirs, "{what}");

                let keys = numbered(first..first + 40, None);
                let keys: Vec<String> = keys.into_iter().map(|change| change.key).collect();
                let ours = state.get_many(HERE, &keys).await.unwrap();
                assert_eq!(ours, twin.get_many(HERE, &keys).await.unwrap(), "{what}");
            }
        });
    }
}
