//! What fjall's errors mean: who must act, and whether bytes are damaged.

use super::Kv;
use crate::disk::{Disk, OsDisk};
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use vitrina_ports::PortError;

/// Why a database did not open.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// fjall said so.
    Fjall(fjall::Error),
    /// fjall panicked.
    Panicked,
}

impl From<io::Error> for OpenFailure {
    fn from(error: io::Error) -> Self {
        Self::Fjall(error.into())
    }
}

impl OpenFailure {
    /// Whether stored bytes are not what they were.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Fjall(error) => is_damage(error),
            Self::Panicked => true,
        }
    }

    pub(super) fn into_port_error(self, kv: &Kv) -> PortError {
        match self {
            Self::Fjall(error) => kv.port_error(&error),
            Self::Panicked => kv.damaged("panicked in recovery"),
        }
    }
}

fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::NotFound
                | ErrorKind::AlreadyExists
        ),
        // A newer release wrote it: not damaged, and not ours to move.
        fjall::Error::InvalidVersion(version) => version.is_none(),
        fjall::Error::Storage(fjall::LsmError::InvalidVersion(_)) => false,
        fjall::Error::Storage(_)
        | fjall::Error::JournalRecovery(_)
        | fjall::Error::Decompress(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::Unrecoverable => true,
        _ => false,
    }
}

fn is_full(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            )
        }
        _ => false,
    }
}

impl Kv {
    /// The error of a read.
    pub(crate) fn port_error(&self, error: &fjall::Error) -> PortError {
        match error {
            fjall::Error::Locked => {
                self.unavailable(format!("another process has {} open", self.dir.display()))
            }
            error if is_damage(error) => self.damaged(&error.to_string()),
            error if is_full(error) => self.full(self.free_bytes_now()),
            error => self.unavailable(error.to_string()),
        }
    }

    /// The error of a write, after which fjall accepts no other. Only a write that fjall did not
    /// begin is known to have written nothing.
    pub(super) fn write_failed(&self, error: &fjall::Error) -> PortError {
        self.has_failed.store(true, Ordering::Relaxed);
        if !matches!(error, fjall::Error::Poisoned) {
            return self.unavailable(format!(
                "{error}; the outcome is unknown, and it must be opened again"
            ));
        }
        let free_bytes = self.free_bytes_now();
        if free_bytes < self.reserve_bytes {
            return self.full(free_bytes);
        }
        self.unavailable("an earlier write failed; it must be opened again".into())
    }

    /// The database is not open, for good or until it is reopened.
    pub(super) fn not_open(&self) -> PortError {
        if self.is_closed.load(Ordering::Relaxed) {
            let port = self.shape.port;
            return PortError::Closed { port };
        }
        self.unavailable("it could not be opened again".into())
    }

    pub(super) fn unavailable(&self, detail: String) -> PortError {
        let port = self.shape.port;
        PortError::Unavailable { port, detail }
    }

    pub(super) fn full(&self, free_bytes: u64) -> PortError {
        PortError::Full {
            port: self.shape.port,
            free_bytes,
            reserve_bytes: self.reserve_bytes,
        }
    }

    /// Stored bytes do not decode.
    pub(crate) fn damaged(&self, what: &str) -> PortError {
        PortError::Damaged {
            what: format!("{} ({what})", self.dir.display()),
        }
    }

    fn free_bytes_now(&self) -> u64 {
        let parent = self.dir.parent().unwrap_or(&self.dir);
        OsDisk.free_bytes(parent).unwrap_or(0)
    }
}
