//! `vitrina openapi`: the document of the HTTP API.

use super::failure::Failure;
use super::shell::Shell;

pub(crate) fn run(shell: &Shell) -> Result<(), Failure> {
    let document = crate::http::openapi();
    let text = serde_json::to_string_pretty(&document)?;
    shell.out.show(&document, || text)
}
