//! How many different visitors there were, in few bytes.
//!
//! Not the visitors themselves: none can be read back, and nothing is ever taken out.
//!
//! The law: a sketch depends on the set of what was added and on nothing else. Any order, any
//! repetition and any grouping of merges give equal sketches with the same stored bytes.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::f64::consts::LOG2_E;
use std::fmt;

/// Bits of a print that choose a register.
const INDEX_BITS: u32 = 12;

/// Bits of a print behind its index; a rank is read from them.
const RANK_BITS: u32 = u32::BITS - INDEX_BITS;

/// Registers of the many form.
const REGISTERS: usize = 1 << INDEX_BITS;

/// The rank of a print that has no bit set behind its index.
const RANK_MAX: u8 = RANK_BITS as u8 + 1;

/// Bits of a stored rank: just enough for [`RANK_MAX`].
const STORED_RANK_BITS: usize = 5;

/// Registers that are stored together, in [`STORED_RANK_BITS`] bytes.
const GROUP: usize = 8;

/// Bytes of a stored print.
const PRINT_BYTES: usize = size_of::<u32>();

/// Bytes of the stored many form.
const MANY_BYTES: usize = REGISTERS / GROUP * STORED_RANK_BITS;

/// Prints the few form may have; with more it would need more than a quarter of the bytes of the
/// many form, and putting one in would be slower. Part of the stored form: another number makes
/// other bytes of the same set.
const FEW_MAX: usize = MANY_BYTES / 4 / PRINT_BYTES;

/// Bytes of the longest stored few form.
const FEW_BYTES_MAX: usize = FEW_MAX * PRINT_BYTES;

/// A count of different things, exact while they are few and estimated when they are many.
///
/// Of every hash the upper 32 bits are used, its print. Up to 160 prints are kept as they are: the
/// count is exact but for equal prints of different hashes (a chance of 4 in 10⁸ for 20 things,
/// 3 in 10⁶ for 160). Beyond, each print is folded into one of 4,096 registers, which keeps the
/// highest rank it met: the position of the first set bit behind the index, from 1, or 21 without
/// one. The estimate then has a standard error of 1.6 % (1.04 / √4,096), up to 10⁹ things.
///
/// In memory 24 bytes and one allocation: 16 bytes for 1 to 4 things, at most 1,280 while few,
/// 4,096 when many; none when empty. Stored as one string of bytes: 4 per print, ascending,
/// little-endian, while few (none when empty), 2,560 when many (8 ranks of 5 bits in 5 bytes,
/// lowest bits first). The length tells the forms apart. In a format that people read it is
/// the same bytes as a list of numbers. Bytes that no set is stored as are an error, never another
/// set: a wrong length, prints out of order or twice, a rank above 21, many without a rank.
///
/// 32 bits suffice because a register counts things, not prints: two things with one print
/// raise it no less often than chance says, so there is no bias until the ranks end. In exchange
/// a rank takes 5 bits instead of 6 and the few form holds all that the many form could ever ask.
///
/// Source: P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation
/// algorithm", AofA 2007; the exact form before it after S. Heule, M. Nunkesser, A. Hall,
/// "HyperLogLog in Practice", EDBT 2013; the estimate by O. Ertl, "New cardinality estimation
/// algorithms for HyperLogLog sketches", arXiv:1702.01284, 2017, algorithm 6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distinct(Form);

/// Which form a set has follows from its number of different prints alone, which only grows:
/// this is what makes the forms canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Prints, strictly ascending, at most [`FEW_MAX`].
    Few(Vec<u32>),
    /// The highest rank per index, 0 without one; made of more than [`FEW_MAX`] prints.
    Many(Box<Ranks>),
}

type Ranks = [u8; REGISTERS];

impl Default for Form {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Distinct {
    /// Adds a thing by its `hash`, which must be uniform in its upper 32 bits (xxh3 is), also among
    /// the things of one sketch: not the hash whose upper bits chose the sketch.
    ///
    /// O(log n) for what is already in, else O(n), with n ≤ 160 things; O(1) beyond.
    pub fn add(&mut self, hash: u64) {
        let print = (hash >> u32::BITS) as u32;
        match &mut self.0 {
            Form::Few(prints) => {
                let Err(place) = prints.binary_search(&print) else {
                    return;
                };
                if prints.len() < FEW_MAX {
                    prints.insert(place, print);
                    return;
                }
                let mut ranks = folded(prints);
                raise(&mut ranks, print);
                self.0 = Form::Many(ranks);
            }
            Form::Many(ranks) => raise(ranks, print),
        }
    }

    /// Adds everything that was added to `other`. Commutative, associative and idempotent.
    ///
    /// O(n) in the prints of both while few, O(4,096) otherwise.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Form::Few(_), Form::Few(others)) if others.is_empty() => {}
            (Form::Few(prints), Form::Few(others)) => {
                let all = union(prints, others);
                self.0 = if all.len() > FEW_MAX {
                    Form::Many(folded(&all))
                } else {
                    Form::Few(all)
                };
            }
            (Form::Few(prints), Form::Many(others)) => {
                let mut ranks = others.clone();
                for print in prints {
                    raise(&mut ranks, *print);
                }
                self.0 = Form::Many(ranks);
            }
            (Form::Many(ranks), Form::Few(others)) => {
                for print in others {
                    raise(ranks, *print);
                }
            }
            (Form::Many(ranks), Form::Many(others)) => {
                for (rank, other) in ranks.iter_mut().zip(others.iter()) {
                    *rank = (*rank).max(*other);
                }
            }
        }
    }

    /// How many different things were added: exact up to 160, else estimated, at least 161.
    /// Never falls when more is added; `u64::MAX` when every register is at its highest rank.
    /// The same on every machine: no operation in it is rounded otherwise than IEEE 754 asks.
    ///
    /// O(1) while few, O(4,096) otherwise.
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            Form::Few(prints) => prints.len() as u64,
            // The cast saturates.
            Form::Many(ranks) => (estimated(ranks).round() as u64).max(FEW_MAX as u64 + 1),
        }
    }

    /// Whether nothing was added. O(1).
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Few(prints) if prints.is_empty())
    }
}

/// What is in one of two ascending runs or in both. Without a branch on the values, which would be
/// guessed wrong every other time.
fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        all.push(x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    all.extend_from_slice(&a[i..]);
    all.extend_from_slice(&b[j..]);
    all
}

fn raise(ranks: &mut Ranks, print: u32) {
    let rank = ((print << INDEX_BITS).leading_zeros().min(RANK_BITS) + 1) as u8;
    let held = &mut ranks[(print >> RANK_BITS) as usize];
    *held = (*held).max(rank);
}

fn folded(prints: &[u32]) -> Box<Ranks> {
    let mut ranks = Box::new([0; REGISTERS]);
    for print in prints {
        raise(&mut ranks, *print);
    }
    ranks
}

/// With C(k) registers of rank k, m registers and q rank bits:
/// n = m² / (2 ln 2 · z),
/// z = m σ(C(0) / m) + Σ C(k) 2⁻ᵏ over k in 1..=q + m τ(1 − C(q + 1) / m) 2⁻ᵠ.
fn estimated(ranks: &Ranks) -> f64 {
    // Four tables: neighbours of one rank then do not wait for each other.
    let mut tables = [[0u32; 1 << STORED_RANK_BITS]; 4];
    for four in ranks.as_chunks::<4>().0 {
        for (table, rank) in tables.iter_mut().zip(four) {
            table[usize::from(*rank) % (1 << STORED_RANK_BITS)] += 1;
        }
    }
    let of_rank = |rank: usize| f64::from(tables.iter().map(|table| table[rank]).sum::<u32>());
    let m = REGISTERS as f64;
    let mut z = m * tau(1.0 - of_rank(usize::from(RANK_MAX)) / m);
    for rank in (1..usize::from(RANK_MAX)).rev() {
        z = 0.5 * (z + of_rank(rank));
    }
    z += m * sigma(of_rank(0) / m);
    0.5 * LOG2_E * m * m / z
}

/// σ(x) = x + Σ x^(2ᵏ) 2ᵏ⁻¹ over k ≥ 1, for x in 0..1: what registers without a rank say.
fn sigma(mut x: f64) -> f64 {
    let (mut sum, mut weight) = (x, 1.0);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// τ(x) = ⅓ (1 − x − Σ (1 − x^(2⁻ᵏ))² 2⁻ᵏ over k ≥ 1), for x in 0..=1: what registers at the
/// highest rank say.
fn tau(mut x: f64) -> f64 {
    let (mut sum, mut weight) = (1.0 - x, 1.0);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// Bytes that no sketch is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Damage {
    #[error("{bytes} bytes are no stored sketch: {MANY_BYTES}, or at most {FEW_MAX} times 4")]
    Length { bytes: usize },
    #[error("print {place} of a stored sketch is not above the one before it")]
    Order { place: usize },
    #[error("register {index} of a stored sketch has rank {rank}, the highest is {RANK_MAX}")]
    Rank { index: usize, rank: u8 },
    #[error("a stored sketch of many things has no rank")]
    NoRank,
}

/// Writes the stored few form to the beginning of `bytes`, and answers that.
fn stored_few<'a>(prints: &[u32], bytes: &'a mut [u8; FEW_BYTES_MAX]) -> &'a [u8] {
    for (stored, print) in bytes.as_chunks_mut().0.iter_mut().zip(prints) {
        *stored = print.to_le_bytes();
    }
    // More prints than fit are never few.
    &bytes[..(prints.len() * PRINT_BYTES).min(FEW_BYTES_MAX)]
}

fn stored_many(ranks: &Ranks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MANY_BYTES);
    for group in ranks.as_chunks::<GROUP>().0 {
        let bits = group.iter().rev().fold(0u64, |bits, rank| {
            (bits << STORED_RANK_BITS) | u64::from(*rank)
        });
        bytes.extend_from_slice(&bits.to_le_bytes()[..STORED_RANK_BITS]);
    }
    bytes
}

fn read(bytes: &[u8]) -> Result<Distinct, Damage> {
    if bytes.len() == MANY_BYTES {
        return read_many(bytes).map(|ranks| Distinct(Form::Many(ranks)));
    }
    let (stored, rest) = bytes.as_chunks::<PRINT_BYTES>();
    if stored.len() > FEW_MAX || !rest.is_empty() {
        return Err(Damage::Length { bytes: bytes.len() });
    }
    let prints: Vec<u32> = stored.iter().map(|p| u32::from_le_bytes(*p)).collect();
    match prints.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(before) => Err(Damage::Order { place: before + 1 }),
        None => Ok(Distinct(Form::Few(prints))),
    }
}

/// Anything but no rank at all can be: a single rank of 1 may stand for 2¹⁹ prints.
fn read_many(bytes: &[u8]) -> Result<Box<Ranks>, Damage> {
    let mut ranks = Box::new([0; REGISTERS]);
    let stored = bytes.as_chunks::<STORED_RANK_BITS>().0;
    for (group, from) in ranks.as_chunks_mut::<GROUP>().0.iter_mut().zip(stored) {
        let mut eight = [0; size_of::<u64>()];
        eight[..STORED_RANK_BITS].copy_from_slice(from);
        let bits = u64::from_le_bytes(eight);
        for (place, rank) in group.iter_mut().enumerate() {
            *rank = (bits >> (place * STORED_RANK_BITS)) as u8 & ((1 << STORED_RANK_BITS) - 1);
        }
    }
    if let Some(index) = ranks.iter().position(|rank| *rank > RANK_MAX) {
        let rank = ranks[index];
        return Err(Damage::Rank { index, rank });
    }
    if ranks.iter().all(|rank| *rank == 0) {
        return Err(Damage::NoRank);
    }
    Ok(ranks)
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Few(prints) => {
                let mut bytes = [0; FEW_BYTES_MAX];
                serializer.serialize_bytes(stored_few(prints, &mut bytes))
            }
            Form::Many(ranks) => serializer.serialize_bytes(&stored_many(ranks)),
        }
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a stored sketch")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Distinct, E> {
        read(bytes).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Distinct, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
            // No longer list is one, so none is gathered.
            if bytes.len() > MANY_BYTES {
                break;
            }
        }
        read(&bytes).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests;
