//! How long freed memory is kept before the system gets it back.
//!
//! A backlog frees and takes the same hundreds of megabytes again every few seconds. Memory that
//! went back meanwhile is cleared by the kernel page by page when it is taken again, a twentieth
//! of all work of an import.
#![allow(unsafe_code)]

use libmimalloc_sys::{mi_option_get, mi_option_set_default, mi_option_t};
use std::ffi::c_long;

/// Freed memory is kept so long, in milliseconds: as long as state waits for a flush under load.
const KEPT_MS: c_long = 10_000;
/// `mi_option_purge_delay` in `mimalloc.h`, of versions 2 and 3.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed memory for ten seconds, unless the environment says otherwise
/// (`MIMALLOC_PURGE_DELAY`, in milliseconds). To be called once, before there are other threads.
pub fn keep_freed() {
    // SAFETY: both only read and write a number in the allocator, which asks for no more than
    // that nobody does so at the same time: no other thread has begun.
    unsafe {
        // Asked for first, an option that the environment sets is set.
        mi_option_get(PURGE_DELAY);
        mi_option_set_default(PURGE_DELAY, KEPT_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

    fn delay() -> c_long {
        // SAFETY: it reads a number, in a process of its own.
        unsafe { mi_option_get(PURGE_DELAY) }
    }

    /// Run by the other test in processes of its own.
    #[test]
    #[ignore = "tells what it finds"]
    fn what_is_kept() {
        println!("before {}", delay());
        keep_freed();
        println!("after {}", delay());
    }

    fn in_a_process(environment: Option<&str>) -> (c_long, c_long) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "allocator::tests::what_is_kept"]);
        child.args(["--ignored", "--nocapture", "--test-threads=1"]);
        child.env_remove(VARIABLE);
        child.envs(environment.map(|value| (VARIABLE, value)));
        let said = String::from_utf8(child.output().unwrap().stdout).unwrap();
        let number = |name: &str| {
            let (_, rest) = said.split_once(name).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        (number("before "), number("after "))
    }

    /// That the environment moves it shows that the number is that of the right option.
    #[test]
    fn freed_memory_is_kept_unless_the_environment_says_otherwise() {
        assert_eq!(in_a_process(None).1, KEPT_MS);
        assert_eq!(in_a_process(Some("123")), (123, 123));
    }
}
