//! Tests that every [`EventLog`] must pass. An adapter calls them with one line,
//! [`event_log_suite!`](crate::event_log_suite).

use super::{Append, BATCH_BYTES_MAX, Consumed, Consumer, EventLog, Offset, Records};
use crate::PortError;
use crate::suite::{Subject, ok, opened, refused, reopened, still_waits, within_deadline};
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Runs the whole suite on a [`Subject`] that opens an [`EventLog`].
#[macro_export]
macro_rules! event_log_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            log,
            $subject,
            [
                an_empty_log_has_nothing_to_read,
                records_come_back_in_order_without_gaps,
                a_read_is_cut_by_bytes_but_never_empty_handed,
                one_call_may_name_a_partition_twice,
                a_publish_moves_outputs_and_positions_together,
                a_stale_position_refuses_the_whole_publish,
                one_of_many_publishers_with_one_position_wins,
                too_large_a_batch_is_refused_whole,
                changed_wakes_on_append,
                appends_of_many_tasks_keep_every_record,
                what_was_acknowledged_is_there_after_reopening,
            ]
        );
    };
}

const TOPIC: Topic = Topic::UserEvents;

fn append(topic: Topic, partition: Partition, texts: &[&str]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_bytes());
    }
    Append {
        topic,
        partition,
        records,
    }
}

fn consumed(source: &str, expected: Option<Offset>, next: Offset) -> Consumed {
    Consumed {
        consumer: Consumer {
            name: "suite",
            source: source.into(),
        },
        expected,
        next,
    }
}

/// Everything in a partition, as text, read in small steps; checks that offsets rise, and have no
/// gaps where the adapter knows none.
async fn texts<S: Subject<Port: EventLog>>(
    subject: &S,
    log: &S::Port,
    topic: Topic,
    partition: Partition,
) -> Vec<String> {
    let has_gaps = subject.has_gaps();
    let bounds = log.bounds(topic, partition);
    let (mut next, mut all) = (bounds.start, Vec::new());
    loop {
        let records = ok(log.read(topic, partition, next, 64).await, "read");
        if records.is_empty() {
            let is_end = next == bounds.end || (has_gaps && next < bounds.end);
            assert!(is_end, "reading ends at {next}, not where {bounds:?} say");
            return all;
        }
        for record in records {
            let is_next = record.offset == next || (has_gaps && record.offset > next);
            assert!(
                is_next,
                "{} after {next}: offsets have no gaps",
                record.offset
            );
            all.push(String::from_utf8_lossy(&record.bytes).into_owned());
            next = record.offset + 1;
        }
    }
}

/// Nothing to read, no position, bounds `0..0`.
pub async fn an_empty_log_has_nothing_to_read<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let bounds = log.bounds(TOPIC, Partition(3));
    assert_eq!((bounds.start, bounds.end), (0, 0));
    let records = ok(log.read(TOPIC, Partition(3), 0, 1_000).await, "read");
    assert!(records.is_empty());
    let nobody = consumed("nothing", None, 0).consumer;
    assert_eq!(ok(log.committed(&nobody).await, "committed"), None);
}

/// Offsets are 0, 1, 2, … in each partition, and bytes come back as they went in.
pub async fn records_come_back_in_order_without_gaps<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let batch = vec![
        append(TOPIC, Partition(0), &["a", "", "c"]),
        append(TOPIC, Partition(1), &["x"]),
        append(Topic::ProductSignals, Partition(0), &["s", "t"]),
    ];
    assert_eq!(ok(log.append(batch).await, "append"), [3, 1, 2]);
    let more = vec![append(TOPIC, Partition(0), &["d"])];
    let ends = ok(log.append(more).await, "append");
    assert!(
        ends == [4] || (subject.has_gaps() && ends > vec![4]),
        "{ends:?}"
    );
    assert_eq!(
        texts(subject, &log, TOPIC, Partition(0)).await,
        ["a", "", "c", "d"]
    );
    assert_eq!(texts(subject, &log, TOPIC, Partition(1)).await, ["x"]);
    let signals = texts(subject, &log, Topic::ProductSignals, Partition(0)).await;
    assert_eq!(signals, ["s", "t"]);
    // Its first three records are one append: nothing lies between them.
    let middle = ok(log.read(TOPIC, Partition(0), 2, 1_000).await, "read");
    assert_eq!(middle[0].offset, 2);
    assert_eq!(&middle[0].bytes[..], b"c");
    let at_end = ok(log.read(TOPIC, Partition(0), ends[0], 1_000).await, "read");
    assert!(at_end.is_empty());
}

/// Whole records up to about the limit; one record even when it alone is over the limit.
pub async fn a_read_is_cut_by_bytes_but_never_empty_handed<S: Subject<Port: EventLog>>(
    subject: &S,
) {
    let log = opened(subject).await;
    let big = "b".repeat(5_000);
    let mut all = vec![big.as_str(), big.as_str()];
    all.extend(["small"; 2_000]);
    let batch = vec![append(TOPIC, Partition(0), &all)];
    ok(log.append(batch).await, "append");
    let first = ok(log.read(TOPIC, Partition(0), 0, 1).await, "read");
    assert!(!first.is_empty());
    assert_eq!(first[0].bytes.len(), 5_000);
    let some = ok(log.read(TOPIC, Partition(0), 2, 500).await, "read");
    assert!((1..2_000).contains(&some.len()), "{} records", some.len());
    let rest = ok(log.read(TOPIC, Partition(0), 0, 1_000_000).await, "read");
    assert_eq!(rest.len(), 2_002, "a generous limit answers everything");
}

/// The answers tell the two appends apart.
pub async fn one_call_may_name_a_partition_twice<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let batch = vec![
        append(TOPIC, Partition(2), &["a", "b"]),
        append(TOPIC, Partition(2), &["c"]),
    ];
    assert_eq!(ok(log.append(batch).await, "append"), [2, 3]);
    assert_eq!(
        texts(subject, &log, TOPIC, Partition(2)).await,
        ["a", "b", "c"]
    );
}

/// Outputs and positions of one call are there together, durable or not.
pub async fn a_publish_moves_outputs_and_positions_together<S: Subject<Port: EventLog>>(
    subject: &S,
) {
    let log = opened(subject).await;
    for (durable, expected, next) in [(false, None, 10), (true, Some(10), 20)] {
        let outputs = vec![append(Topic::ProductSignals, Partition(1), &["out"])];
        let moved = vec![consumed("users/1", expected, next), {
            consumed("users/2", expected, next + 1)
        }];
        let ends = ok(log.publish(outputs, moved, durable).await, "publish");
        let count = next / 10;
        let is_next = ends == [count] || (subject.has_gaps() && ends > vec![count]);
        assert!(is_next, "{ends:?}");
        for (source, want) in [("users/1", next), ("users/2", next + 1)] {
            let who = consumed(source, None, 0).consumer;
            let found = ok(log.committed(&who).await, "committed");
            assert_eq!(found, Some(want), "{source}");
        }
        if !durable {
            let moved = vec![consumed("users/2", Some(11), 10)];
            ok(log.publish(Vec::new(), moved, false).await, "move alone");
        }
    }
    let outputs = texts(subject, &log, Topic::ProductSignals, Partition(1)).await;
    assert_eq!(outputs, ["out", "out"]);
}

/// A refused publish leaves no record and no position behind.
pub async fn a_stale_position_refuses_the_whole_publish<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let first = vec![consumed("users/1", None, 5)];
    ok(log.publish(Vec::new(), first, true).await, "publish");
    for stale in [None, Some(4), Some(6)] {
        let outputs = vec![append(Topic::ProductSignals, Partition(0), &["never"])];
        let moved = vec![consumed("other", None, 1), consumed("users/1", stale, 9)];
        let error = refused(log.publish(outputs, moved, true).await, "stale position");
        assert!(
            matches!(error, PortError::PositionMismatch { .. }),
            "{error:?}"
        );
    }
    assert_eq!(log.bounds(Topic::ProductSignals, Partition(0)).end, 0);
    let other = consumed("other", None, 0).consumer;
    assert_eq!(ok(log.committed(&other).await, "committed"), None);
    let users = consumed("users/1", None, 0).consumer;
    assert_eq!(ok(log.committed(&users).await, "committed"), Some(5));
}

/// The position is compared and moved in one step.
pub async fn one_of_many_publishers_with_one_position_wins<S: Subject<Port: EventLog>>(
    subject: &S,
) {
    let log = Arc::new(opened(subject).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let outputs = vec![append(Topic::ProductSignals, Partition(0), &["won"])];
            let moved = vec![consumed("users/1", None, 100 + number)];
            log.publish(outputs, moved, false).await.is_ok()
        });
    }
    let wins = tasks.join_all().await.into_iter().filter(|&won| won);
    assert_eq!(wins.count(), 1);
    let outputs = texts(subject, &log, Topic::ProductSignals, Partition(0)).await;
    assert_eq!(outputs, ["won"]);
}

/// Above the limit nothing of the call is written.
pub async fn too_large_a_batch_is_refused_whole<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let mut records = Records::default();
    let megabyte = vec![7; 1_024 * 1_024];
    for _ in 0..=BATCH_BYTES_MAX / megabyte.len() {
        records.push(&megabyte);
    }
    let huge = Append {
        topic: TOPIC,
        partition: Partition(0),
        records,
    };
    let small = append(TOPIC, Partition(1), &["small"]);
    let error = refused(log.append(vec![small, huge]).await, "too large");
    assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
    assert_eq!(log.bounds(TOPIC, Partition(1)).end, 0);
}

/// A waiter resolves after an append, and not again before the next.
pub async fn changed_wakes_on_append<S: Subject<Port: EventLog>>(subject: &S) {
    let log = opened(subject).await;
    let mut seen = 0;
    for round in 1..=3 {
        let mut changed = log.changed(seen);
        assert!(still_waits(&mut changed), "round {round}: woken too early");
        let batch = vec![append(TOPIC, Partition(0), &["news"])];
        if round == 2 {
            let published = log.publish(batch, Vec::new(), false).await;
            ok(published, "publish");
        } else {
            ok(log.append(batch).await, "append");
        }
        seen = ok(within_deadline(changed, "changed").await, "changed");
        assert_eq!(log.bounds(TOPIC, Partition(0)).end, round);
    }
}

/// Concurrent appends interleave, but none is lost, doubled or torn apart.
pub async fn appends_of_many_tasks_keep_every_record<S: Subject<Port: EventLog>>(subject: &S) {
    const TASKS: usize = 4;
    const CALLS: usize = 25;
    let log = Arc::new(opened(subject).await);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            for call in 0..CALLS {
                let pair = [format!("{task}.{call}.a"), format!("{task}.{call}.b")];
                let batch = vec![append(TOPIC, Partition(0), &[&pair[0], &pair[1]])];
                let ends = ok(log.append(batch).await, "append");
                let from = ends[0] - 2;
                let read = ok(log.read(TOPIC, Partition(0), from, 1).await, "read");
                assert_eq!(
                    read[0].bytes, pair[0],
                    "the answer is where it was appended"
                );
            }
        });
    }
    tasks.join_all().await;
    let all = texts(subject, &log, TOPIC, Partition(0)).await;
    assert_eq!(all.len(), TASKS * CALLS * 2);
    for pair in all.chunks(2) {
        assert_eq!(pair[0].trim_end_matches('a'), pair[1].trim_end_matches('b'));
    }
    for task in 0..TASKS {
        let mine = format!("{task}.");
        let calls = all.iter().filter(|text| text.starts_with(&mine));
        let want = (0..CALLS).flat_map(|call| [format!("{call}.a"), format!("{call}.b")]);
        assert!(calls.map(|text| text[2..].to_owned()).eq(want), "{task}");
    }
}

/// Records, bounds and positions are as acknowledged, and the log goes on from there.
pub async fn what_was_acknowledged_is_there_after_reopening<S: Subject<Port: EventLog>>(
    subject: &S,
) {
    let mut log = opened(subject).await;
    let who = consumed("users/1", None, 0).consumer;
    let mut want = Vec::new();
    for round in 0..3_u64 {
        let text = format!("round {round}");
        let batch = vec![append(TOPIC, Partition(0), &[&text])];
        let expected = (round > 0).then_some(round);
        let moved = vec![consumed("users/1", expected, round + 1)];
        ok(log.publish(batch, moved, false).await, "publish");
        let batch = vec![append(TOPIC, Partition(0), &["appended"])];
        let (ends, next) = (ok(log.append(batch).await, "append"), round * 2 + 2);
        let is_next = ends == [next] || (subject.has_gaps() && ends > vec![next]);
        assert!(is_next, "{ends:?}");
        want.extend([text, "appended".to_owned()]);

        log = reopened(subject, log).await;
        assert_eq!(texts(subject, &log, TOPIC, Partition(0)).await, want);
        let found = ok(log.committed(&who).await, "committed");
        assert_eq!(found, Some(round + 1));
    }
}
