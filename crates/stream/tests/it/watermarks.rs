//! How far a task believes event time has come.

use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_types::partition::Partition;
use vitrina_types::record::UserEnvelope;
use vitrina_types::state::TaskState;
use vitrina_types::time::Watermark;

fn watermark(records: &[UserEnvelope]) -> Watermark {
    let tasks = driven(records).user_tasks();
    let task = tasks.values().max_by_key(|task| task.applied);
    task.map_or(Watermark::NONE, |task| task.watermark)
}

#[test]
fn watermark_cases() {
    let loaded = |mut record: UserEnvelope| {
        record.backfill = true;
        record
    };
    let at = |ms: i64| Watermark(START + ms - 5 * SECOND);
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, Watermark)> = vec![
        ("nothing",             vec![],                                                   Watermark::NONE),
        ("an event",            vec![live(view("1", "p", 0))],                            at(0)),
        ("an older one",        vec![live(view("1", "p", 9)), live(view("2", "p", 0))],   at(9)),
        ("a minute ahead",      vec![taken(view("1", "p", MINUTE), 0)],                   at(MINUTE)),
        ("more than that",      vec![taken(view("1", "p", MINUTE + 1), 0)],               Watermark::NONE),
        ("loading old data",    vec![loaded(live(view("1", "p", 0)))],                    Watermark::NONE),
        ("a tick",              vec![live(view("1", "p", 0)), tick(HOUR)],                at(HOUR)),
        ("an old tick",         vec![live(view("1", "p", 9)), tick(0)],                   at(9)),
        ("a tick of a loading", vec![live(view("1", "p", 0)), loaded(tick(HOUR))],        at(0)),
        ("a duplicate",         vec![live(view("1", "p", 0)), live(view("1", "p", 9))],   at(9)),
    ];
    for (name, records, want) in cases {
        assert_eq!(watermark(&records), want, "{name}");
    }
}

proptest! {
    /// No record, however wrong its times, moves a watermark back or more than a minute past
    /// the newest ingest time.
    #[test]
    fn a_watermark_never_regresses(
        times in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>()), 1..20),
    ) {
        let mut driver = vitrina_stream::driver::Driver::default();
        let mut before = BTreeMap::<Partition, TaskState>::new();
        for (place, (at, ingest, is_tick)) in times.into_iter().enumerate() {
            let mut event = view(&format!("e{place}"), "p", 0);
            event.event_time.0 = at;
            let mut record = if is_tick { tick(0) } else { live(event) };
            record.ingest_time.0 = ingest;
            driver.pipe_in(&record);
            driver.run();
            let after = driver.user_tasks();
            for (partition, old) in &before {
                prop_assert!(old.watermark <= after[partition].watermark);
            }
            before = after;
        }
    }
}
