//! Rules against the closed lists: crates, dependencies, licences, purity, unsafe, stored forms.

use crate::sample::{Edit, breaks, broken};

const ALLOWED: &str = "xtask/allowed.toml";
const ENGINE: &str = "crates/engine/Cargo.toml";
const TYPES: &str = "crates/types/Cargo.toml";

/// Each case changes one file and breaks one rule.
#[track_caller]
fn each_breaks(cases: Vec<(&str, Edit<'_>, &str)>) {
    for (name, edit, want) in cases {
        breaks(name, &[edit], want);
    }
}

#[test]
fn arrows_and_dependencies() {
    use Edit::Replace;
    let types = "[dependencies]\n";
    let upward = "[dev-dependencies]\nvitrina-engine = { path = \"../engine\" }\n[dependencies]\n";
    let outside = "[dependencies]\noutside = { path = \"../../vendor/outside\" }\n";
    let build =
        "[build-dependencies]\noutside = { path = \"../../vendor/outside\" }\n[dependencies]\n";
    #[rustfmt::skip]
    each_breaks(vec![
        ("arrow not listed", Replace(ALLOWED, "sees = [\"types\"]\n", ""),
            "crates/engine/Cargo.toml:11: arrow: engine may not see vitrina-types; if it should, \
             write in xtask/allowed.toml under [crate.engine]: sees = [\"types\"]"),
        ("arrow of tests", Replace(TYPES, types, upward),
            "crates/types/Cargo.toml:11: arrow: types may not see vitrina-engine; if it should, \
             write in xtask/allowed.toml under [crate.types]: sees_in_tests = [\"engine\"]"),
        ("outside package", Replace(ENGINE, types, outside),
            "crates/engine/Cargo.toml:11: dependency: engine may not see outside; if it should, \
             write in xtask/allowed.toml under [crate.engine]: deps = [\"outside\"]"),
        ("of the build script", Replace(ENGINE, types, build),
            "crates/engine/Cargo.toml:11: dependency: engine may not see outside; if it should, \
             write in xtask/allowed.toml under [crate.engine]: deps = [\"outside\"]"),
        ("of tests", Replace(ALLOWED, "dev = [\"outside\"]\n", ""),
            "crates/engine/Cargo.toml:14: dependency: engine may not see outside; if it should, \
             write in xtask/allowed.toml under [crate.engine]: dev = [\"outside\"]"),
    ]);
}

#[test]
fn a_crate_that_is_not_listed() {
    let edits = [
        Edit::Write(
            "crates/new/Cargo.toml",
            "[package]\nname = \"vitrina-new\"\nlicense = \"MIT\"\n[lints]\nworkspace = true\n"
                .into(),
        ),
        Edit::Write("crates/new/src/lib.rs", "//! New.\n".into()),
    ];
    breaks(
        "new crate",
        &edits,
        "crates/new/Cargo.toml:1: crate: new is not listed; write in",
    );
}

#[test]
fn entries_nobody_needs() {
    use Edit::Replace;
    #[rustfmt::skip]
    each_breaks(vec![
        ("crate", Replace(ALLOWED, "[[unsafe]]", "[crate.gone]\n\n[[unsafe]]"),
            "xtask/allowed.toml:9: unused-entry: there is no crate gone"),
        ("sees", Replace(ALLOWED, "pure = true", "pure = true\nsees = [\"engine\"]"),
            "xtask/allowed.toml:3: unused-entry: types does not have engine among its sees"),
        ("sees_in_tests", Replace(ALLOWED, "pure = true", "pure = true\nsees_in_tests = [\"engine\"]"),
            "xtask/allowed.toml:3: unused-entry: types does not have engine among its sees_in_tests"),
        ("deps", Replace(ALLOWED, "deps = [\"outside\"]", "deps = [\n\"outside\",\n\"serde\",\n]"),
            "xtask/allowed.toml:5: unused-entry: types does not have serde among its deps"),
        ("dev", Replace(ALLOWED, "dev = [\"outside\"]", "dev = [\"outside\", \"serde\"]"),
            "xtask/allowed.toml:7: unused-entry: engine does not have serde among its dev"),
        ("unsafe", Replace("crates/engine/src/raw.rs", "unsafe ", ""),
            "xtask/allowed.toml:9: unused-entry: crates/engine/src/raw.rs has no unsafe code"),
        ("stored form", Replace("crates/types/src/lib.rs", "impl Stored", "impl Other"),
            "xtask/allowed.toml:14: unused-entry: nothing has the stored form Envelope"),
        ("stored form without the trait", Replace(ALLOWED, "versions = 1", "versions = 1\nfile = \"a.rs\""),
            "xtask/allowed.toml:14: unused-entry: nothing has the stored form Envelope"),
    ]);
}

#[test]
fn lints_are_inherited() {
    use Edit::Replace;
    #[rustfmt::skip]
    each_breaks(vec![
        ("no table", Replace(ENGINE, "[lints]\nworkspace = true\n", ""),
            "crates/engine/Cargo.toml:1: lints: does not inherit"),
        ("own lints", Replace(ENGINE, "[lints]\nworkspace = true\n", "[lints.rust]\nunused = \"warn\"\n"),
            "crates/engine/Cargo.toml:1: lints: does not inherit"),
        ("docs only warned of", Replace("Cargo.toml", "\"deny\"", "\"warn\""),
            "Cargo.toml:1: lints: does not deny missing_docs"),
        ("docs not mentioned", Replace("Cargo.toml", "missing_docs", "unused"),
            "Cargo.toml:1: lints: does not deny missing_docs"),
    ]);
}

#[test]
fn licences() {
    let outside = "vendor/outside/Cargo.toml";
    let refused = "Cargo.lock:6: licence: outside is under ";
    #[rustfmt::skip]
    each_breaks(vec![
        ("copyleft", Edit::Replace(outside, "\"MIT\"", "\"GPL-3.0-only\""), refused),
        ("both",     Edit::Replace(outside, "\"MIT\"", "\"MIT AND GPL-3.0-only\""), refused),
        ("none",     Edit::Replace(outside, "license = \"MIT\"", ""), refused),
        ("a choice", Edit::Replace(outside, "\"MIT\"", "\"GPL-3.0-only OR MIT\""), ""),
    ]);
}

#[test]
fn pure_crates() {
    use Edit::{Delete, Replace, Write};
    let (clippy, lib) = ("crates/types/clippy.toml", "crates/types/src/late.rs");
    let code = |code: &str| Write(lib, format!("//! Late.\n{code}\n"));
    #[rustfmt::skip]
    each_breaks(vec![
        ("no file", Delete(clippy),
            "crates/types/clippy.toml:1: pure: a pure crate needs this file"),
        ("no TOML", Write(clippy, "=\n".into()),
            "crates/types/clippy.toml:1: pure: "),
        ("async fn", code("async fn f() {}"), "crates/types/src/late.rs:2: pure: async"),
        ("async block", code("fn f() { async {}; }"), "crates/types/src/late.rs:2: pure: async"),
        ("await in a macro", code("m! { a.await }"), "crates/types/src/late.rs:2: pure: await"),
        ("a word", code("// async\nfn asynchronous() {}"), ""),
        ("async elsewhere", Write("crates/engine/src/a.rs", "//! A.\nasync fn f() {}\n".into()), ""),
    ]);
    let clippy_text = broken(&[Write(clippy, String::new())]);
    assert_eq!(
        clippy_text.lines().count(),
        15,
        "each ban is missed:\n{clippy_text}"
    );
    for line in clippy_text.lines() {
        let banned = line
            .split_whitespace()
            .nth(5)
            .unwrap()
            .trim_end_matches(';');
        let quoted = format!("\"{banned}\"");
        let want = format!(": pure: does not ban {banned}; add it to disallowed-");
        let lines = broken(&[Replace(clippy, &quoted, "\"std::other\"")]);
        assert!(
            lines.contains(&want) && lines.lines().count() == 1,
            "{banned}:\n{lines}"
        );
    }
}

#[test]
fn unsafe_code() {
    use Edit::{Replace, Write};
    let path = "crates/engine/src/lib.rs";
    let code = |code: &str| Write(path, format!("//! Engine.\n{code}\n"));
    let want = "crates/engine/src/lib.rs:2: unsafe: ";
    #[rustfmt::skip]
    each_breaks(vec![
        ("block", code("fn f() { unsafe { a() } }"), want),
        ("function", code("unsafe fn f() {}"), want),
        ("impl", code("unsafe impl Send for A {}"), want),
        ("attribute", code("#[unsafe(no_mangle)] fn f() {}"), want),
        ("macro", code("m! { unsafe { a() } }"), want),
        ("in tests", code("#[test] fn f() { unsafe { a() } }"), want),
        ("a word", code("// unsafe\nconst A: &str = \"unsafe\";"), ""),
        ("no reason", Replace(ALLOWED, "\"speed\"", "\" \""), "xtask/allowed.toml:9: unsafe: "),
        ("no twin", Replace(ALLOWED, "\"slow\"", "\"\""), "xtask/allowed.toml:9: unsafe: "),
    ]);
}

#[test]
fn stored_forms() {
    use Edit::{Delete, Replace, Write};
    let lib = "crates/types/src/lib.rs";
    let other = "//! O.\nimpl crate::Stored for Other {\n const VERSION: u8 = 2;\n}\n";
    let in_tests = "//! O.\n#[cfg(test)]\nmod tests {\nimpl Stored for Other {}\n}\n";
    let listed = "crates/types/src/lib.rs:2: stored-form: ";
    #[rustfmt::skip]
    each_breaks(vec![
        ("not listed", Write("crates/engine/src/o.rs", other.into()),
            "crates/engine/src/o.rs:2: stored-form: Other is not listed; write in xtask/allowed.toml: \
             [[stored_form]] name = \"Other\" versions = 2"),
        ("in tests", Write("crates/engine/src/o.rs", in_tests.into()), ""),
        ("newer than listed", Replace(lib, "u8 = 1", "u8 = 2"),
            &format!("{listed}Envelope writes version 2")),
        ("not a literal", Replace(lib, "u8 = 1", "u8 = NOW"),
            &format!("{listed}VERSION of Envelope is not a literal")),
        ("no file", Delete("crates/types/fixtures/envelope_1.bin"),
            "xtask/allowed.toml:14: stored-form: Envelope has no file crates/types/fixtures/envelope_1.bin"),
        ("too few", Replace(ALLOWED, "[\"crates/types/fixtures/envelope_1.bin\"]", "[]"),
            "xtask/allowed.toml:14: stored-form: Envelope has 0 fixtures for 1 versions"),
    ]);
}

#[test]
fn lists_with_unknown_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("xtask")).unwrap();
    let path = folder.path().join(ALLOWED);
    for (name, text) in [("table", "[crates.a]\n"), ("key", "[crate.a]\nsee = []\n")] {
        std::fs::write(&path, text).unwrap();
        assert!(xtask::tidy(folder.path()).is_err(), "{name}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(xtask::tidy(folder.path()).is_err(), "no lists at all");
}
