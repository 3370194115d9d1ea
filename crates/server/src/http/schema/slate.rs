//! A slate and why it is as it is.

use super::answer::ReasonBody;
use super::card::ProductCard;
use serde::Serialize;
use utoipa::ToSchema;
use vitrina_engine::{SlatePlace, SlateRecord};
use vitrina_pipeline::why::{Explained, Explanation};
use vitrina_types::time::EventTime;

/// One place of a slate, as it was shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownPlace<'a> {
    /// The product.
    pub product_id: &'a str,
    /// Its final score.
    pub score: f32,
    /// The candidate source that proposed it.
    pub source: &'a str,
    /// How it is shown now.
    pub product: ProductCard<'a>,
}

impl<'a> From<&'a SlatePlace> for ShownPlace<'a> {
    fn from(place: &'a SlatePlace) -> Self {
        Self {
            product_id: place.product.product_id.as_str(),
            score: place.score,
            source: &place.source,
            product: (&place.product).into(),
        }
    }
}

/// What one source said of a candidate.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecallBody<'a> {
    /// The source.
    pub source: &'a str,
    /// How strongly: 1 is the source's best proposal.
    pub recall: f32,
}

/// What a score is made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScorePartsBody {
    /// From the sources that proposed it.
    pub recall: f32,
    /// From the visitor's leaning to its category and brand.
    pub affinity: f32,
    /// From its popularity.
    pub popularity: f32,
    /// From being new in the catalogue.
    pub freshness: f32,
    /// Drawn at random, where the placement explores.
    pub exploration: f32,
    /// At most 0: the visitor has just seen it.
    pub seen: f32,
}

/// One candidate and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CandidateBody<'a> {
    /// The product.
    pub product_id: &'a str,
    /// What a person reads.
    pub title: &'a str,
    /// Place in the slate, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rank: Option<usize>,
    /// The filter that removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "out_of_stock")]
    pub removed_by: Option<&'a str>,
    /// The source whose word weighed most.
    pub source: &'a str,
    /// What every source said.
    pub recalls: Vec<RecallBody<'a>>,
    /// Why it was proposed.
    pub reason: ReasonBody<'a>,
    /// Its score; 0 when it was removed.
    pub score: f32,
    /// What the score is made of.
    pub parts: ScorePartsBody,
}

impl<'a> From<&'a Explained> for CandidateBody<'a> {
    fn from(explained: &'a Explained) -> Self {
        let recalls = explained.recalls.iter().map(|said| RecallBody {
            source: said.source,
            recall: said.recall,
        });
        let (parts, reason) = (&explained.parts, &explained.reason);
        Self {
            product_id: explained.product_id.as_str(),
            title: &explained.shown_as,
            rank: explained.rank,
            removed_by: explained.removed_by,
            source: explained.source,
            recalls: recalls.collect(),
            reason: ReasonBody {
                kind: reason.kind,
                product_id: reason.product_id.as_ref().map(AsRef::as_ref),
                category: reason.category.as_deref(),
            },
            score: explained.score,
            parts: ScorePartsBody {
                recall: parts.recall,
                affinity: parts.affinity,
                popularity: parts.popularity,
                freshness: parts.freshness,
                exploration: parts.exploration,
                seen: parts.seen,
            },
        }
    }
}

/// Every candidate of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyBody<'a> {
    /// What was shown, in order.
    pub shown: Vec<CandidateBody<'a>>,
    /// What was scored but found no place, best score first.
    pub not_shown: Vec<CandidateBody<'a>>,
    /// What filters removed.
    pub removed: Vec<CandidateBody<'a>>,
}

impl<'a> From<&'a Explanation> for WhyBody<'a> {
    fn from(why: &'a Explanation) -> Self {
        let all = |list: &'a [Explained]| list.iter().map(Into::into).collect();
        Self {
            shown: all(&why.shown),
            not_shown: all(&why.not_shown),
            removed: all(&why.removed),
        }
    }
}

/// A slate as it was answered and, while it is remembered in full, why.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlateBody<'a> {
    /// The slate.
    pub slate_id: &'a str,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user_id: Option<&'a str>,
    /// Where it was shown.
    pub placement: &'a str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: EventTime,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// What was shown, in order.
    pub items: Vec<ShownPlace<'a>>,
    /// Absent when only the slate itself is still stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub why: Option<WhyBody<'a>>,
}

impl<'a> From<&'a SlateRecord> for SlateBody<'a> {
    fn from(record: &'a SlateRecord) -> Self {
        Self {
            slate_id: record.slate_id.as_str(),
            user_id: record.user_id.as_deref(),
            placement: &record.placement,
            at: record.at,
            generation: record.generation,
            items: record.items.iter().map(Into::into).collect(),
            why: record.explanation.as_ref().map(Into::into),
        }
    }
}
