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

/// Stored rows of one upsert, one behind the other, as they came.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Key in `rows`, then value, of each.
    bytes: Vec<u8>,
    spots: Vec<Spot>,
    /// By dimension: no row begins before.
    oldest: Oldest,
}

/// By dimension, a moment that no row begins before.
type Oldest = [EventTime; DIMENSIONS];

const DIMENSIONS: usize = Dimension::ALL.len();
const NEVER: Oldest = [EventTime(i64::MAX); DIMENSIONS];
/// What a row takes with its key, about.
const ROW_BYTES: usize = 112;

/// Where a row stands in the bytes of its batch, which an upsert keeps far below 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Spot {
    at: u32,
    value_at: u32,
    end: u32,
}

impl Batch {
    /// The stored form of rows that come with the position `arrival`.
    pub(super) fn of(rows: &[WindowRow], arrival: Offset) -> Self {
        let mut batch = Self {
            bytes: Vec::with_capacity(rows.len() * ROW_BYTES),
            spots: Vec::with_capacity(rows.len()),
            oldest: NEVER,
        };
        for row in rows {
            let at = batch.bytes.len() as u32;
            keys::push_key(&mut batch.bytes, row, arrival);
            let value_at = batch.bytes.len() as u32;
            if !row.measures.is_empty() {
                stored::encode_into(row, &mut batch.bytes);
            }
            let end = batch.bytes.len() as u32;
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

    fn key(&self, spot: Spot) -> &[u8] {
        &self.bytes[spot.at as usize..spot.value_at as usize]
    }

    fn value(&self, spot: Spot) -> &[u8] {
        &self.bytes[spot.value_at as usize..spot.end as usize]
    }
}

/// Batches in the order they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches {
    all: Vec<Batch>,
    bytes: usize,
}

impl From<Batch> for Batches {
    fn from(batch: Batch) -> Self {
        let mut batches = Self::default();
        batches.push(batch);
        batches
    }
}

/// A row among [`Batches`].
#[derive(Debug, Clone, Copy)]
struct Row {
    batch: u32,
    spot: Spot,
}

impl Batches {
    fn push(&mut self, batch: Batch) {
        if !batch.spots.is_empty() {
            self.bytes += batch.bytes();
            self.all.push(batch);
        }
    }

    fn append(&mut self, newer: Self) {
        self.bytes += newer.bytes;
        self.all.extend(newer.all);
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What they take in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// By dimension, a moment that no row begins before.
    pub(super) fn oldest(&self) -> Oldest {
        let all = self.all.iter().map(|batch| batch.oldest);
        all.fold(NEVER, |oldest, other| {
            std::array::from_fn(|at| oldest[at].min(other[at]))
        })
    }

    fn key(&self, row: Row) -> &[u8] {
        self.all[row.batch as usize].key(row.spot)
    }

    fn value(&self, row: Row) -> &[u8] {
        self.all[row.batch as usize].value(row.spot)
    }

    /// Of each row the pane that counts.
    pub(super) fn newest(&self) -> Newest<'_> {
        let mut rows = Vec::with_capacity(self.all.iter().map(|batch| batch.spots.len()).sum());
        for (number, batch) in (0..).zip(&self.all) {
            rows.extend(batch.spots.iter().map(|&spot| {
                let row = Row {
                    batch: number,
                    spot,
                };
                (head_of(batch.key(spot)), row)
            }));
        }
        // Stable: of equal keys, which one upsert may hold, the first one stays first.
        rows.sort_by(|a, b| {
            let rest = |row: Row| self.key(row).get(HEAD_BYTES..);
            a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(&rest(b.1)))
        });
        rows.dedup_by(|(_, next), (_, kept)| {
            let [next_key, kept_key] = [*next, *kept].map(|row| self.key(row));
            let place = |key| keys::parts_of(key).map(|parts| parts.place);
            let is_same = place(next_key) == place(kept_key);
            if is_same && next_key > kept_key {
                *kept = *next;
            }
            is_same
        });
        Newest {
            batches: self,
            rows,
        }
    }
}

/// Bytes of a key that are compared without following a pointer.
const HEAD_BYTES: usize = size_of::<u128>();

fn head_of(key: &[u8]) -> u128 {
    let mut head = [0; HEAD_BYTES];
    let known = key.len().min(HEAD_BYTES);
    head[..known].copy_from_slice(&key[..known]);
    u128::from_be_bytes(head)
}

/// Rows to be written, each once.
pub(super) struct Newest<'a> {
    batches: &'a Batches,
    /// By key in `rows`.
    rows: Vec<(u128, Row)>,
}

impl<'a> Newest<'a> {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keys in `rows` and values, ascending.
    pub(super) fn by_key(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let batches = self.batches;
        let pair = move |&(_, row): &(u128, Row)| (batches.key(row), batches.value(row));
        self.rows.iter().map(pair)
    }

    /// Keys in `periods` and values, ascending.
    pub(super) fn by_period(&self) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> {
        let batches = self.batches;
        let mut rows = self.rows.clone();
        for (head, row) in &mut rows {
            let parts = keys::parts_of(batches.key(*row));
            *head = parts.map_or(0, |parts| u128::from_be_bytes(parts.window));
        }
        // Both layouts begin with the dimension. Stable: within a window, rows stay by id and
        // what comes behind it, as they are.
        let letter = |row: Row| batches.key(row).first();
        for of_dimension in rows.chunk_by_mut(|a, b| letter(a.1) == letter(b.1)) {
            of_dimension.sort_by_key(|(window, _)| *window);
        }
        rows.into_iter().filter_map(move |(_, row)| {
            let key = keys::Layout::ByKey.turned(batches.key(row))?;
            Some((key, batches.value(row)))
        })
    }
}

/// What waits for a flush.
pub(super) struct Waiting {
    /// Where each partition stands, with what waits.
    positions: Positions,
    /// Where each stands in the database.
    written: Positions,
    rows: Batches,
    /// Rows of a flush that runs or has failed.
    frozen: Arc<Batches>,
    is_closed: bool,
}

impl Waiting {
    pub(super) fn new(written: Positions) -> Self {
        Self {
            positions: written.clone(),
            written,
            rows: Batches::default(),
            frozen: Arc::default(),
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
        self.rows.push(rows);
    }

    /// Whether all is in the database.
    pub(super) fn is_written(&self) -> bool {
        self.rows.is_empty() && self.frozen.is_empty() && self.positions == self.written
    }

    /// All that is to be written: rows, where every partition will stand then, and which of them
    /// that moves. It stays here until it [has arrived](Self::arrived).
    pub(super) fn freeze(&mut self) -> (Arc<Batches>, Positions, Vec<(Partition, Offset)>) {
        let rows = std::mem::take(&mut self.rows);
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
    pub(super) fn arrived(&mut self, positions: Positions) {
        self.frozen = Arc::default();
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
