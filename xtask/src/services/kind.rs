//! What a service has to say of itself, and the list of all there are.

use super::packages::Program;
use super::site::{Node, Site};
use super::{kafka, postgres, redis};
use anyhow::{Result, bail};
use rustix::process::Signal;

/// A service that can be brought up.
///
/// Law: everything but [`Kind::settle`] and [`Kind::check`] follows from the site alone, so that
/// a service that lost a process gets the same one again.
pub(super) trait Kind: Sync {
    /// Stable name, as written on the command line.
    fn name(&self) -> &'static str;

    /// Whether it comes up when no names are given.
    fn is_default(&self) -> bool {
        true
    }

    /// Programs that it needs on this machine; none of them for containers.
    fn programs(&self) -> &'static [Program];

    /// Image of its containers.
    fn image(&self) -> &'static str;

    /// Environment of its containers.
    fn container_environment(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// How many ports it needs.
    fn port_count(&self) -> usize;

    /// What tests read, the variable that names the service first.
    fn variables(&self, site: &Site) -> Vec<(&'static str, String)>;

    /// Writes what the processes need before they start. Done before every start, so a second
    /// time it changes nothing.
    fn prepare(&self, site: &Site) -> Result<()>;

    /// Its processes, in the order of their start.
    fn nodes(&self, site: &Site) -> Result<Vec<Node>>;

    /// Makes one service of processes that run; done until it succeeds.
    fn settle(&self, _site: &Site) -> Result<()> {
        Ok(())
    }

    /// Asks it for something that only a ready service answers.
    fn check(&self, site: &Site) -> Result<()>;

    /// The signal that ends it in good order.
    fn polite(&self) -> Signal {
        Signal::TERM
    }
}

/// Every service, in the order they come up.
const KINDS: [&dyn Kind; 6] = [
    &redis::SINGLE,
    &redis::CLUSTER,
    &postgres::Postgres,
    &kafka::SINGLE,
    &kafka::CLUSTER,
    &kafka::SECURED,
];

/// Every service.
pub(super) fn all() -> impl Iterator<Item = &'static dyn Kind> {
    KINDS.into_iter()
}

/// The services of these names, in the order they come up; without names the default ones.
///
/// # Errors
/// When there is none of a name.
pub(super) fn chosen(names: &[&str]) -> Result<Vec<&'static dyn Kind>> {
    for name in names {
        if !all().any(|kind| kind.name() == *name) {
            let names: Vec<&str> = all().map(Kind::name).collect();
            bail!("no service {name}; there are: {}", names.join(", "));
        }
    }
    let is_chosen = |kind: &&dyn Kind| match names {
        [] => kind.is_default(),
        names => names.contains(&kind.name()),
    };
    Ok(all().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        let names = |given: &[&str]| -> Vec<&str> {
            chosen(given).unwrap().into_iter().map(Kind::name).collect()
        };
        assert_eq!(
            names(&[]),
            ["redis", "redis-cluster", "postgres", "kafka", "kafka3"]
        );
        assert_eq!(
            names(&["kafka-acl", "redis", "redis"]),
            ["redis", "kafka-acl"]
        );
        let error = chosen(&["redis", "rabbit"]).err().unwrap().to_string();
        assert!(
            error.contains("no service rabbit; there are: redis, "),
            "{error}"
        );
    }
}
