//! What is live and what is old data being loaded, and what is told downstream of both.

use crate::make::*;
use crate::restore;
use proptest::prelude::*;
use vitrina_stream::{ROWS_PER_RECORD, Task, UserOptions, UserStage};
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::{Progress, Watermark};
use vitrina_types::topic::Topic;

const BEHIND: i64 = 5 * SECOND;

fn loaded(mut record: UserEnvelope) -> UserEnvelope {
    record.backfill = true;
    record
}

/// Old data of `at`, taken in at `ingest`.
fn old(id: &str, at: i64, ingest: i64) -> UserEnvelope {
    loaded(taken(view(id, "p", at), ingest))
}

/// One task without a store: answers what each record led to, by topic.
struct Alone {
    task: Task<UserStage>,
    offset: u64,
}

impl Alone {
    fn new(options: UserOptions) -> Self {
        Self {
            task: Task::new(UserStage { options }, Partition(7)),
            offset: 0,
        }
    }

    fn apply(&mut self, record: &UserEnvelope) -> Vec<(Topic, Vec<u8>)> {
        let bytes = stored::encode(record);
        for key in self.task.accept([(self.offset, &bytes[..])].into_iter()) {
            self.task.load(key, None).unwrap();
        }
        self.offset += 1;
        self.task.process();
        let outputs = self.task.take_outputs().into_iter();
        let sent = outputs.flat_map(|output| {
            let records: Vec<Vec<u8>> = output.records().map(<[u8]>::to_vec).collect();
            records.into_iter().map(move |bytes| (output.topic, bytes))
        });
        sent.collect()
    }

    /// How far the task told it has come with this record; checks that it is the last thing said.
    fn told(&mut self, record: &UserEnvelope) -> Option<Progress> {
        let sent = self.apply(record);
        let signals = sent.iter().filter(|s| s.0 == Topic::ProductSignals);
        let mut told = signals.filter_map(|(_, bytes)| {
            let envelope: ProductEnvelope = stored::decode(bytes).unwrap();
            match envelope.record {
                ProductRecord::Upstream(upstream) => Some(upstream),
                _ => None,
            }
        });
        let upstream = told.next()?;
        assert_eq!((upstream.from, upstream.of), (7, 0));
        assert!(told.next().is_none());
        Some(upstream.progress)
    }
}

type Case = (
    &'static str,
    Vec<(UserEnvelope, Option<(i64, Option<i64>)>)>,
);

#[test]
fn told_cases() {
    const NONE: i64 = i64::MIN;
    let now = |id: &str, ms: i64| live(view(id, "p", ms));
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        // name, records, each with the watermarks it led to being told, 5 s added
        ("in steps", vec![
            (now("1", 0),                    Some((0, None))),
            (now("2", 999),                  None),
            (now("3", 1_000),                Some((1_000, None))),
            (now("4", 500),                  None),
        ]),
        ("a tick tells every rise", vec![
            (now("1", 0),                    Some((0, None))),
            (tick(1),                        Some((1, None))),
            (tick(1),                        None),
            (tick(0),                        None),
        ]),
        ("a duplicate moves it", vec![
            (now("1", 0),                    Some((0, None))),
            (now("1", 5_000),                Some((5_000, None))),
        ]),
        ("old data begins, goes on and ends", vec![
            (now("1", 9 * HOUR),             Some((9 * HOUR, None))),
            (old("2", 0, 9 * HOUR),          Some((9 * HOUR, Some(0)))),
            (old("3", HOUR - 1, 9 * HOUR),   None),
            (old("4", HOUR, 9 * HOUR),       Some((9 * HOUR, Some(HOUR)))),
            (old("5", HOUR + 7, 9 * HOUR),   None),
            (tick(9 * HOUR + 5_000),         Some((9 * HOUR + 5_000, Some(HOUR + 7)))),
            (loaded(tick(10 * HOUR)),        None),
            (tick(9 * HOUR + 9_999),         Some((9 * HOUR + 9_999, Some(HOUR + 7)))),
            (tick(9 * HOUR + 10_000),        Some((9 * HOUR + 10_000, None))),
        ]),
        ("more of it puts the end off", vec![
            (old("1", 0, 0),                 Some((NONE, Some(0)))),
            (old("2", 1, 8_000),             None),
            (tick(17_999),                   Some((17_999, Some(1)))),
            (tick(18_000),                   Some((18_000, None))),
        ]),
        ("older data is loaded after it", vec![
            (old("1", DAY, DAY),             Some((NONE, Some(DAY)))),
            (old("2", 0, DAY),               None),
            (tick(DAY + 10_000),             Some((DAY + 10_000, None))),
            (old("3", 1, DAY + 10_000),      Some((DAY + 10_000, Some(1)))),
        ]),
        ("old data of tomorrow moves nothing", vec![
            (old("1", HOUR, 0),              None),
        ]),
    ];
    for (name, records) in cases {
        let mut task = Alone::new(UserOptions::default());
        for (place, (record, want)) in records.into_iter().enumerate() {
            let moment = |ms: i64| {
                Watermark(if ms == NONE {
                    NONE
                } else {
                    START + ms - BEHIND
                })
            };
            let want = want.map(|(live, backfill)| Progress {
                live: moment(live),
                backfill: backfill.map(moment),
            });
            assert_eq!(task.told(&record), want, "{name}, record {place}");
        }
    }
}

#[test]
fn a_late_tolerant_stage_stays_five_minutes_behind() {
    let mut task = Alone::new(UserOptions::late_tolerant());
    let told = task.told(&live(view("1", "p", 0))).unwrap();
    assert_eq!(told.live, Watermark(START - 5 * MINUTE));
}

/// A bounded number of rows is told for one record; the rest follows, none of it twice.
#[test]
fn many_sessions_that_end_at_once_are_told_bit_by_bit() {
    const VISITORS: usize = 2 * ROWS_PER_RECORD + 100;
    let mut task = Alone::new(UserOptions::default());
    for visitor in 0..VISITORS {
        let id = format!("u{visitor}");
        task.apply(&live(by(view(&id, "p", 0), Some(&id), None)));
    }
    assert_eq!(task.task.open(), VISITORS);
    let mut next = vec![tick(HOUR)];
    let mut told = Vec::new();
    while let Some(record) = next.pop() {
        let sent = task.apply(&record);
        let rows = sent.iter().filter(|s| s.0 == Topic::WindowRows).count();
        told.push(rows);
        let own = sent.iter().filter(|s| s.0 == Topic::UserEvents);
        next.extend(own.map(|s| stored::decode::<UserEnvelope>(&s.1).unwrap()));
        assert_eq!(task.task.task_state().continues, !next.is_empty());
        if let Some(record) = next.first() {
            assert_eq!(record.record, UserRecord::Continue);
            // Events in between leave it to the record that is on its way.
            let sent = task.apply(&live(view(&format!("e{}", told.len()), "p", HOUR)));
            assert!(sent.iter().all(|s| s.0 == Topic::ProductSignals));
        }
    }
    assert_eq!(told, [ROWS_PER_RECORD, ROWS_PER_RECORD, 100]);
    assert_eq!(task.task.open(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// What is told never falls, but for old data that begins anew, and is what the task knows,
    /// never more than a step ahead of what was told.
    #[test]
    fn what_is_told_never_falls(
        records in stream(1..60),
        is_old in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut task = Alone::new(UserOptions::default());
        let mut before = Progress::default();
        for (record, is_old) in records.into_iter().zip(is_old) {
            let record = if is_old { loaded(record) } else { record };
            let told = task.told(&record);
            let state = *task.task.task_state();
            if let Some(told) = told {
                prop_assert!(told.live >= before.live);
                if let (Some(before), Some(told)) = (before.backfill, told.backfill) {
                    prop_assert!(told >= before);
                }
                prop_assert_eq!(told.live, state.watermark);
                prop_assert_eq!(told, state.told);
                before = told;
            }
            prop_assert!(state.watermark.0.saturating_sub(before.live.0) < 1_000);
        }
    }

    /// State and outputs are the same wherever the task stopped, also with sessions open in both
    /// lanes.
    #[test]
    fn restoring_open_sessions_is_replaying(
        records in stream(1..80),
        is_old in prop::collection::vec(any::<bool>(), 80),
        cut in 0.0..=1.0,
        published in 0.0..=1.0,
        mut ends in prop::collection::vec(0usize..80, 0..8),
    ) {
        ends.sort_unstable();
        let records = records.into_iter().zip(is_old);
        let records = records.map(|(r, is_old)| if is_old { loaded(r) } else { r });
        let log: Vec<Vec<u8>> = records.map(|record| stored::encode(&record)).collect();
        let cut = (log.len() as f64 * cut) as usize;
        let published = cut + ((log.len() - cut) as f64 * published) as usize;
        restore::check::<UserStage>(&log, cut, published, &ends)?;
    }
}
