//! The stream of the shop with fixed values.

use super::fake::{Fake, card};
use crate::console::ConsoleSource;
use crate::console::ring::StreamPoint;
use crate::console::view::{LateLine, RowLine, SinkLine, StageLine, StreamStatus};

pub(super) fn status(fake: &Fake, limit: usize) -> StreamStatus {
    if fake.empty {
        return StreamStatus::default();
    }
    let point = fake.reading().stream;
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    StreamStatus {
        stages: stages(&point),
        sinks: vec![
            sink("analytics-sink", "window-rows", point.lag_sinks),
            sink("catalogue-sink", "filtered-products", 0),
            sink("requests", "client-recommendations", 0),
        ],
        checkpoints: vec![
            fact("Newest", "2026-03-01t11-52-20.000z"),
            fact("Age", "7 min 40 s"),
            fact("Took", "1.84 s"),
            fact("Written for it", "3.2 MiB"),
            fact("Failed", "0"),
        ],
        late: (0..limit.min(6)).map(|n| late(fake, n)).collect(),
        rows: (0..limit).map(row).collect(),
    }
}

fn stages(point: &StreamPoint) -> Vec<StageLine> {
    let stage = |name: &str, topic: &str, lag, delay: Option<f64>, windows| StageLine {
        name: name.into(),
        topic: topic.into(),
        lag,
        delay: delay.map(|delay| format!("{delay:.1} s")),
        open_windows: windows,
        late_events: windows / 70,
    };
    #[rustfmt::skip]
    let stages = vec![
        stage("User stage", "user-events", point.lag_users, point.delay_users_s, 1_204),
        stage("Product stage", "product-signals", point.lag_products, point.delay_products_s, 4_900),
        stage("Slate stage", "slate-signals", point.lag_slates, point.delay_slates_s, 0),
        stage("Row stage", "row-signals", point.lag_rows, point.delay_rows_s, 2_100),
        stage("Shop stage", "shop-products", 0, None, 0),
    ];
    stages
}

fn sink(name: &str, topic: &str, lag: u64) -> SinkLine {
    SinkLine {
        name: name.into(),
        topic: topic.into(),
        lag,
    }
}

fn late(fake: &Fake, n: usize) -> LateLine {
    let ids = [
        card(4).shown_as,
        "u/541312140".into(),
        "electronics.audio".into(),
    ];
    LateLine {
        at: fake.ago(n as i64 * 41 + 3),
        dimension: ["product", "session", "category"][n % 3],
        id: ids[n % 3].clone(),
        window: format!("11:{}0", n % 6),
        kinds: ["view", "view, add_to_cart", "purchase"][n % 3].into(),
        late: format!("{} min {} s", n, 7 * n + 4),
    }
}

fn row(n: usize) -> RowLine {
    let revenue = match n % 3 {
        0 => String::new(),
        _ => format!("{}.90 USD", 1_200 / n),
    };
    RowLine {
        card: card(n),
        window: ["11:40–11:50", "11:30–11:40"][n % 2].into(),
        views: 412 / (n as u64 + 1),
        carts: 31 / (n as u64 + 1),
        purchases: 12 / (n as u64 + 2),
        visitors: 290 / (n as u64 + 1),
        revenue,
    }
}
