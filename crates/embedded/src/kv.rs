//! One fjall database: opened, checked, closed and opened again behind one handle.
//!
//! fjall accepts no write after one has failed, and does not open a journal that a power cut left
//! torn. This module turns both into something that can be gone on with: [`Kv::reopen`], the
//! repair in [`journal`], and, for stores that can be derived again, moving the damaged one aside.
//! It also keeps fjall from ever meeting a full disk by our own doing.

use crate::disk::{Disk, OsDisk};
use fjall::compaction::Leveled;
use fjall::{
    AbstractTree, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Slice,
};
use parking_lot::{Mutex, RwLock};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vitrina_ports::PortError;

mod failure;
mod journal;
mod place;

/// Free space is asked for at most this often.
const FREE_SPACE_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The least that fjall allows: about what a restart replays at most.
const JOURNAL_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// So many flushes lie side by side before they are merged. A read asks the filter of each; half as
/// many would be merged twice as often, which is most of the work under load.
const RUNS_MAX: u8 = 8;
/// An ingest waits while so many lie there: merging is behind, and nothing else holds it up.
const RUNS_HALT: usize = 20;
/// It waits so long at most.
const MERGE_WAIT_MAX: Duration = Duration::from_secs(10);
const MERGE_LOOK: Duration = Duration::from_millis(10);

/// What becomes of a database that fjall cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDamage {
    /// It is moved aside and an empty one takes its place: its content can be derived again.
    MoveAside,
    /// It is left as it is and not opened: it is the only copy.
    Refuse,
}

/// What a database is for and made of.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The port, in errors.
    pub port: &'static str,
    /// Keyspaces and the bytes of their memtables. Positions in this list are their numbers.
    pub keyspaces: &'static [(&'static str, u64)],
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// What to do about damage.
    pub on_damage: OnDamage,
    /// Threads that flush and compact. With two, fjall 3.1 keeps the first for flushes, and it hands
    /// requests to compact back to the queue for as long as the second compacts, a core spent on
    /// nothing. With one, a thousand commits during one compaction fill the queue that it then waits
    /// on itself: that is for databases whose commits are few.
    pub worker_threads: usize,
}

/// What a write does to the room on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It takes about so many bytes, and not of the reserve.
    Takes(usize),
    /// It removes: half of the reserve is for that.
    Frees,
}

/// The database and its keyspaces, in the order of [`Shape::keyspaces`].
pub(crate) struct Opened {
    pub db: Database,
    pub keyspaces: Vec<Keyspace>,
}

/// A database that can be opened again. Every operation holds it open for its own duration only.
pub(crate) struct Kv {
    shape: &'static Shape,
    dir: PathBuf,
    reserve_bytes: u64,
    free: Mutex<Option<(Instant, u64)>>,
    /// `None` after [`close`](Self::close) or a failed [`reopen`](Self::reopen).
    opened: RwLock<Option<Opened>>,
    is_closed: AtomicBool,
    has_failed: AtomicBool,
    moved_aside: AtomicU32,
}

impl Kv {
    /// Opens the database in `dir`, or creates it.
    pub(crate) fn open(
        dir: PathBuf,
        shape: &'static Shape,
        reserve_bytes: u64,
    ) -> Result<Self, PortError> {
        let kv = Self {
            shape,
            dir,
            reserve_bytes,
            free: Mutex::new(None),
            opened: RwLock::new(None),
            is_closed: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            moved_aside: AtomicU32::new(0),
        };
        let opened = kv.open_or_recover()?;
        *kv.opened.write() = Some(opened);
        Ok(kv)
    }

    /// How often a damaged database was moved aside since this handle was made.
    pub(crate) fn moved_aside(&self) -> u32 {
        self.moved_aside.load(Ordering::Relaxed)
    }

    /// Whether a write failed since the last (re)opening, so that only a reopening helps.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Opened) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let opened = self.opened.read();
        read(opened.as_ref().ok_or_else(|| self.not_open())?)
    }

    /// Writes what `fill` puts into the batch, all or nothing, and answers what it answers.
    /// Nothing is written when `fill` fails.
    pub(crate) fn write<T>(
        &self,
        room: Room,
        mode: PersistMode,
        fill: impl FnOnce(&Opened, &mut OwnedWriteBatch) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.check_room(room)?;
        self.read(|opened| {
            let mut batch = opened.db.batch().durability(Some(mode));
            let answer = fill(opened, &mut batch)?;
            batch.commit().map_err(|error| self.write_failed(&error))?;
            Ok(answer)
        })
    }

    /// Writes keys straight into tables, past journal and memtable, which for many keys costs a
    /// fraction of [`write`](Self::write). All or nothing, durable when it returns.
    ///
    /// * `bytes` — about what the pairs take.
    /// * `pairs` — keys ascending, each once; `None` removes.
    pub(crate) fn ingest<K: Into<Slice>, V: Into<Slice>>(
        &self,
        bytes: usize,
        keyspace: usize,
        pairs: impl Iterator<Item = (K, Option<V>)>,
    ) -> Result<(), PortError> {
        self.check_room(Room::Takes(bytes))?;
        self.read(|opened| {
            self.await_merge(&opened.keyspaces[keyspace])?;
            let ingest = || -> fjall::Result<()> {
                // Tables carry what the journal holds of the keyspace: they must not outlive the
                // same of another one. And unlike a commit, an ingest would not notice that the
                // database has failed.
                opened.db.persist(PersistMode::SyncData)?;
                let mut tables = opened.keyspaces[keyspace].start_ingestion()?;
                for (key, value) in pairs {
                    match value {
                        Some(value) => tables.write(key, value)?,
                        None => tables.write_tombstone(key)?,
                    }
                }
                tables.finish()
            };
            ingest().map_err(|error| self.write_failed(&error))
        })
    }

    /// Waits until merging has caught up: an ingest is not throttled by fjall.
    fn await_merge(&self, keyspace: &Keyspace) -> Result<(), PortError> {
        let began = Instant::now();
        while keyspace.tree.l0_run_count() >= RUNS_HALT {
            if began.elapsed() > MERGE_WAIT_MAX {
                return Err(self.unavailable("merging of tables is behind".to_owned()));
            }
            std::thread::sleep(MERGE_LOOK);
        }
        Ok(())
    }

    /// Refuses with `Full` when a write would go below the reserve.
    pub(crate) fn check_room(&self, room: Room) -> Result<(), PortError> {
        let mut free = self.free.lock();
        let now = Instant::now();
        let fresh = free.filter(|(at, _)| now.duration_since(*at) < FREE_SPACE_CHECK_INTERVAL);
        let free_bytes = match fresh {
            Some((_, free_bytes)) => free_bytes,
            None => {
                let parent = self.dir.parent().unwrap_or(&self.dir);
                let asked = OsDisk.free_bytes(parent);
                let free_bytes = asked.map_err(|error| self.unavailable(error.to_string()))?;
                *free = Some((now, free_bytes));
                free_bytes
            }
        };
        let wanted = match room {
            Room::Takes(bytes) => self.reserve_bytes.saturating_add(bytes as u64),
            Room::Frees => self.reserve_bytes / 2,
        };
        if free_bytes < wanted {
            return Err(self.full(free_bytes));
        }
        Ok(())
    }

    /// Closes the database and opens it again. `resume` sees it before anyone else does.
    pub(crate) fn reopen<T>(
        &self,
        resume: impl FnOnce(&Opened) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut slot = self.opened.write();
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(self.not_open());
        }
        *slot = None;
        let opened = self.open_or_recover()?;
        let resumed = resume(&opened)?;
        *slot = Some(opened);
        self.has_failed.store(false, Ordering::Relaxed);
        Ok(resumed)
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), PortError> {
        let Some(opened) = &*self.opened.read() else {
            return Err(self.not_open());
        };
        let synced = opened.db.persist(PersistMode::SyncAll);
        synced.map_err(|error| self.write_failed(&error))
    }

    /// Makes everything durable and closes the database for good. Closing twice is fine.
    pub(crate) fn close(&self) -> Result<(), PortError> {
        self.is_closed.store(true, Ordering::Relaxed);
        let Some(opened) = self.opened.write().take() else {
            return Ok(());
        };
        let synced = opened.db.persist(PersistMode::SyncAll);
        synced.map_err(|error| self.write_failed(&error))
    }

    fn open_or_recover(&self) -> Result<Opened, PortError> {
        let refused = |error: io::Error| self.unavailable(error.to_string());
        if self.shape.on_damage == OnDamage::Refuse {
            self.refuse_lost_middle()?;
        }
        let error = match self.open_dir() {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if !error.is_damage() {
            return Err(error.into_port_error(self));
        }
        if self.mend_journal().map_err(refused)?
            && let Ok(opened) = self.open_dir()
        {
            return Ok(opened);
        }
        match self.shape.on_damage {
            OnDamage::Refuse => Err(error.into_port_error(self)),
            OnDamage::MoveAside => {
                place::move_aside(&self.dir).map_err(refused)?;
                self.moved_aside.fetch_add(1, Ordering::Relaxed);
                self.open_dir().map_err(|error| error.into_port_error(self))
            }
        }
    }

    /// fjall reads a journal up to the first unreadable place and forgets the rest. Where
    /// complete batches follow that place, they were acknowledged, and forgetting is wrong.
    fn refuse_lost_middle(&self) -> Result<(), PortError> {
        let refused = |error: io::Error| self.unavailable(error.to_string());
        match journal::inspect(&self.dir).map_err(refused)? {
            journal::Verdict::Torn {
                path,
                good_bytes,
                has_good_batches_after: true,
            } => Err(PortError::Damaged {
                what: format!("{} after byte {good_bytes}", path.display()),
            }),
            _ => Ok(()),
        }
    }

    /// Cuts off a torn last batch, which nobody was told is durable; a copy of the journal is
    /// kept for truth. Answers whether there was anything to cut.
    fn mend_journal(&self) -> io::Result<bool> {
        let torn = journal::inspect(&self.dir)?;
        let journal::Verdict::Torn {
            path,
            good_bytes,
            has_good_batches_after,
        } = torn
        else {
            return Ok(false);
        };
        if self.shape.on_damage == OnDamage::Refuse {
            if has_good_batches_after {
                return Ok(false);
            }
            place::keep_copy(&self.dir, &path)?;
        }
        journal::cut(&path, good_bytes)?;
        Ok(true)
    }

    fn open_dir(&self) -> Result<Opened, failure::OpenFailure> {
        place::create_if_missing(&self.dir, |dir| self.open_database(dir))?;
        place::check_is_whole(&self.dir)?;
        self.open_database(&self.dir)
    }

    fn open_database(&self, dir: &Path) -> Result<Opened, failure::OpenFailure> {
        // fjall panics on some kinds of damage; a store that is derived must survive that too.
        let open = std::panic::AssertUnwindSafe(|| -> fjall::Result<Opened> {
            let db = Database::builder(dir)
                .cache_size(self.shape.cache_bytes)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .worker_threads(self.shape.worker_threads)
                .open()?;
            let keyspaces = self.shape.keyspaces.iter().map(|&(name, memtable_bytes)| {
                db.keyspace(name, || {
                    let compaction = Leveled::default().with_l0_threshold(RUNS_MAX);
                    KeyspaceCreateOptions::default()
                        .max_memtable_size(memtable_bytes)
                        .compaction_strategy(Arc::new(compaction))
                })
            });
            let keyspaces = keyspaces.collect::<fjall::Result<Vec<_>>>()?;
            Ok(Opened { db, keyspaces })
        });
        match std::panic::catch_unwind(open) {
            Ok(opened) => opened.map_err(failure::OpenFailure::Fjall),
            Err(_) => Err(failure::OpenFailure::Panicked),
        }
    }
}

#[cfg(test)]
mod tests;
