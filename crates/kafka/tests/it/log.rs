//! The event log: its suite, and what only Kafka has.

use crate::fixture::{
    admin, append, broker, consumed, ends_in, is_stable, options, options_or_return, producer,
    topic_name, wait_until,
};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, SeatOptions};
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::seat::Seat;
use vitrina_ports::suite::{Subject, block_on, ok, refused};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const TOPIC: Topic = Topic::UserEvents;
const P0: Partition = Partition(0);
const LIMIT: Duration = Duration::from_secs(10);

/// A prefix of its own for each test.
struct AtBroker(KafkaOptions);

impl Subject for AtBroker {
    type Port = KafkaLog;

    fn open(&self) -> PortFuture<'_, KafkaLog> {
        Box::pin(KafkaLog::open(self.0.clone()))
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn has_gaps(&self) -> bool {
        true
    }
}

mod suite {
    use super::*;

    vitrina_ports::event_log_suite!(match broker() {
        Some(address) => AtBroker(options(&address)),
        None => return,
    });
}

/// Everything a reader sees from `from` on, with offsets.
async fn read_all(log: &KafkaLog, from: Offset) -> Vec<(Offset, String)> {
    let (mut next, mut all) = (from, Vec::new());
    loop {
        let records = ok(log.read(TOPIC, P0, next, 1_000).await, "read");
        let Some(last) = records.last() else {
            return all;
        };
        next = last.offset + 1;
        let texts = records.iter();
        all.extend(texts.map(|r| (r.offset, String::from_utf8_lossy(&r.bytes).into_owned())));
    }
}

fn send(producer: &crate::fixture::Raw, options: &KafkaOptions, text: &str) {
    let topic = topic_name(options, TOPIC);
    let record = BaseRecord::<(), str>::to(&topic).partition(0).payload(text);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LIMIT).unwrap();
}

/// What is open, and what was aborted, is not there; the markers it leaves are read over.
#[test]
fn open_and_aborted_transactions_are_hidden_and_read_over() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let other = producer(&options, "other");
        other.begin_transaction().unwrap();
        send(&other, &options, "never");
        ok(
            log.append(vec![append(TOPIC, 1, &["x", "y"])]).await,
            "append elsewhere",
        );
        assert_eq!(read_all(&log, 0).await, []);
        other.abort_transaction(LIMIT).unwrap();
        wait_until("the abort is seen", || ends_in(&options, TOPIC) == (2, 2));
        assert_eq!(read_all(&log, 0).await, [], "aborted");

        other.begin_transaction().unwrap();
        send(&other, &options, "committed");
        other.commit_transaction(LIMIT).unwrap();
        ok(
            log.append(vec![append(TOPIC, 0, &["plain"])]).await,
            "append",
        );
        let want = [(2, "committed".to_owned()), (4, "plain".to_owned())];
        assert_eq!(read_all(&log, 0).await, want);
        assert_eq!(read_all(&log, 3).await, want[1..], "from a marker on");
        assert_eq!(log.bounds(TOPIC, P0).end, 5);

        other.begin_transaction().unwrap();
        send(&other, &options, "never");
        other.abort_transaction(LIMIT).unwrap();
        wait_until("the abort is seen", || ends_in(&options, TOPIC) == (7, 7));
        assert_eq!(read_all(&log, 5).await, [], "markers alone at the end");
    });
}

/// Of two processes with one name the later one fences the earlier, which can come back.
#[test]
fn a_second_life_fences_the_first() {
    let options = options_or_return!();
    block_on(async {
        let first = ok(KafkaLog::open(options.clone()).await, "open");
        let two = |text: &str| vec![append(TOPIC, 0, &[text, text])];
        ok(first.append(two("first")).await, "append");
        let second = ok(KafkaLog::open(options.clone()).await, "open");
        ok(second.append(two("second")).await, "append");
        let error = refused(first.append(two("never")).await, "fenced");
        assert!(matches!(error, PortError::Fenced { .. }), "{error:?}");
        ok(first.append(two("again")).await, "append");
        // Of several brokers the one that decides is not the one that writes the marker.
        wait_until("all markers are written", || is_stable(&options, TOPIC));
        let all = read_all(&second, 0).await.into_iter();
        let all: Vec<String> = all.map(|(_, text)| text).collect();
        let want = ["first", "first", "second", "second", "again", "again"];
        assert_eq!(all, want, "nothing of the refused call");
    });
}

/// Positions of one consumer have one owner: the other process is refused until it has read them.
#[test]
fn positions_move_in_one_order_over_processes() {
    let options = options_or_return!();
    block_on(async {
        let first = ok(KafkaLog::open(options.clone()).await, "open");
        let mut other = options.clone();
        other.member = "1".to_owned();
        let second = ok(KafkaLog::open(other).await, "open");
        let output = |text: &str| vec![append(TOPIC, 0, &[text])];
        let publish = first.publish(output("a"), vec![consumed("outbox", None, 10)], false);
        ok(publish.await, "publish");
        let publish = second.publish(output("b"), vec![consumed("outbox", Some(10), 20)], false);
        ok(publish.await, "publish");
        for _ in 0..2 {
            let moved = vec![consumed("outbox", Some(10), 99)];
            let error = refused(first.publish(output("never"), moved, false).await, "stale");
            let is_told = matches!(
                error,
                PortError::Fenced { .. } | PortError::PositionMismatch { .. }
            );
            assert!(is_told, "{error:?}");
        }
        let who = consumed("outbox", None, 0).consumer;
        assert_eq!(ok(first.committed(&who).await, "committed"), Some(20));
        let publish = first.publish(output("c"), vec![consumed("outbox", Some(20), 30)], false);
        ok(publish.await, "publish");
        assert_eq!(ok(second.committed(&who).await, "committed"), Some(30));
        let all = read_all(&second, 0).await.into_iter().map(|(_, text)| text);
        assert!(all.eq(["a", "b", "c"]));
    });
}

/// Long before its time-out, which here is a minute.
#[test]
fn a_killed_workers_transaction_is_ended_by_its_successor_at_once() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let killed = producer(&options, "engine-7");
        killed.begin_transaction().unwrap();
        send(&killed, &options, "never");
        drop(killed);
        ok(
            log.append(vec![append(TOPIC, 0, &["behind"])]).await,
            "append",
        );
        assert_eq!(ends_in(&options, TOPIC), (0, 2), "readers are held");
        let began = Instant::now();
        let seat = KafkaSeat::open(options.clone(), SeatOptions::new(7, vec![TOPIC])).await;
        let _seat = ok(seat, "seat");
        assert_eq!(read_all(&log, 0).await, [(1, "behind".to_owned())]);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    });
}

/// The topics are there before all brokers know their leaders.
#[test]
fn ten_fresh_prefixes_open_one_after_the_other() {
    for _ in 0..10 {
        let mut options = options_or_return!();
        options.partitions = 16;
        block_on(async {
            let log = ok(KafkaLog::open(options.clone()).await, "open");
            ok(log.append(vec![append(TOPIC, 3, &["a"])]).await, "append");
            let seat = KafkaSeat::open(options, SeatOptions::new(0, vec![TOPIC]));
            let mut seat = ok(seat.await, "seat");
            let who = consumed("user-events/0", None, 0).consumer;
            assert_eq!(ok(seat.committed(&who).await, "committed"), None);
        });
    }
}

/// Keys would be spread anew.
#[test]
fn another_number_of_partitions_is_refused() {
    let options = options_or_return!();
    block_on(async {
        drop(ok(KafkaLog::open(options.clone()).await, "open"));
        let mut other = options;
        other.partitions += 1;
        let error = refused(KafkaLog::open(other).await.map(|_| ()), "another number");
        let text = error.to_string();
        assert!(text.contains("user-events with 4 partitions"), "{text}");
    });
}

/// A position in what is not there any more: said, not read from nowhere.
#[test]
fn a_topic_made_anew_is_refused() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        ok(
            log.append(vec![append(TOPIC, 0, &["a", "b"])]).await,
            "append",
        );
        let moved = vec![consumed("user-events/0", None, 2)];
        ok(log.publish(Vec::new(), moved, true).await, "publish");
        drop(log);
        drop(ok(
            KafkaLog::open(options.clone()).await,
            "nothing is wrong yet",
        ));

        let (admin, name) = (admin(&options), topic_name(&options, TOPIC));
        let limits = AdminOptions::new().operation_timeout(Some(LIMIT));
        let gone = admin.delete_topics(&[&name], &limits).await.unwrap();
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
        let new = NewTopic::new(&name, 4, TopicReplication::Fixed(1));
        let mut made = false;
        wait_until("the topic is made anew", || {
            let done = futures_block(admin.create_topics([&new], &limits));
            made |= done.unwrap().iter().all(Result::is_ok);
            made
        });
        let error = refused(KafkaLog::open(options).await.map(|_| ()), "a new topic");
        let text = error.to_string();
        assert!(text.contains("position 2 in user-events/0"), "{text}");
    });
}

fn futures_block<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// What retention took is said to be gone, with where the partition begins.
#[test]
fn what_retention_took_has_expired() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        for text in ["a", "b", "c"] {
            ok(log.append(vec![append(TOPIC, 0, &[text])]).await, "append");
        }
        let mut before = TopicPartitionList::new();
        let name = topic_name(&options, TOPIC);
        before
            .add_partition_offset(&name, 0, At::Offset(2))
            .unwrap();
        let deleted = admin(&options)
            .delete_records(&before, &AdminOptions::new())
            .await;
        deleted.unwrap();
        let error = refused(log.read(TOPIC, P0, 0, 100).await, "expired");
        assert!(
            matches!(
                error,
                PortError::Expired {
                    start: 2,
                    wanted: 0,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(log.bounds(TOPIC, P0).start, 2);
        assert_eq!(read_all(&log, 2).await, [(2, "c".to_owned())]);
    });
}

/// Nobody listens there.
#[test]
fn an_address_without_a_broker_is_unavailable_within_the_limit() {
    let options = KafkaOptions {
        request_timeout: Duration::from_millis(500),
        ..options("127.0.0.1:1")
    };
    let began = Instant::now();
    let error = block_on(async { refused(KafkaLog::open(options).await.map(|_| ()), "open") });
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
