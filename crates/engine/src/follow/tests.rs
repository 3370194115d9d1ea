//! What one partition's trouble means to the others, and what a bad record costs.

use super::*;
use crate::options::{EngineOptions, Ports};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use vitrina_types::time::IngestTime;

const TOPIC: Topic = Topic::WindowRows;
/// Of this partition everything fails.
const BROKEN: Partition = Partition(0);

#[derive(Default)]
struct Seen {
    positions: BTreeMap<Partition, Offset>,
    records: Vec<Vec<u8>>,
    /// Steps that failed because of a bad record.
    failed: u32,
    once_failed: bool,
}

/// Keeps what it is given, unless it is `bad`; `once` is bad the first time.
#[derive(Default)]
struct Picky(Mutex<Seen>);

impl Follower for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn topic(&self) -> Topic {
        TOPIC
    }

    fn partitions(&self) -> Vec<Partition> {
        vec![BROKEN, Partition(1), Partition(2)]
    }

    fn position<'a>(
        &'a self,
        _shared: &'a Shared,
        partition: Partition,
    ) -> PortFuture<'a, Option<Offset>> {
        let position = self.0.lock().positions.get(&partition).copied();
        Box::pin(async move { Ok(position) })
    }

    fn apply<'a>(&'a self, _shared: &'a Shared, step: FollowStep<'a>) -> PortFuture<'a, ()> {
        Box::pin(async move {
            let mut seen = self.0.lock();
            if step.partition == BROKEN {
                let (port, detail) = ("broken", String::new());
                return Err(PortError::Unavailable { port, detail });
            }
            let what = |what: &str| PortError::Damaged { what: what.into() };
            for record in step.records {
                if &record.bytes[..] == b"bad" {
                    seen.failed += 1;
                    return Err(what("a bad record"));
                }
                if &record.bytes[..] == b"once" && !seen.once_failed {
                    seen.once_failed = true;
                    return Err(what("a record that was bad once"));
                }
            }
            let records = step.records.iter().map(|record| record.bytes.to_vec());
            seen.records.extend(records);
            seen.positions.insert(step.partition, step.next);
            Ok(())
        })
    }
}

fn append(partition: Partition, texts: &[String]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_bytes());
    }
    Append {
        topic: TOPIC,
        partition,
        records,
    }
}

/// Good records on both sides of the bad one; partition 0 never works.
#[tokio::test]
async fn trouble_in_one_partition_is_neither_anothers_delay_nor_its_fault() {
    let shared = Shared::new(
        Ports::in_memory(),
        EngineOptions::default(),
        Arc::new(|| IngestTime(1_000)),
    );
    let shared = Arc::new(shared);
    let mut texts: Vec<String> = (0..60).map(|i| format!("good-{i}")).collect();
    texts[40] = "bad".to_owned();
    let appends = vec![
        append(BROKEN, &["never".to_owned()]),
        append(Partition(1), &texts),
        append(Partition(2), &["once".to_owned()]),
    ];
    shared.ports.log.append(appends).await.unwrap();
    let picky = Arc::new(Picky::default());
    let following = tokio::spawn(run(Arc::clone(&shared), Arc::clone(&picky) as _));
    let done = async {
        let mut progress = tokio::time::interval(Duration::from_millis(5));
        while picky.0.lock().records.len() < 60 {
            progress.tick().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), done).await;
    let seen = picky.0.lock().records.len();
    assert!(in_time.is_ok(), "{seen} records of 60 after 20 s");
    shared.stop.send_replace(true);
    following.await.unwrap();

    texts.retain(|text| text != "bad");
    texts.push("once".to_owned());
    let (records, failed) = {
        let mut seen = picky.0.lock();
        (std::mem::take(&mut seen.records), seen.failed)
    };
    let texts_found = records.into_iter().map(String::from_utf8);
    let mut found: Vec<String> = texts_found.map(Result::unwrap).collect();
    texts.sort();
    found.sort();
    assert_eq!(found, texts, "each good one once");
    assert_eq!(failed, 2 * ATTEMPTS_MAX, "with its neighbours, then alone");
    let letters = shared
        .ports
        .log
        .read(Topic::DeadLetters, Partition(0), 0, 1_000_000);
    let letters = letters.await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter: DeadLetter = stored::decode(&letters[0].bytes).unwrap();
    assert_eq!(letter.source, "window-rows/1@40".into());
}
