//! Where results and complaints go.

use super::failure::Failure;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a result was printed on stdout.
static HAS_SHOWN: AtomicBool = AtomicBool::new(false);

/// Results on stdout: JSON for machines, text for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: `value`, or `text` of it.
    pub(crate) fn show(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let shown = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            text()
        };
        print(io::stdout().lock(), &shown);
        HAS_SHOWN.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Prints a failure: on stderr for people, and for machines where they look.
    pub(crate) fn fail(self, failure: &Failure) {
        // One document on stdout: a result that was shown says itself what is wrong.
        if self.json && !HAS_SHOWN.load(Ordering::Relaxed) {
            let object = serde_json::json!({
                "error": { "message": failure.message(), "hint": failure.advice() },
            });
            print(io::stdout().lock(), &object.to_string());
        }
        note(&format!("error: {}", failure.message()));
        if let Some(advice) = failure.advice() {
            note(&format!("hint: {advice}"));
        }
    }
}

/// Prints one line for people on stderr.
pub(crate) fn note(line: &str) {
    print(io::stderr().lock(), line);
}

/// Whoever read our output may have gone; that is no failure of ours.
fn print(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}
