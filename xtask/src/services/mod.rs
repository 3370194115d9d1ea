//! Real services for tests and trials: Kafka, Redis and PostgreSQL on free loopback ports.
//!
//! `cargo xtask services up` starts them as processes of this machine, or in containers where
//! there is a Docker engine (or as `VITRINA_SERVICES_ENGINE` says), and waits until each has
//! answered a real request. They outlive the command; what runs where is kept in
//! `target/services`, a folder for each. A second `up` finds the same ones and starts again what
//! has ended. `target/services/env` names them for tests; a service that such a variable names
//! already is used and not started.

mod docker;
mod environment;
mod kafka;
mod kind;
mod lifecycle;
mod packages;
mod ports;
mod postgres;
mod process;
mod record;
mod redis;
mod site;
mod wait;

use crate::cargo;
use anyhow::{Context, Result, bail};
use kind::Kind;
use lifecycle::{Health, Service};
use site::{Engine, Site};
use std::fs::File;
use std::path::{Path, PathBuf};

pub use environment::{Environment, WITHOUT};

/// Chooses between `native` and `docker`.
const ENGINE: &str = "VITRINA_SERVICES_ENGINE";

/// What `up` has done.
#[derive(Debug, Default)]
pub struct Up {
    /// Where the services are, by the variables that tests read.
    pub environment: Environment,
    /// Those of which nothing ran before.
    pub started: Vec<&'static str>,
}

/// Brings up the services of these names, all but the secured Kafka without names.
///
/// # Errors
/// When there is no service of a name, or one does not come up; those before it stay up.
pub fn up(root: &Path, names: &[&str]) -> Result<Up> {
    let chosen = kind::chosen(names)?;
    let folder = folder(root)?;
    let _lock = lock(&folder)?;
    let mut done = Up::default();
    for kind in chosen {
        let mut service = match given(kind, root, &folder)? {
            Some((variable, value)) => {
                println!("{:<14} {value}  given by {variable}", kind.name());
                done.environment.insert(variable, value);
                note(root, &folder)?;
                continue;
            }
            None => match Service::find(kind, root, &folder)? {
                Some(service) => service,
                None => {
                    let engine = engine(environment::given(ENGINE).as_deref())?;
                    Service::new(kind, root, &folder, engine, &taken(root, &folder)?)?
                }
            },
        };
        let ran = service.runs_at_all();
        let is_started = service.up()?;
        if is_started && !ran {
            done.started.push(kind.name());
        }
        print(&service, if is_started { "started" } else { "runs" });
        done.environment.extend(variables(&service));
        note(root, &folder)?;
    }
    Ok(done)
}

/// Takes down the services of these names, without names all that were brought up. Their folders
/// go too, unless they are to be kept; then `up` finds ports and data again.
///
/// # Errors
/// When there is no service of a name, or one survives.
pub fn down(root: &Path, names: &[&str], keep: bool) -> Result<()> {
    let chosen = match names {
        [] => kind::all().collect(),
        names => kind::chosen(names)?,
    };
    let folder = folder(root)?;
    let _lock = lock(&folder)?;
    let mut found = Vec::new();
    for kind in chosen {
        found.extend(Service::find(kind, root, &folder)?);
    }
    for service in &found {
        service.ask_to_end()?;
    }
    let mut failure = Ok(());
    for service in found {
        let name = service.kind.name();
        match service.down(keep) {
            Ok(()) => println!("{name:<14} down"),
            // The others go down all the same.
            Err(error) => failure = Err(error),
        }
    }
    note(root, &folder)?;
    failure
}

/// Prints how every service is.
///
/// # Errors
/// When a record cannot be read.
pub fn status(root: &Path) -> Result<()> {
    let folder = folder(root)?;
    for kind in kind::all() {
        if let Some((variable, value)) = given(kind, root, &folder)? {
            println!("{:<14} {value}  given by {variable}", kind.name());
            continue;
        }
        match Service::find(kind, root, &folder)? {
            None => println!("{:<14} down", kind.name()),
            Some(service) => {
                let health = match service.health()? {
                    Health::Up => "up".to_owned(),
                    Health::Mute => "runs but does not answer".to_owned(),
                    Health::Dead(count) => format!("{count} not running"),
                };
                print(&service, &health);
            }
        }
    }
    Ok(())
}

/// One line for the service and one for each of its processes.
fn print(service: &Service, health: &str) {
    let variables = service.kind.variables(&service.site);
    let address = variables.first().map_or("", |(_, value)| value);
    println!("{:<14} {address}  {health}", service.kind.name());
    for (what, log) in service.nodes() {
        println!("{:<14}   {what}  {log}", "");
    }
}

/// Where all services live, absolute.
fn folder(root: &Path) -> Result<PathBuf> {
    let folder = cargo::members(root)?.target_directory.join("services");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}

/// Two commands at once would start everything twice: the second waits.
fn lock(folder: &Path) -> Result<File> {
    let file = File::create(folder.join("lock"))?;
    file.lock().context("could not lock the services")?;
    Ok(file)
}

/// What new services run on; [`ENGINE`] decides, and without it whether there is Docker.
fn engine(wanted: Option<&str>) -> Result<Engine> {
    match wanted {
        Some("native") => Ok(Engine::Native),
        Some("docker") => Ok(Engine::Docker),
        Some(other) => bail!("{ENGINE} is {other:?}; it may be native or docker"),
        None if docker::is_there() => Ok(Engine::Docker),
        None => Ok(Engine::Native),
    }
}

/// Ports of all services that were brought up, also of those that do not run now.
fn taken(root: &Path, folder: &Path) -> Result<Vec<u16>> {
    let mut ports = Vec::new();
    for kind in kind::all() {
        if let Some(service) = Service::find(kind, root, folder)? {
            ports.extend(service.site.ports);
        }
    }
    Ok(ports)
}

fn variables(service: &Service) -> Environment {
    let variables = service.kind.variables(&service.site).into_iter();
    variables
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The variable that names a service from outside, and its value. One that names our own does
/// not count: whoever reads `target/services/env` into a shell still gets it started again.
fn given(kind: &'static dyn Kind, root: &Path, folder: &Path) -> Result<Option<(String, String)>> {
    let own = Service::find(kind, root, folder)?.map(|it| kind.variables(&it.site));
    // The names do not depend on the site; one without ports will do.
    let nowhere = Site {
        root: root.to_owned(),
        folder: folder.join(kind.name()),
        ports: Vec::new(),
        engine: Engine::Native,
    };
    let names = kind.variables(&nowhere);
    let Some((name, _)) = names.first() else {
        return Ok(None);
    };
    let Some(value) = environment::given(name) else {
        return Ok(None);
    };
    let is_own = own.is_some_and(|own| own.contains(&(name, value.clone())));
    Ok((!is_own).then(|| ((*name).to_owned(), value)))
}

/// Writes `env` anew: what is up, whoever brought it up, and what is given.
fn note(root: &Path, folder: &Path) -> Result<()> {
    let mut all = Environment::new();
    for kind in kind::all() {
        if let Some((name, value)) = given(kind, root, folder)? {
            all.insert(name, value);
        } else if let Some(service) = Service::find(kind, root, folder)?
            && service.health()? == Health::Up
        {
            all.extend(variables(&service));
        }
    }
    environment::write(folder, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_may_be_chosen() {
        assert_eq!(engine(Some("native")).unwrap(), Engine::Native);
        assert_eq!(engine(Some("docker")).unwrap(), Engine::Docker);
        let error = engine(Some("podman")).unwrap_err().to_string();
        assert!(error.ends_with("it may be native or docker"), "{error}");
        let found = engine(None).unwrap();
        assert_eq!(found == Engine::Docker, docker::is_there());
    }
}
