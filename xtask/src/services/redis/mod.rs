//! Redis: one node, or a cluster of three masters with a replica each.

mod cluster;
mod wire;

use super::kind::Kind;
use super::packages::Program;
use super::site::{Node, Site, text};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;

/// A node that was silent this long is failed over; short, because tests wait for it.
const NODE_TIMEOUT_MS: u32 = 2_000;

/// A Redis of so many nodes.
pub(super) struct Redis {
    name: &'static str,
    variable: &'static str,
    node_count: usize,
}

/// One node without a cluster.
pub(super) const SINGLE: Redis = Redis {
    name: "redis",
    variable: "VITRINA_TEST_REDIS",
    node_count: 1,
};

/// Three masters, three replicas.
pub(super) const CLUSTER: Redis = Redis {
    name: "redis-cluster",
    variable: "VITRINA_TEST_REDIS_CLUSTER",
    node_count: 6,
};

impl Redis {
    fn is_cluster(&self) -> bool {
        self.node_count > 1
    }

    fn addresses(&self, site: &Site) -> Vec<String> {
        (0..self.node_count)
            .map(|node| site.address(node))
            .collect()
    }

    /// Ports on which nodes of a cluster talk to each other.
    fn buses<'a>(&self, site: &'a Site) -> &'a [u16] {
        site.ports.get(self.node_count..).unwrap_or_default()
    }

    fn config(&self, site: &Site, node: usize) -> Result<String> {
        let port = site.ports.get(node).context("a node without a port")?;
        let folder = site.node_folder(&name_of(node));
        let listen = site.listen();
        let mut config = format!(
            "bind {listen}\nport {port}\ndir \"{}\"\n\
             # Without a password only the loopback may connect; a container's is not ours.\n\
             protected-mode no\n\
             # Its command line is how we know it again.\nset-proc-title no\n\
             # A killed node must come back with what it has acknowledged.\n\
             save \"\"\nappendonly yes\nappendfsync everysec\n",
            text(&folder)
        );
        if self.is_cluster() {
            let bus = self.buses(site).get(node).context("a node without a bus")?;
            write!(
                config,
                "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {bus}\n\
                 cluster-announce-ip 127.0.0.1\ncluster-node-timeout {NODE_TIMEOUT_MS}\n\
                 # A replica does not wait for others that may want the same copy.\n\
                 repl-diskless-sync-delay 0\n\
                 # A replica of a node that never wrote may take over at once.\n\
                 cluster-replica-validity-factor 0\n"
            )?;
        }
        Ok(config)
    }
}

fn name_of(node: usize) -> String {
    format!("node-{}", node + 1)
}

impl Kind for Redis {
    fn name(&self) -> &'static str {
        self.name
    }

    fn programs(&self) -> &'static [Program] {
        &[Program {
            command: "redis-server",
            package: "redis-server",
        }]
    }

    fn image(&self) -> &'static str {
        "redis:7"
    }

    fn port_count(&self) -> usize {
        // Nodes of a cluster have a bus each.
        self.node_count * if self.is_cluster() { 2 } else { 1 }
    }

    fn variables(&self, site: &Site) -> Vec<(&'static str, String)> {
        let addresses = self.addresses(site).into_iter();
        let urls: Vec<String> = addresses.map(|it| format!("redis://{it}")).collect();
        vec![(self.variable, urls.join(","))]
    }

    fn prepare(&self, site: &Site) -> Result<()> {
        for node in 0..self.node_count {
            let folder = site.make_node_folder(&name_of(node))?;
            std::fs::write(folder.join("redis.conf"), self.config(site, node)?)?;
        }
        Ok(())
    }

    fn nodes(&self, site: &Site) -> Result<Vec<Node>> {
        let node = |node| {
            let name = name_of(node);
            let config = text(&site.node_folder(&name).join("redis.conf"));
            Node {
                argv: vec!["redis-server".to_owned(), config],
                name,
                account: None,
            }
        };
        Ok((0..self.node_count).map(node).collect())
    }

    fn settle(&self, site: &Site) -> Result<()> {
        if self.is_cluster() {
            cluster::create(&self.addresses(site), self.buses(site))?;
        }
        Ok(())
    }

    fn check(&self, site: &Site) -> Result<()> {
        let addresses = self.addresses(site);
        for address in &addresses {
            let said = wire::ask(address, "PING")?;
            ensure!(said == "PONG", "{address} answers {said:?} to a ping");
        }
        if self.is_cluster() {
            cluster::check(&addresses)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Engine;
    use super::*;
    use std::path::Path;

    fn site(engine: Engine, ports: Vec<u16>) -> Site {
        Site {
            root: Path::new("/w").to_owned(),
            folder: Path::new("/w/target/services/redis").to_owned(),
            ports,
            engine,
        }
    }

    #[test]
    fn nodes_of_a_cluster_have_a_bus_and_a_single_one_has_none() {
        let single = SINGLE.config(&site(Engine::Native, vec![7]), 0).unwrap();
        assert!(single.starts_with("bind 127.0.0.1\nport 7\n"), "{single}");
        assert!(!single.contains("cluster"), "{single}");
        let ports = (1..=12).collect();
        let second = CLUSTER.config(&site(Engine::Docker, ports), 1).unwrap();
        assert!(second.starts_with("bind 0.0.0.0\nport 2\n"), "{second}");
        assert!(second.contains("\ncluster-port 8\n"), "{second}");
        assert!(second.contains("/redis/node-2\""), "{second}");
    }

    #[test]
    fn variables_name_every_node() {
        let single = SINGLE.variables(&site(Engine::Native, vec![7]));
        assert_eq!(
            single,
            [("VITRINA_TEST_REDIS", "redis://127.0.0.1:7".to_owned())]
        );
        let cluster = CLUSTER.variables(&site(Engine::Native, (1..=12).collect()));
        let (name, urls) = &cluster[0];
        assert_eq!(*name, "VITRINA_TEST_REDIS_CLUSTER");
        assert_eq!(urls.split(',').count(), 6, "{urls}");
        assert!(urls.ends_with(",redis://127.0.0.1:6"), "{urls}");
    }
}
