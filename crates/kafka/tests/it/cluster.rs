//! Run by hand: three brokers of which one is killed, and how fast it goes.
//!
//! `cargo xtask services up kafka3`, then `cargo test -p vitrina-kafka --test it -- --ignored
//! --nocapture killed`, and `kill -9` one broker when it says so; the process ids are in what `up`
//! prints.

use crate::fixture::{append, options, options_or_return};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions};
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::suite::{block_on, ok};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const TOPIC: Topic = Topic::UserEvents;
/// Three brokers.
const CLUSTER: &str = "VITRINA_TEST_KAFKA3";
/// How long appends go on.
const LASTS: Duration = Duration::from_secs(45);
const READ_BYTES: usize = 1_024 * 1_024;

/// What became of the calls of one writer.
#[derive(Default)]
struct Calls {
    acknowledged: Vec<String>,
    failed: Vec<String>,
    longest: Duration,
}

/// Appends `records` numbered texts to one partition in each call, one call after the other.
async fn write(log: &KafkaLog, partition: u16, records: usize) -> Calls {
    let until = Instant::now() + LASTS;
    let (mut calls, mut number) = (Calls::default(), 0);
    while Instant::now() < until {
        let texts: Vec<String> = (0..records)
            .map(|record| format!("{number}.{record}"))
            .collect();
        number += 1;
        let began = Instant::now();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        match log.append(vec![append(TOPIC, partition, &refs)]).await {
            Ok(_) => calls.acknowledged.extend(texts),
            Err(error) => calls.failed.push(error.to_string()),
        }
        calls.longest = calls.longest.max(began.elapsed());
    }
    calls
}

async fn count(log: &KafkaLog, partition: u16) -> BTreeMap<String, usize> {
    let (mut next, mut all) = (0, BTreeMap::new());
    loop {
        let read = log.read(TOPIC, Partition(partition), next, READ_BYTES);
        let records = ok(read.await, "read");
        let Some(last) = records.last() else {
            return all;
        };
        next = last.offset + 1;
        for record in records {
            let text = String::from_utf8_lossy(&record.bytes).into_owned();
            *all.entry(text).or_default() += 1;
        }
    }
}

#[test]
#[ignore = "a broker is killed by hand"]
fn nothing_acknowledged_is_lost_when_a_broker_is_killed() {
    let address = std::env::var(CLUSTER).expect(CLUSTER);
    let options: KafkaOptions = options(&address);
    assert_eq!((options.replication, options.min_insync), (3, 2));
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        eprintln!("kill a broker now; {LASTS:?} are written");
        let (one, two, three, four) = tokio::join!(
            write(&log, 0, 1),
            write(&log, 1, 1),
            write(&log, 2, 5),
            write(&log, 3, 1),
        );
        let limit = options.request_timeout + options.transaction_timeout * 2;
        for (calls, partition) in [one, two, three, four].into_iter().zip(0..) {
            let found = count(&log, partition).await;
            let lost = calls
                .acknowledged
                .iter()
                .filter(|one| !found.contains_key(*one));
            let lost: Vec<&String> = lost.collect();
            let twice = found.values().filter(|times| **times > 1).count();
            eprintln!(
                "partition {partition}: {} records acknowledged, {} calls failed {:?}, {} found, \
                 {twice} twice, longest call {:?}",
                calls.acknowledged.len(),
                calls.failed.len(),
                calls.failed.first(),
                found.len(),
                calls.longest,
            );
            assert!(lost.is_empty(), "{lost:?}");
            assert_eq!(twice, 0);
            assert!(calls.longest < limit, "{:?}", calls.longest);
        }
    });
}

/// Calls that are under way at once.
const AT_ONCE: usize = 16;
/// Events in one call.
const BATCH: usize = 100;
/// Calls in all.
const CALLS: usize = 1_600;

#[test]
#[ignore = "figures"]
fn how_fast_it_goes() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let text = "x".repeat(200);
        let batch = vec![text.as_str(); BATCH];
        let began = Instant::now();
        let calls = |first: usize| {
            let (log, batch) = (&log, &batch);
            async move {
                for number in (first..CALLS).step_by(AT_ONCE) {
                    let partition = (number % 4) as u16;
                    ok(
                        log.append(vec![append(TOPIC, partition, batch)]).await,
                        "append",
                    );
                }
            }
        };
        let mut all: Vec<_> = (0..AT_ONCE).map(|first| Box::pin(calls(first))).collect();
        std::future::poll_fn(|context| {
            all.retain_mut(|one| one.as_mut().poll(context).is_pending());
            match all.is_empty() {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
        let events = (CALLS * BATCH) as f64;
        eprintln!(
            "append: {:.0} events/s",
            events / began.elapsed().as_secs_f64()
        );
        let reader = ok(KafkaLog::open(options).await, "open");
        let began = Instant::now();
        let mut read = 0;
        for partition in 0..4 {
            let mut next: Offset = 0;
            loop {
                let some = reader.read(TOPIC, Partition(partition), next, READ_BYTES);
                let some = ok(some.await, "read");
                let Some(last) = some.last() else { break };
                next = last.offset + 1;
                read += some.len();
            }
        }
        assert_eq!(read, CALLS * BATCH);
        eprintln!(
            "read: {:.0} events/s",
            events / began.elapsed().as_secs_f64()
        );
    });
}
