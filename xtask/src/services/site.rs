//! Where one service lives, and the processes it consists of.

use super::process::Account;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What runs the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Engine {
    /// Programs of this machine.
    Native,
    /// Containers; see [`super::docker`].
    Docker,
}

/// The place of one service.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Root of the workspace.
    pub(super) root: PathBuf,
    /// The folder of this service, absolute, below that of all services.
    pub(super) folder: PathBuf,
    /// As many as the service asked for, the same at every start.
    pub(super) ports: Vec<u16>,
    pub(super) engine: Engine,
}

/// One process of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Distinct within the service; also the name of its folder.
    pub(super) name: String,
    /// Program and arguments; in a container, what follows the image.
    pub(super) argv: Vec<String>,
    /// Another account than ours, for programs that refuse to run as root.
    pub(super) account: Option<Account>,
}

impl Site {
    /// What all services share: jars, and what they agree on.
    pub(super) fn shared(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// The folder of a node.
    pub(super) fn node_folder(&self, node: &str) -> PathBuf {
        self.folder.join(node)
    }

    /// Makes the folder of a node.
    pub(super) fn make_node_folder(&self, node: &str) -> Result<PathBuf> {
        let folder = self.node_folder(node);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        Ok(folder)
    }

    /// Where a node's output goes.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.log"))
    }

    /// The address to listen on. What a container publishes arrives at another of its addresses
    /// than loopback; it is still published on our loopback only.
    pub(super) fn listen(&self) -> &'static str {
        match self.engine {
            Engine::Native => "127.0.0.1",
            Engine::Docker => "0.0.0.0",
        }
    }

    /// The address of a port as seen from here.
    pub(super) fn address(&self, port: usize) -> String {
        // A site always has the ports that its service asked for; 0 would be refused at once.
        format!("127.0.0.1:{}", self.ports.get(port).copied().unwrap_or(0))
    }
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
