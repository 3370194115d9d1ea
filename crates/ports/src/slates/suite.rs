//! Tests that every [`SlateStore`] must pass. An adapter calls them with one line,
//! [`slate_store_suite!`](crate::slate_store_suite).

use super::{SlateStore, StoredSlate};
use crate::suite::{Subject, ok, opened, reopened};
use bytes::Bytes;
use vitrina_types::time::IngestTime;

/// Runs the whole suite on a [`Subject`] that opens a [`SlateStore`].
#[macro_export]
macro_rules! slate_store_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            slates,
            $subject,
            [
                an_unknown_slate_is_absent,
                a_slate_is_there_until_it_expires,
                the_last_slate_of_an_id_counts,
                a_purge_removes_the_expired_and_no_other,
                what_was_put_is_there_after_reopening,
            ]
        );
    };
}

fn slate(id: &str, body: &str, expires_at: i64) -> StoredSlate {
    StoredSlate {
        id: id.into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        expires_at: IngestTime(expires_at),
    }
}

async fn put(store: &impl SlateStore, slates: Vec<StoredSlate>) {
    ok(store.put_many(slates).await, "put_many");
}

async fn get(store: &impl SlateStore, id: &str, now: i64) -> Option<Bytes> {
    ok(store.get(id, IngestTime(now)).await, "get")
}

async fn purge(store: &impl SlateStore, now: i64, limit: usize) -> usize {
    ok(store.purge(IngestTime(now), limit).await, "purge")
}

/// Nothing there, nothing to purge, nothing to put.
pub async fn an_unknown_slate_is_absent<S: Subject<Port: SlateStore>>(subject: &S) {
    let store = opened(subject).await;
    assert_eq!(get(&store, "a", 0).await, None);
    assert_eq!(purge(&store, 1_000, 10).await, 0);
    put(&store, Vec::new()).await;
}

/// Answered before `expires_at`, not from then on, purged or not.
pub async fn a_slate_is_there_until_it_expires<S: Subject<Port: SlateStore>>(subject: &S) {
    let store = opened(subject).await;
    put(
        &store,
        vec![slate("a", "first", 100), slate("b", "second", 200)],
    )
    .await;
    for (now, a, b) in [
        (0, true, true),
        (99, true, true),
        (100, false, true),
        (199, false, true),
        (200, false, false),
    ] {
        let found = (get(&store, "a", now).await, get(&store, "b", now).await);
        let want = (a.then(|| "first".into()), b.then(|| "second".into()));
        assert_eq!(found, want, "at {now}");
    }
}

/// A slate put again has the new body and the new expiry, and is purged once.
pub async fn the_last_slate_of_an_id_counts<S: Subject<Port: SlateStore>>(subject: &S) {
    let store = opened(subject).await;
    put(&store, vec![slate("a", "old", 100), slate("b", "old", 300)]).await;
    put(&store, vec![slate("a", "new", 300), slate("b", "new", 100)]).await;
    assert_eq!(get(&store, "a", 99).await, Some("new".into()));
    assert_eq!(get(&store, "a", 200).await, Some("new".into()));
    assert_eq!(get(&store, "b", 200).await, None);
    assert_eq!(purge(&store, 200, 10).await, 1, "only b has expired");
    assert_eq!(get(&store, "a", 200).await, Some("new".into()));
    assert_eq!(purge(&store, 300, 10).await, 1);
    assert_eq!(purge(&store, 1_000, 10).await, 0);
}

/// No more than the limit a call; in the end all that expired, and none that did not.
pub async fn a_purge_removes_the_expired_and_no_other<S: Subject<Port: SlateStore>>(subject: &S) {
    let store = opened(subject).await;
    let slates = (0..50).map(|n| slate(&format!("{n:04}"), "body", 100 + n % 10));
    put(&store, slates.collect()).await;
    assert_eq!(purge(&store, 104, 10).await, 10);
    assert_eq!(purge(&store, 104, 10).await, 10);
    assert_eq!(purge(&store, 104, 10).await, 5);
    assert_eq!(purge(&store, 104, 10).await, 0);
    for n in 0..50_i64 {
        let found = get(&store, &format!("{n:04}"), 0).await.is_some();
        assert_eq!(found, n % 10 > 4, "slate {n}");
    }
    put(&store, vec![slate("late", "expired before it came", 50)]).await;
    assert_eq!(purge(&store, 104, 10).await, 1, "a late one");
    assert_eq!(purge(&store, 1_000, 1_000).await, 25);
}

/// An orderly stop keeps slates and their expiry.
pub async fn what_was_put_is_there_after_reopening<S: Subject<Port: SlateStore>>(subject: &S) {
    let mut store = opened(subject).await;
    put(&store, vec![slate("a", "body", 100), slate("b", "b", 50)]).await;
    store = reopened(subject, store).await;
    assert_eq!(get(&store, "a", 99).await, Some("body".into()));
    assert_eq!(get(&store, "a", 100).await, None);
    assert_eq!(purge(&store, 50, 10).await, 1);
    store = reopened(subject, store).await;
    assert_eq!(get(&store, "b", 0).await, None);
    assert_eq!(purge(&store, 100, 10).await, 1);
}
