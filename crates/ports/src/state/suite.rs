//! Tests that every [`StateStore`] must pass. An adapter calls them with one line,
//! [`state_store_suite!`](crate::state_store_suite).

use super::{
    Change, Commit, KEY_BYTES_MAX, KEYS_PER_READ_MAX, Space, StatePartition, StateStore,
    VALUE_BYTES_MAX,
};
use crate::log::Offset;
use crate::suite::{Subject, ok, opened, refused, reopened, still_waits, within_deadline};
use crate::{PortError, Retry};
use bytes::Bytes;
use std::sync::Arc;
use vitrina_types::partition::Partition;

/// Runs the whole suite on a [`Subject`] that opens a [`StateStore`].
#[macro_export]
macro_rules! state_store_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            state,
            $subject,
            [
                an_empty_store_stands_at_zero,
                answers_keep_length_and_order,
                a_commit_overwrites_deletes_and_moves,
                a_commit_on_the_wrong_position_does_nothing,
                a_commit_may_change_nothing_but_the_position,
                one_of_many_commits_on_one_position_wins,
                a_read_never_sees_half_a_commit,
                partitions_and_spaces_are_apart,
                a_scan_is_in_key_order_and_goes_on_after_a_key,
                a_scan_does_not_see_deleted_keys,
                limits_are_refused,
                reached_wakes_when_the_position_comes,
                what_was_closed_in_order_is_there_after_reopening,
            ]
        );
    };
}

const HERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(3),
};

fn change(key: &str, value: Option<&str>) -> Change {
    Change {
        key: key.into(),
        value: value.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    }
}

async fn commit_at(
    store: &impl StateStore,
    partition: StatePartition,
    expected: Offset,
    next: Offset,
    pairs: &[(&str, Option<&str>)],
) -> Result<(), PortError> {
    let changes = pairs.iter().map(|&(key, value)| change(key, value));
    let commit = Commit {
        partition,
        expected,
        next,
        changes: changes.collect(),
    };
    store.commit(commit).await
}

/// Position and values of `keys`, values as text.
async fn read(
    store: &impl StateStore,
    partition: StatePartition,
    keys: &[&str],
) -> (Offset, Vec<Option<String>>) {
    let keys: Vec<String> = keys.iter().map(|&key| key.into()).collect();
    let found = ok(store.get_many(partition, &keys).await, "get_many");
    let texts = found.values.into_iter().map(|value| {
        let value = value?;
        Some(String::from_utf8_lossy(&value).into_owned())
    });
    (found.position, texts.collect())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// No value, position 0, in every partition.
pub async fn an_empty_store_stands_at_zero<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    for space in Space::ALL {
        for partition in [Partition(0), Partition(31)] {
            let place = StatePartition { space, partition };
            assert_eq!(read(&store, place, &["a"]).await, (0, vec![None]));
            let scanned = ok(store.scan(place, None, 10).await, "scan");
            assert_eq!((scanned.position, scanned.values.len()), (0, 0));
        }
    }
}

/// One answer a key, in the order asked, also for a key asked twice or an empty value.
pub async fn answers_keep_length_and_order<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let pairs = [("a", Some("1")), ("b", Some("")), ("ключ", Some("3"))];
    ok(commit_at(&store, HERE, 0, 7, &pairs).await, "commit");
    let keys = ["ключ", "absent", "a", "b", "a"];
    let want = vec![some("3"), None, some("1"), some(""), some("1")];
    assert_eq!(read(&store, HERE, &keys).await, (7, want));
    assert_eq!(read(&store, HERE, &[]).await, (7, vec![]));
}

/// The last commit wins, key by key.
pub async fn a_commit_overwrites_deletes_and_moves<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let first = [("a", Some("1")), ("b", Some("1")), ("c", Some("1"))];
    ok(commit_at(&store, HERE, 0, 10, &first).await, "first");
    let second = [("b", Some("2")), ("c", None), ("never", None)];
    ok(commit_at(&store, HERE, 10, 11, &second).await, "second");
    let want = vec![some("1"), some("2"), None, None];
    let keys = ["a", "b", "c", "never"];
    assert_eq!(read(&store, HERE, &keys).await, (11, want));
    ok(
        commit_at(&store, HERE, 11, 12, &[("c", Some("3"))]).await,
        "third",
    );
    assert_eq!(read(&store, HERE, &["c"]).await, (12, vec![some("3")]));
}

/// Refused with the position found, and nothing of it is there.
pub async fn a_commit_on_the_wrong_position_does_nothing<S: Subject<Port: StateStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    ok(
        commit_at(&store, HERE, 0, 5, &[("a", Some("1"))]).await,
        "commit",
    );
    for expected in [0, 4, 6] {
        let pairs = [("a", Some("2")), ("b", Some("2"))];
        let error = refused(
            commit_at(&store, HERE, expected, 9, &pairs).await,
            "wrong position",
        );
        assert_eq!(error.retry(), Retry::AfterReload);
        match error {
            PortError::PositionMismatch {
                expected: claimed,
                found,
                ..
            } => assert_eq!((claimed, found), (expected, 5)),
            other => panic!("{other:?}"),
        }
    }
    let want = (5, vec![some("1"), None]);
    assert_eq!(read(&store, HERE, &["a", "b"]).await, want);
}

/// A batch without changes still moves the position.
pub async fn a_commit_may_change_nothing_but_the_position<S: Subject<Port: StateStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    ok(commit_at(&store, HERE, 0, 3, &[]).await, "commit");
    assert_eq!(read(&store, HERE, &["a"]).await, (3, vec![None]));
    let other = StatePartition {
        space: Space::Products,
        ..HERE
    };
    assert_eq!(read(&store, other, &["a"]).await, (0, vec![None]));
}

/// Compare and set is one step.
pub async fn one_of_many_commits_on_one_position_wins<S: Subject<Port: StateStore>>(subject: &S) {
    let store = Arc::new(opened(subject).await);
    for round in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let text = format!("task {task}");
                let pairs = [("winner", Some(text.as_str()))];
                let result = commit_at(&*store, HERE, round, round + 1, &pairs).await;
                result.is_ok().then_some(text)
            });
        }
        let winners: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let found = read(&*store, HERE, &["winner"]).await;
        assert_eq!(found, (round + 1, vec![Some(winners[0].clone())]));
    }
}

/// While commits run, all values read together are of one commit, the one of the position.
pub async fn a_read_never_sees_half_a_commit<S: Subject<Port: StateStore>>(subject: &S) {
    const COMMITS: u64 = 200;
    const KEYS: [&str; 4] = ["a", "b", "y", "z"];
    let store = Arc::new(opened(subject).await);
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut last = 0;
            while last < COMMITS {
                let (position, values) = read(&*store, HERE, &KEYS).await;
                let want = (position > 0).then(|| position.to_string());
                assert_eq!(values, vec![want; KEYS.len()], "at {position}");
                assert!(position >= last, "the position went back");
                last = position;
                let scanned = ok(store.scan(HERE, None, 10).await, "scan");
                let want = scanned.position.to_string();
                for (key, value) in scanned.values {
                    assert_eq!(value, want, "scan of {key}");
                }
                tokio::task::yield_now().await;
            }
        }
    });
    for position in 0..COMMITS {
        let text = (position + 1).to_string();
        let pairs = KEYS.map(|key| (key, Some(text.as_str())));
        let done = commit_at(&*store, HERE, position, position + 1, &pairs).await;
        ok(done, "commit");
        tokio::task::yield_now().await;
    }
    if let Err(error) = within_deadline(reader, "reader").await {
        panic!("reader: {error}");
    }
}

/// The same key in another partition or space is another value at another position.
pub async fn partitions_and_spaces_are_apart<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let places: Vec<StatePartition> = Space::ALL
        .iter()
        .flat_map(|&space| {
            Partition::all().map(move |partition| StatePartition { space, partition })
        })
        .collect();
    for (place, next) in places.iter().zip(1..) {
        let text = format!("{place:?}");
        let done = commit_at(&store, *place, 0, next, &[("key", Some(&text))]).await;
        ok(done, &text);
    }
    for (place, next) in places.iter().zip(1..) {
        let want = (next, vec![Some(format!("{place:?}"))]);
        assert_eq!(read(&store, *place, &["key"]).await, want);
        let scanned = ok(store.scan(*place, None, 10).await, "scan");
        assert_eq!(scanned.values.len(), 1, "{place:?}");
    }
}

/// Pages of any size join to all pairs in key order, bytewise.
pub async fn a_scan_is_in_key_order_and_goes_on_after_a_key<S: Subject<Port: StateStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    let mut keys: Vec<String> = (0..50).map(|n| format!("key-{}", n * 7 % 50)).collect();
    keys.extend(["", "k", "key", "key-", "zebra", "ключ"].map(String::from));
    for (at, chunk) in keys.chunks(8).enumerate() {
        let pairs: Vec<_> = chunk
            .iter()
            .map(|key| (key.as_str(), Some(key.as_str())))
            .collect();
        let at = at as u64;
        ok(commit_at(&store, HERE, at, at + 1, &pairs).await, "commit");
    }
    keys.sort_unstable();
    for limit in [1, 7, 56, 1_000] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = ok(store.scan(HERE, after, limit).await, "scan");
            assert!(page.values.len() <= limit);
            assert_eq!(page.position, 7);
            if page.values.is_empty() {
                break;
            }
            for (key, value) in page.values {
                assert_eq!(value, key);
                found.push(key);
            }
        }
        assert_eq!(found, keys, "limit {limit}");
    }
}

/// A deleted key is skipped and does not count for the limit.
pub async fn a_scan_does_not_see_deleted_keys<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let first = ["a", "b", "c", "d"].map(|key| (key, Some("1")));
    ok(commit_at(&store, HERE, 0, 1, &first).await, "first");
    let second = [("a", None), ("c", None), ("d", Some("2"))];
    ok(commit_at(&store, HERE, 1, 2, &second).await, "second");
    let page = ok(store.scan(HERE, None, 2).await, "scan");
    let pairs: Vec<_> = page.values.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let (one, two) = (Bytes::from("1"), Bytes::from("2"));
    assert_eq!(pairs, [("b", &one), ("d", &two)]);
}

/// Too many keys, too long a key, too large a value; at the limit all is well.
pub async fn limits_are_refused<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let keys: Vec<String> = (0..=KEYS_PER_READ_MAX).map(|n| n.to_string()).collect();
    let error = refused(store.get_many(HERE, &keys).await, "keys");
    assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
    let most = store.get_many(HERE, &keys[1..]).await;
    assert_eq!(ok(most, "most keys").values.len(), KEYS_PER_READ_MAX);

    let (long, large) = ("k".repeat(KEY_BYTES_MAX), "v".repeat(VALUE_BYTES_MAX));
    let (longer, larger) = (format!("{long}k"), format!("{large}v"));
    for (key, value) in [(&longer, "value"), (&long, &larger)] {
        let pairs = [("small", Some("value")), (key, Some(value))];
        let error = refused(commit_at(&store, HERE, 0, 1, &pairs).await, "limits");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert_eq!(read(&store, HERE, &["small"]).await, (0, vec![None]));
    let pairs = [(long.as_str(), Some(large.as_str()))];
    ok(commit_at(&store, HERE, 0, 1, &pairs).await, "at the limit");
    assert_eq!(read(&store, HERE, &[&long]).await, (1, vec![Some(large)]));
}

/// A waiter resolves at its position, not before; at once when it has passed.
pub async fn reached_wakes_when_the_position_comes<S: Subject<Port: StateStore>>(subject: &S) {
    let store = opened(subject).await;
    let zero = within_deadline(store.reached(HERE, 0), "position 0").await;
    ok(zero, "reached 0");
    let mut five = store.reached(HERE, 5);
    assert!(still_waits(&mut five));
    let other = StatePartition {
        partition: Partition(4),
        ..HERE
    };
    ok(commit_at(&store, other, 0, 9, &[]).await, "other partition");
    assert!(still_waits(&mut five), "woken by another partition");
    ok(commit_at(&store, HERE, 0, 4, &[]).await, "too early");
    assert!(still_waits(&mut five), "woken too early");
    ok(commit_at(&store, HERE, 4, 6, &[]).await, "passed");
    ok(within_deadline(five, "woken").await, "reached 5");
    let again = within_deadline(store.reached(HERE, 6), "at once").await;
    ok(again, "reached 6");
}

/// Values, deletions and positions survive an orderly stop.
pub async fn what_was_closed_in_order_is_there_after_reopening<S: Subject<Port: StateStore>>(
    subject: &S,
) {
    let mut store = opened(subject).await;
    for round in 0..3_u64 {
        let text = round.to_string();
        let key = format!("key-{round}");
        let gone = format!("key-{}", round.wrapping_sub(2));
        let pairs = [
            (key.as_str(), Some(text.as_str())),
            ("same", Some(text.as_str())),
            (gone.as_str(), None),
        ];
        let done = commit_at(&store, HERE, round * 10, round * 10 + 10, &pairs).await;
        ok(done, "commit");
        store = reopened(subject, store).await;
        let (position, values) = read(&store, HERE, &["same", &key, &gone]).await;
        assert_eq!(position, round * 10 + 10);
        assert_eq!(values, [some(&text), some(&text), None]);
    }
    let page = ok(store.scan(HERE, None, 10).await, "scan");
    let keys: Vec<_> = page.values.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["key-1", "key-2", "same"]);
    let passed = within_deadline(store.reached(HERE, 30), "at once").await;
    ok(passed, "reached");
}
