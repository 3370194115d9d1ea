//! Services in containers, where there is a Docker engine.
//!
//! Processes of one service share one network, as if they were on this machine: a first container
//! does nothing but hold it and publish the ports on our loopback; the others join it, each one a
//! process that can be killed alone. So `127.0.0.1:PORT` means the same inside and outside, and
//! the configuration files are those of the native processes.
//!
//! Only the command lines are tested: the machine this was written on has no engine.

use super::kind::Kind;
use super::site::{Node, Site, text};
use crate::cargo;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// From the request to end to its end, in whole seconds as the client wants it.
pub(super) const END_MAX: Duration = Duration::from_secs(30);

/// The name of the container that holds the network.
const NETWORK: &str = "network";

/// Whether an engine answers; the client alone is not enough.
pub(super) fn is_there() -> bool {
    Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The name of a container: of this checkout, this service, this node.
pub(super) fn name(site: &Site, service: &str, node: &str) -> String {
    format!("vitrina-{:08x}-{service}-{node}", checksum(&site.root))
}

/// FNV-1a, 32 bits, by Fowler, Noll and Vo: stable over versions of Rust.
fn checksum(path: &Path) -> u32 {
    text(path).bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Starts the container that holds the network, unless it runs.
pub(super) fn start_network(site: &Site, kind: &dyn Kind) -> Result<()> {
    let name = name(site, kind.name(), NETWORK);
    if runs(&name) {
        return Ok(());
    }
    remove(&name)?;
    run(network_command(site, kind, &name))
}

fn network_command(site: &Site, kind: &dyn Kind, name: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--name", name]);
    for port in &site.ports {
        command.arg(format!("--publish=127.0.0.1:{port}:{port}"));
    }
    command.args(["--entrypoint=sleep", kind.image(), "infinity"]);
    command
}

/// Starts the container of a node and gives its name.
pub(super) fn start(site: &Site, kind: &dyn Kind, node: &Node) -> Result<String> {
    let name = name(site, kind.name(), &node.name);
    remove(&name)?;
    run(node_command(site, kind, node, &name, account()))?;
    Ok(name)
}

/// Our own account: what containers write into our folders is ours to remove.
fn account() -> String {
    let uid = rustix::process::getuid().as_raw();
    format!("{uid}:{}", rustix::process::getgid().as_raw())
}

fn node_command(site: &Site, kind: &dyn Kind, node: &Node, name: &str, account: String) -> Command {
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--name", name]);
    let network = self::name(site, kind.name(), NETWORK);
    command.arg(format!("--network=container:{network}"));
    // At the same path, so that the files that name it are right in both worlds.
    let folder = text(&site.folder);
    command.arg(format!("--volume={folder}:{folder}"));
    let environment = kind.container_environment();
    if environment.is_empty() {
        command.arg(format!("--user={account}"));
    }
    // An image that is told its account by variables changes to it by itself.
    for (key, value) in environment {
        command.arg(format!("--env={key}={value}"));
    }
    command.arg(kind.image()).args(&node.argv);
    command
}

/// A command that runs a program inside a node's container.
pub(super) fn inside(site: &Site, service: &str, node: &str, program: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["exec", &name(site, service, node), program]);
    command
}

/// Whether a container of that name runs.
pub(super) fn runs(name: &str) -> bool {
    Command::new("docker")
        .args(["inspect", "--format", "{{.State.Running}}", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|done| done.stdout.starts_with(b"true"))
}

/// What a container has said.
pub(super) fn log(name: &str) -> Result<String> {
    let done = Command::new("docker").args(["logs", name]).output()?;
    let mut said = String::from_utf8_lossy(&done.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&done.stderr));
    Ok(said)
}

/// Ends containers, then the one that holds their network, and removes them.
pub(super) fn end(site: &Site, service: &str, names: &[String]) -> Result<()> {
    let running: Vec<&String> = names.iter().filter(|name| runs(name)).collect();
    if !running.is_empty() {
        let mut command = Command::new("docker");
        command.args(["stop", "--time", &END_MAX.as_secs().to_string()]);
        command.args(running);
        run(command)?;
    }
    for name in names {
        remove(name)?;
    }
    remove(&name(site, service, NETWORK))
}

/// Removes a container, also one that runs; none of that name is no error.
fn remove(name: &str) -> Result<()> {
    let is_there = Command::new("docker")
        .args(["container", "inspect", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?
        .success();
    if !is_there {
        return Ok(());
    }
    let mut command = Command::new("docker");
    command.args(["rm", "--force", "--volumes", name]);
    run(command)
}

fn run(mut command: Command) -> Result<()> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .context("could not start docker")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed: {}", cargo::describe(&command), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::site::Engine;
    use super::super::{postgres::Postgres, redis};
    use super::*;

    fn site(service: &str, ports: &[u16]) -> Site {
        Site {
            root: "/w".into(),
            folder: Path::new("/w/target/services").join(service),
            ports: ports.to_vec(),
            engine: Engine::Docker,
        }
    }

    #[test]
    fn the_first_container_holds_the_network_and_publishes_on_the_loopback_only() {
        let site = site("redis", &[7, 8]);
        let command = network_command(&site, &redis::SINGLE, "n");
        assert_eq!(
            cargo::describe(&command),
            "docker run --detach --name n --publish=127.0.0.1:7:7 --publish=127.0.0.1:8:8 \
             --entrypoint=sleep redis:7 infinity"
        );
    }

    #[test]
    fn nodes_join_it_and_write_as_we_do() {
        let site = site("redis", &[7]);
        let [node] = redis::SINGLE.nodes(&site).unwrap().try_into().unwrap();
        let command = node_command(&site, &redis::SINGLE, &node, "n", "1:2".to_owned());
        let network = name(&site, "redis", "network");
        assert_eq!(
            cargo::describe(&command),
            format!(
                "docker run --detach --name n --network=container:{network} \
                 --volume=/w/target/services/redis:/w/target/services/redis --user=1:2 redis:7 \
                 redis-server /w/target/services/redis/node-1/redis.conf"
            )
        );
    }

    #[test]
    fn the_database_makes_its_own_account_and_role() {
        let site = site("postgres", &[7]);
        let [node] = Postgres.nodes(&site).unwrap().try_into().unwrap();
        let line = cargo::describe(&node_command(
            &site,
            &Postgres,
            &node,
            "n",
            "1:2".to_owned(),
        ));
        assert!(line.contains(" --env=POSTGRES_USER=vitrina "), "{line}");
        assert!(!line.contains("--user"), "{line}");
        assert!(line.contains(" postgres:15 postgres -c port=7 "), "{line}");
    }

    #[test]
    fn names_tell_checkouts_services_and_nodes_apart() {
        let here = site("redis", &[7]);
        let there = Site {
            root: "/v".into(),
            ..here.clone()
        };
        // The published value of the empty string is the basis; one of "a" is in its test suite.
        assert_eq!(checksum(Path::new("")), 0x811c_9dc5);
        assert_eq!(checksum(Path::new("a")), 0xe40c_292c);
        let names = [
            name(&here, "redis", "node-1"),
            name(&here, "redis", "node-2"),
            name(&here, "kafka", "node-1"),
            name(&there, "redis", "node-1"),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
        }
        let line = cargo::describe(&inside(&here, "redis", "node-1", "true"));
        assert_eq!(line, format!("docker exec {} true", names[0]));
    }
}
