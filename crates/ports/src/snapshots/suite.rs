//! Tests that every [`SnapshotStore`] must pass. An adapter calls them with one line,
//! [`snapshot_store_suite!`](crate::snapshot_store_suite).

use super::{OBJECT_BYTES_MAX, PATH_BYTES_MAX, SEGMENT_BYTES_MAX, SnapshotStore};
use crate::suite::{Subject, ok, opened, refused, reopened};
use crate::{Blame, PortError, Retry};
use bytes::Bytes;
use std::sync::Arc;

/// Runs the whole suite on a [`Subject`] that opens a [`SnapshotStore`].
#[macro_export]
macro_rules! snapshot_store_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            snapshots,
            $subject,
            [
                an_empty_store_has_no_object,
                an_object_is_read_as_it_was_put,
                an_object_is_never_overwritten,
                one_of_many_puts_of_different_bytes_wins,
                a_list_is_of_whole_segments_and_sorted,
                a_deleted_object_is_gone,
                what_is_no_path_is_refused,
                objects_over_a_limit_are_refused,
                what_was_put_is_there_after_reopening,
            ]
        );
    };
}

async fn put(store: &impl SnapshotStore, path: &str, text: &str) {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    ok(store.put(path, bytes).await, "put");
}

async fn get(store: &impl SnapshotStore, path: &str) -> Option<Bytes> {
    ok(store.get(path).await, "get")
}

async fn list(store: &impl SnapshotStore, prefix: &str) -> Vec<(String, u64)> {
    let listed = ok(store.list(prefix).await, "list");
    let pairs = listed.into_iter().map(|object| (object.path, object.bytes));
    pairs.collect()
}

/// Nothing to read, to list or to delete.
pub async fn an_empty_store_has_no_object<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    for path in ["a", "a/b/c"] {
        assert_eq!(get(&store, path).await, None);
        assert_eq!(list(&store, path).await, []);
        assert!(!ok(store.delete(path).await, "delete"));
    }
    assert_eq!(list(&store, "").await, []);
}

/// Byte for byte: empty, binary, and of a few MiB.
pub async fn an_object_is_read_as_it_was_put<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    let large: Vec<u8> = (0..3_000_017_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    let cases = [
        ("empty", Vec::new()),
        ("binary/zeros.bin", vec![0, 255, 10, 13, 0]),
        ("models/als/0000000042/items", large),
    ];
    for (path, bytes) in cases {
        let bytes = Bytes::from(bytes);
        ok(store.put(path, bytes.clone()).await, "put");
        let found = get(&store, path).await;
        assert!(found.is_some_and(|found| found == bytes), "{path}");
    }
}

/// The same bytes are fine, others are refused, of the same length too; what was there stays.
pub async fn an_object_is_never_overwritten<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    put(&store, "a/b", "first").await;
    put(&store, "a/b", "first").await;
    for other in ["other", "", "first and more"] {
        let bytes = Bytes::copy_from_slice(other.as_bytes());
        let error = refused(store.put("a/b", bytes).await, "other bytes");
        assert!(matches!(error, PortError::Exists { .. }), "{error:?}");
        assert_eq!((error.blame(), error.retry()), (Blame::Us, Retry::Never));
        assert_eq!(get(&store, "a/b").await, Some("first".into()));
    }
    assert_eq!(list(&store, "").await, [("a/b".to_owned(), 5)]);
}

/// Looking and writing is one step; whoever wins, its object is whole.
pub async fn one_of_many_puts_of_different_bytes_wins<S: Subject<Port: SnapshotStore>>(
    subject: &S,
) {
    let store = Arc::new(opened(subject).await);
    for round in 0..5 {
        let path = format!("rounds/{round}/object");
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u8 {
            let (store, path) = (Arc::clone(&store), path.clone());
            tasks.spawn(async move {
                let bytes = Bytes::from(vec![task; 100_000]);
                let put = store.put(&path, bytes.clone()).await;
                put.is_ok().then_some(bytes)
            });
        }
        let winners: Vec<Bytes> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{path}");
        let found = get(&*store, &path).await;
        assert!(found.is_some_and(|found| found == winners[0]), "{path}");
        let listed = list(&*store, &format!("rounds/{round}")).await;
        assert_eq!(listed, [(path, 100_000)], "nothing else");
    }
}

/// A prefix is a folder: whole segments, and not the object of that very path.
pub async fn a_list_is_of_whole_segments_and_sorted<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    let paths = [
        "models/b/2",
        "models/a/10",
        "models/a/9",
        "models/a-b/1",
        "models-old/1",
        "models.txt",
        "checkpoints/1/deep/er",
    ];
    for path in paths {
        put(&store, path, path).await;
    }
    #[rustfmt::skip]
    let cases: [(&str, &[&str]); 7] = [
        ("", &["checkpoints/1/deep/er", "models-old/1", "models.txt", "models/a-b/1",
               "models/a/10", "models/a/9", "models/b/2"]),
        ("models",             &["models/a-b/1", "models/a/10", "models/a/9", "models/b/2"]),
        ("models/a",           &["models/a/10", "models/a/9"]),
        ("checkpoints/1",      &["checkpoints/1/deep/er"]),
        ("model",              &[]),
        ("models.txt",         &[]),
        ("checkpoints/2",      &[]),
    ];
    for (prefix, want) in cases {
        let want = want
            .iter()
            .map(|&path| (path.to_owned(), path.len() as u64));
        let want: Vec<(String, u64)> = want.collect();
        assert_eq!(list(&store, prefix).await, want, "below {prefix:?}");
    }
}

/// Deleting says whether there was something; then the path is free for other bytes.
pub async fn a_deleted_object_is_gone<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let mut store = opened(subject).await;
    put(&store, "a/b", "first").await;
    put(&store, "a/c", "other").await;
    assert!(ok(store.delete("a/b").await, "delete"));
    assert!(!ok(store.delete("a/b").await, "delete again"));
    assert!(!ok(store.delete("a").await, "delete a folder"));
    store = reopened(subject, store).await;
    assert_eq!(get(&store, "a/b").await, None);
    assert_eq!(list(&store, "a").await, [("a/c".to_owned(), 5)]);
    put(&store, "a/b", "second").await;
    assert_eq!(get(&store, "a/b").await, Some("second".into()));
}

/// By every call.
pub async fn what_is_no_path_is_refused<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    for path in ["/a", "a/", "a//b", "..", "a/../b", "A", "a#1", "a b"] {
        let errors = [
            refused(store.put(path, Bytes::from("bytes")).await, path),
            refused(store.get(path).await, path),
            refused(store.list(path).await, path),
            refused(store.delete(path).await, path),
        ];
        for error in errors {
            assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
            assert_eq!(error.retry(), Retry::Never);
        }
    }
    refused(store.put("", Bytes::from("bytes")).await, "an empty path");
    assert_eq!(list(&store, "").await, []);
}

/// Over a limit nothing is kept; paths at the limit are fine.
pub async fn objects_over_a_limit_are_refused<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let store = opened(subject).await;
    let longest = "s".repeat(SEGMENT_BYTES_MAX);
    let path = [longest.as_str(); PATH_BYTES_MAX / (SEGMENT_BYTES_MAX + 1)].join("/");
    put(&store, &path, "bytes").await;
    assert_eq!(get(&store, &path).await, Some("bytes".into()));
    let deep = vec!["s"; PATH_BYTES_MAX / 2 + 1].join("/");
    for (what, path, length) in [
        ("a segment", format!("{longest}s"), 1),
        ("a path", deep, 1),
        ("an object", "a".to_owned(), OBJECT_BYTES_MAX + 1),
    ] {
        // Of zeros the machine needs no memory for.
        let bytes = Bytes::from(vec![0; length]);
        let error = refused(store.put(&path, bytes).await, what);
        assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
    }
    assert_eq!(list(&store, "").await.len(), 1);
}

/// What was put is durable without an orderly stop; here there is one.
pub async fn what_was_put_is_there_after_reopening<S: Subject<Port: SnapshotStore>>(subject: &S) {
    let mut store = opened(subject).await;
    for round in 0..3 {
        put(&store, &format!("rounds/{round}"), &round.to_string()).await;
        store = reopened(subject, store).await;
        assert_eq!(list(&store, "rounds").await.len(), round + 1);
        let found = get(&store, &format!("rounds/{round}")).await;
        assert_eq!(found, Some(Bytes::from(round.to_string())));
    }
}
