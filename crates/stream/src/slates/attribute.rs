//! What is attributed to a slate, and to which rows.

use super::bounds::PENDING_MAX;
use super::{Scope, SlateOptions, as_slate, slate_key};
use crate::outbox::Outbox;
use std::collections::BTreeMap;
use vitrina_types::answer::Impression;
use vitrina_types::event::{KindTag, anonymous_key, user_key};
use vitrina_types::id::SlateId;
use vitrina_types::record::{RowEnvelope, RowRecord, SlateEnvelope};
use vitrina_types::row::{Dimension, Measures, ROW_ID_BYTES_MAX, RowKey};
use vitrina_types::state::SlatePending;
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;
use xxhash_rust::xxh3::xxh3_64;

impl Scope<'_> {
    /// A slate was shown. The first to say so is right; whoever says it again changes nothing.
    pub(super) fn shown(&mut self, impression: &Impression) {
        let key = slate_key(&impression.slate_id);
        if self.slate(&key).is_some_and(|slate| slate.shown.is_some()) {
            self.task.duplicates += 1;
            return;
        }
        count_shown(impression, self.envelope, self.out);
        let Some(slate) = self.slate_mut(&key) else {
            self.task.rejected += 1;
            return;
        };
        slate.shown = Some(Box::new(impression.clone()));
        let waited = std::mem::take(&mut slate.pending);
        for interaction in waited {
            attribute(
                impression,
                &interaction,
                self.options,
                self.envelope,
                self.out,
            );
        }
    }

    /// A visitor did something with a product of a slate.
    pub(super) fn interacted(&mut self, slate: &SlateId, interaction: SlatePending) {
        // That it was shown is counted from the slate itself, for each of its products.
        if interaction.kind.name() == "impression" {
            return;
        }
        let key = slate_key(slate);
        // Not through `self.slate`: what is sent meanwhile is of `self` too.
        let known = self.working.get(&key).and_then(as_slate);
        if let Some(impression) = known.and_then(|slate| slate.shown.as_deref()) {
            attribute(
                impression,
                &interaction,
                self.options,
                self.envelope,
                self.out,
            );
            return;
        }
        match self.slate_mut(&key) {
            Some(slate) if slate.pending.len() < PENDING_MAX => slate.pending.push(interaction),
            _ => self.task.rejected += 1,
        }
    }
}

/// The row of a placement.
fn placement_row(impression: &Impression) -> RowKey {
    RowKey::new(Dimension::Placement, impression.placement.as_str())
}

/// The row of one source within a placement; `None` where the two are too long for one.
fn source_row(impression: &Impression, source: &str) -> Option<RowKey> {
    let id = [impression.placement.as_str(), "/", source].concat();
    (id.len() <= ROW_ID_BYTES_MAX).then(|| RowKey::new(Dimension::Placement, id))
}

/// Adds to a row what happened `at`.
fn send(key: RowKey, at: EventTime, measures: Measures, cause: &SlateEnvelope, out: &mut Outbox) {
    let partition = key.partition();
    let envelope = RowEnvelope {
        ingest_time: cause.ingest_time,
        backfill: cause.backfill,
        record: RowRecord::Part {
            key,
            at,
            measures: Box::new(measures),
        },
    };
    out.send(Topic::RowSignals, partition, &envelope);
}

/// Counts each product shown, once for the placement and once for its source.
fn count_shown(impression: &Impression, cause: &SlateEnvelope, out: &mut Outbox) {
    let Some(kind) = KindTag::of("impression") else {
        return;
    };
    let visitor = visitor_of(impression);
    let shown = |products: u64| {
        let mut measures = Measures::default();
        measures.events.add(kind, products);
        if let Some(visitor) = visitor {
            measures.visitors.add(visitor);
        }
        measures
    };
    let mut by_source: BTreeMap<&str, u64> = BTreeMap::new();
    for item in &impression.items {
        *by_source.entry(&item.source).or_default() += 1;
    }
    if !impression.items.is_empty() {
        let all = shown(impression.items.len() as u64);
        send(placement_row(impression), impression.at, all, cause, out);
    }
    for (source, products) in by_source {
        if let Some(key) = source_row(impression, source) {
            send(key, impression.at, shown(products), cause, out);
        }
    }
}

/// Hash of the visitor's key, the one the user stage makes; `None` for a visitor without an id.
fn visitor_of(impression: &Impression) -> Option<u64> {
    let user = impression.user_id.as_ref().map(user_key);
    let key = user.or_else(|| impression.anonymous_id.as_ref().map(anonymous_key));
    key.map(|key| xxh3_64(key.as_bytes()))
}

/// Adds an interaction to the rows of its slate: if the slate showed the product, and not longer
/// ago than it may. Where a product was shown twice, the first place has it.
fn attribute(
    impression: &Impression,
    interaction: &SlatePending,
    options: &SlateOptions,
    cause: &SlateEnvelope,
    out: &mut Outbox,
) {
    let after_ms = interaction.at.since_ms(impression.at);
    let earliest_ms = options.out_of_orderness_ms.saturating_neg();
    if !(earliest_ms..=options.attribution_window_ms).contains(&after_ms) {
        return;
    }
    let mut items = impression.items.iter();
    let Some(item) = items.find(|item| item.product == interaction.product) else {
        return;
    };
    let source = source_row(impression, &item.source);
    for key in std::iter::once(placement_row(impression)).chain(source) {
        send(key, interaction.at, measures(interaction), cause, out);
    }
}

fn measures(interaction: &SlatePending) -> Measures {
    let mut measures = Measures::default();
    measures.add(
        interaction.kind,
        interaction.value,
        Some(interaction.visitor),
    );
    measures.pieces = match interaction.kind.name() {
        "purchase" => i64::from(interaction.pieces),
        "return" => -i64::from(interaction.pieces),
        _ => 0,
    };
    measures
}
