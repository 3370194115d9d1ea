//! What clients that know nothing of ours put onto `user-events`: librdkafka with its own
//! partitioner, `kcat`, and the Python clients (`tests/clients/produce.py`).
//!
//! `kcat` and Python are used where they are: `kcat` on the path, and the Python named by
//! `VITRINA_TEST_PYTHON` with `kafka-python` and `confluent-kafka`. A line says what is left out.

use crate::fixture::{options_or_return, raw, topic_name};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use vitrina_kafka::{KafkaLog, KafkaOptions};
use vitrina_ports::log::EventLog;
use vitrina_ports::suite::{block_on, ok};
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

const TOPIC: Topic = Topic::UserEvents;
const LIMIT: Duration = Duration::from_secs(10);
/// Users, each with one event.
const USERS: usize = 40;
/// Python with both clients.
const PYTHON: &str = "VITRINA_TEST_PYTHON";

/// All partitions of user events, and nothing else.
fn whole(mut options: KafkaOptions) -> KafkaOptions {
    options.topics = vec![TOPIC];
    options.partitions = PARTITIONS;
    options
}

fn json(user: usize) -> String {
    format!(r#"{{"event_type":"view","user_id":"u{user}","product_id":"p"}}"#)
}

/// Every record, where it lies.
async fn records(log: &KafkaLog) -> Vec<(Partition, u64, Vec<u8>)> {
    let mut all = Vec::new();
    for partition in Partition::all() {
        let mut next = 0;
        loop {
            let some = ok(log.read(TOPIC, partition, next, 4_096).await, "read");
            let Some(last) = some.last() else { break };
            next = last.offset + 1;
            all.extend(
                some.iter()
                    .map(|one| (partition, one.offset, one.bytes.to_vec())),
            );
        }
    }
    all
}

/// How many events of each visitor there are, and how many lie at home.
async fn found(log: &KafkaLog) -> (BTreeMap<String, usize>, usize) {
    let (mut by_visitor, mut at_home) = (BTreeMap::new(), 0);
    for (partition, offset, bytes) in records(log).await {
        let envelope: UserEnvelope = stored::decode(&bytes).unwrap();
        let (event, is_home) = match envelope.record {
            UserRecord::Event(event) => (event, true),
            UserRecord::Astray(event) => (event, false),
            other => panic!("{other:?} at {partition:?}@{offset}"),
        };
        let visitor = event.subject.partition_id();
        assert_eq!(Partition::of(visitor) == partition, is_home, "{visitor}");
        at_home += usize::from(is_home);
        *by_visitor.entry(visitor.to_owned()).or_default() += 1;
        assert_eq!(
            event.event_id.as_str(),
            format!("user-events/{}@{offset}", partition.0)
        );
        assert!(
            envelope.ingest_time.0 > 1_600_000_000_000,
            "the broker's time"
        );
        assert_eq!(event.event_time, envelope.ingest_time.as_event_time());
    }
    (by_visitor, at_home)
}

async fn check(log: &KafkaLog, client: &str, goes_home: bool) {
    let (by_visitor, at_home) = found(log).await;
    eprintln!("{client}: {at_home} of {USERS} lie at home");
    let want: BTreeMap<String, usize> = (0..USERS).map(|user| (format!("u{user}"), 1)).collect();
    assert_eq!(by_visitor, want, "{client}");
    assert_eq!(at_home == USERS, goes_home, "{client}: {at_home} at home");
}

/// The default of librdkafka, and so of every client built on it.
#[test]
fn librdkafkas_own_partitioner_leads_astray_and_murmur2_home() {
    for (partitioner, goes_home) in [("consistent_random", false), ("murmur2_random", true)] {
        let options = whole(options_or_return!());
        block_on(async {
            let log = ok(KafkaLog::open(options.clone()).await, "open");
            let producer: ThreadedProducer<DefaultProducerContext> = raw(&options)
                .set("partitioner", partitioner)
                .create()
                .unwrap();
            let topic = topic_name(&options, TOPIC);
            for user in 0..USERS {
                let (key, payload) = (format!("u{user}"), json(user));
                // Without a visitor in the JSON the key is the user.
                let payload = match user % 2 {
                    0 => payload,
                    _ => r#"{"event_type":"view","product_id":"p"}"#.to_owned(),
                };
                let record = BaseRecord::to(&topic).key(&key).payload(&payload);
                producer.send(record).map_err(|(error, _)| error).unwrap();
            }
            producer.flush(LIMIT).unwrap();
            check(&log, partitioner, goes_home).await;
            let first = records(&log).await;
            let other = ok(KafkaLog::open(options).await, "open");
            assert_eq!(records(&other).await, first, "the same at every read");
        });
    }
}

/// What a client says of the time is nothing: its clock is not ours.
#[test]
fn the_brokers_time_counts_and_bad_json_stays_as_it_is() {
    let options = whole(options_or_return!());
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let producer: ThreadedProducer<DefaultProducerContext> = raw(&options).create().unwrap();
        let topic = topic_name(&options, TOPIC);
        let good = json(0);
        let bad = r#"{"event_type":"dance","user_id":"u0"}"#;
        for payload in [good.as_str(), bad, "{", "text"] {
            let record = BaseRecord::<(), str>::to(&topic)
                .partition(7)
                .timestamp(77)
                .payload(payload);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(LIMIT).unwrap();
        let all = records(&log).await;
        let envelope: UserEnvelope = stored::decode(&all[0].2).unwrap();
        assert!(envelope.ingest_time.0 > 1_600_000_000_000, "{envelope:?}");
        let rest = all[1..].iter().map(|(_, _, bytes)| &bytes[..]);
        assert!(rest.eq([bad.as_bytes(), b"{", b"text"]));
    });
}

#[test]
fn kcat_produces_events() {
    let options = whole(options_or_return!());
    if Command::new("kcat").arg("-V").output().is_err() {
        eprintln!("no kcat: nothing was shown about it");
        return;
    }
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let mut kcat = Command::new("kcat")
            .args([
                "-P",
                "-b",
                &options.bootstrap,
                "-t",
                &topic_name(&options, TOPIC),
            ])
            .args(["-K", "\t"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = kcat.stdin.take().unwrap();
        for user in 0..USERS {
            writeln!(input, "u{user}\t{}", json(user)).unwrap();
        }
        drop(input);
        assert!(kcat.wait().unwrap().success());
        check(&log, "kcat", false).await;
    });
}

#[test]
fn python_clients_produce_events() {
    let Ok(python) = std::env::var(PYTHON) else {
        eprintln!("{PYTHON} is not set: nothing was shown about the Python clients");
        return;
    };
    for (client, goes_home) in [("kafka-python", true), ("confluent-kafka", false)] {
        let options = whole(options_or_return!());
        block_on(async {
            let log = ok(KafkaLog::open(options.clone()).await, "open");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/produce.py");
            let done = Command::new(&python)
                .args([script, client, &options.bootstrap])
                .args([&topic_name(&options, TOPIC), &USERS.to_string()])
                .status()
                .unwrap();
            assert!(done.success(), "{client}");
            check(&log, client, goes_home).await;
        });
    }
}
