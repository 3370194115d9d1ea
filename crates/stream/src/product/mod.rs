//! The product-keyed stage: everything an answer needs to know of products, categories and bans.

pub(crate) mod bounds;
mod card;
mod interaction;
mod telling;

use crate::operator::{Operator, decode_stored};
use crate::options::ProductOptions;
use crate::outbox::Outbox;
use crate::rows::{Gathered, Partials};
use crate::working::Working;
use bounds::{BOUGHT_TOGETHER_MAX, NEIGHBOURS_MAX};
use vitrina_types::event::Rejection;
use vitrina_types::id::ProductId;
use vitrina_types::record::{ProductEnvelope, ProductRecord};
use vitrina_types::state::{CategoryState, ProductState, ProductValue, TaskState};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Keeps what is known of each product, category and ban.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProductStage {
    /// What the shop set.
    pub options: ProductOptions,
}

/// What a task of this stage has in memory.
type Memory = Working<ProductValue, Gathered<Partials>>;

impl Operator for ProductStage {
    type Record = ProductEnvelope;
    type Value = ProductValue;
    type Resident = Gathered<Partials>;

    const NAME: &'static str = "product-stage";
    const INPUT: Topic = Topic::ProductSignals;

    fn decode(&self, bytes: &[u8]) -> Result<ProductEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, record: &ProductEnvelope, keys: &mut Vec<String>) {
        keys.extend(key_of(&record.record));
    }

    fn ingest_time(&self, record: &ProductEnvelope) -> IngestTime {
        record.ingest_time
    }

    /// What the shop says of products and bans holds from the next answer on; what visitors do
    /// moves weights a little.
    fn is_awaited(&self, record: &ProductEnvelope) -> bool {
        matches!(
            record.record,
            ProductRecord::Upsert { .. } | ProductRecord::Delete { .. } | ProductRecord::Ban { .. }
        )
    }

    fn apply(
        &self,
        record: &ProductEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        match key_of(&record.record) {
            Some(key) => self.apply_keyed(record, &key, state, task, out),
            None => self.apply_time(record, state, task, out),
        }
    }
}

impl ProductStage {
    /// Applies a record that is about `key`.
    fn apply_keyed(
        &self,
        record: &ProductEnvelope,
        key: &str,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        match &record.record {
            ProductRecord::Interaction { .. } | ProductRecord::CoVisit { .. } => {
                if let Some(product) = product_mut(state, key) {
                    self.signal(record, product, out);
                }
                if let Some(counted) = counted(&record.record) {
                    self.count(&counted, key, record, state, task, out);
                }
            }
            ProductRecord::Upsert { version, product } => {
                card::upsert(state, key, *version, product);
            }
            ProductRecord::Delete { version, .. } => card::delete(state, key, *version),
            ProductRecord::CategoryInteraction {
                kind, interest, at, ..
            } => {
                let empty = || ProductValue::Category(CategoryState::default());
                if let ProductValue::Category(category) = state.entry(key, empty) {
                    let half_life_ms = self.options.interest_half_life_ms;
                    category.counters.add(*kind, 1);
                    interaction::add_interest(&mut category.interest, half_life_ms, *at, *interest);
                }
            }
            ProductRecord::Ban {
                version, banned, ..
            } => ban(state, key, *version, *banned),
            ProductRecord::Tick
            | ProductRecord::Upstream(_)
            | ProductRecord::Reached(_)
            | ProductRecord::Continue => {}
        }
    }

    /// Applies a record that is about how far time has come.
    fn apply_time(
        &self,
        record: &ProductEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        match &record.record {
            ProductRecord::Upstream(upstream) => self.hear(upstream, record, state, out),
            ProductRecord::Reached(progress) => {
                let gather = &mut state.resident.gather;
                gather.reach(*progress);
                task.watermark = gather.reached().live;
                self.tell(record, state, task, out);
            }
            ProductRecord::Continue => {
                task.continues = false;
                self.tell(record, state, task, out);
            }
            // Ticks of older releases say nothing that `Reached` does not say better.
            _ => {}
        }
    }

    fn signal(&self, record: &ProductEnvelope, product: &mut ProductState, out: &mut Outbox) {
        match &record.record {
            ProductRecord::Interaction {
                kind,
                interest,
                at,
                value,
                ..
            } => {
                let seen = interaction::Interaction {
                    kind: *kind,
                    interest: *interest,
                    at: *at,
                    revenue: value.filter(|_| kind.moves_money()),
                };
                seen.apply(product, &self.options);
                seen.tell_categories(product, record, out);
            }
            ProductRecord::CoVisit {
                neighbour,
                weight,
                at,
                bought,
                ..
            } if *weight >= 0.0 => {
                let (neighbours, half_life_ms, limit) = if *bought {
                    let half_life_ms = self.options.bought_half_life_ms;
                    (
                        &mut product.bought_together,
                        half_life_ms,
                        BOUGHT_TOGETHER_MAX,
                    )
                } else {
                    let half_life_ms = self.options.covisit_half_life_ms;
                    (&mut product.covisits, half_life_ms, NEIGHBOURS_MAX)
                };
                neighbours.add(neighbour, *weight, *at, half_life_ms, limit);
            }
            _ => {}
        }
    }
}

/// What of a record is counted in rows; `None` for what is not to be analysed.
fn counted(record: &ProductRecord) -> Option<telling::Counted<'_>> {
    match record {
        ProductRecord::Interaction {
            product,
            kind,
            at,
            value,
            pieces,
            visitor: Some(visitor),
            ..
        } => Some(telling::Counted {
            product,
            kind: *kind,
            at: *at,
            value: *value,
            pieces: *pieces,
            visitor: *visitor,
        }),
        _ => None,
    }
}

/// The one key a record is about, as [`vitrina_types::state::ProductKey::stored`] writes it;
/// `None` for a tick.
fn key_of(record: &ProductRecord) -> Option<String> {
    let product_key = |id: &ProductId| ["p/", id.as_str()].concat();
    Some(match record {
        ProductRecord::Interaction { product, .. }
        | ProductRecord::CoVisit { product, .. }
        | ProductRecord::Delete { product, .. } => product_key(product),
        ProductRecord::Upsert { product, .. } => product_key(&product.product_id),
        ProductRecord::CategoryInteraction { category, .. } => ["c/", category].concat(),
        ProductRecord::Ban { target, .. } => ["b/", &target.id()].concat(),
        ProductRecord::Tick
        | ProductRecord::Upstream(_)
        | ProductRecord::Reached(_)
        | ProductRecord::Continue => return None,
    })
}

/// The state of a product, to be changed; an empty one where there is none.
fn product_mut<'a>(working: &'a mut Memory, key: &str) -> Option<&'a mut ProductState> {
    match working.entry(key, || ProductValue::Product(Box::default())) {
        ProductValue::Product(product) => Some(product),
        // Keys of products, categories and bans differ in their first byte.
        ProductValue::Category(_) | ProductValue::Ban { .. } => None,
    }
}

/// Sets or lifts a ban, unless a newer change was seen.
fn ban(working: &mut Memory, key: &str, version: u64, banned: bool) {
    let newest = match working.get(key) {
        Some(ProductValue::Ban { version, .. }) => *version,
        _ => 0,
    };
    if version > newest {
        working.put(key, ProductValue::Ban { version, banned });
    }
}
