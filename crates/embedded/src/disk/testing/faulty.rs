//! A disk that fills up, writes short and fails to sync, on demand.

use crate::disk::{Disk, DiskFile, DiskLock};
use parking_lot::Mutex;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Wraps a disk and lets it fail.
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Bytes files may still grow by; `None`: no limit of ours.
    room: Mutex<Option<u64>>,
    allocate_unsupported: AtomicBool,
    short_writes: AtomicBool,
    broken_writes: AtomicBool,
    broken_syncs: AtomicBool,
    syncs: AtomicU64,
}

impl FaultyDisk {
    /// A disk that works until told otherwise.
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self {
            inner,
            faults: Arc::default(),
        }
    }

    /// From now on files may grow by `bytes` in all; then writes are cut short and refused.
    pub fn set_room(&self, bytes: Option<u64>) {
        *self.faults.room.lock() = bytes;
    }

    /// Whether claiming room ahead is unsupported, so that a full disk shows in the write.
    pub fn set_allocate_unsupported(&self, unsupported: bool) {
        let flag = &self.faults.allocate_unsupported;
        flag.store(unsupported, Ordering::SeqCst);
    }

    /// Whether every write takes only a part of what it is given (legal: callers write on).
    pub fn set_short_writes(&self, short: bool) {
        self.faults.short_writes.store(short, Ordering::SeqCst);
    }

    /// Whether writes fail halfway with an I/O error.
    pub fn set_broken_writes(&self, broken: bool) {
        self.faults.broken_writes.store(broken, Ordering::SeqCst);
    }

    /// Whether syncs of files fail. The inner disk is not asked, so nothing becomes durable.
    pub fn set_broken_syncs(&self, broken: bool) {
        self.faults.broken_syncs.store(broken, Ordering::SeqCst);
    }

    /// Syncs of files so far.
    pub fn syncs(&self) -> u64 {
        self.faults.syncs.load(Ordering::SeqCst)
    }

    fn wrap(&self, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile {
            inner,
            faults: Arc::clone(&self.faults),
        })
    }
}

impl Faults {
    /// How many of `growth` bytes there is room for; takes them.
    fn take(&self, growth: u64) -> u64 {
        let mut room = self.room.lock();
        match room.as_mut() {
            None => growth,
            Some(left) => {
                let taken = growth.min(*left);
                *left -= taken;
                taken
            }
        }
    }

    fn give_back(&self, bytes: u64) {
        if let Some(left) = self.room.lock().as_mut() {
            *left += bytes;
        }
    }
}

struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(into, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let mut take = bytes.len();
        if self.faults.short_writes.load(Ordering::SeqCst) {
            take = take.div_ceil(2);
        }
        if self.faults.broken_writes.load(Ordering::SeqCst) {
            self.inner.write_at(&bytes[..take / 2], position)?;
            return Err(io::Error::other("write error on purpose"));
        }
        let end = position + take as u64;
        let growth = end.saturating_sub(self.inner.len()?).min(take as u64);
        let granted = self.faults.take(growth);
        take -= (growth - granted) as usize;
        if take == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.inner.write_at(&bytes[..take], position)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        if self.faults.broken_syncs.load(Ordering::SeqCst) {
            return Err(io::Error::other("sync error on purpose"));
        }
        self.inner.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.inner.len()?;
        self.inner.set_len(len)?;
        self.faults.give_back(before.saturating_sub(len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        if self.faults.allocate_unsupported.load(Ordering::SeqCst) {
            return Err(ErrorKind::Unsupported.into());
        }
        // What is claimed counts when it is written; here only the refusal is imitated.
        let growth = (position + len).saturating_sub(self.inner.len()?);
        match *self.faults.room.lock() {
            Some(left) if left < growth => Err(ErrorKind::StorageFull.into()),
            _ => self.inner.allocate(position, len),
        }
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        self.inner.lock(file)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.open(path)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let bytes = self.inner.open(path)?.len()?;
        self.inner.remove(path)?;
        self.faults.give_back(bytes);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let inner = self.inner.free_bytes(dir)?;
        Ok(self
            .faults
            .room
            .lock()
            .map_or(inner, |room| room.min(inner)))
    }
}
