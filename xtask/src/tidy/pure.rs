//! Pure crates: functions over values. They know no clock, file, socket, thread or log line.
//!
//! Clippy does the banning, from the crate's `clippy.toml`; this rule keeps that file honest.

use super::Violation;
use super::allowed::Allowed;
use super::source::Source;
use super::tokens;
use super::tree::Tree;

const RULE: &str = "pure";

/// What every pure crate bans, by the key of `clippy.toml`. A crate may ban more.
const BANNED: [(&str, &[&str]); 3] = [
    (
        "disallowed-methods",
        &[
            "std::time::SystemTime::now",
            "std::time::Instant::now",
            "std::thread::spawn",
            "std::thread::sleep",
            "std::fs::read",
            "std::fs::read_to_string",
            "std::fs::write",
        ],
    ),
    (
        "disallowed-types",
        &[
            "std::fs::File",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::UdpSocket",
        ],
    ),
    (
        "disallowed-macros",
        &["std::print", "std::println", "std::eprint", "std::eprintln"],
    ),
];

pub(super) fn check(tree: &Tree, sources: &[Source], allowed: &Allowed, out: &mut Vec<Violation>) {
    let pure = allowed.rules.crates.iter().filter(|(_, rules)| rules.pure);
    for (name, _) in pure {
        let folder = format!("crates/{name}/");
        // A crate that is not there is reported as an unused entry.
        if tree.text(&format!("{folder}Cargo.toml")).is_none() {
            continue;
        }
        bans(tree, &format!("{folder}clippy.toml"), out);
        for source in sources.iter().filter(|s| s.path.starts_with(&folder)) {
            for (line, word) in tokens::lines_with(&source.tokens, &["async", "await"]) {
                let text = format!("{word} in a pure crate; wait in the engine");
                out.push(Violation::new(&source.path, line, RULE, text));
            }
        }
    }
}

fn bans(tree: &Tree, path: &str, out: &mut Vec<Violation>) {
    let Some(text) = tree.text(path) else {
        let text = "a pure crate needs this file, with the bans of crates/types/clippy.toml";
        out.push(Violation::new(path, 1, RULE, text));
        return;
    };
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            out.push(Violation::new(path, 1, RULE, error.message()));
            return;
        }
    };
    for (key, required) in BANNED {
        for banned in required {
            if !entries(&table, key).any(|entry| entry == *banned) {
                let text = format!("does not ban {banned}; add it to {key}");
                let line = tree.line_starting(path, key);
                out.push(Violation::new(path, line, RULE, text));
            }
        }
    }
}

/// Paths of one list; an entry is a string or a table with `path`.
fn entries<'a>(table: &'a toml::Table, key: &str) -> impl Iterator<Item = &'a str> {
    let list = table.get(key).and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(|entry| {
        let path = entry.get("path").unwrap_or(entry);
        path.as_str()
    })
}
