//! The job over a log in memory: a record is a line, an empty one the end of a file.

use super::*;
use parking_lot::Mutex;
use vitrina_ports::log::{Append, Records};
use vitrina_types::time::IngestTime;

const WINDOW_MS: i64 = 600_000;

fn line(minute: i64, product: &str, kind: &str, price: &str) -> String {
    let at = 1_767_607_200_000 + minute * 60_000;
    format!(r#"{{"ts":{at},"type":"{kind}","product_id":"{product}","user_id":1,"price":{price}}}"#)
}

/// Two files: one in order, one with a line far behind its watermark and one that is no event.
async fn ports() -> Ports {
    let ports = Ports::in_memory();
    let files = [
        vec![
            line(0, "a", "view", "1.25"),
            line(1, "a", "purchase", "1.25"),
            line(11, "b", "view", "3"),
        ],
        vec![
            line(2, "a", "view", "1.25"),
            line(45, "b", "cart", "3"),
            "no event".to_owned(),
            line(3, "a", "view", "1.25"),
        ],
    ];
    for (file, lines) in (0..).zip(files) {
        let mut records = Records::default();
        lines.iter().for_each(|line| records.push(line.as_bytes()));
        records.push(b"");
        let append = Append {
            topic: Topic::UserEvents,
            partition: Partition(file),
            records,
        };
        ports.log.append(vec![append]).await.unwrap();
    }
    ports
}

fn job(name: &str, threads: usize) -> LinesJob {
    LinesJob {
        name: name.to_owned(),
        files: 2,
        threads,
        window_ms: WINDOW_MS,
        value: LineValue::Price,
        commit_interval: Duration::from_millis(20),
    }
}

/// Rows as (product, minute, events, purchases), and the report without its seconds.
type Told = (Vec<(String, i64, u64, u64)>, RowsReport);

async fn run(ports: &Ports, job: &LinesJob) -> Result<Told, EngineError> {
    let rows = Mutex::new(Vec::new());
    let clock: Clock = Arc::new(|| IngestTime(1_800_000_000_000));
    let mut each = |row: &WindowRow| {
        let minute = (row.window.start.0 - 1_767_607_200_000) / 60_000;
        let (all, bought) = (
            row.measures.events.total(),
            row.measures.events.of("purchase"),
        );
        rows.lock()
            .push((row.key.id.to_string(), minute, all, bought));
        Ok(())
    };
    let mut report = rows_of_files(ports.clone(), job, clock, &mut each).await?;
    report.seconds = 0.0;
    let mut rows = rows.into_inner();
    rows.sort();
    Ok((rows, report))
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_those_of_a_hand_calculation_however_often_the_job_runs() {
    let rows = [("a", 0, 4, 1), ("b", 10, 1, 0), ("b", 40, 1, 0)];
    let rows: Vec<_> = rows
        .map(|(id, minute, all, bought)| (id.to_owned(), minute, all, bought))
        .into();
    let report = RowsReport {
        events: 6,
        rows: 3,
        sums: [(Currency::USD, Amount::from_units(11.0).unwrap())].into(),
        purchases: 1,
        rejected: 1,
        ..RowsReport::default()
    };
    for threads in [1, 2, 3] {
        let ports = ports().await;
        for again in 0..2 {
            let told = run(&ports, &job("one", threads)).await.unwrap();
            assert_eq!(
                told,
                (rows.clone(), report.clone()),
                "{threads} threads, run {again}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_rows_of_another_job_are_refused() {
    let ports = ports().await;
    run(&ports, &job("one", 1)).await.unwrap();
    let refused = run(&ports, &job("other", 1)).await;
    assert!(
        matches!(refused, Err(EngineError::CannotStart { .. })),
        "{refused:?}"
    );
}
