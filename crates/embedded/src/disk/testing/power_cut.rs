//! A disk in memory that can lose its power.
//!
//! It remembers what was synced and what was only written. After [`PowerCutDisk::power_cut`] the
//! synced bytes are there, and of the rest what [`Loss`] leaves, chosen by a seed. Handles opened
//! before are dead. Names reach the disk in the order they were changed.

use crate::disk::{Disk, DiskFile, DiskLock};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes a disk writes or loses as one.
const PAGE_BYTES: usize = 4_096;

/// What becomes of bytes that were written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// A prefix of the writes of each file stays, the last of them up to any byte.
    Prefix,
    /// Any subset of the written pages stays.
    Pages,
    /// Everything stays: the process was killed, not the machine.
    Nothing,
}

/// A disk in memory that can lose its power.
#[derive(Default)]
pub struct PowerCutDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Content>,
    /// Names as the running system sees them.
    names: BTreeMap<PathBuf, u64>,
    /// Names as of the last sync of the directory.
    synced_names: BTreeMap<PathBuf, u64>,
    name_changes: Vec<NameChange>,
    file_count: u64,
    /// Power cuts so far; handles of an earlier life are dead.
    life: u64,
    /// Changes until the machine stops.
    fuse: Option<u64>,
    /// Whether syncs fail and forget what they should have written.
    forgetful: bool,
}

#[derive(Default)]
struct Content {
    current: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Len(u64),
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, u64),
    Remove(PathBuf),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(*len as usize, 0),
            Self::Write(position, written) => {
                let from = *position as usize;
                let to = from + written.len();
                if bytes.len() < to {
                    bytes.resize(to, 0);
                }
                bytes[from..to].copy_from_slice(written);
            }
        }
    }

    /// The change as separate pages, as the cache writes them back.
    fn pages(&self) -> Vec<Self> {
        let Self::Write(position, written) = self else {
            return vec![self.clone()];
        };
        let (mut pages, mut at) = (Vec::new(), 0);
        while at < written.len() {
            let in_page = (*position as usize + at) % PAGE_BYTES;
            let end = (at + PAGE_BYTES - in_page).min(written.len());
            pages.push(Self::Write(
                *position + at as u64,
                written[at..end].to_vec(),
            ));
            at = end;
        }
        pages
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Set(path, file) => {
                names.retain(|_, named| named != file);
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    fn lose(&mut self, loss: Loss, dice: &mut Dice) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match loss {
            Loss::Nothing => self.synced.clone_from(&self.current),
            Loss::Prefix => {
                let kept = dice.below(unsynced.len() as u64 + 1) as usize;
                for change in &unsynced[..kept] {
                    change.apply(&mut self.synced);
                }
                if let Some(Change::Write(position, bytes)) = unsynced.get(kept) {
                    let torn = dice.below(bytes.len() as u64 + 1) as usize;
                    Change::Write(*position, bytes[..torn].to_vec()).apply(&mut self.synced);
                }
            }
            Loss::Pages => {
                for page in unsynced.iter().flat_map(Change::pages) {
                    if dice.below(2) == 0 {
                        page.apply(&mut self.synced);
                    }
                }
            }
        }
        self.current.clone_from(&self.synced);
    }
}

/// A small seeded generator (splitmix64), so that a failure names its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

impl State {
    /// Every change of the disk passes here: the fuse may stop the machine before it.
    fn burn(&mut self) -> io::Result<()> {
        match self.fuse.as_mut() {
            Some(0) => Err(dead()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn named(&self, path: &Path) -> io::Result<u64> {
        let file = self.names.get(path).copied();
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

fn dead() -> io::Error {
    io::Error::other("the power is off")
}

impl PowerCutDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power and turns it on again: of what was not synced stays what `loss` and `seed`
    /// choose, files opened before are dead, and the fuse is whole.
    pub fn power_cut(&self, loss: Loss, seed: u64) {
        let state = &mut *self.state.lock();
        let mut dice = Dice(seed);
        let changes = std::mem::take(&mut state.name_changes);
        let kept = match loss {
            Loss::Nothing => changes.len(),
            _ => dice.below(changes.len() as u64 + 1) as usize,
        };
        for change in &changes[..kept] {
            change.apply(&mut state.synced_names);
        }
        state.names = state.synced_names.clone();
        let names = &state.names;
        state
            .files
            .retain(|file, _| names.values().any(|named| named == file));
        for content in state.files.values_mut() {
            content.lose(loss, &mut dice);
        }
        state.life += 1;
        state.fuse = None;
        state.forgetful = false;
    }

    /// The machine stops before its change number `changes` (writes, syncs, names) from now on.
    pub fn stop_after(&self, changes: u64) {
        self.state.lock().fuse = Some(changes);
    }

    /// Whether the fuse stopped the machine.
    pub fn is_stopped(&self) -> bool {
        self.state.lock().fuse == Some(0)
    }

    /// From now on syncs fail, and what they should have made durable never will be, although it
    /// can still be read: what Linux does with pages it could not write.
    pub fn set_forgetful(&self, forgetful: bool) {
        self.state.lock().forgetful = forgetful;
    }

    /// The bytes of a file, to look at or to damage; the file is then as if synced.
    pub fn with_bytes<T>(&self, path: &Path, look: impl FnOnce(&mut Vec<u8>) -> T) -> Option<T> {
        let state = &mut *self.state.lock();
        let content = state.files.get_mut(state.names.get(path)?)?;
        let answer = look(&mut content.current);
        content.unsynced.clear();
        content.synced.clone_from(&content.current);
        Some(answer)
    }

    fn handle(&self, life: u64, file: u64) -> Arc<dyn DiskFile> {
        Arc::new(PowerCutFile {
            state: Arc::clone(&self.state),
            life,
            file,
        })
    }
}

struct PowerCutFile {
    state: Arc<Mutex<State>>,
    life: u64,
    file: u64,
}

impl PowerCutFile {
    fn content<'a>(&self, state: &'a mut State) -> io::Result<&'a mut Content> {
        if state.life != self.life {
            return Err(dead());
        }
        state.files.get_mut(&self.file).ok_or_else(dead)
    }

    fn read<T>(&self, look: impl FnOnce(&Content) -> T) -> io::Result<T> {
        Ok(look(self.content(&mut self.state.lock())?))
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let state = &mut *self.state.lock();
        self.content(state)?;
        state.burn()?;
        self.content(state)?.change(change);
        Ok(())
    }
}

impl DiskFile for PowerCutFile {
    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.read(|content| {
            let from = content.current.len().min(position as usize);
            let rest = &content.current[from..];
            let read = rest.len().min(into.len());
            into[..read].copy_from_slice(&rest[..read]);
            read
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.change(Change::Write(position, bytes.to_vec()))?;
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.state.lock();
        self.content(state)?;
        state.burn()?;
        let forgetful = state.forgetful;
        let content = self.content(state)?;
        if forgetful {
            content.unsynced.clear();
            return Err(io::Error::other("sync forgot what was written"));
        }
        content.sync();
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.read(|content| content.current.len() as u64)
    }

    fn allocate(&self, _position: u64, _len: u64) -> io::Result<()> {
        self.read(|_| ())
    }
}

impl Disk for PowerCutDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _file: &Path) -> io::Result<DiskLock> {
        Ok(Box::new(()))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state.lock();
        state.burn()?;
        if let Some(&file) = state.names.get(path) {
            if let Some(content) = state.files.get_mut(&file) {
                content.change(Change::Len(0));
            }
            return Ok(self.handle(state.life, file));
        }
        state.file_count += 1;
        let file = state.file_count;
        state.files.insert(file, Content::default());
        state.rename(NameChange::Set(path.to_path_buf(), file));
        Ok(self.handle(state.life, file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state.lock();
        let file = state.named(path)?;
        Ok(self.handle(state.life, file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        let here = state.names.keys().filter(|path| path.parent() == Some(dir));
        let names = here.filter_map(|path| path.file_name());
        Ok(names.map(|n| n.to_string_lossy().into_owned()).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.burn()?;
        state.named(path)?;
        state.rename(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.burn()?;
        let file = state.named(from)?;
        state.rename(NameChange::Set(to.to_path_buf(), file));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.burn()?;
        let changes = std::mem::take(&mut state.name_changes);
        let (mine, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            let (NameChange::Set(path, _) | NameChange::Remove(path)) = change;
            path.parent() == Some(dir)
        });
        for change in mine {
            change.apply(&mut state.synced_names);
        }
        state.name_changes = others;
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
