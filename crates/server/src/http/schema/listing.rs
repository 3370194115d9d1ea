//! Pages of a list: `limit` and an opaque `cursor`.

use crate::http::extract::Params;
use crate::http::problem::Problem;
use utoipa::IntoParams;

/// Items of a page when nothing is said.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a page.
pub const LIMIT_MAX: usize = 1_000;
/// Longest cursor without its prefix: an id of 128 bytes and a kind before it.
const CURSOR_DIGITS_MAX: usize = 300;
/// What every cursor of this version begins with.
const PREFIX: &str = "c1";

/// Which page of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Items of a page.
    #[param(minimum = 1, maximum = 1000, default = 50, required = false)]
    pub limit: usize,
    /// `next_cursor` of the page before.
    #[param(nullable = false, value_type = Option<String>, rename = "cursor", pattern = "^c1([0-9a-f]{2}){0,150}$", example = "c131303034383536")]
    pub after: Option<String>,
}

impl Page {
    /// Reads `limit` and `cursor`.
    ///
    /// # Errors
    /// `400` naming the parameter at fault.
    pub fn read(mut params: Params) -> Result<Self, Problem> {
        let limit = params.number("limit", 1..=LIMIT_MAX)?;
        let cursor = params.text("cursor")?;
        params.end()?;
        Ok(Self {
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after: cursor.map(|cursor| read_cursor(&cursor)).transpose()?,
        })
    }

    /// The cursor behind `last_id`, when the page is full.
    pub fn next(&self, shown: usize, last_id: Option<&str>) -> Option<String> {
        let last_id = last_id.filter(|_| shown == self.limit)?;
        let digits = last_id.bytes().map(|byte| format!("{byte:02x}"));
        Some(digits.fold(String::from(PREFIX), |cursor, byte| cursor + &byte))
    }
}

fn read_cursor(text: &str) -> Result<String, Problem> {
    let detail = "cursor is the next_cursor of the page before";
    let bytes = text.strip_prefix(PREFIX).and_then(bytes_of);
    bytes
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .ok_or_else(|| Problem::bad_field("invalid_cursor", "cursor", detail))
}

/// The bytes written as pairs of lower-case hexadecimal digits.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits =
        hex.len() <= CURSOR_DIGITS_MAX && hex.len().is_multiple_of(2) && hex.bytes().all(digit);
    let pairs = hex.as_bytes().chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    fits.then(|| pairs.collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let page = Page {
            limit: 2,
            after: None,
        };
        let cursor = page.next(2, Some("товар")).unwrap();
        assert_eq!(read_cursor(&cursor).unwrap(), "товар");
        assert_eq!(page.next(1, Some("x")), None);
        for bad in [
            "",
            "%%",
            "x",
            "c1a",
            "c1é",
            "c1AA",
            &format!("c1{}", "a".repeat(302)),
        ] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
