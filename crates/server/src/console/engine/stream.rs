//! How the stream is doing.

use super::EngineSource;
use crate::console::format::{clock, lasted, short, sized};
use crate::console::ring::StreamPoint;
use crate::console::source::SourceError;
use crate::console::view::{LateLine, RowLine, SinkLine, StageLine, StreamStatus};
use crate::console::words;
use vitrina_engine::{CheckpointStatus, Late, RowSum, StageStatus, Status};
use vitrina_types::id::ProductId;
use vitrina_types::row::Dimension;

/// The figures of the stream that are drawn.
pub(super) fn point(status: &Status) -> StreamPoint {
    let delay = |name: &str| {
        let stage = status.stages.iter().find(|stage| stage.stage == name);
        stage.and_then(|stage| stage.watermark_delay_s)
    };
    let lag = &status.lag;
    StreamPoint {
        lag_users: lag.users,
        lag_products: lag.products,
        lag_slates: lag.slates,
        lag_rows: lag.rows,
        lag_shop: lag.shop,
        lag_sinks: status.sinks.iter().map(|sink| sink.lag).sum(),
        delay_users_s: delay("users"),
        delay_products_s: delay("products"),
        delay_slates_s: delay("slates"),
        delay_rows_s: delay("rows"),
        open_windows: status.open_windows,
        late_events: status.late_events,
        retries: status.retries,
        checkpoint_age_s: status.checkpoints.as_ref().and_then(|known| known.age_s),
    }
}

pub(super) async fn status(
    source: &EngineSource,
    limit: usize,
) -> Result<StreamStatus, SourceError> {
    let engine = &source.engine;
    let status = engine.status();
    let late = engine.late_events(None, limit).await?;
    let rows = engine.busiest(Dimension::Product, limit).await?;
    let sinks = status.sinks.iter().map(|sink| SinkLine {
        name: sink.sink.to_owned(),
        topic: sink.topic.to_owned(),
        lag: sink.lag,
    });
    Ok(StreamStatus {
        stages: status.stages.iter().map(stage).collect(),
        sinks: sinks.collect(),
        checkpoints: status
            .checkpoints
            .as_ref()
            .map(checkpoints)
            .unwrap_or_default(),
        late: late.iter().map(late_line).collect(),
        rows: rows.iter().map(|row| row_line(source, row)).collect(),
    })
}

fn stage(stage: &StageStatus) -> StageLine {
    let (name, topic) = words::stage(stage.stage);
    StageLine {
        name: name.to_owned(),
        topic: topic.to_owned(),
        lag: stage.lag,
        delay: stage.watermark_delay_s.map(span),
        open_windows: stage.open_windows,
        late_events: stage.late_events,
    }
}

/// Seconds while they are few, else the largest two units.
fn span(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{} s", short(seconds))
    } else {
        lasted((seconds * 1_000.0) as i64)
    }
}

fn checkpoints(known: &CheckpointStatus) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let newest = known
        .newest
        .clone()
        .unwrap_or_else(|| "none yet".to_owned());
    let mut facts = vec![fact("Newest", newest)];
    if let Some(age_s) = known.age_s {
        facts.push(fact("Age", lasted(age_s as i64 * 1_000)));
    }
    if known.duration_ms > 0 {
        facts.push(fact("Took", span(known.duration_ms as f64 / 1_000.0)));
        facts.push(fact("Written for it", sized(known.bytes)));
    }
    facts.push(fact("Failed", known.failures.to_string()));
    facts
}

fn late_line(late: &Late) -> LateLine {
    let event = &late.event;
    let kinds = event.measures.events.iter().filter(|kind| kind.1 > 0);
    LateLine {
        at: event.ingest_time.as_event_time(),
        dimension: event.key.dimension.name(),
        id: event.key.id.to_string(),
        window: clock(event.window.start),
        kinds: kinds.map(|kind| kind.0).collect::<Vec<_>>().join(", "),
        late: span(late.late_ms.max(0) as f64 / 1_000.0),
    }
}

fn row_line(source: &EngineSource, row: &RowSum) -> RowLine {
    let measures = &row.measures;
    let revenue = measures.revenue().into_iter();
    let revenue =
        revenue.map(|(currency, amount)| format!("{:.2} {}", amount.units(), currency.as_str()));
    RowLine {
        card: ProductId::new(&row.key.id)
            .map_or_else(|_| super::Card::default(), |id| source.card(&id)),
        window: format!("{}–{}", clock(row.window.start), clock(row.window.end)),
        views: measures.events.of("view"),
        carts: measures.events.of("add_to_cart"),
        purchases: measures.events.of("purchase"),
        visitors: measures.visitors.estimate(),
        revenue: revenue.collect::<Vec<_>>().join(", "),
    }
}
