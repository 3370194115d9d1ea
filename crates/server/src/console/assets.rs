//! Scripts, styles and pictures, inside the binary.
//!
//! A file's address holds a hash of its content, so browsers may keep it for ever; the same file
//! under an old or wrong hash is still served, but not to be kept. Debug builds read the files
//! from disk, so an edit shows after a reload.

use super::ConsoleApp;
use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};
use std::fmt::Write;

/// Everything below `assets/`.
#[derive(Embed)]
#[folder = "assets/"]
struct Assets;

/// Hexadecimal digits of the content hash in an address: 64 bits.
const HASH_DIGITS: usize = 16;

fn hash(file: &EmbeddedFile) -> String {
    let mut hash = hex(&file.metadata.sha256_hash());
    hash.truncate(HASH_DIGITS);
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The address of the asset at `path`. A path that is no asset leads nowhere; a test opens all.
pub fn url(path: &str) -> String {
    let hash = Assets::get(path).map_or_else(|| "0".to_owned(), |file| hash(&file));
    format!("/console/assets/{hash}/{path}")
}

pub(super) fn routes() -> Router<ConsoleApp> {
    Router::new().route("/console/assets/{hash}/{*path}", get(serve))
}

async fn serve(Path((asked, path)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&path) else {
        return (StatusCode::NOT_FOUND, "no such asset\n").into_response();
    };
    let hash = hash(&file);
    let etag = format!("\"{hash}\"");
    let keep = if asked == hash {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let fixed = [
        (ETAG, etag.as_str()),
        (CACHE_CONTROL, keep),
        (CONTENT_TYPE, media_type(&path)),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag || tag == "*")) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, file.data).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is vendored is what its README says, byte for byte, and nothing else.
    #[test]
    fn vendored_files_have_their_checksums() {
        let readme = Assets::get("vendor/README.md").unwrap();
        let readme = std::str::from_utf8(&readme.data).unwrap().to_owned();
        let vendored = Assets::iter().filter(|path| path.starts_with("vendor/"));
        let mut checked = 0;
        for path in vendored.filter(|path| path != "vendor/README.md") {
            let name = path.trim_start_matches("vendor/").to_owned();
            let sum = hex(&Assets::get(&path).unwrap().metadata.sha256_hash());
            let row = readme
                .lines()
                .find(|line| line.contains(&format!("`{name}`")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in vendor/README.md"));
            assert!(row.contains(&sum), "{name} has sha256 {sum}");
            checked += 1;
        }
        let listed = readme
            .lines()
            .filter(|line| line.starts_with("| `"))
            .count();
        assert_eq!(
            checked, listed,
            "vendor/README.md lists files that are not there"
        );
    }
}
