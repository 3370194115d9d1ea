//! Asking Cargo, and running it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo metadata` says of a workspace; only what we ask for.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Members, and everything they depend on where that was asked for.
    pub packages: Vec<Package>,
    /// Where Cargo builds.
    pub target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest, as an absolute path.
    pub manifest_path: PathBuf,
    /// Its licence as an SPDX expression.
    pub license: Option<String>,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Name of the package, whatever the manifest renames it to.
    pub name: String,
    /// When it is needed.
    #[serde(default)]
    pub kind: Option<DependencyKind>,
}

/// A kind of dependency other than the normal one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// For tests and benches.
    Dev,
    /// For the build script.
    Build,
}

/// Root of the workspace this program belongs to.
pub fn workspace_root() -> PathBuf {
    // Cargo sets the variable when it runs us. A binary run by hand falls back to where it was
    // built, which is wrong only after the checkout was moved.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_path_buf).unwrap_or(own)
}

/// A Cargo command: the same Cargo that runs us, in `root`.
pub fn command(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// The members of the workspace, and nothing else.
///
/// # Errors
/// When Cargo does not understand the workspace.
pub fn members(root: &Path) -> Result<Metadata> {
    metadata(root, &["--no-deps"])
}

/// The members and every package that is built for them on this machine.
///
/// # Errors
/// When the lock file is stale or a package was not downloaded yet.
pub fn all_packages(root: &Path) -> Result<Metadata> {
    // Offline, so that a test never waits for a network; for that, only the packages of this
    // platform may be asked for, because Cargo downloads no others.
    metadata(root, &["--locked", "--filter-platform", "host-tuple"])
}

fn metadata(root: &Path, arguments: &[&str]) -> Result<Metadata> {
    let json = output(
        command(root)
            .args(["metadata", "--format-version", "1", "--offline"])
            .args(arguments),
    )?;
    serde_json::from_slice(&json).context("cargo metadata is not what we know")
}

/// What a command prints.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let done = command
        .output()
        .with_context(|| format!("could not start {}", describe(command)))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed: {}", describe(command), said.trim());
    }
    Ok(done.stdout)
}

/// Runs a command with our own output.
///
/// # Errors
/// When it cannot start or fails.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", describe(command));
    let status = command
        .status()
        .with_context(|| format!("could not start {}", describe(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", describe(command));
    }
    Ok(())
}

/// A command as one would type it.
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
