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
//!
//! To add a variant at the end of an enum, which changes no version: its values go into a file of
//! their own, `fixtures/<name>_<version>_<what>.bin`.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod values {
    pub(crate) mod answers;
    pub(crate) mod catalogue;
    pub(crate) mod open;
    pub(crate) mod records;
    pub(crate) mod rows;
    pub(crate) mod shown;
    pub(crate) mod states;
}

use std::path::PathBuf;
use values::{answers, catalogue, open, records, rows, shown, states};
use vitrina_types::answer::Impression;
use vitrina_types::record::ProductEnvelope;
use vitrina_types::state::TaskState;
use vitrina_types::stored::{self, Stored};

/// Whether a version is written now, or only read.
#[derive(PartialEq)]
enum Age {
    Now,
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
    product_envelope_1, "product_envelope_1.bin", Old, records::product_envelopes_1();
    product_envelope_2, "product_envelope_2.bin", Now, records::product_envelopes();
    slate_envelope_1,   "slate_envelope_1.bin",   Now, shown::slate_envelopes();
    row_envelope_1,     "row_envelope_1.bin",     Now, rows::row_envelopes();
    shop_envelope_1,    "shop_envelope_1.bin",    Now, records::shop_envelopes();
    dead_letter_1,      "dead_letter_1.bin",      Now, records::dead_letters();
    window_row_1,       "window_row_1.bin",       Now, rows::window_rows();
    late_event_1,       "late_event_1.bin",       Now, rows::late_events();
    impression_1,       "impression_1.bin",       Old, answers::impressions_1();
    impression_2,       "impression_2.bin",       Now, answers::impressions();
    request_1,          "request_1.bin",          Now, answers::requests();
    product_1,          "product_1.bin",          Now, catalogue::products();
    ban_1,              "ban_1.bin",              Now, catalogue::bans();
    filtered_1,         "filtered_1.bin",         Now, catalogue::filtered();
    user_state_1,       "user_state_1.bin",       Now, states::user_states();
    user_value_1,       "user_value_1.bin",       Now, states::user_values();
    expiry_days_1,      "expiry_days_1.bin",      Now, states::expiry_days();
    product_value_1,    "product_value_1.bin",    Now, states::product_values();
    slate_value_1,      "slate_value_1.bin",      Now, shown::slate_values();
    gather_state_1,     "gather_state_1.bin",     Now, open::gather_states();
    partial_cell_1,     "partial_cell_1.bin",     Now, open::partial_cells();
    row_cell_1,         "row_cell_1.bin",         Now, open::row_cells();
    open_sessions_1,    "open_sessions_1.bin",    Now, open::open_sessions();
    task_state_1,       "task_state_1.bin",       Old, states::task_states_1();
    task_state_2,       "task_state_2.bin",       Now, states::task_states();

    // Variants that came later.
    ban_1_text,         "ban_1_text.bin",         Now, catalogue::text_bans();
    user_envelope_1_continue, "user_envelope_1_continue.bin", Now, records::user_continues();
    user_envelope_1_home, "user_envelope_1_home.bin", Now, records::user_homecomers();
    user_envelope_1_buckets, "user_envelope_1_buckets.bin", Now, records::user_buckets();
}

/// A version never written, and a version 1 that is cut short or too long, are errors.
#[test]
fn an_old_form_is_read_to_its_end() {
    fn check<T: Stored + std::fmt::Debug>(file: &str) {
        #[allow(clippy::disallowed_methods, reason = "a test reads its files")]
        let bytes = std::fs::read(path(file)).unwrap();
        for frame in frames(&bytes) {
            let long = [frame, &[0]].concat();
            let never = [&[0], &frame[1..]].concat();
            for wrong in [&frame[..frame.len() - 1], &long, &never] {
                assert!(stored::decode::<T>(wrong).is_err(), "{file}");
            }
        }
    }
    check::<ProductEnvelope>("product_envelope_1.bin");
    check::<Impression>("impression_1.bin");
    check::<TaskState>("task_state_1.bin");
}
