//! One owner, no secrets in refusals, and nothing removed from the log that is still to be read.

use super::*;
use bytes::Bytes;
use std::time::Instant;
use vitrina_ports::analytics::{AnalyticsStore, Upsert};
use vitrina_ports::log::{Append, Consumed, Consumer, Records};
use vitrina_ports::state::{Commit, Space, StatePartition, StateStore};

const DAY: i64 = DAY_MS as i64;
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_of_a_later_release_is_refused_without_its_secrets() {
    let settings = Settings {
        state: "redis://user:pass@cache:6379".to_owned(),
        ..Settings::default()
    };
    let error = Stores::open(&settings).err().map(|error| error.to_string());
    let want = "state = \"redis://…@cache:6379\": this release has no such adapter";
    assert_eq!(error.as_deref(), Some(want));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: dir.path().join("data"),
        ..Settings::default()
    };
    let first = Stores::open(&settings).unwrap();
    assert!(matches!(Stores::open(&settings), Err(OpenError::InUse(_))));
    tokio::task::spawn_blocking(move || first.close().unwrap())
        .await
        .unwrap();
    assert!(Stores::open(&settings).is_ok());
}

/// A log of one day ago, with one record in the first partition of a topic, and expired since.
async fn with_one_record(
    topic: Topic,
    checkpoint_interval_s: u64,
) -> (tempfile::TempDir, Arc<Stores>) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: dir.path().join("data"),
        checkpoint_interval_s,
        retention_days: 1,
        ..Settings::default()
    };
    let opened = tokio::task::spawn_blocking(move || Stores::open(&settings).unwrap());
    let stores = opened.await.unwrap();
    let mut records = Records::default();
    records.push(&Bytes::from_static(b"a record"));
    let append = Append {
        topic,
        partition: Partition(0),
        records,
    };
    stores.log.append(vec![append]).await.unwrap();
    (dir, stores)
}

/// Lets days pass; answers whether the record is still there.
async fn is_kept(stores: &Arc<Stores>, topic: Topic, days: &mut i64) -> bool {
    let now = wall();
    for _ in 0..3 {
        *days += 3;
        let (log, stores) = (Arc::clone(&stores.log), Arc::clone(stores));
        let at = now.plus_ms(*days * DAY);
        tokio::task::spawn_blocking(move || stores.retain(at).unwrap())
            .await
            .unwrap();
        // A segment that was left can go once the one after it is on disk.
        log.publish(Vec::new(), Vec::new(), true).await.unwrap();
    }
    stores.log.bounds(topic, Partition(0)).start == 0
}

/// Lets days pass until the record is gone.
async fn goes(stores: &Arc<Stores>, topic: Topic, days: &mut i64) {
    let began = Instant::now();
    while is_kept(stores, topic, days).await {
        assert!(began.elapsed() < DEADLINE, "{topic} is kept for ever");
    }
}

fn wall() -> IngestTime {
    crate::service::wall_clock()()
}

/// Reads the one record, as whoever reads this topic does.
async fn read_it(stores: &Stores, topic: Topic) {
    let consumed = |name: &'static str| Consumed {
        consumer: Consumer {
            name,
            source: format!("{topic}/0"),
        },
        expected: None,
        next: 1,
    };
    let partition = Partition(0);
    let space = match topic {
        Topic::WindowRows => {
            let upsert = Upsert {
                partition,
                expected: None,
                next: 1,
                rows: Vec::new(),
            };
            return stores.analytics.upsert(upsert).await.unwrap();
        }
        Topic::FilteredProducts | Topic::ClientRecommendations => {
            let name = match topic {
                Topic::FilteredProducts => "catalogue-sink",
                _ => "requests",
            };
            let read = stores.log.publish(Vec::new(), vec![consumed(name)], true);
            read.await.unwrap();
            return;
        }
        Topic::UserEvents => Space::Users,
        Topic::ProductSignals => Space::Products,
        Topic::SlateSignals => Space::Slates,
        Topic::RowSignals => Space::Rows,
        _ => Space::Shop,
    };
    let commit = Commit {
        partition: StatePartition { space, partition },
        expected: 0,
        next: 1,
        changes: Vec::new(),
    };
    stores.state.commit(commit).await.unwrap();
}

/// Whatever reads a topic: what it has not read is kept however old it is, and goes once it was.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_unread_is_ever_removed() {
    let read = INPUTS.into_iter().chain([
        Topic::WindowRows,
        Topic::FilteredProducts,
        Topic::ClientRecommendations,
    ]);
    for topic in read {
        let (_dir, stores) = with_one_record(topic, 0).await;
        let mut days = 0;
        assert!(
            is_kept(&stores, topic, &mut days).await,
            "{topic}: not read"
        );
        read_it(&stores, topic).await;
        goes(&stores, topic, &mut days).await;
    }
}

/// Nobody reads these: they go when they are old.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_expires() {
    for topic in [
        Topic::DeadLetters,
        Topic::LateEvents,
        Topic::RecommendationsResults,
    ] {
        let (_dir, stores) = with_one_record(topic, 600).await;
        goes(&stores, topic, &mut 0).await;
    }
}

/// Where checkpoints are taken, what the newest one needs is kept: everything before the first.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_needs_is_kept() {
    let topic = Topic::UserEvents;
    for takes in [false, true] {
        let (_dir, stores) = with_one_record(topic, 600).await;
        if takes {
            let stores = Arc::clone(&stores);
            let opened = tokio::task::spawn_blocking(move || stores.checkpoints().unwrap());
            assert!(opened.await.unwrap().is_some());
        }
        read_it(&stores, topic).await;
        assert!(is_kept(&stores, topic, &mut 0).await, "takes them: {takes}");
    }
}
