//! Pages as rendered from fixed values, compared with files. To accept a change, look at it, then
//! run with `UPDATE_GOLDEN=1` and read the diff.

use super::fake::Fake;
use super::{console, get};
use std::path::PathBuf;

/// What changes with the content of assets and with releases, made constant.
fn steady(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find("/console/assets/") {
        let after = at + "/console/assets/".len();
        out.push_str(&rest[..after]);
        rest = rest[after..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
        out.push_str("HASH");
    }
    out.push_str(rest);
    out.replace(concat!("v", env!("CARGO_PKG_VERSION")), "vVERSION")
}

async fn check(fake: Fake, name: &str, path: &str) {
    let (router, ticker, fake) = console(fake);
    for _ in 0..3 {
        ticker.tick();
        fake.pass(1);
    }
    let (_, _, html) = get(&router, path).await;
    let got = steady(&html);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/console/tests/golden")
        .join(format!("{name}.html"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &got).unwrap();
    }
    let want = std::fs::read_to_string(&file).unwrap_or_default();
    let line = got.lines().zip(want.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or_else(|| got.lines().count().min(want.lines().count()));
    let shown = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    assert!(
        got == want,
        "{name}.html differs in line {}:\n got {}\nwant {}",
        line + 1,
        shown(&got),
        shown(&want)
    );
}

macro_rules! golden {
    ($($test:ident: $fake:ident, $path:literal;)+) => {$(
        #[tokio::test]
        async fn $test() {
            check(Fake::$fake(), stringify!($test), $path).await;
        }
    )+};
}

golden! {
    overview: busy, "/";
    overview_empty: empty, "/";
    visitor: busy, "/console/visitor?id=541312140";
    visitor_none: busy, "/console/visitor?id=nobody";
    products: busy, "/console/products";
    products_empty: empty, "/console/products";
    slate: busy, "/console/slate/01JNABCDEFGHJKMNPQRSTVWX00";
    slate_gone: busy, "/console/slate/gone";
    slates: busy, "/console/slate";
    dead_letters: busy, "/console/dead-letters";
    dead_letters_empty: empty, "/console/dead-letters";
    stream: busy, "/console/stream";
    stream_empty: empty, "/console/stream";
    system: busy, "/console/system";
}
