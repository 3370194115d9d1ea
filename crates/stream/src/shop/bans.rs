//! The bans a partition has heard of, in memory as a whole.

use super::bounds::LIFTED_MAX;
use crate::resident::Resident;
use std::collections::{BTreeMap, BTreeSet};
use vitrina_types::ban::{BanRules, BanTarget};
use vitrina_types::product::Product;
use vitrina_types::state::ProductValue;
use vitrina_types::stored::{self, StoredError};

/// What a resident key of a ban begins with; its id follows.
const PREFIX: &str = "~r/b/";

/// The newest change of each ban, and the rules in force.
///
/// Each ban is a [`ProductValue::Ban`] under `~r/b/<ban id>`, a lifted one too: at most
/// [`LIFTED_MAX`] of them, the lowest versions are forgotten first.
#[derive(Debug, Default)]
pub struct Bans {
    known: BTreeMap<Box<str>, Known>,
    rules: BanRules,
    /// Lifted bans by version, then id.
    lifted: BTreeSet<(u64, Box<str>)>,
    /// Ids of what changed.
    changed: BTreeSet<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    version: u64,
    banned: bool,
}

impl Bans {
    /// Sets or lifts a ban, unless a newer change was seen.
    pub(super) fn set(&mut self, target: &BanTarget, version: u64, banned: bool) {
        let id: Box<str> = target.id().into();
        let newest = self.known.get(&id).map_or(0, |known| known.version);
        if version <= newest {
            return;
        }
        self.changed.insert(id.clone());
        self.take(id, target, Known { version, banned });
        while self.lifted.len() > LIFTED_MAX
            && let Some((_, id)) = self.lifted.pop_first()
        {
            self.known.remove(&id);
            self.changed.insert(id);
        }
    }

    /// The ban that holds a product back, as [`BanRules::first`].
    pub(super) fn first(&self, product: &Product) -> Option<BanTarget> {
        self.rules.first(product)
    }

    fn take(&mut self, id: Box<str>, target: &BanTarget, known: Known) {
        self.rules.set(target, known.banned);
        if let Some(before) = self.known.insert(id.clone(), known) {
            self.lifted.remove(&(before.version, id.clone()));
        }
        if !known.banned {
            self.lifted.insert((known.version, id));
        }
    }
}

impl Resident for Bans {
    fn load(&mut self, key: &str, value: &[u8]) -> Result<(), StoredError> {
        let damaged = StoredError::Damaged { name: "ban rule" };
        let id = key.strip_prefix(PREFIX);
        let target = id.and_then(|id| Some((id, BanTarget::from_id(id)?)));
        let Some((id, target)) = target else {
            return Err(damaged);
        };
        let ProductValue::Ban { version, banned } = stored::decode(value)? else {
            return Err(damaged);
        };
        self.take(id.into(), &target, Known { version, banned });
        Ok(())
    }

    fn take_changes(&mut self, each: &mut dyn FnMut(&str, Option<Vec<u8>>)) {
        for id in std::mem::take(&mut self.changed) {
            let known = self.known.get(&id);
            let value = known.map(|&Known { version, banned }| {
                stored::encode(&ProductValue::Ban { version, banned })
            });
            each(&[PREFIX, &id].concat(), value);
        }
    }

    /// Nothing in it ends with time.
    fn open(&self) -> usize {
        0
    }
}
