//! What servers say of themselves: which of them must not hold state, and what a person should
//! know of the others.

use crate::failure::unavailable;
use crate::link::Link;
use redis::Cmd;
use std::collections::HashMap;
use vitrina_ports::PortError;

/// The oldest version: scripts that declare themselves, and are refused whole when memory is short.
const VERSION_MIN: u64 = 7;
/// Share of `maxmemory` in use, in percent, above which somebody should act.
const MEMORY_WARN_PERCENT: u64 = 75;
/// Share above which the next commit may be refused.
const MEMORY_FAIL_PERCENT: u64 = 95;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should act.
    Warn,
    /// It does not work, or soon will not.
    Fail,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The node, as host and port; `the server` when there is only one.
    pub node: String,
    /// What was found.
    pub found: String,
    /// What to do; empty when nothing is.
    pub advice: &'static str,
}

/// What one server says of itself (`INFO`, and `CLUSTER INFO` in a cluster).
struct Node {
    name: String,
    says: HashMap<String, String>,
}

/// Refuses servers that must not hold state.
///
/// # Errors
/// `Invalid`, with the node and what it should be; `Unavailable`.
pub(crate) async fn refuse_unfit(link: &Link) -> Result<(), PortError> {
    for node in nodes(link).await? {
        if let Some((found, expected)) = node.unfit(link.is_cluster()) {
            let what = format!("{found} of {}", node.name);
            return Err(PortError::Invalid { what, expected });
        }
    }
    Ok(())
}

/// Everything worth knowing of every node.
pub(crate) async fn checkup(link: &Link) -> Result<Vec<Finding>, PortError> {
    let nodes = nodes(link).await?;
    Ok(nodes
        .iter()
        .flat_map(|node| node.findings(link.is_cluster()))
        .collect())
}

async fn nodes(link: &Link) -> Result<Vec<Node>, PortError> {
    let mut nodes: Vec<Node> = Vec::new();
    for (name, says) in said(link, &redis::cmd("INFO")).await? {
        nodes.push(Node { name, says });
    }
    if !link.is_cluster() || nodes.iter().any(|node| !node.is_in_cluster()) {
        return Ok(nodes);
    }
    let mut command = redis::cmd("CLUSTER");
    for (name, says) in said(link, command.arg("INFO")).await? {
        if let Some(node) = nodes.iter_mut().find(|node| node.name == name) {
            node.says.extend(says);
        }
    }
    Ok(nodes)
}

async fn said(
    link: &Link,
    command: &Cmd,
) -> Result<Vec<(String, HashMap<String, String>)>, PortError> {
    let answers = link.ask_all(command).await?.into_iter();
    let read = answers.map(|(name, answer)| {
        let text: String = redis::from_redis_value(answer)
            .map_err(|error| unavailable(format!("what {name} says of itself: {error}")))?;
        Ok((name, read(&text)))
    });
    read.collect()
}

/// Lines `name:value`; others are headings.
fn read(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl Node {
    fn says(&self, name: &str) -> &str {
        self.says.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.says(name).parse().unwrap_or_default()
    }

    fn is_in_cluster(&self) -> bool {
        self.says("cluster_enabled") == "1"
    }

    /// What makes it unfit, and what it should be.
    fn unfit(&self, in_cluster: bool) -> Option<(String, &'static str)> {
        let version = self.says("redis_version");
        let major = version.split('.').next().and_then(|part| part.parse().ok());
        if major.is_none_or(|major: u64| major < VERSION_MIN) {
            let expected = "Redis 7 or newer; whoever runs Redis upgrades it";
            return Some((format!("version {version}"), expected));
        }
        match (in_cluster, self.is_in_cluster()) {
            (false, true) => {
                let expected = "the address of a cluster, redis-cluster://…";
                return Some(("cluster mode".to_owned(), expected));
            }
            (true, false) => {
                let expected = "a node of a cluster, or the address redis://… of one server";
                return Some(("single mode".to_owned(), expected));
            }
            _ => {}
        }
        if !in_cluster && self.says("role") != "master" {
            let expected = "the address of the master";
            return Some((format!("role {}", self.says("role")), expected));
        }
        let policy = self.says("maxmemory_policy");
        (policy != "noeviction").then(|| {
            let expected = "noeviction; whoever runs Redis sets it, \
                 for any other policy deletes state when memory is short";
            (format!("maxmemory-policy {policy}"), expected)
        })
    }

    fn findings(&self, in_cluster: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |level, text: String, advice| {
            found.push(Finding {
                level,
                node: self.name.clone(),
                found: text,
                advice,
            });
        };
        match self.unfit(in_cluster) {
            Some((what, expected)) => add(Level::Fail, what, expected),
            None => {
                let (version, role) = (self.says("redis_version"), self.says("role"));
                add(
                    Level::Ok,
                    format!("Redis {version}, {role}, noeviction"),
                    "",
                );
            }
        }
        let (level, text, advice) = self.memory();
        add(level, text, advice);
        let (level, text, advice) = self.persistence();
        add(level, text, advice);
        if let Some((level, text, advice)) = self.replication() {
            add(level, text, advice);
        }
        if in_cluster && self.says("cluster_state") != "ok" {
            let (state, slots) = (self.says("cluster_state"), self.says("cluster_slots_ok"));
            let text = format!("cluster_state is {state:?}, {slots} of 16384 slots are served");
            let advice = "bring the missing masters back, or let their replicas take over";
            add(Level::Fail, text, advice);
        }
        found
    }

    fn memory(&self) -> (Level, String, &'static str) {
        let (used, limit) = (self.number("used_memory"), self.number("maxmemory"));
        if limit == 0 {
            let text = format!("{} MiB in use, maxmemory is not set", used >> 20);
            let advice = "set maxmemory below the machine's memory: then a full Redis refuses \
                 commits, or else the system ends it";
            return (Level::Warn, text, advice);
        }
        let percent = used.saturating_mul(100) / limit;
        let text = format!("{percent} % of {} MiB in use", limit >> 20);
        let advice = "give Redis more memory, or the cluster more nodes; \
             when it is full, commits are refused and the stream stands still";
        match percent {
            MEMORY_FAIL_PERCENT.. => (Level::Fail, text, advice),
            MEMORY_WARN_PERCENT.. => (Level::Warn, text, advice),
            _ => (Level::Ok, text, ""),
        }
    }

    fn persistence(&self) -> (Level, String, &'static str) {
        for what in ["aof_last_write_status", "rdb_last_bgsave_status"] {
            if self.says(what) == "err" {
                let advice = "look at the disk and the log of Redis";
                return (Level::Fail, format!("{what} is err"), advice);
            }
        }
        if self.says("aof_enabled") == "1" {
            let text = "keeps an append-only file".to_owned();
            return (Level::Ok, text, "");
        }
        let text = "keeps no append-only file: a restart loses what came since the last snapshot";
        let advice = "set appendonly yes and appendfsync everysec; what is lost is computed again \
             from the log, as long as the log reaches back to it";
        (Level::Warn, text.to_owned(), advice)
    }

    fn replication(&self) -> Option<(Level, String, &'static str)> {
        if self.says("role") != "master" {
            let is_up = self.says("master_link_status") == "up";
            let advice = "look at the log of the replica";
            return (!is_up).then(|| (Level::Warn, "lost its master".to_owned(), advice));
        }
        let replicas = self.number("connected_slaves");
        if replicas > 0 {
            return Some((Level::Ok, format!("{replicas} replicas"), ""));
        }
        let advice = "add a replica, or accept that state is away while this node is";
        Some((Level::Warn, "no replica".to_owned(), advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        let base = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\n\
             maxmemory_policy:noeviction\r\nused_memory:10\r\nmaxmemory:100\r\n\
             aof_enabled:1\r\nconnected_slaves:1\r\ncluster_state:ok\r\n\
             cluster_slots_ok:16000\r\n";
        Node {
            name: "a:1".to_owned(),
            says: read(&format!("{base}{text}\r\n")),
        }
    }

    #[test]
    fn servers_that_must_not_hold_state_are_known() {
        #[rustfmt::skip]
        let cases: &[(&str, bool, &str)] = &[
            ("",                               false, ""),
            ("cluster_enabled:1",              true,  ""),
            ("redis_version:10.1.0",           false, ""),
            ("redis_version:6.2.14",           false, "version 6.2.14"),
            ("redis_version:",                 false, "version "),
            ("cluster_enabled:1",              false, "cluster mode"),
            ("cluster_enabled:0",              true,  "single mode"),
            ("role:slave",                     false, "role slave"),
            ("cluster_enabled:1\r\nrole:slave", true, ""),
            ("maxmemory_policy:allkeys-lru",   false, "maxmemory-policy allkeys-lru"),
        ];
        for (text, in_cluster, want) in cases {
            let found = node(text).unfit(*in_cluster);
            assert_eq!(
                found.map_or(String::new(), |(what, _)| what),
                *want,
                "{text}"
            );
        }
    }

    #[test]
    fn a_person_is_told_what_matters() {
        #[rustfmt::skip]
        let cases: &[(&str, Level, &str)] = &[
            ("",                           Level::Ok,   "10 % of 0 MiB in use"),
            ("used_memory:75",             Level::Warn, "75 % of 0 MiB in use"),
            ("used_memory:95",             Level::Fail, "95 % of 0 MiB in use"),
            ("maxmemory:0",                Level::Warn, "0 MiB in use, maxmemory is not set"),
            ("aof_last_write_status:err",  Level::Fail, "aof_last_write_status is err"),
            ("rdb_last_bgsave_status:err", Level::Fail, "rdb_last_bgsave_status is err"),
            ("connected_slaves:0",         Level::Warn, "no replica"),
            ("cluster_enabled:1\r\ncluster_state:fail", Level::Fail,
                "cluster_state is \"fail\", 16000 of 16384 slots are served"),
            ("cluster_enabled:1\r\nrole:slave\r\nmaster_link_status:down", Level::Warn, "lost its master"),
            ("maxmemory_policy:allkeys-lru", Level::Fail, "maxmemory-policy allkeys-lru"),
        ];
        for (text, level, want) in cases {
            let found = node(text).findings(text.contains("cluster_enabled:1"));
            let is_there = found
                .iter()
                .any(|one| one.level == *level && one.found == *want);
            assert!(is_there, "{text}: {found:#?}");
            let has_advice = found
                .iter()
                .all(|one| (one.level == Level::Ok) == one.advice.is_empty());
            assert!(has_advice, "{text}: {found:#?}");
        }
    }
}
