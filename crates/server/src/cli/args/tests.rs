//! What parses and what does not.

use super::*;
use clap::CommandFactory;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn command_lines_that_must_parse() {
    for line in [
        "demo",
        "demo --speed 10 --listen 127.0.0.1:0",
        "demo --speed max --exit --json --data-dir d",
        "serve",
        "serve --role all --listen 0.0.0.0:80 --insecure --data-dir d --config c.toml --addr-file a",
        "--json serve --data-dir d",
        "import events f.csv.gz",
        "import products f.jsonl --format jsonl --json",
        "import events f --format online-retail",
        "recommend u1",
        "recommend u1 --placement home --category a.b --max-price 9.99 --limit 5",
        "ban add --product-id 1 --reason r",
        "ban add --sku s",
        "ban add --brand acme",
        "ban add --pattern watch*replica --reason r",
        "ban remove --product-id 1",
        "ban remove --pattern *x*",
        "ban list",
        "product get 1",
        "product put p.json",
        "product list --limit 3",
        "product offer p.jsonl",
        "recommend u1 --wait --category a.b",
        "recommend u1 --wait --timeout 500ms",
        "explain 01J",
        "status --json",
        "doctor",
        "backup d",
        "restore d --data-dir e",
        "config show",
        "dead-letters list --limit 3 --before 10",
        "dead-letters show 7",
        "dead-letters replay 7 9",
        "dead-letters replay --all",
        "dead-letters replay --code undecodable",
        "late-events list --limit 3 --before 10",
        "filtered-events list",
        "bench",
        "bench import answers",
        "openapi",
    ] {
        let words = std::iter::once("vitrina").chain(line.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn command_lines_that_must_not_parse() {
    for line in [
        "",
        "sell",
        "serve --role boss",
        "serve --listen nowhere",
        "import",
        "import events",
        "import events f --format parquet",
        "recommend",
        "recommend u --limit 0",
        "recommend u --limit 201",
        "recommend u --max-price free",
        "ban add",
        "ban add --product-id 1 --sku s",
        "ban add --brand b --pattern p",
        "recommend u --timeout 5s",
        "recommend u --wait --timeout soon",
        "recommend u --wait --max-price 3",
        "dead-letters replay",
        "dead-letters replay 7 --all",
        "dead-letters replay --all --code x",
        "dead-letters show seven",
        "demo --speed 0",
        "demo --speed fast",
        "demo --speed -1",
    ] {
        let words = std::iter::once("vitrina").chain(line.split(' ').filter(|w| !w.is_empty()));
        let code = Cli::try_parse_from(words)
            .err()
            .map(|error| error.exit_code());
        assert_eq!(code, Some(2), "{line}");
    }
}

#[test]
fn another_command_is_led_to_the_same_data() {
    let common = |data_dir: Option<&str>, url: Option<&str>| Global {
        data_dir: data_dir.map(PathBuf::from),
        url: url.map(str::to_owned),
        ..Global::default()
    };
    #[rustfmt::skip]
    let cases = [
        (common(None, None),                           ""),
        (common(Some("data"), None),                   " --data-dir data"),
        (common(Some("my data"), None),                " --data-dir 'my data'"),
        (common(Some("it's"), None),                   " --data-dir 'it'\\''s'"),
        (common(None, Some("http://127.0.0.1:8000")),  " --url http://127.0.0.1:8000"),
    ];
    for (common, want) in cases {
        assert_eq!(common.where_said(), want);
    }
}
