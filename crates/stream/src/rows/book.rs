//! Cells by lane, window and key, and their stored form.
//!
//! There are few windows and many cells: windows lie in a sorted list, the cells of each in a
//! [`Sheet`].

use super::lane::Lane;
use super::sheet::{Sheet, Slot};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::Hash;
use vitrina_types::id::ProductId;
use vitrina_types::row::{RowKey, TimeWindow};
use vitrina_types::stored::{self, Stored, StoredError};
use vitrina_types::time::EventTime;

/// What cells of one window differ by.
pub(super) trait CellKey: Clone + Ord + Hash + Send + 'static {
    /// What stored keys begin with.
    const PREFIX: &'static str;
    /// Appends the text of it.
    fn write(&self, text: &mut String);
    /// Reads its text.
    fn read(text: &str) -> Option<Self>;
    /// A number that orders as keys do, but for keys that have the same.
    fn prefix(&self) -> u64;
}

/// The first bytes of a text as a number: it orders as texts do, but for those that have the same.
fn prefix(text: &str) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    let length = text.len().min(bytes.len());
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

impl CellKey for ProductId {
    const PREFIX: &'static str = "~r/p/";

    fn write(&self, text: &mut String) {
        text.push_str(self.as_str());
    }

    fn read(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }

    fn prefix(&self) -> u64 {
        prefix(self.as_str())
    }
}

impl CellKey for RowKey {
    const PREFIX: &'static str = "~r/w/";

    fn write(&self, text: &mut String) {
        text.push_str(self.dimension.name());
        text.push('/');
        text.push_str(&self.id);
    }

    fn read(text: &str) -> Option<Self> {
        Self::from_stored(text)
    }

    fn prefix(&self) -> u64 {
        ((self.dimension as u64) << 56) | (prefix(&self.id) >> 8)
    }
}

/// A window of a lane with its cells. Boxed, so that windows are cheap to move where old data
/// opens thousands of them in no order.
type Page<K, V> = (TimeWindow, Box<Sheet<K, V>>);

pub(super) struct Book<K, V> {
    /// By [`Lane`]; ascending by window, no sheet is empty.
    lanes: [Vec<Page<K, V>>; 2],
    /// Where the window was that was asked for last, by lane: likely it is the next one too.
    recent: [usize; 2],
    /// Cells that are gone, but for their stored form.
    gone: BTreeSet<(Lane, TimeWindow, K)>,
    /// An empty sheet with room for as many cells as the one before: the next window is likely to
    /// have as many.
    spare: Option<Box<Sheet<K, V>>>,
}

impl<K, V> Default for Book<K, V> {
    fn default() -> Self {
        Self {
            lanes: [Vec::new(), Vec::new()],
            recent: [0; 2],
            gone: BTreeSet::new(),
            spare: None,
        }
    }
}

impl<K: CellKey, V: Stored> Book<K, V> {
    /// The cell of a key in a window, to be changed; made by `make` where there is none.
    #[inline]
    pub(super) fn cell(
        &mut self,
        lane: Lane,
        window: TimeWindow,
        key: &K,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        let place = self.place(lane, window);
        let gone = &mut self.gone;
        let (_, sheet) = &mut self.lanes[lane as usize][place];
        sheet.cell(key, || {
            let is_stored = !gone.is_empty() && gone.remove(&(lane, window, key.clone()));
            (make(), is_stored)
        })
    }

    /// The place of a window, which is made where there is none.
    #[inline]
    fn place(&mut self, lane: Lane, window: TimeWindow) -> usize {
        let pages = &mut self.lanes[lane as usize];
        let recent = self.recent[lane as usize];
        if pages.get(recent).is_some_and(|page| page.0 == window) {
            return recent;
        }
        let place = match pages.binary_search_by_key(&window, |page| page.0) {
            Ok(place) => place,
            Err(place) => {
                let sheet = self.spare.take().unwrap_or_default();
                pages.insert(place, (window, sheet));
                place
            }
        };
        self.recent[lane as usize] = place;
        place
    }

    /// The pages of a lane, ascending by window.
    pub(super) fn pages(&mut self, lane: Lane) -> &mut Vec<Page<K, V>> {
        &mut self.lanes[lane as usize]
    }

    /// Removes at most `limit` cells of the page at `place`, the first by key, and the page when
    /// it has no more. Answers how many.
    pub(super) fn take_first(
        &mut self,
        lane: Lane,
        place: usize,
        limit: usize,
        mut each: impl FnMut(TimeWindow, K, V),
    ) -> usize {
        let pages = &mut self.lanes[lane as usize];
        let Some((window, sheet)) = pages.get_mut(place) else {
            return 0;
        };
        let (window, count, gone) = (*window, sheet.len(), &mut self.gone);
        let mut take = |slot: Slot<K, V>| {
            if slot.is_stored {
                gone.insert((lane, window, slot.key.clone()));
            }
            each(window, slot.key, slot.value);
        };
        if count > limit {
            let first = std::iter::from_fn(|| sheet.take_first());
            first.take(limit).for_each(take);
            return limit;
        }
        let (_, mut sheet) = pages.remove(place);
        sheet.take_all(&mut take);
        self.spare = Some(sheet);
        count
    }

    /// Windows with a cell.
    pub(super) fn windows(&self) -> usize {
        self.lanes.iter().map(Vec::len).sum()
    }

    /// Takes a stored cell; `is_waiting` of its value says whether it waits to be told.
    pub(super) fn load(
        &mut self,
        key: &str,
        value: &[u8],
        is_waiting: impl FnOnce(&V) -> bool,
    ) -> Result<(), StoredError> {
        let damaged = StoredError::Damaged { name: V::NAME };
        let (lane, window, key) = read_key(key).ok_or(damaged)?;
        let value = stored::decode(value)?;
        let place = self.place(lane, window);
        let is_waiting = is_waiting(&value);
        self.lanes[lane as usize][place]
            .1
            .load(key, value, is_waiting);
        Ok(())
    }

    /// Hands out what changed since the last call: what is gone, then by lane and window in the
    /// order it changed first.
    pub(super) fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        let mut text = String::new();
        for (lane, window, key) in std::mem::take(&mut self.gone) {
            text.clear();
            write_page::<K>(&mut text, lane, window);
            key.write(&mut text);
            each(&text, None);
        }
        let mut scratch = Vec::new();
        for lane in Lane::ALL {
            let pages = self.lanes[lane as usize].iter_mut();
            for (window, sheet) in pages.filter(|page| page.1.is_unsaved()) {
                text.clear();
                write_page::<K>(&mut text, lane, *window);
                let page = text.len();
                sheet.take_unsaved(|key, value| {
                    text.truncate(page);
                    key.write(&mut text);
                    scratch.clear();
                    stored::encode_into(value, &mut scratch);
                    each(&text, Some(scratch.as_slice().to_vec()));
                });
            }
        }
    }
}

/// Flips the sign, so that hexadecimal digits sort as times.
const SIGN: u64 = 1 << 63;

/// Appends what the stored keys of one page begin with: the prefix, the letter of the lane, begin
/// and end of the window as 16 hexadecimal digits each, a slash. With [`CellKey`]s at most 330
/// bytes in all.
fn write_page<K: CellKey>(text: &mut String, lane: Lane, window: TimeWindow) {
    let digits = |time: EventTime| time.0 as u64 ^ SIGN;
    let (start, end) = (digits(window.start), digits(window.end));
    text.push_str(K::PREFIX);
    text.push(lane.letter());
    // Writing to a String cannot fail.
    let _ = write!(text, "{start:016x}{end:016x}/");
}

fn read_key<K: CellKey>(key: &str) -> Option<(Lane, TimeWindow, K)> {
    let rest = key.strip_prefix(K::PREFIX)?;
    let lane = Lane::from_letter(rest.chars().next()?)?;
    let time = |digits: Option<&str>| {
        let digits = u64::from_str_radix(digits?, 16).ok()?;
        Some(EventTime((digits ^ SIGN) as i64))
    };
    let window = TimeWindow {
        start: time(rest.get(1..17))?,
        end: time(rest.get(17..33))?,
    };
    let key = rest.get(33..)?.strip_prefix('/')?;
    Some((lane, window, K::read(key)?))
}
