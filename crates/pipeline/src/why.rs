//! The explanation of an answer, spelled out for people and machines outside.

use crate::candidate::ScoreParts;
use crate::items::ItemTable;
use crate::slate::{Reason, Slate};
use crate::trace::{Trace, TraceRow};
use crate::{filters, sources};
use vitrina_types::id::{ProductId, ProductIx};

/// A reason in the shop's own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonText {
    /// The kind, as in the API.
    pub kind: &'static str,
    /// The product it goes back to.
    pub product_id: Option<ProductId>,
    /// The category it goes back to: dotted path.
    pub category: Option<Box<str>>,
}

impl ReasonText {
    /// Spells a reason out.
    pub fn of(reason: Reason, items: &ItemTable) -> Self {
        let (product, category) = match reason {
            Reason::BecauseViewed { product } | Reason::BecauseBought { product } => {
                (Some(product), None)
            }
            Reason::PopularInCategory { category } => (None, Some(category)),
            Reason::Popular | Reason::New | Reason::ViewedBefore => (None, None),
        };
        let category = category.and_then(|category| items.category(category));
        Self {
            kind: reason.kind(),
            product_id: product.and_then(|product| items.id(product)).cloned(),
            category: category.map(|category| category.path().into()),
        }
    }
}

/// What one source said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recall {
    /// The source.
    pub source: &'static str,
    /// How strongly: 1 is the source's best proposal, 0 a product that filled up the slate.
    pub recall: f32,
}

/// One candidate, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The product.
    pub product_id: ProductId,
    /// What a person reads.
    pub shown_as: String,
    /// Place in the slate, from 0; `None` when it is not there.
    pub rank: Option<usize>,
    /// The filter that removed it.
    pub removed_by: Option<&'static str>,
    /// The source whose word weighed most.
    pub source: &'static str,
    /// What every source said.
    pub recalls: Vec<Recall>,
    /// Why it was proposed.
    pub reason: ReasonText,
    /// Its score; 0 when it was removed.
    pub score: f32,
    /// What the score is made of.
    pub parts: ScoreParts,
}

/// A slate, explained.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// What is shown, in order.
    pub shown: Vec<Explained>,
    /// What was kept and scored but found no place, best score first.
    pub not_shown: Vec<Explained>,
    /// What filters removed, in the order proposed.
    pub removed: Vec<Explained>,
}

/// Spells an answer out: what is shown and why, what was not and why not. `items` is the table
/// that answered, at that moment or later.
pub fn why(slate: &Slate, trace: &Trace, items: &ItemTable) -> Explanation {
    let mut explanation = Explanation::default();
    for (row, recalls) in trace.iter() {
        let Some(explained) = explain(row, recalls, items) else {
            continue;
        };
        if explained.rank.is_some() {
            explanation.shown.push(explained);
        } else if explained.removed_by.is_some() {
            explanation.removed.push(explained);
        } else {
            explanation.not_shown.push(explained);
        }
    }
    // The slate decides what was shown: it may have been cut after the trace was made.
    let shown = |ix: ProductIx| items.id(ix);
    let in_slate: Vec<_> = slate
        .items
        .iter()
        .filter_map(|item| shown(item.product))
        .collect();
    explanation
        .shown
        .retain(|e| in_slate.contains(&&e.product_id));
    explanation.shown.sort_by_key(|explained| explained.rank);
    explanation
        .not_shown
        .sort_by(|a, b| b.score.total_cmp(&a.score));
    explanation
}

fn explain(
    row: &TraceRow,
    recalls: impl Iterator<Item = (usize, f32)>,
    items: &ItemTable,
) -> Option<Explained> {
    let card = items.card(row.product)?;
    let name = |place: usize| sources::all().get(place).map_or("unknown", |s| s.name());
    let filter = filters::all().get(usize::from(row.removed_by));
    Some(Explained {
        product_id: card.product_id.clone(),
        shown_as: card.shown_as(),
        rank: (row.rank != TraceRow::NOT_SHOWN).then_some(usize::from(row.rank)),
        removed_by: filter.map(|filter| filter.name()),
        source: name(usize::from(row.source)),
        recalls: recalls
            .map(|(place, recall)| Recall {
                source: name(place),
                recall,
            })
            .collect(),
        reason: ReasonText::of(row.reason, items),
        score: row.parts.total(),
        parts: row.parts,
    })
}
