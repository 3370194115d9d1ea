//! Progress on stderr, for people only: nothing is drawn where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often a bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// A progress bar over bytes.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar for `bytes` of work.
    pub(crate) fn over_bytes(name: &str, bytes: u64) -> Self {
        Self::new(
            name,
            bytes,
            "{prefix} [{bar:30}] {bytes}/{total_bytes} · {msg} · {elapsed}, {eta} to go",
        )
    }

    /// A bar for `count` things.
    pub(crate) fn over_count(name: &str, count: u64) -> Self {
        Self::new(name, count, "{prefix} [{bar:20}] {pos}/{len} · {msg}")
    }

    fn new(name: &str, length: u64, template: &str) -> Self {
        let bar = ProgressBar::new(length);
        // The templates above are fixed and valid; a plain bar is the worst that can come.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(DRAW_EVERY);
        Self(bar)
    }

    /// Moves the bar.
    pub(crate) fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Says something beside the bar.
    pub(crate) fn say(&self, text: String) {
        self.0.set_message(text);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
