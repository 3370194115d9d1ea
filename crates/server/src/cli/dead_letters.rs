//! `vitrina dead-letters`: inputs that could not be processed.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::door::Need;
use clap::{Args, Subcommand};
use serde_json::Value;

/// Letters of an input that are printed for people.
const SHOWN_CHARS: usize = 60;

/// Arguments of `vitrina dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those with smaller numbers
        #[arg(long)]
        before: Option<u64>,
    },
}

pub(crate) async fn run(shell: &Shell, args: &DeadLettersArgs) -> Result<(), Failure> {
    let What::List { limit, before } = &args.what;
    let before = before
        .map(|number| format!("&before={number}"))
        .unwrap_or_default();
    let door = shell.door(Need::Existing).await?;
    let page = door
        .get::<Value>(&format!("/v1/dead-letters?limit={limit}{before}"))
        .await;
    door.close().await?;
    let page = page?;
    shell.out.show(&page, || as_text(&page))
}

fn as_text(page: &Value) -> String {
    let letters = page["dead_letters"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let row = |letter: &Value| {
        let text = |key: &str| letter[key].as_str().unwrap_or_default().to_owned();
        [
            letter["number"].to_string(),
            text("ingest_time"),
            text("source"),
            text("code"),
            text("field"),
            cut(&text("bytes")),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    table(["#", "when", "from", "why", "field", "input"], &rows)
}

/// The beginning of an input on one line, safe for a terminal.
fn cut(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '·' } else { c };
    let mut shown: String = text.chars().take(SHOWN_CHARS).map(safe).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_cannot_write_to_the_terminal() {
        assert_eq!(cut("a\u{1b}[2Jb\nc"), "a·[2Jb·c");
        assert_eq!(cut(&"x".repeat(100)).chars().count(), SHOWN_CHARS + 1);
    }
}
