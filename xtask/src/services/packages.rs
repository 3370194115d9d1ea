//! The programs that services need, and the Debian packages that bring them.

use crate::cargo;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian keeps the programs of each PostgreSQL version.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// A program and the package it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) command: &'static str,
    pub(super) package: &'static str,
}

/// Installs what is missing, where we may.
///
/// # Errors
/// When something is missing and we are not root, or `apt-get` fails.
pub(super) fn require(programs: &[Program]) -> Result<()> {
    let missing = missing(programs, |command| find(command).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        bail!("{}", advice(&missing));
    }
    println!("installing {}", missing.join(" "));
    cargo::run(Command::new("apt-get").arg("update"))?;
    cargo::run(
        Command::new("apt-get")
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The packages of the programs that are not there, each once.
fn missing(programs: &[Program], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for program in programs {
        if !is_there(program.command) && !packages.contains(&program.package) {
            packages.push(program.package);
        }
    }
    packages
}

fn advice(packages: &[&str]) -> String {
    format!(
        "programs of the packages {0} are missing and only root may install them; run: \
         sudo apt-get install --yes --no-install-recommends {0}",
        packages.join(" ")
    )
}

/// The file of a command, on the search path or where Debian hides PostgreSQL.
pub(super) fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(postgres_folder(Path::new(POSTGRES_VERSIONS)))
        .map(|folder| folder.join(command))
        .find(|file| file.is_file())
}

/// The programs of the newest version there is.
fn postgres_folder(versions: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(versions).ok()?;
    let newest = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()?;
    Some(versions.join(newest.to_string()).join("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_missing_once_when_any_of_its_programs_is() {
        let programs = [
            Program {
                command: "java",
                package: "jre",
            },
            Program {
                command: "redis-server",
                package: "redis",
            },
            Program {
                command: "redis-cli",
                package: "redis",
            },
        ];
        assert_eq!(missing(&programs, |_| true), Vec::<&str>::new());
        assert_eq!(missing(&programs, |command| command == "java"), ["redis"]);
        assert_eq!(
            missing(&programs, |command| command == "redis-cli"),
            ["jre", "redis"]
        );
    }

    #[test]
    fn who_is_not_root_is_told_the_command() {
        let text = advice(&["maven", "redis-server"]);
        let command = "sudo apt-get install --yes --no-install-recommends maven redis-server";
        assert!(text.ends_with(command), "{text}");
    }

    #[test]
    fn of_several_versions_of_postgres_the_newest_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(postgres_folder(folder.path()), None);
        for version in ["9", "15", "14", "notes"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
        }
        assert_eq!(
            postgres_folder(folder.path()),
            Some(folder.path().join("15/bin"))
        );
    }
}
