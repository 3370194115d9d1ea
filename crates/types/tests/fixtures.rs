//! Every stored form ever written decodes for ever.
//!
//! `fixtures/<name>_<version>.bin` holds values in their stored form, each after its length as
//! four bytes, least significant first. A file is written once and never changed.
//!
//! To add a form: write its values below, list the file in `fixtures!` and in
//! `xtask/allowed.toml`, and run
//! `cargo test -p vitrina-types --test fixtures -- --ignored write_missing_fixtures`.
//!
//! To add a version: raise `VERSION`, let `decode_old` read the one before, move that one's line
//! in `fixtures!` from `now` to `old` (its values are what the old bytes mean now), and add a
//! line for the new file.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod values {
    pub(crate) mod catalogue;
    pub(crate) mod records;
    pub(crate) mod states;
}

use std::path::PathBuf;
use values::{catalogue, records, states};
use vitrina_types::stored::{self, Stored};

/// Whether a version is written now, or only read.
#[derive(PartialEq)]
enum Age {
    Now,
    #[allow(dead_code, reason = "there is no old version yet")]
    Old,
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", file]
        .iter()
        .collect()
}

fn framed<T: Stored>(values: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        let bytes = stored::encode(value);
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&bytes);
    }
    out
}

fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        frames.push(frame);
        bytes = rest;
    }
    frames
}

#[allow(clippy::disallowed_methods, reason = "a test reads its files")]
fn check<T: Stored + PartialEq + std::fmt::Debug>(file: &str, age: Age, want: &[T]) {
    let bytes = std::fs::read(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let got: Vec<T> = frames(&bytes)
        .into_iter()
        .map(|frame| stored::decode(frame).unwrap_or_else(|error| panic!("{file}: {error}")))
        .collect();
    assert_eq!(got, want, "{file} means something else now");
    if age == Age::Now {
        let same = framed(want) == bytes;
        assert!(
            same,
            "{file}: the form changed; raise VERSION and add a file"
        );
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that writes them")]
fn write_missing<T: Stored>(file: &str, values: &[T]) {
    if !path(file).exists() {
        std::fs::write(path(file), framed(values)).unwrap();
    }
}

macro_rules! fixtures {
    ($($test:ident, $file:literal, $age:ident, $values:expr;)+) => {
        $(
            #[test]
            fn $test() {
                check($file, Age::$age, &$values);
            }
        )+

        #[test]
        #[ignore = "writes files"]
        fn write_missing_fixtures() {
            $(if Age::$age == Age::Now { write_missing($file, &$values); })+
        }
    };
}

fixtures! {
    user_envelope_1,    "user_envelope_1.bin",    Now, records::user_envelopes();
    product_envelope_1, "product_envelope_1.bin", Now, records::product_envelopes();
    dead_letter_1,      "dead_letter_1.bin",      Now, records::dead_letters();
    impression_1,       "impression_1.bin",       Now, catalogue::impressions();
    product_1,          "product_1.bin",          Now, catalogue::products();
    ban_1,              "ban_1.bin",              Now, catalogue::bans();
    user_state_1,       "user_state_1.bin",       Now, states::user_states();
    user_value_1,       "user_value_1.bin",       Now, states::user_values();
    product_value_1,    "product_value_1.bin",    Now, states::product_values();
    task_state_1,       "task_state_1.bin",       Now, states::task_states();
}
