//! However much a visitor does, the visitor's state stays small.

use crate::make::*;
use proptest::prelude::*;
use vitrina_stream::{Task, UserStage};
use vitrina_types::partition::Partition;
use vitrina_types::state::{UserState, UserValue};
use vitrina_types::stored;

const STATE_BYTES_MAX: usize = 4_096;

/// A long, cheap source of numbers: proptest would take too long to shrink 10,000 events.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn state_after(events: usize, id_bytes: usize, mut seed: u64, step_ms: i64) -> UserState {
    let id = |n: u64| format!("{n:0>id_bytes$}");
    let mut task = Task::new(UserStage::default(), Partition(0));
    for place in 0..events {
        let r = next(&mut seed);
        let kind = KINDS[(r % 10) as usize];
        let names = [id(r % 500), id(r % 91), id(r % 17)];
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !matches!(kind, "purchase" | "return") {
            names.truncate(1);
        }
        let now = place as i64 * step_ms;
        let late = if r & 1024 == 0 {
            0
        } else {
            (r % 7_200_000) as i64
        };
        let made = event(&format!("{seed:x}-{place}"), kind, &names, now - late);
        let made = by(
            made,
            Some("u"),
            (r & 4096 == 0).then(|| id(r % 40)).as_deref(),
        );
        let bytes = stored::encode(&taken(made, now));
        for key in task.accept([(place as u64, &bytes[..])].into_iter()) {
            task.load(key, None).unwrap();
        }
        task.process();
    }
    let mut state = None;
    task.take_changes(&mut |key, value, _| {
        if key == "u/u" {
            state = value.and_then(UserValue::as_state).cloned();
        }
    });
    state.unwrap()
}

#[test]
fn a_busy_visitor_fits() {
    #[rustfmt::skip]
    let cases: &[(&str, usize, usize, i64)] = &[
        ("long ids",       10_000,  40, 20_000),
        ("longest ids",     3_000, 128, 20_000),
        ("short ids",       3_000,   8, 20_000),
        ("a crawler",       3_000,  40,     50),
        ("a rare visitor",  1_000,  40, 86_400_000),
    ];
    for &(name, events, id_bytes, step_ms) in cases {
        let state = state_after(events, id_bytes, 0x9e37_79b9_7f4a_7c15, step_ms);
        let bytes = stored::encode(&state).len();
        assert!(bytes <= STATE_BYTES_MAX, "{name}: {bytes} bytes");
        assert!(
            bytes > STATE_BYTES_MAX / 4,
            "{name}: only {bytes} bytes, is anything kept?"
        );
        assert!(
            !state.history.is_empty() && !state.purchased.is_empty(),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Whatever the mixture.
    #[test]
    fn any_visitor_fits(seed in 1u64.., id_bytes in 3usize..128, step_ms in 0i64..600_000) {
        let state = state_after(400, id_bytes, seed, step_ms);
        prop_assert!(stored::encode(&state).len() <= STATE_BYTES_MAX);
        prop_assert_eq!(stored::decode::<UserState>(&stored::encode(&state)), Ok(state));
    }
}
