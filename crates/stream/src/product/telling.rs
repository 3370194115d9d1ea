//! What happened to a product, for the rows of its windows.

use super::bounds::CATEGORY_BYTES_MAX;
use super::{Memory, ProductStage};
use crate::outbox::Outbox;
use crate::rows::{self, Gathered, Lane, ROWS_PER_RECORD};
use vitrina_types::event::KindTag;
use vitrina_types::id::ProductId;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord, RowEnvelope, RowRecord, Upstream};
use vitrina_types::row::{Dimension, LateEvent, Measures, ROW_ID_BYTES_MAX, RowKey, TimeWindow};
use vitrina_types::state::{Facets, PartialCell, ProductValue, TaskState};
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

/// What of an interaction is counted in rows.
pub(super) struct Counted<'a> {
    pub(super) product: &'a ProductId,
    pub(super) kind: KindTag,
    pub(super) at: EventTime,
    pub(super) value: Option<(Currency, Amount)>,
    pub(super) pieces: u32,
    pub(super) visitor: u64,
}

impl Counted<'_> {
    fn count(&self, measures: &mut Measures) {
        rows::count(
            measures,
            self.kind,
            self.value,
            self.pieces,
            Some(self.visitor),
        );
    }
}

/// What rows are kept by, of a card; levels and brands too long to be a row are left out.
fn facets(card: &Product) -> Facets {
    let mut facets = Facets::default();
    let mut bytes = 0;
    for level in &card.category_path {
        bytes += level.len() + usize::from(bytes > 0);
        if bytes > CATEGORY_BYTES_MAX {
            break;
        }
        facets.category_path.push(level.clone());
    }
    if let Some(brand) = &card.brand
        && (1..=ROW_ID_BYTES_MAX).contains(&brand.len())
    {
        facets.brand = Some(brand.clone());
    }
    facets
}

impl ProductStage {
    /// Counts an interaction in its window, unless that is closed.
    pub(super) fn count(
        &self,
        counted: &Counted<'_>,
        key: &str,
        cause: &ProductEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let options = &self.options.rows;
        let window = options.windowing().newest_of(counted.at);
        let lane = Lane::of(cause.backfill);
        let closed = window.end.plus_ms(options.grace_ms.max(0));
        if lane == Lane::Live && task.watermark.passed(closed) {
            task.late += 1;
            let late = late(counted, window, cause, task);
            out.send(Topic::LateEvents, Partition(0), &late);
            return;
        }
        let (value, resident) = state.with_resident(key);
        let card = || match value {
            Some(ProductValue::Product(product)) => product.card.as_deref(),
            _ => None,
        };
        let facets = || card().map(|card| Box::new(facets(card)));
        let add = |measures: &mut Measures| counted.count(measures);
        resident
            .open
            .add(lane, window, counted.product, facets, add);
    }

    /// Takes what a user task tells, and tells every partition where that is news.
    pub(super) fn hear(
        &self,
        upstream: &Upstream,
        cause: &ProductEnvelope,
        state: &mut Memory,
        out: &mut Outbox,
    ) {
        let step_ms = self.options.rows.watermark_step_ms;
        if let Some(progress) = state.resident.gather.hear(upstream, step_ms) {
            let reached = caused_by(cause, ProductRecord::Reached(progress));
            Partition::all().for_each(|p| out.send(Topic::ProductSignals, p, &reached));
        }
    }

    /// Tells what is due, and then how far this task has come.
    pub(super) fn tell(
        &self,
        cause: &ProductEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let Gathered { gather, open } = &mut state.resident;
        let (reached, own) = (gather.reached(), out.partition());
        let more = open.take_due(
            reached,
            ROWS_PER_RECORD,
            |lane, window, product, cell: PartialCell| {
                tell_cell(lane, window, &product, cell, cause, out);
            },
        );
        if more {
            if !task.continues {
                task.continues = true;
                let next = caused_by(cause, ProductRecord::Continue);
                out.send(Topic::ProductSignals, own, &next);
            }
        } else if reached != task.told {
            task.told = reached;
            let upstream = RowRecord::Upstream(Upstream {
                from: own.0,
                of: 0,
                progress: reached,
            });
            let envelope = RowEnvelope {
                ingest_time: cause.ingest_time,
                backfill: cause.backfill,
                record: upstream,
            };
            out.send(Topic::RowSignals, Partition(0), &envelope);
        }
    }
}

/// Sends one sum to the rows of its product, of each level of its category and of its brand.
fn tell_cell(
    lane: Lane,
    window: TimeWindow,
    product: &ProductId,
    cell: PartialCell,
    cause: &ProductEnvelope,
    out: &mut Outbox,
) {
    let mut envelope = RowEnvelope {
        ingest_time: cause.ingest_time,
        backfill: lane == Lane::Backfill,
        record: RowRecord::Part {
            key: RowKey::new(Dimension::Product, product.as_str()),
            at: window.start,
            measures: Box::new(cell.measures),
        },
    };
    let mut tell = |dimension: Dimension, id: &str| {
        if let RowRecord::Part { key, .. } = &mut envelope.record {
            *key = RowKey::new(dimension, id);
        }
        out.send(Topic::RowSignals, Partition::of(id), &envelope);
    };
    tell(Dimension::Product, product.as_str());
    let Some(facets) = cell.facets else {
        return;
    };
    let mut path = String::new();
    for level in &facets.category_path {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(level);
        if !path.is_empty() {
            tell(Dimension::Category, &path);
        }
    }
    if let Some(brand) = &facets.brand {
        tell(Dimension::Brand, brand);
    }
}

fn late(
    counted: &Counted<'_>,
    window: TimeWindow,
    cause: &ProductEnvelope,
    task: &TaskState,
) -> LateEvent {
    let mut measures = Measures::default();
    counted.count(&mut measures);
    LateEvent {
        ingest_time: cause.ingest_time,
        operator: "product-stage".into(),
        key: RowKey::new(Dimension::Product, counted.product.as_str()),
        window,
        at: counted.at,
        watermark: task.watermark,
        measures,
    }
}

fn caused_by(cause: &ProductEnvelope, record: ProductRecord) -> ProductEnvelope {
    ProductEnvelope {
        ingest_time: cause.ingest_time,
        backfill: cause.backfill,
        record,
    }
}
