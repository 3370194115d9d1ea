//! The relay: changes of the catalogue's outbox become records of the log, exactly once.
//!
//! Records and the relay's position are one write to the log; only then is the outbox trimmed.

use crate::error::EngineError;
use crate::shared::Shared;
use std::time::Duration;
use tracing::warn;
use vitrina_ports::catalogue::{Kind, OutboxChange};
use vitrina_ports::log::{Append, Consumed, Consumer, Offset, Records};
use vitrina_types::ban::BanTarget;
use vitrina_types::id::ProductId;
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord, ShopEnvelope, ShopRecord};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Changes published in one step.
const STEP_MAX: usize = 1_000;
/// Bytes of changes published in one step, beyond the first. Each stands in two topics.
const STEP_BYTES: usize = 8 * 1_024 * 1_024;
/// Pause after an error.
const PAUSE: Duration = Duration::from_millis(200);

fn consumer() -> Consumer {
    Consumer {
        name: "relay",
        source: "outbox".to_owned(),
    }
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: &Shared) {
    let mut position: Option<Offset> = None;
    let mut known = false;
    loop {
        let step = async {
            if !known {
                position = shared.ports.log.committed(&consumer()).await?;
                if let Some(position) = position {
                    // A crash between publish and trim left what was published in the outbox.
                    trim(shared, position).await?;
                }
                known = true;
            }
            step(shared, &mut position).await
        };
        tokio::select! {
            done = step => if let Err(error) = done {
                warn!(%error, "relay tries again");
                known = false;
                tokio::time::sleep(PAUSE).await;
            },
            () = shared.stopped() => return,
        }
    }
}

/// Publishes what is in the outbox, waiting for it if it is empty.
async fn step(shared: &Shared, position: &mut Option<Offset>) -> Result<(), EngineError> {
    let from = position.unwrap_or(0);
    shared.ports.catalogue.outbox_reached(from).await?;
    let mut changes = shared.ports.catalogue.outbox(from, STEP_MAX).await?;
    changes.truncate(fitting(&changes));
    let Some(last) = changes.last() else {
        return Ok(());
    };
    let next = last.sequence + 1;
    let consumed = vec![Consumed {
        consumer: consumer(),
        expected: *position,
        next,
    }];
    let appends = appends(shared, &changes);
    shared.ports.log.publish(appends, consumed, false).await?;
    *position = Some(next);
    trim(shared, next).await
}

/// How many of the changes one step publishes: at least one, else up to [`STEP_BYTES`].
fn fitting(changes: &[OutboxChange]) -> usize {
    let mut bytes = 0;
    let sizes = changes.iter().map(|change| {
        bytes += change.body.as_ref().map_or(0, bytes::Bytes::len);
        bytes
    });
    sizes
        .take_while(|&bytes| bytes <= STEP_BYTES)
        .count()
        .max(1)
}

/// Forgets what was published: only once it cannot be lost with the log's tail, and an empty
/// durable call waits for all calls before it.
async fn trim(shared: &Shared, before: Offset) -> Result<(), EngineError> {
    shared.ports.log.append(Vec::new()).await?;
    shared.ports.catalogue.trim_outbox(before).await?;
    shared.moved();
    Ok(())
}

fn appends(shared: &Shared, changes: &[OutboxChange]) -> Vec<Append> {
    let mut signals = vec![Records::default(); Partition::all().count()];
    let mut bans = Records::default();
    let (mut created, mut updated) = (Records::default(), Records::default());
    for change in changes {
        if change.kind == Kind::Product {
            let topic = if change.created {
                &mut created
            } else {
                &mut updated
            };
            topic.push(change.body.as_deref().unwrap_or_default());
        }
        let Some(record) = record(change) else {
            continue;
        };
        if let ProductRecord::Ban {
            version,
            target,
            banned,
        } = &record
        {
            let ban = ShopEnvelope {
                ingest_time: shared.now(),
                record: ShopRecord::Ban {
                    version: *version,
                    target: target.clone(),
                    banned: *banned,
                },
            };
            bans.push_with(|out| stored::encode_into(&ban, out));
        }
        let Some(partition) = record.partition_id().map(|id| Partition::of(&id)) else {
            continue;
        };
        let envelope = ProductEnvelope {
            ingest_time: shared.now(),
            backfill: false,
            record,
        };
        signals[partition.at()].push_with(|out| stored::encode_into(&envelope, out));
    }
    let keyed = signals.into_iter().zip(Partition::all());
    let mut all: Vec<(Topic, Partition, Records)> = keyed
        .map(|(records, partition)| (Topic::ProductSignals, partition, records))
        .collect();
    // Whatever product a shop offers next, its task knows the bans before it.
    all.extend(Partition::all().map(|at| (Topic::ShopProducts, at, bans.clone())));
    all.push((Topic::ProductNew, Partition(0), created));
    all.push((Topic::ProductUpdate, Partition(0), updated));
    let filled = all
        .into_iter()
        .filter(|(_, _, records)| !records.is_empty());
    filled
        .map(|(topic, partition, records)| Append {
            topic,
            partition,
            records,
        })
        .collect()
}

/// What a change means to the product-keyed stage; `None` when it means nothing to it.
fn record(change: &OutboxChange) -> Option<ProductRecord> {
    let version = change.version;
    match (change.kind, &change.body) {
        (Kind::Product, Some(body)) => {
            let product: Product = stored::decode(body)
                .inspect_err(|error| warn!(id = change.id, %error, "left out a product"))
                .ok()?;
            Some(ProductRecord::Upsert {
                version,
                product: Box::new(product),
            })
        }
        (Kind::Product, None) => Some(ProductRecord::Delete {
            version,
            product: ProductId::new(&change.id).ok()?,
        }),
        (Kind::Ban, body) => Some(ProductRecord::Ban {
            version,
            target: BanTarget::from_id(&change.id)?,
            banned: body.is_some(),
        }),
        (Kind::User | Kind::Placement, _) => None,
    }
}
