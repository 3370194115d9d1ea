//! What we remember of a service between two commands: `service.json` in its folder.

use super::process::Process;
use super::site::Engine;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "service.json";

/// A service that was brought up and not taken down.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) engine: Engine,
    /// The same at every start.
    pub(super) ports: Vec<u16>,
    /// What was started, in the order of the nodes; shorter while they come up.
    pub(super) nodes: Vec<Started>,
}

/// A node that was started, and may have ended since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) name: String,
    pub(super) what: What,
}

/// What a node runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Process(Process),
    /// Its name.
    Container(String),
}

impl Record {
    /// The record of a folder; none where no service was brought up.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(FILE);
        let text = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| file.display().to_string())?,
        };
        let record = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is not ours to read; end what it names by hand and remove the folder",
                file.display()
            )
        })?;
        Ok(Some(record))
    }

    /// Writes it in one step: who is killed meanwhile leaves the old one.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(FILE);
        let new = file.with_extension("new");
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&new, &file))
            .with_context(|| file.display().to_string())
    }

    /// The node of that name, if it was started.
    pub(super) fn node(&self, name: &str) -> Option<&Started> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Notes a start in place of an earlier one.
    pub(super) fn put(&mut self, node: Started) {
        match self.nodes.iter_mut().find(|have| have.name == node.name) {
            Some(have) => *have = node,
            None => self.nodes.push(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_start_replaces_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("redis");
        assert_eq!(Record::read(&folder).unwrap(), None);
        let started = |pid| Started {
            name: "node-1".to_owned(),
            what: What::Process(Process {
                pid,
                argv: vec!["redis-server".to_owned()],
            }),
        };
        let mut record = Record {
            engine: Engine::Native,
            ports: vec![1, 2],
            nodes: Vec::new(),
        };
        record.put(started(7));
        record.put(started(8));
        assert_eq!(record.nodes, [started(8)]);
        assert_eq!(record.node("node-2"), None);
        record.write(&folder).unwrap();
        assert_eq!(Record::read(&folder).unwrap(), Some(record));
    }

    #[test]
    fn a_damaged_record_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let error = Record::read(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("service.json is not ours to read"),
            "{error}"
        );
    }
}
