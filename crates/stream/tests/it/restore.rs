//! Restoring is replaying: wherever a task stops and starts again, nothing is lost or doubled.

use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::driver::Driver;
use vitrina_stream::{Operator, ProductStage, RESIDENT_PREFIX, Task, UserStage};
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, UserEnvelope};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

type Records = Vec<(Topic, Partition, Vec<u8>)>;
type Store = BTreeMap<String, Vec<u8>>;

/// Processes the log in batches that end at `ends`, and answers what came out, grouped by topic
/// and partition, each group in order.
fn run<O: Operator>(
    task: &mut Task<O>,
    store: &mut Store,
    log: &[Vec<u8>],
    ends: &[usize],
) -> Records {
    let mut records = Records::new();
    for &end in ends.iter().chain([&log.len()]) {
        let start = (task.position() as usize).min(log.len());
        let batch = &log[start..end.clamp(start, log.len())];
        let missing = task.accept((start as u64..).zip(batch.iter().map(Vec::as_slice)));
        for key in missing {
            let value = store.get(&key).cloned();
            task.load(key, value.as_deref()).unwrap();
        }
        task.process();
        for output in task.take_outputs() {
            let sent = output
                .records()
                .map(|r| (output.topic, output.partition, r.to_vec()));
            records.extend(sent);
        }
    }
    records.sort_by_key(|(topic, partition, _)| (*topic, *partition));
    records
}

fn take<O: Operator>(task: &mut Task<O>, store: &mut Store) {
    task.take_changes(&mut |key, _, bytes| {
        match bytes {
            Some(bytes) => store.insert(key.to_owned(), bytes),
            None => store.remove(key),
        };
    });
}

/// One task over the whole log, against one that stops at `cut` with outputs published up to
/// `published`, and another that starts from its state.
pub(crate) fn check<O: Operator + Default>(
    log: &[Vec<u8>],
    cut: usize,
    published: usize,
    ends: &[usize],
) -> Result<(), TestCaseError> {
    let task = || Task::new(O::default(), Partition(0));
    let (mut whole, mut whole_store) = (task(), Store::new());
    let want = run(&mut whole, &mut whole_store, log, &[]);
    take(&mut whole, &mut whole_store);

    let (mut first, mut store) = (task(), Store::new());
    let mut got = run(&mut first, &mut store, &log[..cut], ends);
    take(&mut first, &mut store);
    // The first task goes on and publishes, but its state is lost.
    got.extend(run(&mut first, &mut store.clone(), &log[..published], ends));
    let mut second = task().with_hot_keys_max(3);
    second.assign(cut as u64, published as u64).unwrap();
    for (key, value) in store.iter().filter(|(k, _)| k.starts_with(RESIDENT_PREFIX)) {
        second.load(key.clone(), Some(value)).unwrap();
    }
    got.extend(run(&mut second, &mut store, log, ends));
    take(&mut second, &mut store);
    got.sort_by_key(|(topic, partition, _)| (*topic, *partition));

    prop_assert_eq!(got, want);
    prop_assert_eq!(store, whole_store);
    Ok(())
}

fn input(driver: &Driver, topic: Topic) -> Vec<Vec<u8>> {
    driver
        .records(topic)
        .map(|(_, bytes)| bytes.to_vec())
        .collect()
}

/// Everything both stages read when they are fed `records`, each as one log.
fn logs(records: &[UserEnvelope]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let driver = driven(records);
    (
        input(&driver, Topic::UserEvents),
        input(&driver, Topic::ProductSignals),
    )
}

/// How far tasks have come is told in steps, and which steps depends on how the records of
/// partitions interleave.
fn is_about_a_key(topic: Topic, bytes: &[u8]) -> bool {
    topic != Topic::ProductSignals
        || stored::decode::<ProductEnvelope>(bytes)
            .is_ok_and(|envelope| envelope.record.partition_id().is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// State and outputs are the same, byte for byte, wherever the first task stopped, however
    /// far its outputs were published, and wherever batches ended.
    #[test]
    fn restoring_is_replaying(
        records in stream(1..60),
        cut in 0.0..=1.0,
        published in 0.0..=1.0,
        mut ends in prop::collection::vec(0usize..120, 0..8),
    ) {
        ends.sort_unstable();
        let (users, products) = logs(&records);
        let places = |len: usize| {
            let cut = (len as f64 * cut) as usize;
            (cut, cut + ((len - cut) as f64 * published) as usize)
        };
        let (cut, published) = places(users.len());
        check::<UserStage>(&users, cut, published, &ends)?;
        let (cut, published) = places(products.len());
        check::<ProductStage>(&products, cut, published, &ends)?;
    }

    /// A driver that crashes again and again, with commits far apart, ends where one that never
    /// did ends; and so does a fresh one that is given the log.
    #[test]
    fn crashes_change_nothing(
        records in stream(1..60),
        batch in 1usize..9,
        crashes in prop::collection::vec((1usize..6, any::<bool>()), 0..12),
    ) {
        let mut calm = Driver::default().with_batch(batch);
        let mut shaken = Driver::default().with_batch(batch).with_hot_keys_max(2);
        for record in &records {
            calm.pipe_in(record);
            shaken.pipe_in(record);
        }
        for (steps, commits) in crashes {
            // Between the stages batches interleave differently after a crash, which is what a
            // broker may do too; what one partition reads of another is compared as a whole.
            (0..steps).for_each(|_| { shaken.step(); });
            if commits {
                shaken.commit();
            }
            shaken.crash();
        }
        calm.run();
        shaken.run();
        for topic in [Topic::UserEvents, Topic::ProductSignals, Topic::DeadLetters] {
            let sorted = |driver: &Driver| {
                let records = driver.records(topic).filter(|(_, b)| is_about_a_key(topic, b));
                let mut records = records.collect::<Vec<_>>();
                records.sort_unstable();
                records.into_iter().map(|(p, b)| (p, b.to_vec())).collect::<Vec<_>>()
            };
            prop_assert_eq!(sorted(&calm), sorted(&shaken));
        }

        let mut fresh = Driver::default();
        for topic in [Topic::UserEvents, Topic::ProductSignals, Topic::RowSignals] {
            for (partition, bytes) in shaken.records(topic) {
                fresh.append(topic, partition, bytes.to_vec());
            }
        }
        fresh.mark_published();
        fresh.run();
        prop_assert_eq!(fresh.snapshot(), shaken.snapshot());
        prop_assert_eq!(fresh.records(Topic::DeadLetters).count(), 0);
    }
}
