//! What operators remember.

use super::catalogue::{product_id, products};
use super::rows::progress;
use vitrina_types::decayed::{DecayedCount, WindowedCount};
use vitrina_types::event::{Counters, KindTag};
use vitrina_types::id::{AnonymousId, UserId};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::state::{
    Backfill, CategoryState, ExpiryDay, ExpiryDays, HistoryEntry, Neighbours, ProductState,
    ProductValue, Purchased, Seen, Session, TaskState, UserState, UserValue,
};
use vitrina_types::time::{EventTime, IngestTime, Watermark};

const START: EventTime = EventTime(1_569_888_000_000);

fn counters() -> Counters {
    let mut counters = Counters::default();
    for tag in 0..10 {
        counters.add(KindTag(tag), 1 << (tag * 4));
    }
    counters
}

pub(crate) fn user_states() -> Vec<UserState> {
    let entry = |product: &str, strength, at_ms, order| HistoryEntry {
        product: product_id(product),
        kind: KindTag(0),
        strength,
        at: START.plus_ms(at_ms),
        order,
    };
    let full = UserState {
        first_seen: START,
        last_seen: START.plus_ms(90_000),
        counters: counters(),
        sessions: 3,
        session: Session {
            shop_session: 0x1234_5678_9abc_def0,
            started: START,
            last: START.plus_ms(90_000),
            events: 4,
        },
        history: vec![entry("p", 4, 0, 1), entry("q", -32, 1, u64::MAX)],
        purchased: vec![Purchased {
            product: product_id("p"),
            at: START,
        }],
        seen: [(1, 0), (u64::MAX, 5), (7, 3_600_000)]
            .map(|(hash, ms)| Seen {
                hash,
                at: START.plus_ms(ms),
            })
            .to_vec(),
        spent: Amount::from_units(-0.5)
            .map(|amount| vec![(Currency::USD, amount)])
            .unwrap(),
        linked: vec![AnonymousId::new("cookie").unwrap()],
        linked_to: None,
        history_floor: Some((START, 9)),
        last_ingest: IngestTime(START.0 + 1),
    };
    let left = UserState {
        linked_to: UserId::new("u").ok(),
        ..UserState::default()
    };
    vec![UserState::default(), full, left]
}

pub(crate) fn user_values() -> Vec<UserValue> {
    let states = user_states().into_iter().map(Box::new);
    let mut values: Vec<UserValue> = states.map(UserValue::State).collect();
    values.push(UserValue::Expiry(vec!["u/u".into(), "a/cookie".into()]));
    values
}

pub(crate) fn expiry_days() -> Vec<ExpiryDays> {
    let day = |day, asked, sealed| ExpiryDay { day, asked, sealed };
    let some = ExpiryDays {
        days: vec![day(18_170, 65, 24_500), day(18_171, 64, 64)],
        old_until: Some(18_175),
    };
    vec![ExpiryDays::default(), some]
}

fn product_state() -> ProductState {
    let mut interest = DecayedCount::default();
    interest.add(1e9, START, 8.0);
    let mut windows = WindowedCount::default();
    windows.add(START, 1.5);
    windows.add(START.plus_ms(7_200_000), 1.0);
    let mut covisits = Neighbours::default();
    covisits.add(&product_id("q"), 0.625, START, 1e9, 50);
    ProductState {
        card: Some(Box::new(products().swap_remove(1))),
        card_version: 12,
        deleted: false,
        counters: counters(),
        interest,
        windows,
        bought_together: covisits.clone(),
        covisits,
        revenue: Amount::from_units(131.51)
            .map(|amount| vec![(Currency::USD, amount)])
            .unwrap(),
        first_seen: START,
        last_seen: START.plus_ms(1),
    }
}

pub(crate) fn product_values() -> Vec<ProductValue> {
    let state = product_state();
    let category = CategoryState {
        counters: state.counters,
        interest: state.interest,
    };
    let gone = ProductState {
        card_version: 2,
        deleted: true,
        ..ProductState::default()
    };
    vec![
        ProductValue::Product(Box::new(state)),
        ProductValue::Product(Box::new(gone)),
        ProductValue::Category(category),
        ProductValue::Ban {
            version: 3,
            banned: true,
        },
    ]
}

/// What version 1 could say.
pub(crate) fn task_states_1() -> Vec<TaskState> {
    let busy = TaskState {
        watermark: Watermark(START.0 - 5_000),
        applied: 1 << 40,
        duplicates: 7,
        rejected: 1,
        expiry_next: Some(18_170 * 64 + 63),
        ..TaskState::NEW
    };
    vec![TaskState::default(), busy]
}

pub(crate) fn task_states() -> Vec<TaskState> {
    let loading = TaskState {
        late: 9,
        backfill: Backfill {
            newest: Some(EventTime(0)),
            last_ingest: IngestTime(START.0 + 1),
        },
        told: progress(),
        continues: true,
        ..task_states_1()[1]
    };
    vec![TaskState::default(), loading]
}
