//! Rules over files and what is written in them.

use crate::sample::{Edit, breaks, engine};

const LIB: &str = "crates/engine/src/lib.rs";

/// Each case is a body of the engine's `lib.rs` below its header, and what it breaks there.
#[track_caller]
fn each_breaks(cases: &[(&str, &str, &str)]) {
    for (name, code, want) in cases {
        let want = if want.is_empty() {
            String::new()
        } else {
            format!("{LIB}:{want}")
        };
        breaks(name, &engine(format!("//! Engine.\n{code}\n")), &want);
    }
}

#[test]
fn the_sample_is_tidy() {
    breaks("untouched", &[], "");
}

#[test]
fn lengths() {
    let file = |lines: usize| engine(format!("//! Engine.\n{}", "//\n".repeat(lines - 1)));
    breaks("file of 500 lines", &file(500), "");
    breaks(
        "file of 501 lines",
        &file(501),
        &format!("{LIB}:501: file-length: 501 lines"),
    );

    let body = |lines: usize| format!("{{\n{}}}", "//\n".repeat(lines - 2));
    #[rustfmt::skip]
    let cases = [
        ("free",           "fn f()",                  "",   "2: fn-length: f has 71 lines"),
        ("method",         "impl A { fn f()",         "}",  "2: fn-length: f has 71 lines"),
        ("trait method",   "trait A { fn f()",        "}",  "2: fn-length: f has 71 lines"),
        ("nested",         "mod a { fn f()",          "}",  "2: fn-length: f has 71 lines"),
        ("in a macro",     "laws! { fn f(a in 0..9)", "}",  "2: fn-length: f has 71 lines"),
    ];
    for (name, before, after, want) in cases {
        let code = |lines| engine(format!("//! Engine.\n{before} {}{after}\n", body(lines)));
        breaks(&format!("{name}, 70 lines"), &code(70), "");
        breaks(
            &format!("{name}, 71 lines"),
            &code(71),
            &format!("{LIB}:{want}"),
        );
    }
}

#[test]
fn headers_and_syntax() {
    breaks(
        "no header",
        &engine("fn f() {}\n"),
        &format!("{LIB}:1: header: "),
    );
    breaks("empty", &engine(""), &format!("{LIB}:1: header: "));
    breaks(
        "a late header",
        &engine("\n//! Engine.\n"),
        &format!("{LIB}:1: header: "),
    );
    breaks(
        "no Rust",
        &engine("//! Engine.\nfn f(\n"),
        &format!("{LIB}:2: syntax: "),
    );
}

#[test]
fn panicking_calls() {
    #[rustfmt::skip]
    each_breaks(&[
        ("unwrap",             "fn f() { a().unwrap(); }",                        "2: panic"),
        ("expect",             "fn f() { a().expect(\"a\"); }",                   "2: panic"),
        ("below others",       "fn f() {\nif a { b(|c| c.unwrap()) } }",          "3: panic"),
        ("as a path",          "fn f() { a().map(Option::unwrap); }",             "2: panic"),
        ("in a macro",         "fn f() { vec![\na.unwrap()]; }",                  "3: panic"),
        ("in a definition",    "macro_rules! m { ($a:expr) => { $a.unwrap() } }", "2: panic"),
        ("in an initialiser",  "static A: u8 = a().unwrap();",                    "2: panic"),
        ("not(test)",          "#[cfg(not(test))] fn f() { a().unwrap(); }",      "2: panic"),
        ("any(test, …)",       "#[cfg(any(test, unix))] fn f() { a().unwrap(); }", "2: panic"),
        ("after a test",       "#[cfg(test)] mod a {} fn f() { a().unwrap(); }",  "2: panic"),
        ("unwrap_or",          "fn f() { a().unwrap_or(1); }",                    ""),
        ("in words",           "// unwrap()\nfn f() { a(\".unwrap()\"); }",       ""),
        ("in a test module",   "#[cfg(test)] mod a { fn f() { a().unwrap(); } }", ""),
        ("in all(test, …)",    "#[cfg(all(test, unix))] fn f() { a().unwrap(); }", ""),
        ("in a test",          "#[test] fn f() { a().unwrap(); }",                ""),
        ("in an async test",   "#[tokio::test(flavor = \"a\")] async fn f() { a().unwrap(); }", ""),
        ("in a test's macro",  "#[cfg(test)] mod a { laws! { fn f() { a.unwrap() } } }", ""),
    ]);
}

#[test]
fn unfinished_code() {
    #[rustfmt::skip]
    each_breaks(&[
        ("todo",            "fn f() { todo!() }",                       "2: unfinished"),
        ("unimplemented",   "fn f() { unimplemented!(\"later\") }",     "2: unfinished"),
        ("dbg",             "fn f() { let a = dbg!(1); }",              "2: unfinished"),
        ("in a macro",      "fn f() { vec![dbg!(1)]; }",                "2: unfinished"),
        ("by its path",     "fn f() { std::todo!() }",                  "2: unfinished"),
        ("in a test",       "#[test] fn f() { todo!() }",               ""),
    ]);
}

#[test]
fn files_of_tests() {
    let code = "//! Cases.\nfn f() { a().unwrap(); todo!() }\n";
    let with = |path: &'static str, declared: &str| {
        let mut edits = engine(format!("//! Engine.\n{declared}\n"));
        edits.push(Edit::Write(path, code.to_owned()));
        edits
    };
    let (panic, declared) = (":2: panic", "#[cfg(test)] mod cases;");
    breaks("tests/", &with("crates/engine/tests/all.rs", ""), "");
    breaks("benches/", &with("crates/engine/benches/all.rs", ""), "");
    breaks(
        "test module",
        &with("crates/engine/src/cases.rs", declared),
        "",
    );
    breaks(
        "below it",
        &with("crates/engine/src/cases/a.rs", declared),
        "",
    );
    // The other module has the same beginning, but is none of the tests.
    let edits = with("crates/engine/src/cases_more.rs", declared);
    let text = "//! More.\nfn f() { a().unwrap(); }\n".to_owned();
    let more = Edit::Write("crates/engine/src/cases_more.rs", text);
    let edits: Vec<Edit<'_>> = edits.into_iter().chain([more]).collect();
    breaks(
        "beside it",
        &edits,
        &format!("crates/engine/src/cases_more.rs{panic}"),
    );
}

#[test]
fn names() {
    #[rustfmt::skip]
    each_breaks(&[
        ("struct",            "struct StateManager;",       "2: name: \"manager\""),
        ("enum",              "enum Helper {}",             "2: name: \"helper\""),
        ("trait",             "trait EventHandler {}",      "2: name: \"handler\""),
        ("type",              "type Info = u8;",            "2: name: \"info\""),
        ("module",            "mod time_utils {}",          "2: name: \"utils\""),
        ("in tests",          "#[cfg(test)] mod common {}", "2: name: \"common\""),
        ("data alone",        "struct Data;",               "2: name: \"data\""),
        ("processor alone",   "struct Processor;",          "2: name: \"processor\""),
        ("data, qualified",   "struct TrainingData;",       ""),
        ("part of a word",    "struct Information;",        ""),
        ("a function",        "fn handler() {}",            ""),
    ]);
    let path = "crates/engine/src/utils.rs";
    breaks(
        "file",
        &[Edit::Write(path, "//! A.\n".into())],
        &format!("{path}:1: name: "),
    );
    let path = "crates/engine/tests/common/mod.rs";
    breaks(
        "folder",
        &[Edit::Write(path, "//! A.\n".into())],
        &format!("{path}:1: name: "),
    );
}

#[test]
fn paths_of_one_machine() {
    // Put together here, because the rule reads this file too.
    for root in ["work", "root", "home"] {
        let path = format!("/{root}/somebody/project");
        #[rustfmt::skip]
        let cases = [
            ("bare",          path.clone(),               true),
            ("quoted",        format!("cd \"{path}\""),   true),
            ("a URL",         format!("file://{path}"),   true),
            ("relative",      format!("some{path}"),      false),
            ("below a home",  format!("~{path}"),         false),
            ("in a variable", format!("$DIR{path}"),      false),
        ];
        for (name, line, is_broken) in cases {
            let want = if is_broken {
                "docs/a.md:2: machine-path"
            } else {
                ""
            };
            breaks(
                name,
                &[Edit::Write("docs/a.md", format!("# A\n{line}\n"))],
                want,
            );
        }
    }
    let ignored = format!("/{}/somebody\n", "root");
    let edits = [
        Edit::Write(".gitignore", "*.log\n".into()),
        Edit::Write("a.log", ignored.clone()),
        Edit::Write("target/a.md", ignored),
    ];
    breaks("files that are not tracked", &edits, "");
}
