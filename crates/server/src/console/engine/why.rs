//! The explanation of a slate.

use super::{EngineSource, card};
use crate::console::source::SourceError;
use crate::console::view::{Candidate, FilterTally, SourceTally, Why};
use crate::console::words;
use std::collections::BTreeMap;
use vitrina_engine::SlateRecord;
use vitrina_pipeline::why::{Explained, Explanation};
use vitrina_types::id::SlateId;

/// In the order of [`parts`].
const PART_NAMES: [&str; 6] = [
    "recall",
    "affinity",
    "popularity",
    "freshness",
    "exploration",
    "seen",
];

pub(super) async fn why(source: &EngineSource, slate_id: &str) -> Result<Option<Why>, SourceError> {
    let slate_id = SlateId::new(slate_id)?;
    let record = source.engine.explain(&slate_id).await?;
    Ok(record.map(|record| tell(source, record)))
}

fn tell(source: &EngineSource, mut record: SlateRecord) -> Why {
    let explanation = record.explanation.take();
    let mut why = Why {
        slate_id: record.slate_id.to_string(),
        visitor_id: record.user_id.take(),
        placement: std::mem::take(&mut record.placement),
        at: record.at,
        generation: record.generation,
        in_full: explanation.is_some(),
        sources: Vec::new(),
        filters: Vec::new(),
        part_names: Vec::new(),
        scored: Vec::new(),
    };
    match explanation {
        Some(explanation) => {
            why.sources = sources(&explanation);
            why.filters = filters(source, &explanation);
            why.part_names = PART_NAMES.map(str::to_owned).into();
            why.scored = scored(source, &explanation);
        }
        None => why.scored = shown_only(record),
    }
    why
}

fn sources(explanation: &Explanation) -> Vec<SourceTally> {
    let Explanation {
        shown,
        not_shown,
        removed,
    } = explanation;
    let mut tallies: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for candidate in shown.iter().chain(not_shown).chain(removed) {
        for recall in &candidate.recalls {
            tallies.entry(recall.source).or_default().0 += 1;
        }
    }
    for candidate in shown {
        tallies.entry(candidate.source).or_default().1 += 1;
    }
    let tallies = tallies
        .into_iter()
        .map(|(name, (proposed, shown))| SourceTally {
            name: name.to_owned(),
            proposed,
            shown,
        });
    let mut tallies: Vec<_> = tallies.collect();
    tallies.sort_by_key(|tally| std::cmp::Reverse((tally.shown, tally.proposed)));
    tallies
}

fn filters(source: &EngineSource, explanation: &Explanation) -> Vec<FilterTally> {
    let mut tallies: Vec<FilterTally> = Vec::new();
    for candidate in &explanation.removed {
        let name = candidate.removed_by.unwrap_or("unknown");
        let card = source.card(&candidate.product_id);
        match tallies.iter_mut().find(|tally| tally.name == name) {
            Some(tally) => tally.removed.push(card),
            None => tallies.push(FilterTally {
                name: name.to_owned(),
                removed: vec![card],
            }),
        }
    }
    tallies.sort_by_key(|tally| std::cmp::Reverse(tally.removed.len()));
    tallies
}

fn scored(source: &EngineSource, explanation: &Explanation) -> Vec<Candidate> {
    let all = explanation.shown.iter().chain(&explanation.not_shown);
    let mut scored: Vec<_> = all.map(|explained| candidate(source, explained)).collect();
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    for (n, candidate) in scored.iter_mut().enumerate() {
        candidate.rank = n + 1;
    }
    scored
}

fn candidate(source: &EngineSource, explained: &Explained) -> Candidate {
    let said = explained.recalls.iter();
    let mut sources: Vec<_> = said
        .map(|said| (said.source.to_owned(), f64::from(said.recall)))
        .collect();
    // The one whose word weighed most comes first, whatever its own scale says.
    sources.sort_by(|a, b| {
        let first = |name: &str| name == explained.source;
        first(&b.0).cmp(&first(&a.0)).then(b.1.total_cmp(&a.1))
    });
    let reason = &explained.reason;
    let product = reason
        .product_id
        .as_ref()
        .map(|id| source.card(id).shown_as);
    Candidate {
        card: source.card(&explained.product_id),
        sources,
        reason: words::reason(reason.kind, product.as_deref(), reason.category.as_deref()),
        parts: parts(explained).map(f64::from).into(),
        score: f64::from(explained.score),
        rank: 0,
        place: explained.rank.map(|rank| rank + 1),
    }
}

fn parts(explained: &Explained) -> [f32; PART_NAMES.len()] {
    let parts = &explained.parts;
    [
        parts.recall,
        parts.affinity,
        parts.popularity,
        parts.freshness,
        parts.exploration,
        parts.seen,
    ]
}

/// Of an older slate: what was shown, by its place.
fn shown_only(record: SlateRecord) -> Vec<Candidate> {
    let shown = record
        .items
        .into_iter()
        .zip(1..)
        .map(|(item, place)| Candidate {
            card: card(item.product),
            sources: vec![(item.source, 1.0)],
            reason: String::new(),
            parts: Vec::new(),
            score: f64::from(item.score),
            rank: place,
            place: Some(place),
        });
    shown.collect()
}
