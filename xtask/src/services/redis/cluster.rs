//! A cluster of nodes: made, and looked at.

use super::wire::{ask, field};
use anyhow::{Context, Result, bail, ensure};

/// Masters of the cluster; the nodes after them are their replicas, in the same order.
const MASTERS: usize = 3;

/// Slots of every cluster, by its specification.
const SLOTS: usize = 16_384;

/// Makes a cluster of nodes, or goes on with one that was interrupted; does nothing to a whole
/// one. To be repeated until it succeeds: nodes hear of each other with time.
///
/// # Errors
/// When a node does not do what it is asked, now.
pub(super) fn create(addresses: &[String], buses: &[u16]) -> Result<()> {
    let first = addresses.first().context("a cluster without nodes")?;
    let known = |address: &str| -> Result<bool> {
        let said = ask(address, "CLUSTER INFO")?;
        Ok(field(&said, "cluster_known_nodes") == Some(&addresses.len().to_string()))
    };
    for (at, address) in addresses.iter().enumerate().take(MASTERS) {
        let said = ask(address, "CLUSTER INFO")?;
        let is_alone = field(&said, "cluster_known_nodes") == Some("1");
        if is_alone && field(&said, "cluster_slots_assigned") == Some("0") {
            // Who begins with an epoch of its own need not agree on one later.
            ask(address, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1))?;
            let (from, to) = slots(at);
            ask(address, &format!("CLUSTER ADDSLOTSRANGE {from} {to}"))?;
        }
    }
    if !known(first)? {
        for (address, bus) in addresses.iter().zip(buses).skip(1) {
            let (host, port) = address.split_once(':').context("an address without port")?;
            ask(first, &format!("CLUSTER MEET {host} {port} {bus}"))?;
        }
    }
    for (replica, master) in addresses.iter().skip(MASTERS).zip(addresses) {
        ensure!(known(replica)?, "{replica} does not know every node yet");
        if is_idle(&ask(replica, "CLUSTER NODES")?) {
            let master = ask(master, "CLUSTER MYID")?;
            ask(replica, &format!("CLUSTER REPLICATE {master}"))?;
        }
    }
    Ok(())
}

/// First and last slot of a master, from 0.
fn slots(master: usize) -> (usize, usize) {
    let from = |master| SLOTS * master / MASTERS;
    (from(master), from(master + 1) - 1)
}

/// Whether a node, by its own words, is a master without slots.
fn is_idle(nodes: &str) -> bool {
    // id, address, flags, master, ping, pong, epoch, link, then slots
    let own = nodes.lines().find(|line| line.contains("myself"));
    own.is_some_and(|line| line.contains("myself,master") && line.split(' ').count() == 8)
}

/// Whether every node sees the whole cluster.
///
/// # Errors
/// When one does not, or does not answer.
pub(super) fn check(addresses: &[String]) -> Result<()> {
    for address in addresses {
        let cluster = ask(address, "CLUSTER INFO")?;
        let replication = ask(address, "INFO replication")?;
        if let Err(error) = judge(addresses.len(), &cluster, &replication) {
            bail!("node {address}: {error}");
        }
    }
    Ok(())
}

/// Whether a node sees the whole cluster and, as a replica, its master.
fn judge(node_count: usize, cluster: &str, replication: &str) -> Result<()> {
    let wanted = [
        ("cluster_state", "ok".to_owned()),
        ("cluster_known_nodes", node_count.to_string()),
        ("cluster_slots_ok", SLOTS.to_string()),
    ];
    for (name, want) in wanted {
        let have = field(cluster, name).unwrap_or("nothing");
        ensure!(have == want, "{name} is {have}, not {want}");
    }
    let is_replica = field(replication, "role") == Some("slave");
    ensure!(
        !is_replica || field(replication, "master_link_status") == Some("up"),
        "a replica has no link to its master"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_shared_out_without_gap() {
        assert_eq!(
            [slots(0), slots(1), slots(2)],
            [(0, 5460), (5461, 10_921), (10_922, 16_383)]
        );
    }

    #[test]
    fn idle_cases() {
        let other = "b 127.0.0.1:2@8 master - 0 1 2 connected 0-5460\n";
        #[rustfmt::skip]
        let cases = [
            ("new",            "a 127.0.0.1:1@7 myself,master - 0 0 0 connected\n",        true),
            ("with slots",     "a 127.0.0.1:1@7 myself,master - 0 0 1 connected 0-5460\n", false),
            ("replica",        "a 127.0.0.1:1@7 myself,slave b 0 0 1 connected\n",         false),
        ];
        for (name, own, want) in cases {
            assert_eq!(is_idle(&format!("{other}{own}")), want, "{name}");
        }
        assert!(!is_idle(other), "says nothing of itself");
    }

    #[test]
    fn cluster_judgements() {
        let cluster = "cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_known_nodes:6\r\n";
        let linked = "role:slave\r\nmaster_link_status:up\r\n";
        #[rustfmt::skip]
        let cases = [
            ("master",        cluster.to_owned(),                    "role:master\r\n", true),
            ("replica",       cluster.to_owned(),                    linked,            true),
            ("no link",       cluster.to_owned(),                    "role:slave\r\nmaster_link_status:down\r\n", false),
            ("state",         cluster.replace(":ok", ":fail"),       linked,            false),
            ("slots",         cluster.replace("16384", "16383"),     linked,            false),
            ("nodes",         cluster.replace("nodes:6", "nodes:5"), linked,            false),
            ("nothing said",  String::new(),                         linked,            false),
        ];
        for (name, cluster, replication, want) in cases {
            assert_eq!(judge(6, &cluster, replication).is_ok(), want, "{name}");
        }
    }
}
