//! One service: brought up, looked at, taken down.

use super::kind::Kind;
use super::process::Process;
use super::record::{Record, Started, What};
use super::site::{Engine, Node, Site};
use super::{docker, packages, ports, process, wait};
use anyhow::{Context, Error, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// From its start to an answer, on a machine that is busy with other things.
const READY_MAX: Duration = Duration::from_secs(120);

/// From the request to end to its end; a broker hands over what it leads first.
const END_MAX: Duration = Duration::from_secs(30);

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 30;

/// Bytes of a log from which those lines are taken.
const TAIL_BYTES: usize = 16 * 1024;

/// A service and what is known of it.
pub(super) struct Service {
    pub(super) kind: &'static dyn Kind,
    pub(super) site: Site,
    record: Record,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Every process runs and it answers.
    Up,
    /// Every process runs, it does not answer.
    Mute,
    /// So many of its processes do not run.
    Dead(usize),
}

impl Service {
    /// The service as it was left; `None` when it was never brought up.
    pub(super) fn find(
        kind: &'static dyn Kind,
        root: &Path,
        services: &Path,
    ) -> Result<Option<Self>> {
        let folder = services.join(kind.name());
        Ok(Record::read(&folder)?.map(|record| Self {
            kind,
            site: Site {
                root: root.to_owned(),
                folder,
                ports: record.ports.clone(),
                engine: record.engine,
            },
            record,
        }))
    }

    /// A service that has ports and nothing else yet.
    pub(super) fn new(
        kind: &'static dyn Kind,
        root: &Path,
        services: &Path,
        engine: Engine,
        taken: &[u16],
    ) -> Result<Self> {
        let ports = ports::free(kind.port_count(), taken)?;
        let record = Record {
            engine,
            ports: ports.clone(),
            nodes: Vec::new(),
        };
        let folder = services.join(kind.name());
        record.write(&folder)?;
        Ok(Self {
            kind,
            site: Site {
                root: root.to_owned(),
                folder,
                ports,
                engine,
            },
            record,
        })
    }

    /// Starts what does not run and waits until it answers. Says whether anything was started.
    ///
    /// # Errors
    /// When it does not answer in time; what was started is ended then, its logs are left.
    pub(super) fn up(&mut self) -> Result<bool> {
        if self.health()? == Health::Up {
            return Ok(false);
        }
        if self.site.engine == Engine::Native {
            packages::require(self.kind.programs())?;
        }
        let done = self.start().and_then(|()| self.wait(READY_MAX));
        if let Err(error) = done {
            let error = error.context(format!("{} did not come up", self.kind.name()));
            return Err(match self.ask_to_end().and_then(|()| self.await_end()) {
                Ok(()) => error,
                Err(end) => error.context(format!("and could not be ended: {end:#}")),
            });
        }
        Ok(true)
    }

    fn start(&mut self) -> Result<()> {
        self.kind.prepare(&self.site)?;
        let nodes = self.kind.nodes(&self.site)?;
        if self.site.engine == Engine::Docker {
            docker::start_network(&self.site, self.kind)?;
        }
        for node in nodes {
            if let Some(before) = self.record.node(&node.name) {
                if before.runs() {
                    continue;
                }
                if let What::Process(process) = &before.what {
                    process.wait_gone();
                }
            }
            let what = self.start_node(&node)?;
            self.record.put(Started {
                name: node.name,
                what,
            });
            // At once: whoever is killed now leaves no process that nobody knows of.
            self.record.write(&self.site.folder)?;
        }
        Ok(())
    }

    fn start_node(&self, node: &Node) -> Result<What> {
        match self.site.engine {
            Engine::Docker => Ok(What::Container(docker::start(&self.site, self.kind, node)?)),
            Engine::Native => {
                let folder = self.site.make_node_folder(&node.name)?;
                let log = self.site.log(&node.name);
                let process = process::start(&node.argv, &folder, &log, node.account)?;
                Ok(What::Process(process))
            }
        }
    }

    fn wait(&self, limit: Duration) -> Result<()> {
        let began = Instant::now();
        let mut ended: Option<&Started> = None;
        let mut last: Option<Error> = None;
        let is_done = wait::until(limit, || {
            let settled = self.kind.settle(&self.site);
            last = settled.and_then(|()| self.kind.check(&self.site)).err();
            // Looked at last: whoever answered for one that has ended was somebody else.
            ended = self.record.nodes.iter().find(|node| !node.runs());
            ended.is_some() || last.is_none()
        });
        if let Some(node) = ended {
            let took = began.elapsed().as_secs();
            bail!("{} ended after {took} s; {}", node.name, self.tail(node));
        }
        match last {
            Some(error) if !is_done => {
                let tails: Vec<String> = self
                    .record
                    .nodes
                    .iter()
                    .map(|node| self.tail(node))
                    .collect();
                bail!("not ready after {limit:?}: {error:#}; {}", tails.join("\n"))
            }
            _ => Ok(()),
        }
    }

    /// Whether any of its processes runs.
    pub(super) fn runs_at_all(&self) -> bool {
        self.record.nodes.iter().any(Started::runs)
    }

    /// How it is now.
    pub(super) fn health(&self) -> Result<Health> {
        let nodes = self.kind.nodes(&self.site);
        // Programs that are not installed run nowhere.
        let Ok(nodes) = nodes else {
            return Ok(Health::Dead(self.record.nodes.len()));
        };
        let runs = |node: &&Node| self.record.node(&node.name).is_some_and(Started::runs);
        let dead = nodes.len() - nodes.iter().filter(runs).count();
        Ok(match dead {
            0 if self.kind.check(&self.site).is_ok() => Health::Up,
            0 => Health::Mute,
            dead => Health::Dead(dead),
        })
    }

    /// Asks its processes to end and does not wait, so that many services end at once.
    pub(super) fn ask_to_end(&self) -> Result<()> {
        process::ask_to_end(&self.processes(), self.kind.polite())
    }

    /// Ends what was asked to end.
    fn await_end(&self) -> Result<()> {
        process::await_end(&self.processes(), END_MAX)?;
        match self.site.engine {
            Engine::Native => Ok(()),
            Engine::Docker => docker::end(&self.site, self.kind.name(), &self.containers()),
        }
    }

    fn processes(&self) -> Vec<Process> {
        let process = |node: &Started| match &node.what {
            What::Process(process) => Some(process.clone()),
            What::Container(_) => None,
        };
        self.record.nodes.iter().filter_map(process).collect()
    }

    fn containers(&self) -> Vec<String> {
        let container = |node: &Started| match &node.what {
            What::Process(_) => None,
            What::Container(name) => Some(name.clone()),
        };
        self.record.nodes.iter().filter_map(container).collect()
    }

    /// Ends a service that was asked to, and removes its folder unless that is to be kept.
    pub(super) fn down(self, keep: bool) -> Result<()> {
        self.await_end()
            .with_context(|| format!("{} did not go down", self.kind.name()))?;
        if keep {
            return Ok(());
        }
        let folder = &self.site.folder;
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("could not remove {}", folder.display()))
    }

    /// What runs it and where it logs, one line a node.
    pub(super) fn nodes(&self) -> Vec<(String, String)> {
        let line = |node: &Started| match &node.what {
            What::Process(process) => {
                let log = self.site.log(&node.name).display().to_string();
                (format!("pid {}", process.pid), log)
            }
            What::Container(name) => (format!("container {name}"), format!("docker logs {name}")),
        };
        self.record.nodes.iter().map(line).collect()
    }

    /// The last words of a node.
    fn tail(&self, node: &Started) -> String {
        let said = match &node.what {
            What::Process(_) => {
                let bytes = std::fs::read(self.site.log(&node.name)).unwrap_or_default();
                let from = bytes.len().saturating_sub(TAIL_BYTES);
                String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
            }
            What::Container(name) => docker::log(name).unwrap_or_default(),
        };
        let lines: Vec<&str> = said.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        let lines = lines.get(from..).unwrap_or_default().join("\n");
        format!("the end of the log of {}:\n{lines}", node.name)
    }
}

impl Started {
    /// Whether it still runs.
    fn runs(&self) -> bool {
        match &self.what {
            What::Process(process) => process.runs(),
            What::Container(name) => docker::runs(name),
        }
    }
}

#[cfg(test)]
mod tests;
