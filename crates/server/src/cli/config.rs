//! `vitrina config show`: every value and where it came from.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::config::Flags;
use clap::{Args, Subcommand};

/// Arguments of `vitrina config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every value, where it came from and what it does
    Show,
}

pub(crate) fn run(shell: &Shell, args: &ConfigArgs) -> Result<(), Failure> {
    let What::Show = args.what;
    let shown = shell.load(Flags::default())?.shown();
    shell.out.show(&shown, || {
        let row = |one: &crate::config::show::Shown| {
            [
                one.key.to_owned(),
                one.value.to_string(),
                one.from.clone(),
                one.doc.to_owned(),
            ]
        };
        let rows: Vec<_> = shown.iter().map(row).collect();
        table(["key", "value", "from", "what it does"], &rows)
    })
}
