//! Why stores cannot be opened, and what to do about it.

use std::io;
use std::path::PathBuf;
use vitrina_engine::EngineError;
use vitrina_ports::PortError;

/// The stores cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A URL whose adapter is not here.
    #[error("{field} = \"{url}\": this release has no such adapter")]
    NoAdapter {
        /// The field of the configuration.
        field: &'static str,
        /// What it says, without user and password.
        url: String,
    },
    /// A shared store, in a build without them.
    #[error("{field} = \"{url}\": this binary was built without the feature `cluster`")]
    BuiltWithout {
        /// The field of the configuration.
        field: &'static str,
        /// What it says, without user and password.
        url: String,
    },
    /// Log and state are shared together or not at all, and nothing else is.
    #[error("{field} = \"{url}\" does not go with the other stores")]
    NotTogether {
        /// The field of the configuration.
        field: &'static str,
        /// What it says, without user and password.
        url: String,
    },
    /// A part of the work, on stores that nobody else can work on.
    #[error("a process of one role needs a log and state that others work on too")]
    NotShared,
    /// Another process has the data directory.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// There is nothing to open.
    #[error("there is no data in {}", .0.display())]
    NoData(PathBuf),
    /// The directory cannot be used.
    #[error("{}: {source}", .dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A store said no.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl OpenError {
    /// What to do about it.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoAdapter { .. } => {
                "this command knows \"embedded:\" only, which keeps everything in data_dir"
            }
            Self::BuiltWithout { .. } => {
                "build it with `cargo build --release --features vitrina-server/cluster`, which needs g++, cmake and the headers of OpenSSL, zlib and curl"
            }
            Self::NotTogether { .. } => {
                "set log to kafka://HOST:PORT and state to redis://HOST:PORT, or both to embedded:; the rest is embedded: in this release"
            }
            Self::NotShared => {
                "set log to kafka://HOST:PORT and state to redis://HOST:PORT, or leave --role out"
            }
            Self::InUse(_) => {
                "wait until it has ended, or talk to it: a server writes its address to server.json there"
            }
            Self::NoData(_) => {
                "name the directory with --data-dir; `vitrina serve` or `vitrina import` begins a new one"
            }
            Self::Directory { .. } => "check that it exists and that you may write there",
            Self::Port(PortError::Full { .. }) => {
                "make room on the disk, or lower disk_reserve_bytes"
            }
            Self::Port(_) | Self::Engine(_) => return None,
        })
    }
}
