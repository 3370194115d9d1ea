//! From what happened to products to the rows of their windows, through both stages.
//!
//! What is expected is counted by itself here, event by event, without a watermark.

mod cases;
mod did;

use crate::make::*;
use crate::restore::check;
use did::*;
use proptest::prelude::*;
use vitrina_stream::driver::Driver;
use vitrina_stream::{LineStage, LineValue, Operator, ProductStage, RowStage, Task};
use vitrina_types::event::KindTag;
use vitrina_types::partition::Partition;
use vitrina_types::record::ProductRecord;
use vitrina_types::row::{Dimension, Measures};
use vitrina_types::sketch::Distinct;
use vitrina_types::topic::Topic;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Inside the grace the order of arrival does not matter, nor how often time is told.
    #[test]
    fn order_inside_the_grace_does_not_matter(
        arrivals in arrivals(GRACE + SLACK),
        every in 1usize..9,
        batch in 1usize..50,
    ) {
        let mut driver = with_cards(Driver::default().with_batch(batch));
        fed(&mut driver, &arrivals, every);
        end(&mut driver);
        prop_assert_eq!(late(&driver).len(), 0);
        prop_assert_eq!(rows(&driver), counted(&arrivals));
    }

    /// Every interaction is in its windows or late, and nothing is in both: of products to the
    /// last visitor, of categories and brands as of their products.
    #[test]
    fn windows_conserve_what_happened(arrivals in arrivals(HOUR), every in 1usize..9) {
        let mut driver = with_cards(Driver::default());
        fed(&mut driver, &arrivals, every);
        end(&mut driver);
        let mut all = rows(&driver);
        let late = late(&driver);
        for one in &late {
            prop_assert!(one.late_ms(GRACE) >= 0);
            let row = all.entry((one.key.clone(), one.window)).or_default();
            row.merge(&one.measures);
        }
        let of_products = |rows: Rows| {
            let rows = rows.into_iter();
            rows.filter(|((key, _), _)| key.dimension == Dimension::Product).collect::<Rows>()
        };
        prop_assert_eq!(of_products(all), of_products(counted(&arrivals)));
        let told: u64 = driver.product_tasks().values().map(|task| task.late).sum();
        prop_assert_eq!(told, late.len() as u64);

        let is_late = |did: &&Did| late.iter().any(|l| {
            let same = l.at.0 == START + did.at && *l.key.id == *format!("p{}", did.of);
            let mut alone = Measures::default();
            alone.add(KindTag(did.kind), did.value(), Some(did.visitor()));
            alone.pieces = l.measures.pieces;
            same && alone == l.measures
        });
        let in_time: Vec<Did> = arrivals.iter().filter(|did| !is_late(did)).cloned().collect();
        prop_assert_eq!(in_time.len() + late.len(), arrivals.len());
        prop_assert_eq!(rows(&driver), counted(&in_time));
    }

    /// However far apart three user tasks are, and one of them an hour behind: nothing is late,
    /// and the rows are the same.
    #[test]
    fn the_lag_of_a_task_does_not_matter(
        tasks in [arrivals(SLACK), arrivals(SLACK), arrivals(SLACK)],
        turns in prop::collection::vec(0usize..3, 0..240),
    ) {
        let mut driver = with_cards(Driver::default().with_batch(7));
        silence(&mut driver, 3);
        let mut places = [0; 3];
        let mut newest = [0; 3];
        // Who is not drawn often enough comes last, with everything at once.
        let rest = (0..3).flat_map(|task| std::iter::repeat_n(task, 80));
        for task in turns.into_iter().chain(rest) {
            let Some(did) = tasks[task].get(places[task]) else {
                continue;
            };
            places[task] += 1;
            newest[task] = newest[task].max(did.at);
            driver.pipe_in_product(&did.envelope(false));
            let told = newest[task] - SLACK;
            driver.pipe_in_product(&upstream(task as u16, told, None));
            driver.step();
        }
        (1..3).for_each(|task| driver.pipe_in_product(&upstream(task, END, None)));
        end(&mut driver);
        prop_assert_eq!(late(&driver).len(), 0);
        prop_assert_eq!(rows(&driver), counted(tasks.iter().flatten()));
    }

    /// Old data in any order, between live events and with whatever its watermark promises: the
    /// sums are right and none is late.
    #[test]
    fn old_data_in_any_order_adds_up(
        events in prop::collection::vec((did(), any::<bool>(), prop::option::of(0..HOUR)), 1..80),
        batch in 1usize..50,
    ) {
        let mut driver = with_cards(Driver::default().with_batch(batch));
        silence(&mut driver, 1);
        for (did, is_old, told) in &events {
            let live = if *is_old { did.clone() } else { Did { at: DAY, ..did.clone() } };
            driver.pipe_in_product(&live.envelope(*is_old));
            driver.pipe_in_product(&upstream(0, DAY, *told));
            driver.step();
        }
        end(&mut driver);
        prop_assert_eq!(late(&driver).len(), 0);
        let all = events.iter().map(|(did, is_old, _)| {
            if *is_old { did.clone() } else { Did { at: DAY, ..did.clone() } }
        });
        prop_assert_eq!(rows(&driver), counted(&all.collect::<Vec<_>>()));
    }

    /// Crashes at any point, with commits far apart, lose and double nothing, and a fresh driver
    /// that is given the log ends with the same state, byte for byte.
    #[test]
    fn crashes_neither_lose_nor_double(
        arrivals in arrivals(GRACE + SLACK),
        old in prop::collection::vec(did(), 0..30),
        batch in 1usize..30,
        crashes in prop::collection::vec((1usize..5, any::<bool>()), 0..12),
        closes in any::<bool>(),
    ) {
        let mut driver = with_cards(Driver::default().with_batch(batch).with_hot_keys_max(2));
        fed(&mut driver, &arrivals, 3);
        for did in &old {
            driver.pipe_in_product(&did.envelope(true));
        }
        driver.pipe_in_product(&upstream(0, 0, Some(HOUR / 2)));
        for (steps, commits) in crashes {
            (0..steps).for_each(|_| { driver.step(); });
            if commits {
                driver.commit();
            }
            driver.crash();
        }
        if closes {
            end(&mut driver);
            prop_assert_eq!(rows(&driver), counted(arrivals.iter().chain(&old)));
        } else {
            driver.run();
        }

        let mut fresh = Driver::default();
        for topic in [Topic::ProductSignals, Topic::RowSignals] {
            for (partition, bytes) in driver.records(topic) {
                fresh.append(topic, partition, bytes.to_vec());
            }
        }
        fresh.mark_published();
        fresh.run();
        prop_assert_eq!(fresh.snapshot(), driver.snapshot());
        prop_assert_eq!(fresh.records(Topic::WindowRows).count(), 0);
    }

    /// One task that stops anywhere and starts from its state goes on as one that never stopped:
    /// the same state and outputs, byte for byte.
    #[test]
    fn starting_again_is_going_on(
        arrivals in arrivals(HOUR),
        cut in 0.0..=1.0,
        published in 0.0..=1.0,
        mut ends in prop::collection::vec(0usize..400, 0..8),
    ) {
        ends.sort_unstable();
        let mut driver = with_cards(Driver::default());
        fed(&mut driver, &arrivals, 4);
        for did in arrivals.iter().step_by(3) {
            driver.pipe_in_product(&did.envelope(true));
        }
        driver.pipe_in_product(&upstream(0, HOUR, Some(HOUR / 2)));
        driver.run();
        let log = |topic| driver.records(topic).map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>();
        let places = |len: usize| {
            let cut = (len as f64 * cut) as usize;
            (cut, cut + ((len - cut) as f64 * published) as usize)
        };
        let products = log(Topic::ProductSignals);
        let (cut, published) = places(products.len());
        check::<ProductStage>(&products, cut, published, &ends)?;
        let signals = log(Topic::RowSignals);
        let (cut, published) = places(signals.len());
        check::<RowStage>(&signals, cut, published, &ends)?;
        let lines = lines(&arrivals);
        let (cut, published) = places(lines.len());
        check::<LineStage>(&lines, cut, published, &ends)?;
    }

    /// No order of records moves a watermark back.
    #[test]
    fn a_watermark_never_falls(
        told in prop::collection::vec((0u16..40, 0..HOUR, prop::option::of(0..HOUR), any::<bool>()), 1..40),
    ) {
        let mut driver = Driver::default();
        silence(&mut driver, 0);
        let mut before = Vec::new();
        for (from, live, backfill, reached) in told {
            let record = upstream(from, live, backfill);
            let record = match record.record {
                ProductRecord::Upstream(u) if reached => signal(ProductRecord::Reached(u.progress)),
                _ => record,
            };
            driver.pipe_in_product(&record);
            driver.run();
            let tasks = driver.product_tasks().into_values().chain(driver.row_tasks().into_values());
            let now: Vec<_> = tasks.map(|task| task.watermark).collect();
            prop_assert!(before.len() > now.len() || before.iter().zip(&now).all(|(b, n)| b <= n));
            before = now;
        }
    }

    /// Files side by side, each in an order of its own and one far behind: their rows are those of
    /// all events together.
    #[test]
    fn files_side_by_side_make_one_row(
        files in [arrivals(SLACK), arrivals(HOUR)],
        first in 0usize..80,
    ) {
        let mut driver = Driver::default();
        let logs = [lines(&files[0]), lines(&files[1])];
        let mut tasks = [0, 1].map(|p| Task::new(stage(2), Partition(p)));
        // The first file goes ahead by some lines.
        let places = [(0, first), (1, usize::MAX), (0, usize::MAX)];
        for (file, until) in places {
            for (offset, line) in logs[file].iter().enumerate().take(until) {
                let task = &mut tasks[file];
                step(task, offset as u64, line);
                for output in task.take_outputs() {
                    prop_assert_eq!(output.topic, Topic::RowSignals);
                    let records = output.records();
                    records.for_each(|r| driver.append(output.topic, output.partition, r.to_vec()));
                }
                driver.step();
            }
        }
        driver.run();
        let mut want = counted(files.iter().flatten().filter(|did| did.kind != 9));
        want.retain(|(key, _), _| key.dimension == Dimension::Product);
        want.values_mut().for_each(|row| row.visitors = Distinct::default());
        prop_assert_eq!(rows(&driver), want);
        prop_assert_eq!(driver.open(), [0, 0, 0]);
    }
}

fn stage(upstreams: u16) -> LineStage {
    let mut stage = LineStage::default();
    stage.options.upstreams = upstreams;
    stage.options.value = LineValue::Price;
    stage
}

/// The events as lines of a file, without visitors, and what stands behind its last line.
fn lines(events: &[Did]) -> Vec<Vec<u8>> {
    let line = |did: &Did| {
        let amount = did.value().map(|(currency, amount)| {
            let units = amount.units().abs();
            format!(r#","price":{units},"currency":"{}""#, currency.as_str())
        });
        let (at, kind, of) = (START + did.at, KindTag(did.kind).name(), did.of);
        let product = if kind == "search" {
            String::new()
        } else {
            format!(r#","product_id":"p{of}""#)
        };
        let rest = amount.unwrap_or_default();
        format!(r#"{{"ts":{at},"type":"{kind}","qty":3{product}{rest}}}"#).into_bytes()
    };
    let markers = (0..4).map(|_| Vec::new());
    events.iter().map(line).chain(markers).collect()
}

/// Gives one record to a task; what was given before is passed over.
fn step<O: Operator>(task: &mut Task<O>, offset: u64, record: &[u8]) {
    for key in task.accept([(offset, record)].into_iter()) {
        task.load(key, None).unwrap();
    }
    task.process();
}
