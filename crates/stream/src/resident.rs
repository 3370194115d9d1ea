//! State that a task keeps in memory as a whole: open windows, sessions, how far upstream is.
//!
//! Keyed state is read when a record names its key. What has to be found by time instead of by
//! key (which windows end now?) is resident: read once when a task starts, changed by records,
//! written with every commit under keys of its own. Its memory is bounded by what is open.

pub use vitrina_types::state::RESIDENT_PREFIX;

use vitrina_types::stored::StoredError;

/// State that a task keeps in memory as a whole.
///
/// Law: after [`load`](Self::load) of every pair that [`take_changes`](Self::take_changes) ever
/// handed out and that was not taken back since, in any order, it behaves as the one that handed
/// them out.
pub trait Resident: Default + Send + 'static {
    /// Takes a stored pair; `key` begins with [`RESIDENT_PREFIX`].
    ///
    /// # Errors
    /// [`StoredError`] when key or value do not decode.
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError>;

    /// Hands out what changed since the last call, each key once, in an order that depends on
    /// nothing but the state: `each(key, stored form)`, without a form for a key that is gone.
    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>));

    /// Windows and sessions that are open.
    fn open(&self) -> usize;
}

/// Of an operator that keeps nothing as a whole.
impl Resident for () {
    fn load(&mut self, _key: &str, _value: &[u8]) -> Result<(), StoredError> {
        Err(StoredError::Damaged {
            name: "resident state of an operator without any",
        })
    }

    fn take_changes(&mut self, _each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {}

    fn open(&self) -> usize {
        0
    }
}
