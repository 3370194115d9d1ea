//! The certificate of a broker: for the loopback, signed by itself, made anew with its folder.

use super::super::site::text;
use crate::cargo;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// What clients trust.
pub(super) const CERTIFICATE: &str = "certificate.pem";

/// Key and certificate in one file, as a broker reads them.
pub(super) const KEYSTORE: &str = "keystore.pem";

const KEY: &str = "key.pem";

/// Longer than the folder is kept.
const VALID_DAYS: u32 = 365;

/// Makes a key and its certificate in a folder that has none.
pub(super) fn make(folder: &Path) -> Result<()> {
    let keystore = folder.join(KEYSTORE);
    if keystore.is_file() {
        return Ok(());
    }
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-sha256"])
        .args(["-days", &VALID_DAYS.to_string(), "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join(KEY))
        .arg("-out")
        .arg(folder.join(CERTIFICATE))
        .stdin(Stdio::null());
    let done = command.output().context("could not start openssl")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed: {}", cargo::describe(&command), said.trim());
    }
    let mut both = std::fs::read_to_string(folder.join(KEY))?;
    both.push_str(&std::fs::read_to_string(folder.join(CERTIFICATE))?);
    // Written last: its presence says that the others are whole.
    std::fs::write(keystore, both)?;
    Ok(())
}

/// Whether the server at `address` has the key of the certificate.
pub(super) fn check(folder: &Path, address: &str) -> Result<()> {
    let certificate = text(&folder.join(CERTIFICATE));
    let done = Command::new("openssl")
        .args(["s_client", "-connect", address, "-CAfile", &certificate])
        .args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-brief"])
        .stdin(Stdio::null())
        .output()
        .context("could not start openssl")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "no TLS at {address}: {}",
        said.trim()
    );
    Ok(())
}
