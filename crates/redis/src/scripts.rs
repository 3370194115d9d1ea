//! The scripts that run inside Redis, each atomic.

use redis::Script;

/// The scripts, with the hashes that Redis knows them by.
pub(crate) struct Scripts {
    pub(crate) commit: Code,
    pub(crate) scan: Code,
}

/// One script.
pub(crate) struct Code {
    pub(crate) text: &'static str,
    pub(crate) hash: String,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            commit: Code::new(include_str!("commit.lua")),
            scan: Code::new(include_str!("scan.lua")),
        }
    }
}

impl Code {
    fn new(text: &'static str) -> Self {
        let hash = Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }
}
