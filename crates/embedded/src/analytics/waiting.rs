//! What was upserted and is not written yet: rows as they will be stored, and the positions.
//!
//! Taking rows looks nothing up and sorts nothing: both are cheaper for all of a flush at once.

use super::keys;
use std::sync::Arc;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, WindowRow};
use vitrina_types::stored;
use vitrina_types::time::EventTime;

/// Positions by partition; `None` before the first upsert.
pub(super) type Positions = Vec<Option<Offset>>;

/// Stored rows one behind the other, as they came.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Key in `rows`, then value, of each.
    bytes: Vec<u8>,
    spots: Vec<Spot>,
    /// By dimension: no row begins before.
    oldest: [EventTime; DIMENSIONS],
}

/// Room of so many bytes or more is kept from one flush to the next.
const SPARE_BYTES_MIN: usize = 4 * 1_024 * 1_024;
const DIMENSIONS: usize = Dimension::ALL.len();

/// Where a row stands in the bytes of its batch.
#[derive(Debug, Clone, Copy)]
struct Spot {
    at: usize,
    value_at: usize,
    end: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            spots: Vec::new(),
            oldest: [EventTime(i64::MAX); DIMENSIONS],
        }
    }
}

impl Batch {
    /// The stored form of rows that come with the position `arrival`.
    pub(super) fn of(rows: &[WindowRow], arrival: Offset) -> Self {
        let mut batch = Self::default();
        batch.spots.reserve(rows.len());
        for row in rows {
            let at = batch.bytes.len();
            keys::push_key(&mut batch.bytes, row, arrival);
            let value_at = batch.bytes.len();
            if !row.measures.is_empty() {
                stored::encode_into(row, &mut batch.bytes);
            }
            let end = batch.bytes.len();
            batch.spots.push(Spot { at, value_at, end });
            let oldest = &mut batch.oldest[row.key.dimension as usize];
            *oldest = row.window.start.min(*oldest);
        }
        batch
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.spots.len() * size_of::<Spot>()
    }

    /// By dimension, a moment that no row begins before.
    pub(super) fn oldest(&self) -> [EventTime; DIMENSIONS] {
        self.oldest
    }

    fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// No rows, in the room of these.
    fn emptied(mut self) -> Self {
        self.bytes.clear();
        self.spots.clear();
        Self {
            bytes: self.bytes,
            spots: self.spots,
            ..Self::default()
        }
    }

    fn append(&mut self, other: Self) {
        if self.is_empty() && self.bytes.capacity() < other.bytes.capacity() {
            *self = other;
            return;
        }
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.spots.extend(other.spots.iter().map(|spot| Spot {
            at: spot.at + shift,
            value_at: spot.value_at + shift,
            end: spot.end + shift,
        }));
        for (oldest, other) in self.oldest.iter_mut().zip(other.oldest) {
            *oldest = other.min(*oldest);
        }
    }

    fn key(&self, spot: Spot) -> &[u8] {
        &self.bytes[spot.at..spot.value_at]
    }

    /// Of each row the pane that counts.
    pub(super) fn newest(&self) -> Newest<'_> {
        let head = |spot: &Spot| {
            let key = self.key(*spot);
            let mut head = [0; HEAD_BYTES];
            let known = key.len().min(HEAD_BYTES);
            head[..known].copy_from_slice(&key[..known]);
            (u128::from_be_bytes(head), *spot)
        };
        let mut spots: Vec<(u128, Spot)> = self.spots.iter().map(head).collect();
        // Stable: of equal keys, which one upsert may hold, the first one stays first.
        spots.sort_by(|a, b| {
            let rest = |spot: Spot| self.key(spot).get(HEAD_BYTES..);
            a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(&rest(b.1)))
        });
        spots.dedup_by(|(_, next), (_, kept)| {
            let [next_key, kept_key] = [*next, *kept].map(|spot| self.key(spot));
            let place = |key| keys::parts_of(key).map(|parts| parts.place);
            let is_same = place(next_key) == place(kept_key);
            if is_same && next_key > kept_key {
                *kept = *next;
            }
            is_same
        });
        Newest { batch: self, spots }
    }
}

/// Bytes of a key that are compared without following a pointer.
const HEAD_BYTES: usize = size_of::<u128>();

/// Rows to be written, each once.
pub(super) struct Newest<'a> {
    batch: &'a Batch,
    /// By key in `rows`.
    spots: Vec<(u128, Spot)>,
}

impl<'a> Newest<'a> {
    pub(super) fn len(&self) -> usize {
        self.spots.len()
    }

    /// Keys in `rows` and values, ascending.
    pub(super) fn by_key(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let batch = self.batch;
        let pair = move |&(_, spot): &(u128, Spot)| {
            let value = &batch.bytes[spot.value_at..spot.end];
            (batch.key(spot), value)
        };
        self.spots.iter().map(pair)
    }

    /// Keys in `periods` and values, ascending.
    pub(super) fn by_period(&self) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> {
        let batch = self.batch;
        let mut spots = self.spots.clone();
        for (head, spot) in &mut spots {
            let parts = keys::parts_of(batch.key(*spot));
            *head = parts.map_or(0, |parts| u128::from_be_bytes(parts.window));
        }
        // Both layouts begin with the dimension. Stable: within a window, rows stay by id and
        // what comes behind it, as they are.
        let letter = |spot: Spot| batch.bytes[spot.at];
        for of_dimension in spots.chunk_by_mut(|a, b| letter(a.1) == letter(b.1)) {
            of_dimension.sort_by_key(|(window, _)| *window);
        }
        spots.into_iter().filter_map(move |(_, spot)| {
            let key = keys::Layout::ByKey.turned(batch.key(spot))?;
            Some((key, &batch.bytes[spot.value_at..spot.end]))
        })
    }
}

/// What waits for a flush.
pub(super) struct Waiting {
    /// Where each partition stands, with what waits.
    positions: Positions,
    /// Where each stands in the database.
    written: Positions,
    rows: Batch,
    /// Rows of a flush that runs or has failed.
    frozen: Arc<Batch>,
    /// Room that the last rows were in, where they were many: the next are likely to be as many.
    spare: Batch,
    is_closed: bool,
}

impl Waiting {
    pub(super) fn new(written: Positions) -> Self {
        Self {
            positions: written.clone(),
            written,
            rows: Batch::default(),
            frozen: Arc::default(),
            spare: Batch::default(),
            is_closed: false,
        }
    }

    pub(super) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.frozen.bytes()
    }

    /// Whether a flush must make room before more is taken. While one runs, as much again may
    /// come.
    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.rows.bytes() >= bytes_max || self.bytes() / 2 >= bytes_max
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) fn take(&mut self, partition: Partition, next: Offset, rows: Batch) {
        self.positions[partition.at()] = Some(next);
        self.rows.append(rows);
    }

    /// Whether all is in the database.
    pub(super) fn is_written(&self) -> bool {
        self.rows.is_empty() && self.frozen.is_empty() && self.positions == self.written
    }

    /// All that is to be written: rows, where every partition will stand then, and which of them
    /// that moves. It stays here until it [has arrived](Self::arrived).
    pub(super) fn freeze(&mut self) -> (Arc<Batch>, Positions, Vec<(Partition, Offset)>) {
        let spare = std::mem::take(&mut self.spare);
        let rows = std::mem::replace(&mut self.rows, spare);
        // Nobody else has it: the flush that had is over.
        let mut frozen = Arc::unwrap_or_clone(std::mem::take(&mut self.frozen));
        frozen.append(rows);
        self.frozen = Arc::new(frozen);
        let moved = Partition::all().filter_map(|partition| {
            let position = self.positions[partition.at()]?;
            (self.written[partition.at()] != Some(position)).then_some((partition, position))
        });
        let moved = moved.collect();
        (Arc::clone(&self.frozen), self.positions.clone(), moved)
    }

    /// What was frozen is in the database.
    pub(super) fn arrived(&mut self, rows: Arc<Batch>, positions: Positions) {
        self.frozen = Arc::default();
        if rows.bytes() >= SPARE_BYTES_MIN {
            self.spare = Arc::try_unwrap(rows).map_or_else(|_| Batch::default(), Batch::emptied);
        }
        self.written = positions;
    }

    /// The database stands at `found`, after a write that may have failed or not. What waits is
    /// kept unless the database has lost something: what waits would not join on to it.
    pub(super) fn resume(&mut self, found: Positions) {
        let mut all = self.written.iter().zip(&found).zip(&self.positions);
        if !all.all(|((written, found), position)| (written..=position).contains(&found)) {
            (self.rows, self.frozen) = Default::default();
            self.positions.clone_from(&found);
        }
        self.written = found;
    }
}
