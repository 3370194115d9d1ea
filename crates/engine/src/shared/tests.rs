//! What is waited for, and what is not.

use super::*;
use std::sync::Arc;
use vitrina_ports::log::{Append, Records};

const HERE: Partition = Partition(3);

fn shared() -> Shared {
    let clock = Arc::new(|| IngestTime(1_000));
    Shared::new(Ports::in_memory(), EngineOptions::default(), clock)
}

async fn append(shared: &Shared, topic: Topic) {
    let mut records = Records::default();
    records.push(b"whatever");
    let append = Append {
        topic,
        partition: HERE,
        records,
    };
    shared.ports.log.append(vec![append]).await.unwrap();
}

/// Nobody follows here: the rows never move.
#[tokio::test(start_paused = true)]
async fn rows_that_do_not_move_are_not_waited_for() {
    let shared = shared();
    append(&shared, Topic::WindowRows).await;
    let began = tokio::time::Instant::now();
    shared.settled().await;
    assert!(began.elapsed() >= ROWS_WAIT, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_in_the_log_is_waited_for_and_nothing_later() {
    let shared = shared();
    append(&shared, Topic::UserEvents).await;
    append(&shared, Topic::ProductSignals).await;
    let waits = shared.caught_up();
    tokio::pin!(waits);
    let is_waiting = |waited: Result<(), _>| waited.is_err();
    let second = Duration::from_secs(1);
    assert!(is_waiting(tokio::time::timeout(second, &mut waits).await));
    append(&shared, Topic::UserEvents).await;
    shared.committed(Space::Users, HERE, 1);
    assert!(is_waiting(tokio::time::timeout(second, &mut waits).await));
    append(&shared, Topic::ProductSignals).await;
    shared.committed(Space::Products, HERE, 1);
    assert!(!is_waiting(tokio::time::timeout(second, &mut waits).await));
}
