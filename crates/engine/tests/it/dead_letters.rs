//! Dead letters that are taken in again.

use crate::support::{engine, ingest, raw};
use vitrina_engine::{Replay, ReplayChoice, Visitor};
use vitrina_ports::log::{Append, EventLog, Records};
use vitrina_types::event::Rejection;
use vitrina_types::id::UserId;
use vitrina_types::partition::Partition;
use vitrina_types::record::DeadLetter;
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

fn append(topic: Topic, partition: u16, bytes: &[u8]) -> Append {
    let mut records = Records::default();
    records.push(bytes);
    Append {
        topic,
        partition: Partition(partition),
        records,
    }
}

/// A letter, as if an older release had left it.
fn letter(source: &str, bytes: &[u8]) -> Append {
    let letter = DeadLetter {
        ingest_time: IngestTime(1_699_999_000_000),
        source: source.into(),
        rejection: Rejection::new("unknown_event_type", "event_type", "not then"),
        attempts: 1,
        bytes: bytes.to_vec(),
    };
    append(Topic::DeadLetters, 0, &stored::encode(&letter))
}

fn all() -> ReplayChoice {
    ReplayChoice::Range {
        code: None,
        from: 0,
        until: None,
    }
}

fn codes(refused: &[(u64, Rejection)]) -> Vec<(u64, &str)> {
    refused.iter().map(|one| (one.0, &*one.1.code)).collect()
}

async fn views(engine: &vitrina_engine::Engine) -> u64 {
    engine.settled().await;
    let user = Visitor::User(UserId::new("u").unwrap());
    let state = engine.visitor(&user).await.unwrap();
    state.map_or(0, |state| state.counters.of("view"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_however_often_it_is_replayed() {
    let (engine, ports) = engine().await;
    let named = br#"{"event_id":"e","event_type":"view","user_id":"u","product_id":"p"}"#;
    let nameless = br#"{"event_type":"view","user_id":"u","product_id":"p"}"#;
    let letters = vec![
        letter("POST /v1/events", named),
        letter("POST /v1/events", nameless),
        letter("import:f00", nameless),
    ];
    ports.log.append(letters).await.unwrap();
    for round in 0..3 {
        let told = engine.replay_dead_letters(all()).await.unwrap();
        assert_eq!(told.replayed, [0, 1, 2], "round {round}");
        assert_eq!(views(&engine).await, 3, "round {round}");
    }
    let known = engine.dead_letters(None, 10).await.unwrap();
    assert_eq!(known.len(), 3, "no new ones");
    let user = Visitor::User(UserId::new("u").unwrap());
    let state = engine.visitor(&user).await.unwrap().unwrap();
    let nameless = state.history.iter().map(|entry| entry.at.0);
    let first_came = nameless.filter(|at| *at == 1_699_999_000_000).count();
    assert_eq!(first_came, 3, "they happened when they came in first");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_goes_back_to_its_partition_with_its_bytes() {
    let (engine, ports) = engine().await;
    let junk = append(Topic::UserEvents, 7, b"\xffnot a record");
    ports.log.append(vec![junk]).await.unwrap();
    engine.settled().await;
    let letters = engine.dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let (topic, partition, offset) = letters[0].1.place().unwrap();
    assert_eq!((topic, partition), (Topic::UserEvents, Partition(7)));
    let before = ports.log.bounds(topic, partition).end;
    let numbers = ReplayChoice::Numbers(vec![0]);
    let told = engine.replay_dead_letters(numbers).await.unwrap();
    assert_eq!(told.replayed, [0]);
    assert!(before > offset);
    let records = ports.log.read(topic, partition, before, 1 << 20).await;
    let records = records.unwrap();
    assert_eq!(&*records[0].bytes, b"\xffnot a record");
    engine.settled().await;
    let again = engine.dead_letters(None, 10).await.unwrap();
    assert_eq!(again.len(), 2, "it does not decode now either");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_back_is_refused_and_nothing_is_written() {
    let (engine, ports) = engine().await;
    let cut = vec![b'x'; 64 * 1_024];
    let letters = vec![
        letter("user-events/7@42", &cut),
        letter("user-events/99@0", b"x"),
        letter("dead-letters/0@0", b"x"),
        letter("import:f00", b"2019-10-01 00:00:00 UTC,like,p1"),
        letter("late-events/1@0", b"x"),
    ];
    ports.log.append(letters).await.unwrap();
    let told = engine.replay_dead_letters(all()).await.unwrap();
    let want = [
        (0, "cut"),
        (1, "no_way_back"),
        (2, "no_way_back"),
        (3, "not_json"),
        (4, "no_way_back"),
    ];
    assert_eq!(codes(&told.refused), want);
    assert!(told.replayed.is_empty() && told.still_bad.is_empty());
    let records = ports.log.read(Topic::UserEvents, Partition(7), 0, 1 << 20);
    let records = records.await.unwrap();
    assert!(
        records.iter().all(|record| *record.bytes != *cut),
        "only ticks"
    );
    assert_eq!(engine.status().accepted, 0);
    assert_eq!(engine.dead_letters(None, 100).await.unwrap().len(), 5);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_range_is_replayed_in_calls_and_not_prolonged_by_itself() {
    let (engine, _) = engine().await;
    let bad = (0..1_500).map(|n| raw(&format!("{{\"n\":{n}}}"))).collect();
    ingest(&engine, bad).await;
    let (mut from, mut until, mut seen, mut calls) = (0, None, Vec::new(), 0);
    loop {
        let code = Some("missing_field".to_owned());
        let range = ReplayChoice::Range { code, from, until };
        let told: Replay = engine.replay_dead_letters(range).await.unwrap();
        seen.extend(told.still_bad.into_iter().map(|bad| bad.0));
        calls += 1;
        until = Some(told.until);
        match told.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!((calls, until), (2, Some(1_500)));
    assert_eq!(
        seen,
        (0..1_500).collect::<Vec<u64>>(),
        "each once, oldest first"
    );
    engine.shutdown().await;
}
