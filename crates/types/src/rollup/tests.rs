//! Steps by hand, conservation by property, the funnel by table.

use super::*;
use crate::event::KindTag;
use crate::money::{Amount, Currency};
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WINDOW_MS: i64 = 10 * MINUTE_MS;
/// 2019-10-01T00:00:00Z.
const OCTOBER: i64 = 1_569_888_000_000;

#[test]
fn steps_begin_where_local_time_is_a_multiple() {
    let local_day = |offset_ms: i64| OCTOBER - offset_ms;
    #[rustfmt::skip]
    let cases: &[(&str, i64, i64, i64, i64)] = &[
        // name, moment, step, offset, begin
        ("first of a day",     OCTOBER,                DAY_MS,   0,            OCTOBER),
        ("last of a day",      OCTOBER + DAY_MS - 1,   DAY_MS,   0,            OCTOBER),
        ("an hour",            OCTOBER + HOUR_MS + 5,  HOUR_MS,  0,            OCTOBER + HOUR_MS),
        ("Moscow",             OCTOBER,                DAY_MS,   3 * HOUR_MS,  local_day(3 * HOUR_MS)),
        ("last of Moscow",     local_day(3 * HOUR_MS) - 1, DAY_MS, 3 * HOUR_MS, local_day(3 * HOUR_MS) - DAY_MS),
        ("Kathmandu",          OCTOBER,                DAY_MS,   345 * MINUTE_MS, local_day(345 * MINUTE_MS)),
        ("New York",           OCTOBER + 5 * HOUR_MS,  DAY_MS,  -4 * HOUR_MS,  OCTOBER + 4 * HOUR_MS),
        ("before the epoch",  -1,                      DAY_MS,   0,           -DAY_MS),
        ("no step",            7,                      0,        0,            7),
    ];
    for &(name, at, step_ms, offset_ms, begin) in cases {
        let step = step_of(EventTime(at), step_ms, offset_ms);
        assert_eq!(step.start.0, begin, "{name}");
        assert_eq!(step.length_ms(), step_ms.max(1), "{name}");
        assert!(step.contains(EventTime(at)), "{name}");
    }
    let last = step_of(EventTime(i64::MAX), i64::MAX, i64::MAX);
    assert_eq!(last.end, EventTime(i64::MAX), "cut, not wrapped");
}

/// One event as it is measured.
#[derive(Debug, Clone)]
struct Seen {
    product: u8,
    after_ms: i64,
    kind: u8,
    cents: i32,
    visitor: u64,
    part: u64,
}

fn seen() -> impl Strategy<Value = Seen> {
    // Three days, few products, as many visitors as sketches estimate.
    let when = -DAY_MS..2 * DAY_MS;
    let what = (
        0..4_u8,
        when,
        0..10_u8,
        -500..5_000_i32,
        0..400_u64,
        0..3_u64,
    );
    what.prop_map(|(product, after_ms, kind, cents, visitor, part)| Seen {
        product,
        after_ms,
        kind,
        cents,
        visitor: visitor.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        part,
    })
}

impl Seen {
    fn key(&self) -> RowKey {
        RowKey::new(Dimension::Product, self.product.to_string())
    }

    fn at(&self) -> EventTime {
        EventTime(OCTOBER + self.after_ms)
    }

    fn measure(&self, measures: &mut Measures) {
        let currency = if self.cents % 2 == 0 {
            Currency::USD
        } else {
            Currency::GBP
        };
        let amount = Amount::from_units(f64::from(self.cents) / 100.0).unwrap();
        measures.add(
            KindTag(self.kind),
            Some((currency, amount)),
            Some(self.visitor),
        );
        measures.pieces += i64::from(self.cents % 3);
    }
}

/// Every event measured in the window of `length_ms` it lies in, computed without `step_of`.
fn measured(
    events: &[Seen],
    length_ms: i64,
    offset_ms: i64,
) -> BTreeMap<(RowKey, i64, u64), Measures> {
    let mut cells: BTreeMap<_, Measures> = BTreeMap::new();
    for event in events {
        let local = event.at().0 + offset_ms;
        let start = local - local % length_ms - offset_ms;
        let cell = (event.key(), start, event.part);
        event.measure(cells.entry(cell).or_default());
    }
    cells
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Rolling ten-minute rows up is measuring the long window directly, in any order of rows.
    #[test]
    fn rolling_up_conserves(
        events in prop::collection::vec(seen(), 0..400),
        half_hours in -28..28_i64,
        step_ms in prop::sample::select(vec![WINDOW_MS, HOUR_MS, 4 * HOUR_MS, DAY_MS]),
        order in any::<u64>(),
    ) {
        let offset_ms = half_hours * 30 * MINUTE_MS;
        let mut rows: Vec<WindowRow> = measured(&events, WINDOW_MS, 0)
            .into_iter()
            .map(|((key, start, part), measures)| WindowRow {
                key,
                window: step_of(EventTime(start), WINDOW_MS, 0),
                part,
                pane: 3,
                measures,
            })
            .collect();
        rows.sort_by_key(|row| (row.window.start.0 as u64 ^ row.part).wrapping_mul(order | 1));

        let mut whole = events.clone();
        whole.iter_mut().for_each(|event| event.part = 0);
        let direct: BTreeMap<_, _> = measured(&whole, step_ms, offset_ms)
            .into_iter()
            .map(|((key, start, _), measures)| ((key, start), measures))
            .collect();
        let rolled: BTreeMap<_, _> = roll_up(rows.clone(), step_ms, offset_ms)
            .into_iter()
            .map(|((key, step), measures)| ((key, step.start.0), measures))
            .collect();
        prop_assert_eq!(&rolled, &direct);

        rows.reverse();
        let reversed: BTreeMap<_, _> = roll_up(rows, step_ms, offset_ms)
            .into_iter()
            .map(|((key, step), measures)| ((key, step.start.0), measures))
            .collect();
        prop_assert_eq!(&reversed, &direct);
    }
}

fn session(id: &str, start: i64, part: u64, kinds: &[&str]) -> WindowRow {
    let mut measures = Measures::default();
    for kind in kinds {
        measures.add(KindTag::of(kind).unwrap(), None, Some(1));
    }
    WindowRow {
        key: RowKey::new(Dimension::Session, id),
        window: TimeWindow {
            start: EventTime(start),
            end: EventTime(start + HOUR_MS),
        },
        part,
        pane: 0,
        measures,
    }
}

#[test]
fn a_row_without_measures_leaves_no_sum() {
    let rows = vec![session("a", 0, 0, &[]), session("b", 0, 0, &["view"])];
    let sums = roll_up(rows, DAY_MS, 0);
    let ids: Vec<&str> = sums.keys().map(|(key, _)| &*key.id).collect();
    assert_eq!(ids, ["b"]);
}

#[test]
fn funnel_cases() {
    let other = WindowRow {
        key: RowKey::new(Dimension::Product, "a"),
        ..session("a", 0, 0, &["purchase"])
    };
    #[rustfmt::skip]
    let cases: &[(&str, Vec<WindowRow>, [u64; 4])] = &[
        ("nothing",            vec![],                                                  [0, 0, 0, 0]),
        ("a search",           vec![session("a", 0, 0, &["search"])],                   [1, 0, 0, 0]),
        ("a view",             vec![session("a", 0, 0, &["view", "view"])],             [1, 1, 0, 0]),
        ("a click",            vec![session("a", 0, 0, &["click"])],                    [1, 1, 0, 0]),
        ("a cart",             vec![session("a", 0, 0, &["view", "add_to_cart"])],      [1, 1, 1, 0]),
        ("a cart unseen",      vec![session("a", 0, 0, &["add_to_cart"])],              [1, 1, 1, 0]),
        ("bought unseen",      vec![session("a", 0, 0, &["purchase"])],                 [1, 1, 1, 1]),
        ("only returned",      vec![session("a", 0, 0, &["return"])],                   [1, 0, 0, 0]),
        ("merged away",        vec![session("a", 0, 0, &[])],                           [0, 0, 0, 0]),
        ("two parts",          vec![session("a", 0, 0, &["view"]),
                                    session("a", 0, 9, &["purchase"])],                 [1, 1, 1, 1]),
        ("two of a visitor",   vec![session("a", 0, 0, &["view"]),
                                    session("a", 5, 0, &["purchase"])],                 [2, 2, 1, 1]),
        ("two visitors",       vec![session("a", 0, 0, &["add_to_cart"]),
                                    session("b", 0, 0, &["view"])],                     [2, 2, 1, 0]),
        ("another dimension",  vec![other],                                             [0, 0, 0, 0]),
    ];
    for (name, rows, [sessions, viewed, carted, purchased]) in cases {
        let want = Funnel {
            sessions: *sessions,
            viewed: *viewed,
            carted: *carted,
            purchased: *purchased,
        };
        assert_eq!(funnel(rows), want, "{name}");
        assert_eq!(funnel(rows.iter().rev()), want, "{name}, reversed");
    }
}
