//! A small workspace that keeps every rule, to break one rule at a time.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Two crates, `engine` over the pure `types`, and one outside package, `outside`.
const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        r#"[workspace]
resolver = "3"
members = ["crates/*"]
exclude = ["vendor"]

[workspace.lints.rust]
missing_docs = "deny"
"#,
    ),
    (
        "xtask/allowed.toml",
        r#"[crate.types]
pure = true
deps = ["outside"]

[crate.engine]
sees = ["types"]
dev = ["outside"]

[[unsafe]]
file = "crates/engine/src/raw.rs"
reason = "speed"
safe_twin = "slow"

[[stored_form]]
name = "Envelope"
versions = 1
fixtures = ["crates/types/fixtures/envelope_1.bin"]
"#,
    ),
    (
        "crates/types/Cargo.toml",
        r#"[package]
name = "vitrina-types"
version = "0.1.0"
edition = "2024"
license = "MIT"

[lints]
workspace = true

[dependencies]
outside = { path = "../../vendor/outside" }
"#,
    ),
    (
        "crates/types/clippy.toml",
        r#"disallowed-methods = [
    "std::time::SystemTime::now",
    { path = "std::time::Instant::now", reason = "time is an argument" },
    "std::thread::spawn",
    "std::thread::sleep",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
]
disallowed-types = [
    "std::fs::File",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
]
disallowed-macros = ["std::print", "std::println", "std::eprint", "std::eprintln"]
"#,
    ),
    (
        "crates/types/src/lib.rs",
        "//! Types.\nimpl Stored for Envelope {\n    const VERSION: u8 = 1;\n}\n",
    ),
    ("crates/types/fixtures/envelope_1.bin", "1"),
    (
        "crates/engine/Cargo.toml",
        r#"[package]
name = "vitrina-engine"
version = "0.1.0"
edition = "2024"
license = "MIT"

[lints]
workspace = true

[dependencies]
vitrina-types = { path = "../types" }

[dev-dependencies]
outside = { path = "../../vendor/outside" }
"#,
    ),
    ("crates/engine/src/lib.rs", "//! Engine.\n"),
    (
        "crates/engine/src/raw.rs",
        "//! Raw.\nunsafe fn fast() {}\n",
    ),
    (
        "vendor/outside/Cargo.toml",
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nlicense = \"MIT\"\n",
    ),
    ("vendor/outside/src/lib.rs", "//! Outside.\n"),
];

/// One change to the sample.
pub(crate) enum Edit<'a> {
    /// The file has this text.
    Write(&'a str, String),
    /// The first of the two texts becomes the second.
    Replace(&'a str, &'a str, &'a str),
    /// The file is not there.
    Delete(&'a str),
}

impl Edit<'_> {
    fn path(&self) -> &str {
        match self {
            Self::Write(path, _) | Self::Replace(path, _, _) | Self::Delete(path) => path,
        }
    }
}

/// A file of the engine crate with this text.
pub(crate) fn engine(text: impl Into<String>) -> Vec<Edit<'static>> {
    vec![Edit::Write("crates/engine/src/lib.rs", text.into())]
}

/// Applies the edits to the sample and says which rules are broken, one per line.
pub(crate) fn broken(edits: &[Edit<'_>]) -> String {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for (path, text) in FILES {
        write(root, path, text);
    }
    for edit in edits {
        match edit {
            Edit::Write(path, text) => write(root, path, text),
            Edit::Replace(path, from, to) => {
                let text = std::fs::read_to_string(root.join(path)).unwrap();
                assert!(text.contains(from), "{path} has no {from}");
                write(root, path, &text.replacen(from, to, 1));
            }
            Edit::Delete(path) => std::fs::remove_file(root.join(path)).unwrap(),
        }
    }
    let mut violations = xtask::tidy::tidy_files(root).unwrap();
    // Cargo is slow to start, and without these files it would say the same again.
    if edits.is_empty() || edits.iter().any(|edit| edit.path().ends_with(".toml")) {
        lock(root);
        violations.extend(xtask::tidy::tidy_crates(root).unwrap());
    }
    let mut lines = String::new();
    for violation in violations {
        writeln!(lines, "{violation}").unwrap();
    }
    lines
}

/// Breaks exactly the one rule named by `want`, which is how its line begins, or none.
#[track_caller]
pub(crate) fn breaks(name: &str, edits: &[Edit<'_>], want: &str) {
    let lines = broken(edits);
    let is_as_wanted = match want {
        "" => lines.is_empty(),
        _ => lines.starts_with(want) && lines.lines().count() == 1,
    };
    assert!(is_as_wanted, "{name}: want {want:?}, broken:\n{lines}");
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn lock(root: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(["generate-lockfile", "--offline", "--quiet"])
        .current_dir(root)
        .status()
        .unwrap();
    assert!(done.success(), "the sample is no workspace");
}
