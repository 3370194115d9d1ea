//! Rows case by case.

use super::did::*;
use crate::make::*;
use vitrina_stream::ROWS_PER_RECORD;
use vitrina_stream::driver::Driver;
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord, RowEnvelope, RowRecord};
use vitrina_types::stored;
use vitrina_types::time::{EventTime, Watermark};
use vitrina_types::topic::Topic;

#[test]
fn late_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, i64, bool, bool)] = &[
        ("window open",            WINDOW - 1,         false, false),
        ("just ended",             WINDOW,             false, false),
        ("grace almost over",      WINDOW + GRACE - 1, false, false),
        ("grace over",             WINDOW + GRACE,     false, true),
        ("long over",              DAY,                false, true),
        ("old data is never late", DAY,                true,  false),
    ];
    for &(name, watermark, is_old, want) in cases {
        let mut driver = Driver::default();
        silence(&mut driver, 1);
        driver.pipe_in_product(&upstream(0, watermark, None));
        driver.run();
        let did = Did {
            of: 1,
            kind: 5,
            at: 7 * MINUTE,
            who: 2,
        };
        driver.pipe_in_product(&did.envelope(is_old));
        driver.run();
        let late = late(&driver);
        assert_eq!(late.len(), usize::from(want), "{name}");
        for one in late {
            assert_eq!(&*one.operator, "product-stage", "{name}");
            assert_eq!(one.watermark, Watermark(START + watermark), "{name}");
            let rows = counted([&did]);
            let row = rows.iter().find(|((key, _), _)| *key == one.key);
            assert_eq!(
                row,
                Some((&(one.key.clone(), one.window), &one.measures)),
                "{name}"
            );
        }
        // Whatever becomes of rows, the product knows of it.
        let state = driver.product(&product("p1")).unwrap();
        assert_eq!(state.counters.of("purchase"), 1, "{name}");
        end(&mut driver);
        assert_eq!(rows(&driver).is_empty(), want, "{name}");
    }
}

/// An interaction of a visitor who is not to be analysed is in no row.
#[test]
fn who_is_not_to_be_analysed_is_in_no_row() {
    let mut driver = Driver::default();
    silence(&mut driver, 1);
    let mut envelope = Did {
        of: 1,
        kind: 5,
        at: 0,
        who: 2,
    }
    .envelope(false);
    if let ProductRecord::Interaction { visitor, .. } = &mut envelope.record {
        *visitor = None;
    }
    driver.pipe_in_product(&envelope);
    end(&mut driver);
    assert_eq!(rows(&driver), Rows::new());
    assert_eq!(
        driver
            .product(&product("p1"))
            .unwrap()
            .counters
            .of("purchase"),
        1
    );
}

/// A row counts to the category the product had when its first event of the window came.
#[test]
fn a_row_keeps_the_category_it_began_with() {
    let mut driver = with_cards(Driver::default());
    silence(&mut driver, 1);
    let did = Did {
        of: 1,
        kind: 0,
        at: 0,
        who: 2,
    };
    driver.pipe_in_product(&did.envelope(false));
    let moved = Product::bare(product("p1"), EventTime(START));
    let record = ProductRecord::Upsert {
        version: 2,
        product: Box::new(moved),
    };
    driver.pipe_in_product(&signal(record));
    driver.pipe_in_product(&did.envelope(false));
    // The card of the first event is in the stored state as well.
    driver.run();
    driver.crash();
    end(&mut driver);
    assert_eq!(rows(&driver), counted([&did, &did]));
}

/// However many sums are due, one record tells a bounded number; how far the task has come is
/// told when all are, and once.
#[test]
fn more_sums_than_one_record_tells() {
    let count = 2 * ROWS_PER_RECORD + 1;
    let mut driver = Driver::default().with_batch(count);
    let names = (0..).map(|i| format!("p{i}"));
    let same = names.filter(|name| Partition::of(name) == Partition(9));
    for name in same.take(count) {
        let mut envelope = Did {
            of: 0,
            kind: 0,
            at: 0,
            who: 2,
        }
        .envelope(false);
        if let ProductRecord::Interaction { product: id, .. } = &mut envelope.record {
            *id = product(&name);
        }
        driver.append(
            Topic::ProductSignals,
            Partition(9),
            stored::encode(&envelope),
        );
    }
    driver.run();
    let mut driver = driver.with_batch(1);
    silence(&mut driver, 0);
    let (mut before, mut sent) = (0, 0);
    while driver.step() {
        let now = driver.records(Topic::RowSignals).count();
        if std::mem::replace(&mut sent, now) == now {
            continue;
        }
        let signals: Vec<RowEnvelope> = driver.decoded(Topic::RowSignals);
        let parts = signals
            .iter()
            .filter(|s| matches!(s.record, RowRecord::Part { .. }))
            .count();
        assert!(parts - before <= ROWS_PER_RECORD);
        let spoke = signals
            .iter()
            .filter(|s| matches!(s.record, RowRecord::Upstream(u) if u.from == 9));
        assert_eq!(spoke.count(), usize::from(parts == count), "{parts} parts");
        if parts > before {
            driver.commit();
            driver.crash();
        }
        before = parts;
    }
    assert_eq!(before, count);
    driver.run();
    assert_eq!(rows(&driver).len(), count);
    let signals: Vec<ProductEnvelope> = driver.decoded(Topic::ProductSignals);
    let continued = signals
        .iter()
        .filter(|s| s.record == ProductRecord::Continue);
    assert_eq!(continued.count(), 2);
}
