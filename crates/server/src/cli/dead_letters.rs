//! `vitrina dead-letters`: inputs that could not be processed.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::client::JSON;
use crate::door::{Door, Need};
use bytes::Bytes;
use clap::{ArgGroup, Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

/// Letters of an input that are printed for people.
const SHOWN_CHARS: usize = 60;
/// Numbers in one call.
const CALL_MAX: usize = 1_000;

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
    /// Show one with all that is kept of its input
    Show {
        /// Its number
        number: u64,
    },
    /// Take them in again: events count once, whatever was replayed before
    #[command(group = ArgGroup::new("which").required(true))]
    Replay {
        /// Their numbers
        #[arg(group = "which")]
        numbers: Vec<u64>,
        /// All of them
        #[arg(long, group = "which")]
        all: bool,
        /// All with this code
        #[arg(long, group = "which", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        code: Option<String>,
    },
}

pub(crate) async fn run(shell: &Shell, args: &DeadLettersArgs) -> Result<(), Failure> {
    let door = shell.door(Need::Existing).await?;
    let done = call(&door, &args.what).await;
    door.close().await?;
    let (value, text) = done?;
    shell.out.show(&value, || text)
}

async fn call(door: &Door, what: &What) -> Result<(Value, String), Failure> {
    let (value, shown): (Value, fn(&Value) -> String) = match what {
        What::List { limit, before } => {
            let before = before.map(|number| format!("&before={number}"));
            let path = format!(
                "/v1/dead-letters?limit={limit}{}",
                before.unwrap_or_default()
            );
            (door.get(&path).await?, as_text)
        }
        What::Show { number } => {
            let found = door.get(&format!("/v1/dead-letters/{number}")).await;
            (found.map_err(|error| unknown(*number, error))?, one_as_text)
        }
        What::Replay { numbers, all, code } => {
            let told = match (numbers.as_slice(), all, code) {
                ([], true, _) => in_range(door, "all", &json!(true)).await?,
                ([], false, Some(code)) => in_range(door, "code", &json!(code)).await?,
                (numbers, ..) => by_number(door, numbers).await?,
            };
            (told, replay_as_text)
        }
    };
    let text = shown(&value);
    Ok((value, text))
}

fn unknown(number: u64, error: crate::client::ClientError) -> Failure {
    if error.is_not_found() {
        return Failure::new(format!("there is no dead letter {number}"))
            .hint("`vitrina dead-letters list` shows the numbers; they expire with the log");
    }
    error.into()
}

async fn by_number(door: &Door, numbers: &[u64]) -> Result<Value, Failure> {
    let mut told = Told::default();
    for part in numbers.chunks(CALL_MAX) {
        told.add(replay(door, &json!({ "offsets": part })).await?);
    }
    Ok(told.value())
}

/// Replays part after part. What is still bad becomes new letters, which are beyond `until`.
async fn in_range(door: &Door, field: &str, wanted: &Value) -> Result<Value, Failure> {
    let mut told = Told::default();
    let mut body = json!({ field: wanted });
    loop {
        let part = replay(door, &body).await?;
        body["from"] = part["next"].clone();
        body["until"] = part["until"].clone();
        let is_done = part["next"].is_null();
        told.add(part);
        if is_done {
            return Ok(told.value());
        }
    }
}

async fn replay(door: &Door, body: &Value) -> Result<Value, Failure> {
    let path = "/v1/dead-letters/replay";
    let body = Bytes::from(body.to_string());
    Ok(door.call(Method::POST, path, JSON, body).await?.json()?)
}

/// What became of all parts together.
#[derive(Default)]
struct Told {
    replayed: u64,
    still_bad: Vec<Value>,
    refused: Vec<Value>,
}

impl Told {
    fn add(&mut self, mut part: Value) {
        self.replayed += part["replayed"].as_u64().unwrap_or_default();
        for (key, all) in [
            ("still_bad", &mut self.still_bad),
            ("refused", &mut self.refused),
        ] {
            if let Value::Array(some) = part[key].take() {
                all.extend(some);
            }
        }
    }

    fn value(self) -> Value {
        json!({"replayed": self.replayed, "still_bad": self.still_bad, "refused": self.refused})
    }
}

fn replay_as_text(told: &Value) -> String {
    let of = |key: &str| told[key].as_array().map_or(&[][..], Vec::as_slice);
    let (bad, refused) = (of("still_bad"), of("refused"));
    let mut out = format!(
        "{} taken in again, {} still bad, {} refused",
        told["replayed"],
        bad.len(),
        refused.len()
    );
    let row = |what: &str, one: &Value| {
        let text = |key: &str| cut(one[key].as_str().unwrap_or_default());
        [
            one["number"].to_string(),
            what.to_owned(),
            text("code"),
            text("detail"),
        ]
    };
    let bad = bad.iter().map(|one| row("still bad", one));
    let rows: Vec<_> = bad
        .chain(refused.iter().map(|one| row("refused", one)))
        .collect();
    if !rows.is_empty() {
        out += "\n\n";
        out += &table(["#", "", "why", ""], &rows);
    }
    out
}

fn one_as_text(letter: &Value) -> String {
    let text = |key: &str| letter[key].as_str().unwrap_or_default();
    let origin = &letter["origin"];
    let from = match origin["topic"].as_str() {
        Some(topic) => format!(
            "{topic}, partition {}, offset {}",
            origin["partition"], origin["offset"]
        ),
        None => text("source").to_owned(),
    };
    let (kind, input) = match letter["text"].as_str() {
        Some(input) => ("text", input.chars().map(safe).collect()),
        None => ("base64", text("base64").to_owned()),
    };
    let whole = if letter["is_whole"] == true {
        ""
    } else {
        ", cut"
    };
    format!(
        "dead letter {} from {from}\n{} {}: {}\ntried {} times, given up at {}\n\ninput ({kind}{whole}):\n{input}",
        letter["number"],
        text("code"),
        text("field"),
        text("detail"),
        letter["attempts"],
        text("ingest_time"),
    )
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

/// What a terminal shows as it is; what would command it, as a dot.
fn safe(c: char) -> char {
    if c.is_control() { '·' } else { c }
}

/// The beginning of an input on one line, safe for a terminal.
fn cut(text: &str) -> String {
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
