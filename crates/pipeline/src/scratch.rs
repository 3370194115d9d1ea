//! Buffers of an answer, kept for the next one.

use crate::candidate::Candidate;
use crate::hydrate::HydratedQuery;
use crate::items::{Facts, RankKey};
use crate::rerankers::RerankWork;
use crate::sources::Buffers;
use vitrina_types::id::ProductIx;

/// Reusable memory: one per answering thread. Nothing in it outlives an answer but capacity.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) hydrated: HydratedQuery,
    pub(crate) work: Work,
}

/// What the stages hand to each other; places are indexes into `candidates`.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) sources: Buffers,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) facts: Vec<Facts>,
    pub(crate) kept: Vec<u32>,
    pub(crate) removed: Vec<(u32, u8)>,
    pub(crate) keys: Vec<(u64, u32)>,
    pub(crate) order: Vec<u32>,
    pub(crate) rerank: RerankWork,
    pub(crate) spare: Vec<(RankKey, ProductIx)>,
}
