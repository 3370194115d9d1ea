//! The command line: what it prints, where, and with which exit code.

use crate::support::{Launcher, Server, run};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const HEADER: &str =
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";

/// A REES46 file with `rows` good rows; the products are numbered.
fn events(rows: usize) -> String {
    let row = |n: usize| {
        let (second, product, user) = (n % 60, n % 17, n % 5);
        format!("2019-10-01 00:00:{second:02} UTC,view,p{product},1,a.b,acme,9.5,u{user},s{user}\n")
    };
    HEADER.to_owned() + &(0..rows).map(row).collect::<String>()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!(
            "{error}: {} / {stderr}",
            String::from_utf8_lossy(&output.stdout)
        )
    })
}

/// Runs `vitrina ARGS… --data-dir DIR --json`; it must end well.
fn good(directory: &Path, args: &[&str]) -> Value {
    let output = any(directory, args);
    assert!(output.status.success(), "{args:?}: {}", json(&output));
    json(&output)
}

fn any(directory: &Path, args: &[&str]) -> Output {
    let directory = directory.to_str().unwrap();
    run(&[args, &["--data-dir", directory, "--json"]].concat())
}

fn with_environment(name: &str, value: &str, args: &[&str]) -> Output {
    let launcher = Launcher {
        environment: vec![(name.to_owned(), value.to_owned())],
        ..Launcher::default()
    };
    launcher.run(args)
}

#[test]
fn wrong_use_is_2_and_says_what_to_do() {
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["serve", "--listen", "0.0.0.0:0"],   "--insecure"),
        (&["serve", "--role", "stream"],        "kafka://HOST:PORT"),
        (&["serve", "--role", "train"],         "say all, api, stream or relay"),
        (&["sell"],                             "unrecognized subcommand"),
        (&["recommend", "u", "--limit", "0"],   "1..=200"),
        (&["config", "show", "--config", "x"],  "no configuration file x"),
    ];
    for (args, said) in cases {
        let output = run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn the_environment_is_read_and_secrets_are_not_shown() {
    let show: &[&str] = &["config", "show", "--json"];
    let output = with_environment("VITRINA_LIMITS__REQUEST_TIMEOUT_MS", "700", show);
    let shown = json(&output);
    let shown = shown.as_array().unwrap();
    let one = shown
        .iter()
        .find(|one| one["key"] == "limits.request_timeout_ms")
        .unwrap();
    assert_eq!(
        (one["value"].as_u64(), one["from"].as_str()),
        (Some(700), Some("environment"))
    );

    let output = with_environment(
        "VITRINA_API_KEYS",
        "[\"one-long-key\", \"two-long-key\"]",
        show,
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("(2 set, not shown)") && !text.contains("long-key"),
        "{text}"
    );

    let output = with_environment("VITRINA_LISEN", "x", show);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("did you mean \"listen\"?"), "{stderr}");
}

#[test]
fn an_adapter_that_is_not_here_is_named() {
    let output = with_environment(
        "VITRINA_LOG",
        "kafka://broker:9092",
        &["serve", "--listen", "127.0.0.1:0"],
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let said = match cfg!(feature = "cluster") {
        true => "state = \"embedded:\" does not go with the other stores",
        false => {
            "log = \"kafka://broker:9092\": this binary was built without the feature `cluster`"
        }
    };
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn a_command_that_reads_does_not_begin_a_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let absent = scratch.path().join("absent");
    for args in [
        &["recommend", "u"][..],
        &["status"],
        &["product", "get", "p"],
        &["backup", "b"],
    ] {
        let output = any(&absent, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let message = json(&output)["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            message.contains("there is no data in"),
            "{args:?}: {message}"
        );
    }
    assert!(!absent.exists());
}

#[test]
fn a_file_counts_once_however_often_it_is_imported() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, file) = (
        scratch.path().join("data"),
        scratch.path().join("events.csv"),
    );
    let bad = "junk\n2019-10-01 00:00:00 UTC,view,p1,1,a.b,acme,NaN,u1,s\n2019-10-01 00:00:00 UTC,like,p1,1,a.b,acme,1,u1,s\n";
    std::fs::write(&file, events(5_000) + bad).unwrap();
    let import: &[&str] = &["import", "events", file.to_str().unwrap()];
    let first = good(&data, import);
    assert_eq!(
        (first["read"].as_u64(), first["accepted"].as_u64()),
        (Some(5_003), Some(5_000))
    );
    for code in ["wrong_field_count", "invalid_type", "unknown_event_type"] {
        assert_eq!(first["rejected"][code]["count"], 1, "{code}: {first}");
    }
    let second = good(&data, import);
    assert_eq!(
        (second["read"].as_u64(), &second["resumed_from"]),
        (Some(0), &first["position"])
    );

    let letters = good(&data, &["dead-letters", "list"]);
    let letters = letters["dead_letters"].as_array().unwrap();
    let inputs: Vec<_> = letters
        .iter()
        .map(|letter| letter["bytes"].as_str().unwrap())
        .collect();
    let want: Vec<_> = bad.lines().rev().collect();
    assert_eq!(inputs, want);

    let server = Server::start(&data);
    let third = good(&data, import);
    assert_eq!(third["read"], 0, "a running server knows it too");
    server.stop();
}

#[test]
fn a_file_goes_to_the_server_that_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, file) = (
        scratch.path().join("data"),
        scratch.path().join("events.csv"),
    );
    std::fs::write(&file, events(3_000) + "junk\n").unwrap();
    let server = Server::start(&data);
    let address: Value =
        serde_json::from_slice(&std::fs::read(data.join("server.json")).unwrap()).unwrap();
    assert_eq!(address["url"], format!("http://{}", server.host));

    let report = good(&data, &["import", "events", file.to_str().unwrap()]);
    assert_eq!(
        (report["accepted"].as_u64(), report["read"].as_u64()),
        (Some(3_000), Some(3_001))
    );
    assert_eq!(
        report["rejected"]["wrong_field_count"]["count"], 1,
        "named by us, not by the server"
    );
    let status = good(&data, &["status"]);
    assert_eq!(status["accepted"], 3_000);
    assert_eq!(status["server"], address["url"]);

    let held = any(&data, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(held.status.code(), Some(1));
    let backup = any(&data, &["backup", "b"]);
    assert!(
        json(&backup)["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("stop it"),
        "{backup:?}"
    );

    server.stop();
    assert!(!data.join("server.json").exists());
    assert!(good(&data, &["status"])["server"].is_null());
}

#[test]
fn products_bans_and_answers_without_a_server() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let products = scratch.path().join("products.jsonl");
    let line =
        |n: u32| format!("{{\"product_id\":\"p{n}\",\"title\":\"Product {n}\",\"price\":{n}}}\n");
    let lines: String = (0..30).map(line).collect();
    std::fs::write(&products, lines + "{\"title\":\"no id\"}\n").unwrap();
    let report = good(&data, &["import", "products", products.to_str().unwrap()]);
    assert_eq!(report["accepted"], 30);
    assert_eq!(report["rejected"]["missing_field"]["count"], 1);
    assert_eq!(good(&data, &["product", "get", "p7"])["title"], "Product 7");

    let shown = |args: &[&str]| -> Vec<String> {
        let answer = good(
            &data,
            &[&["recommend", "nobody", "--limit", "50"], args].concat(),
        );
        let items = answer["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["product_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(shown(&[]).contains(&"p7".to_owned()));
    let cheap = shown(&["--max-price", "3"]);
    assert!(
        !cheap.is_empty()
            && cheap
                .iter()
                .all(|id| ["p0", "p1", "p2", "p3"].contains(&&**id))
    );

    good(
        &data,
        &["ban", "add", "--product-id", "p7", "--reason", "recalled"],
    );
    assert!(!shown(&[]).contains(&"p7".to_owned()));
    assert_eq!(
        good(&data, &["ban", "list"])["bans"][0]["ban_id"],
        "product:p7"
    );
    good(&data, &["ban", "remove", "--product-id", "p7"]);
    assert!(shown(&[]).contains(&"p7".to_owned()));
}

#[test]
fn a_backup_comes_back_and_a_damaged_one_does_not() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    std::fs::write(at("events.csv"), events(500)).unwrap();
    good(
        &at("data"),
        &["import", "events", at("events.csv").to_str().unwrap()],
    );
    let backup = at("backup");
    good(&at("data"), &["backup", backup.to_str().unwrap()]);
    good(&at("back"), &["restore", backup.to_str().unwrap()]);
    let again = good(
        &at("back"),
        &["import", "events", at("events.csv").to_str().unwrap()],
    );
    assert_eq!(again["read"], 0, "positions came back too");
    let ids = |data: &Path| {
        let answer = good(data, &["recommend", "u1", "--limit", "20"]);
        let items = answer["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|item| item["product_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&at("back")), ids(&at("data")));

    assert_eq!(
        any(&at("back"), &["restore", backup.to_str().unwrap()])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        any(&at("data"), &["backup", backup.to_str().unwrap()])
            .status
            .code(),
        Some(2)
    );
    let victim = backup.join("data/address-key");
    std::fs::write(&victim, "0000000000000000\n").unwrap();
    let output = any(&at("third"), &["restore", backup.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!at("third").exists() && !at("third.restoring").exists());
}

#[test]
fn doctor_finds_nothing_wrong_here() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    std::fs::write(scratch.path().join("e.csv"), events(100)).unwrap();
    good(
        &data,
        &[
            "import",
            "events",
            scratch.path().join("e.csv").to_str().unwrap(),
        ],
    );
    let findings = good(&data, &["doctor"]);
    let findings = findings.as_array().unwrap();
    assert!(
        findings.iter().all(|one| one["level"] != "fail"),
        "{findings:?}"
    );
    let log = findings
        .iter()
        .find(|one| one["check"] == "event log")
        .unwrap();
    assert_eq!(log["level"], "ok");
}

#[test]
fn bans_and_offers_without_a_server() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let added = good(&data, &["ban", "add", "--brand", "Acme", "--reason", "r"]);
    assert_eq!(added["ban_id"], "brand:Acme");
    good(&data, &["ban", "add", "--pattern", "watch*replica"]);
    let listed = good(&data, &["ban", "list"]);
    let ids: Vec<&Value> = (0..2).map(|n| &listed["bans"][n]["ban_id"]).collect();
    assert_eq!(ids, ["brand:Acme", "pattern:watch*replica"]);
    let empty = any(&data, &["ban", "add", "--brand", ""]);
    assert_eq!(empty.status.code(), Some(1));
    let said = json(&empty)["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(said.contains("invalid_ban_text"), "{said}");

    let offers = scratch.path().join("offers.jsonl");
    let lines =
        "{\"product_id\":\"p1\",\"brand\":\"acme\"}\n{\"product_id\":\"p2\",\"brand\":\"beta\"}\n";
    std::fs::write(&offers, lines).unwrap();
    let offered = good(&data, &["product", "offer", offers.to_str().unwrap()]);
    assert_eq!(offered["accepted"], 2);
    assert_eq!(good(&data, &["product", "get", "p2"])["brand"], "beta");
    assert_eq!(any(&data, &["product", "get", "p1"]).status.code(), Some(1));
    let held = good(&data, &["filtered-events", "list"]);
    assert_eq!(held["filtered_events"][0]["ban_id"], "brand:Acme");
    good(&data, &["ban", "remove", "--brand", "Acme"]);
    good(&data, &["product", "offer", offers.to_str().unwrap()]);
    assert_eq!(good(&data, &["product", "get", "p1"])["brand"], "acme");
}

#[test]
fn dead_letters_are_shown_and_taken_in_again() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let file = scratch.path().join("events.jsonl");
    std::fs::write(&file, "{\"event_type\":\"like\",\"user_id\":\"u\"}\n{}\n").unwrap();
    good(&data, &["import", "events", file.to_str().unwrap()]);
    let shown = good(&data, &["dead-letters", "show", "0"]);
    assert_eq!(shown["code"], "unknown_event_type");
    assert_eq!(shown["text"], "{\"event_type\":\"like\",\"user_id\":\"u\"}");
    let told = good(&data, &["dead-letters", "replay", "0", "7"]);
    assert_eq!(told["replayed"], 0);
    assert_eq!(told["still_bad"][0]["number"], 0);
    assert_eq!(told["refused"][0]["code"], "not_found");
    let told = good(
        &data,
        &["dead-letters", "replay", "--code", "missing_field"],
    );
    assert_eq!(told["still_bad"].as_array().unwrap().len(), 1);
    let told = good(&data, &["dead-letters", "replay", "--all"]);
    assert_eq!(told["still_bad"].as_array().unwrap().len(), 4);
    let absent = any(&data, &["dead-letters", "show", "99"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(good(&data, &["late-events", "list"])["late_events"].is_array());
}

#[test]
fn hints_lead_back_to_the_same_data() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("my data");
    let products = scratch.path().join("products.jsonl");
    std::fs::write(&products, "{\"product_id\":\"p\"}\n").unwrap();
    good(&data, &["import", "products", products.to_str().unwrap()]);
    let directory = data.to_str().unwrap();
    let output = run(&["recommend", "u", "--data-dir", directory]);
    let text = String::from_utf8_lossy(&output.stdout);
    let want = format!(" --data-dir '{directory}'` says why");
    assert!(text.contains(&want), "{text}");
    let status = run(&["status", "--data-dir", directory]);
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(text.contains("user records"), "{text}");
    let help = run(&["demo", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(text.contains("of demo: vitrina-demo"), "{text}");
}
