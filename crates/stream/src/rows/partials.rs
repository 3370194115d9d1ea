//! Resident sums of what happened to products since it was last told, by window.
//!
//! Differences, not totals: a sum is told once and dropped, so memory holds what is open and
//! nothing else. What comes for a window that was told makes another sum, which is told as well.

use super::book::Book;
use super::lane::Lane;
use crate::resident::Resident;
use vitrina_types::id::ProductId;
use vitrina_types::row::{Measures, TimeWindow};
use vitrina_types::state::{Facets, PartialCell};
use vitrina_types::stored::StoredError;
use vitrina_types::time::Progress;

/// Sums by lane, window and product.
#[derive(Default)]
pub struct Partials {
    book: Book<ProductId, PartialCell>,
}

impl Partials {
    /// Changes the sum of a product in a window by `add`; `facets` are asked for only where the
    /// sum is new. O(1) and without allocation where it is not, but for what `add` needs.
    #[inline]
    pub fn add(
        &mut self,
        lane: Lane,
        window: TimeWindow,
        product: &ProductId,
        facets: impl FnOnce() -> Option<Box<Facets>>,
        add: impl FnOnce(&mut Measures),
    ) {
        let make = || PartialCell {
            measures: Measures::default(),
            facets: facets(),
        };
        add(&mut self.book.cell(lane, window, product, make).measures);
    }

    /// Drops what is due, at most `limit` sums, in order of lane, window and product, and hands
    /// each to `each`: what lies in windows whose end the watermark of the lane has passed, all of
    /// the lane of old data where none is being loaded. Answers whether more is due.
    ///
    /// O(windows) besides what is told; the products of a window are sorted when it falls due.
    pub fn take_due(
        &mut self,
        progress: Progress,
        limit: usize,
        mut each: impl FnMut(Lane, TimeWindow, ProductId, PartialCell),
    ) -> bool {
        let mut left = limit;
        for lane in Lane::ALL {
            let mut place = 0;
            while let Some((window, _)) = self.book.pages(lane).get(place) {
                if !lane.passed(progress, window.end) {
                    place += 1;
                } else if left == 0 {
                    return true;
                } else {
                    // The page goes with its last sum.
                    let told = |window, product, cell| each(lane, window, product, cell);
                    left -= self.book.take_first(lane, place, left, told);
                }
            }
        }
        false
    }

    /// Sums that are due, as [`Self::take_due`] has it. O(windows).
    pub fn due(&mut self, progress: Progress) -> usize {
        let mut due = 0;
        for lane in Lane::ALL {
            let pages = self.book.pages(lane).iter();
            let passed = pages.filter(|page| lane.passed(progress, page.0.end));
            due += passed.map(|page| page.1.waiting()).sum::<usize>();
        }
        due
    }
}

impl Resident for Partials {
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        self.book.load(key, value, |_| true)
    }

    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        self.book.take_changes(each);
    }

    fn open(&self) -> usize {
        self.book.windows()
    }
}
