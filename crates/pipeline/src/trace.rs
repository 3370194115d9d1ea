//! What happened to every candidate of an answer, compactly.

use crate::candidate::{CANDIDATES_MAX, Candidate, SOURCES_MAX, ScoreParts};
use crate::slate::Reason;
use vitrina_types::id::ProductIx;

/// A trace holds at most this many bytes on the heap.
pub const TRACE_BYTES_MAX: usize =
    CANDIDATES_MAX * (size_of::<TraceRow>() + SOURCES_MAX * size_of::<f32>());

/// One candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRow {
    /// The product.
    pub product: ProductIx,
    /// One bit per source that proposed it, by place in [`crate::sources::all`].
    pub sources: u16,
    /// The source whose word weighed most, by place in [`crate::sources::all`].
    pub source: u8,
    /// The filter that removed it, by place in [`crate::filters::all`]; [`TraceRow::KEPT`] else.
    pub removed_by: u8,
    /// Its place in the slate; [`TraceRow::NOT_SHOWN`] when it is not there.
    pub rank: u16,
    /// The reason of its source.
    pub reason: Reason,
    /// What makes up its score; all 0 for a candidate that was removed.
    pub parts: ScoreParts,
}

impl TraceRow {
    /// No filter removed it.
    pub const KEPT: u8 = u8::MAX;
    /// Not in the slate.
    pub const NOT_SHOWN: u16 = u16::MAX;
}

/// See the module. Candidates in the order in which they were proposed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    rows: Vec<TraceRow>,
    /// What sources said, one number per bit set in `sources`, row after row.
    recalls: Vec<f32>,
}

impl Trace {
    pub(crate) fn of(candidates: &[Candidate], removed: &[(u32, u8)], order: &[u32]) -> Self {
        let mut rows: Vec<_> = candidates.iter().map(row).collect();
        for &(at, filter) in removed {
            rows[at as usize].removed_by = filter;
        }
        for (&at, rank) in order.iter().zip(0u16..) {
            rows[at as usize].rank = rank;
        }
        let count = rows
            .iter()
            .map(|row| row.sources.count_ones() as usize)
            .sum();
        let mut recalls = Vec::with_capacity(count);
        for candidate in candidates {
            recalls.extend(places(candidate.sources).map(|place| candidate.recalls[place]));
        }
        Self { rows, recalls }
    }

    /// Every candidate.
    pub fn rows(&self) -> &[TraceRow] {
        &self.rows
    }

    /// Every candidate with what each source said of it: (place in [`crate::sources::all`],
    /// recall relative to the source's best proposal).
    pub fn iter(
        &self,
    ) -> impl Iterator<Item = (&TraceRow, impl Iterator<Item = (usize, f32)> + '_)> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let said = row.sources.count_ones() as usize;
            let recalls = &self.recalls[start..start + said];
            start += said;
            (row, places(row.sources).zip(recalls.iter().copied()))
        })
    }

    /// Bytes on the heap; at most [`TRACE_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.rows) + size_of_val(&*self.recalls)
    }
}

fn row(candidate: &Candidate) -> TraceRow {
    TraceRow {
        product: candidate.product,
        sources: candidate.sources,
        source: candidate.source,
        removed_by: TraceRow::KEPT,
        rank: TraceRow::NOT_SHOWN,
        reason: candidate.reason,
        parts: candidate.parts,
    }
}

/// The places of the bits set, lowest first.
fn places(bits: u16) -> impl Iterator<Item = usize> {
    (0..SOURCES_MAX).filter(move |place| bits >> place & 1 == 1)
}
