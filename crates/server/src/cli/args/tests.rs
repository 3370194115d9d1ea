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
        "ban remove --product-id 1",
        "ban list",
        "product get 1",
        "product put p.json",
        "product list --limit 3",
        "explain 01J",
        "status --json",
        "doctor",
        "backup d",
        "restore d --data-dir e",
        "config show",
        "dead-letters list --limit 3 --before 10",
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
